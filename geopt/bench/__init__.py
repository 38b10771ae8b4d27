"""The ops beside the packages that people use in their place, timed on this machine."""

from geopt.bench.goals import GOALS, Goal
from geopt.bench.measure import Case, Timing

__all__ = ["GOALS", "Case", "Goal", "Timing"]
