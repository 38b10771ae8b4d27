"""One way to time an op and its peers: in turn, on rotated copies of the input."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, NamedTuple, TypeVar

from torch import Tensor, stack

from geopt.optional import require

OURS = "geopt"
T = TypeVar("T")


class Case(NamedTuple):
    """Something to time on an input."""

    op: str
    """Such as ``knn k=16``: what is done, the same for all who do it."""
    input: str
    """Such as ``street, 34,880 points``."""
    who: str
    """``geopt``, or the peer and how it is asked."""
    num_items: int
    """Points or pairs, to divide by."""
    copies: Sequence[Any]
    """Of the input, in whatever form ``run`` takes."""
    run: Callable[[Any], object]

    def named(self) -> dict[str, Any]:
        """What can be told of it."""
        return {name: getattr(self, name) for name in ("op", "input", "who", "num_items")}


class Timing(NamedTuple):
    """How long a case took. R repeats."""

    case: Case
    wall_ms: list[float]
    """(R,)"""
    cpu_ms: list[float]
    """(R,) of the process, all threads: what else the machine does hardly adds to it."""

    @property
    def median_ms(self) -> float:
        """Of the wall clock."""
        return statistics.median(self.wall_ms)


class Peers:
    """Packages to measure against; those that are missing are noted once.

    Args:
        wanted: False for none at all.
    """

    def __init__(self, wanted: bool = True) -> None:
        self.wanted = wanted
        self.missing: dict[str, str] = {}

    def find(self, module: str) -> ModuleType | None:
        """A package, or None where it is not installed."""
        return self.load(module.split(".")[0], lambda: require(module, "bench"))

    def load(self, name: str, how: Callable[[], T]) -> T | None:
        """What ``how`` returns, or None where it raises ImportError."""
        if not self.wanted:
            return None
        try:
            return how()
        except ImportError as error:
            self.missing.setdefault(name, str(error))
            return None


def turned(xyz: Tensor) -> list[Tensor]:
    """A cloud and three quarter turns of it about z: the same distances to the last bit, other memory."""
    x, y, z = xyz.unbind(1)
    return [stack(columns, dim=1) for columns in ((x, y, z), (-y, x, z), (-x, -y, z), (y, -x, z))]


def compare(cases: Sequence[Case], repeats: int, done: Callable[[Case], None] = lambda _: None) -> list[Timing]:
    """Time all cases, those of one op and input in turn, so that what else the machine does hits all of them, and each
    time on the next copy of the input, so that none finds it warm in the cache. One run of each does not count.

    Args:
        cases: In any order.
        repeats: Runs of each that count, at least 1.
        done: Called with a case when it has been timed.
    """
    timings = [Timing(case, [], []) for case in cases]
    groups: dict[tuple[str, str], list[Timing]] = {}
    for timing in timings:
        groups.setdefault((timing.case.op, timing.case.input), []).append(timing)
    for group in groups.values():
        for turn in range(-1, repeats):
            for case, wall, cpu in group:
                argument = case.copies[turn % len(case.copies)]
                begin, begin_cpu = time.perf_counter(), time.process_time()
                case.run(argument)
                if turn >= 0:
                    cpu.append(1e3 * (time.process_time() - begin_cpu))
                    wall.append(1e3 * (time.perf_counter() - begin))
        for timing in group:
            done(timing.case)
    return timings
