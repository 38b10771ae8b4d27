"""What ``geopt bench`` shows, as tables for the screen and for Markdown, and as JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from geopt.bench.judge import Ratio, ratios, speedups, verdict
from geopt.bench.measure import Timing
from geopt.bench.run import Run

RATIOS = "Times as long as geopt, by medians of the wall clock"


class Table(NamedTuple):
    """Rows of text under a title and a header."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """Its title as a heading, and lines with bars."""
        lines = [self.header, ["---"] * len(self.header), *self.rows]
        return f"## {self.title}\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines)


def tables(runs: Sequence[Run]) -> list[Table]:
    """All that is shown of runs with different numbers of threads, the summary last. None is empty."""
    shown = [*map(_times, runs), _gains(runs), _by_input(runs), _summary(runs)]
    return [table for table in shown if table.rows]


def markdown(runs: Sequence[Run]) -> str:
    """All tables, the summary first, below what was timed where."""
    lines = [line for run in runs for line in told(run)]
    return "\n\n".join(["# geopt bench", *lines, *(table.markdown() for table in reversed(tables(runs)))]) + "\n"


def told(run: Run) -> list[str]:
    """Machine and versions, and what was left out, in a line each."""
    facts = ", ".join(f"{name} {fact}" for name, fact in run.facts.items())
    return [f"{_threads(run)}: {facts}", *(f"left out: {remedy}" for remedy in run.missing.values())]


def as_json(runs: Sequence[Run]) -> dict[str, Any]:
    """All that the tables show, and every single timing."""
    return {
        "runs": [
            {
                "threads": run.threads,
                "facts": run.facts,
                "missing": run.missing,
                "timings": [_timing(timing) for timing in run.timings],
                "ratios": [_ratio(found) for found in ratios(run.timings)],
            }
            for run in runs
        ],
        "gains": [
            {"op": op, "input": name, "threads": [runs[0].threads, runs[-1].threads], "times_as_fast": gain}
            for op, name, gain in _speedups(runs)
        ],
    }


def _timing(timing: Timing) -> dict[str, Any]:
    numbers = {"median_ms": timing.median_ms, "wall_ms": timing.wall_ms, "cpu_ms": timing.cpu_ms}
    return timing.case.named() | numbers


def _ratio(found: Ratio) -> dict[str, Any]:
    goal = found.goal
    judged = {"goal": goal.must, "reach_for": goal.reach, "verdict": verdict(goal, found.ratio)}
    return {"op": goal.op, "input": found.input, "peer": found.who, "times_geopt": found.ratio} | judged


def _times(run: Run) -> Table:
    rows = []
    for timing in run.timings:
        case, wall, cpu = timing
        spread, per_item = f"{min(wall):.2f} to {max(wall):.2f}", 1e6 * min(cpu) / max(case.num_items, 1)
        numbers = f"{timing.median_ms:.2f}", spread, f"{min(cpu):.2f}", f"{per_item:.1f}"
        rows.append((case.op, case.input, case.who, *numbers))
    header = "op", "input", "who", "median ms", "spread ms", "CPU ms", "CPU ns an item"
    return Table(f"Times with {_threads(run)}", header, rows)


def _gains(runs: Sequence[Run]) -> Table:
    rows = [(op, name, f"{gain:.2f}") for op, name, gain in _speedups(runs)]
    return Table(f"geopt with {_threads(runs[-1])} against {runs[0].threads}", ("op", "input", "times as fast"), rows)


def _speedups(runs: Sequence[Run]) -> list[tuple[str, str, float]]:
    return speedups(runs[0].timings, runs[-1].timings) if len(runs) > 1 else []


def _by_input(runs: Sequence[Run]) -> Table:
    """Of several cases of a peer the fastest is shown, which may be another one with more threads."""
    rows = []
    for (goal, name), by_run in _grouped(runs, lambda ratio: (ratio.goal, ratio.input)).items():
        peers = dict.fromkeys(ratio.who for of_run in by_run for ratio in of_run)
        rows.append((goal.op, name, " or ".join(peers), *_judged(by_run)))
    return Table(f"{RATIOS}: by input", ("op", "input", "peer", *_columns(runs)), rows)


def _summary(runs: Sequence[Run]) -> Table:
    rows = [(goal.op, goal.peer, *_judged(by_run)) for goal, by_run in _grouped(runs, lambda ratio: ratio.goal).items()]
    return Table(f"{RATIOS}: lowest and highest of the inputs", ("op", "peer", *_columns(runs)), rows)


def _grouped(runs: Sequence[Run], key: Callable[[Ratio], Any]) -> dict[Any, list[list[Ratio]]]:
    """Ratios with the same key, run by run."""
    found: dict[Any, list[list[Ratio]]] = {}
    for number, run in enumerate(runs):
        for ratio in ratios(run.timings):
            found.setdefault(key(ratio), [[] for _ in runs])[number].append(ratio)
    return found


def _columns(runs: Sequence[Run]) -> list[str]:
    return [*map(_threads, runs), "goal", "reach for", ""]


def _judged(by_run: Sequence[Sequence[Ratio]]) -> list[str]:
    """What :func:`_columns` names, of ratios of one goal."""
    values = [[ratio.ratio for ratio in of_run] for of_run in by_run]
    goal = by_run[0][0].goal
    bounds = ["none" if bound is None else f"{bound:g}" for bound in (goal.must, goal.reach)]
    return [*map(_range, values), *bounds, verdict(goal, min(map(min, values)))]


def _range(values: Sequence[float]) -> str:
    low, high = _rounded_down(min(values)), _rounded_down(max(values))
    return low if low == high else f"{low} to {high}"


def _rounded_down(value: float) -> str:
    """Down, so that nothing that misses a goal looks as if it held it."""
    digits = 2 if value < 10 else 1
    return f"{math.floor(value * 10**digits) / 10**digits:.{digits}f}"


def _threads(run: Run) -> str:
    return f"{run.threads} thread" + "s" * (run.threads > 1)
