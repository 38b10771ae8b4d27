"""What a folder of LiDAR scans is, and what is wrong with it."""

from geopt.inspection.checks import CHECKS, Check
from geopt.inspection.facts import Facts
from geopt.inspection.findings import Finding
from geopt.inspection.inspect import inspect
from geopt.inspection.report import Report

__all__ = ["CHECKS", "Check", "Facts", "Finding", "Report", "inspect"]
