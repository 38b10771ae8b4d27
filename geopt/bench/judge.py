"""From timings to ratios, and whether they reach the goals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from geopt.bench.goals import GOALS, Goal
from geopt.bench.measure import OURS, Timing


class Ratio(NamedTuple):
    """How a goal is met on one input."""

    goal: Goal
    input: str
    who: str
    ours_ms: float
    peer_ms: float

    @property
    def ratio(self) -> float:
        """How many times as long as geopt the peer took."""
        return self.peer_ms / self.ours_ms


def verdict(goal: Goal, ratio: float) -> str:
    """Whether a ratio holds a goal; nothing where there is none."""
    if goal.must is None or goal.reach is None:
        return ""
    return "reached" if ratio >= goal.reach else "held" if ratio >= goal.must else "missed"


def ratios(timings: Sequence[Timing]) -> list[Ratio]:
    """A row for each goal and input where both were timed, by the medians of the wall clock, against the fastest case of
    the peer."""
    found = []
    for goal in GOALS:
        of_op = [timing for timing in timings if timing.case.op == goal.op]
        for name in dict.fromkeys(timing.case.input for timing in of_op):
            here = [timing for timing in of_op if timing.case.input == name]
            ours = [timing for timing in here if timing.case.who == OURS]
            peers = [timing for timing in here if timing.case.who.startswith(goal.peer)]
            if ours and peers:
                best = min(peers, key=lambda timing: timing.median_ms)
                found.append(Ratio(goal, name, best.case.who, ours[0].median_ms, best.median_ms))
    return found


def speedups(one: Sequence[Timing], many: Sequence[Timing]) -> list[tuple[str, str, float]]:
    """Op, input, and how many times as fast geopt is with the threads of ``many`` as with those of ``one``."""
    slow = {timing.case[:3]: timing.median_ms for timing in one if timing.case.who == OURS}
    return [
        (timing.case.op, timing.case.input, slow[timing.case[:3]] / timing.median_ms)
        for timing in many
        if timing.case[:3] in slow
    ]
