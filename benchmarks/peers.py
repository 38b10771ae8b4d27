"""What the ops are measured against, and one way to measure both.

Each ``bm_<op>.py`` has ``cases(threads, clouds)`` (or ``cases(threads)`` where it makes its own boxes), a list of
:class:`Case`: for each input ours first, then whichever peers are installed. ``compare`` runs the cases of an input in
turn, so that what else the machine does hits all of them, and each time on the next of several copies of the input, so
that none finds it warm in the cache.
"""

from __future__ import annotations

import datetime
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, NamedTuple

import torch
from timing import processor
from torch import Tensor

from geopt import ops
from geopt.optional import require


class Case(NamedTuple):
    op: str  # "knn"
    input: str  # "nuScenes sweep"
    what: str  # "geopt k=16", or the peer and what it gives
    num_items: int  # points or pairs, to divide by
    copies: Sequence[Any]  # of the input, in whatever form `run` takes
    run: Callable[[Any], object]


class Timing(NamedTuple):
    case: Case
    wall_ms: list[float]
    cpu_ms: list[float]  # of the process, all threads: what else runs does not add to it

    @property
    def cpu_ns(self) -> float:
        """Least CPU time for one of ``num_items``."""
        return 1e6 * min(self.cpu_ms) / max(self.case.num_items, 1)


_missing: set[str] = set()


def peer(module: str) -> ModuleType | None:
    """A package to measure against, or None with a note, once, that it is not installed."""
    try:
        return require(module, "bench")
    except ImportError as error:
        if module not in _missing:
            _missing.add(module)
            print(f"- left out: {error}")
        return None


def turned(xyz: Tensor) -> list[Tensor]:
    """A cloud and three quarter turns of it about z: the same distances to the last bit, other memory."""
    x, y, z = xyz.unbind(1)
    return [torch.stack(columns, dim=1) for columns in ((x, y, z), (-y, x, z), (-x, -y, z), (y, -x, z))]


def compare(cases: Sequence[Case], repeats: int) -> list[Timing]:
    """Time all cases, those of one (op, input) in turn, after one run of each that does not count."""
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
    return timings


def report(timings: Sequence[Timing], threads: int, unit: str = "point") -> None:
    """Print a table: how long each took, and how many times as long as the first of its input."""
    print(f"{datetime.date.today()}, {processor()}, {threads} thread(s), load {os.getloadavg()[0]:.1f};")
    print(f"Python {platform.python_version()}, torch {torch.__version__}, SIMD {ops.build_info()['simd']};")
    print(f"median wall time of {len(timings[0].wall_ms)} runs and its spread, least CPU time, ratio of CPU times.\n")
    print(
        f"| op | input | {unit}s | what | ms | spread | CPU ms | CPU ns a {unit} | times geopt |\n" + "|---" * 9 + "|"
    )
    first: dict[tuple[str, str], float] = {}
    for timing in timings:
        case, wall = timing.case, timing.wall_ms
        ratio = timing.cpu_ns / first.setdefault((case.op, case.input), timing.cpu_ns)
        print(
            f"| {case.op} | {case.input} | {case.num_items:,} | {case.what} | {statistics.median(wall):.2f} "
            f"| {min(wall):.2f}-{max(wall):.2f} | {min(timing.cpu_ms):.2f} | {timing.cpu_ns:.1f} | {ratio:.2f} |",
            flush=True,
        )
    print()
