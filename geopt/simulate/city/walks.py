"""Sidewalks around the blocks, and crosswalks from one to another."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from geopt.simulate.city.lanes import SWEPT_HALF_M, Lane
from geopt.simulate.city.paths import Path, joint, path_of
from geopt.simulate.city.plan import CROSSWALK_HALF_M, WEST, Plan, Street, beyond
from geopt.simulate.city.turns import Place
from geopt.simulate.randomness import Floats

WALKER_HALF_M = 0.4
STUB_WALK_M = 22.0
"""How far walks follow a street that leaves the city, from the crosswalk on."""

Side = tuple[Place, int, int]
"""A side of the street at an arm of a node: 1 is left and -1 right, seen from the node."""


@dataclasses.dataclass(frozen=True, eq=False)
class Walk(Path):
    """A closed walk on the sidewalks around a block. Outside the outermost streets it leads there and back."""

    width_m: float
    """Half the width that walkers may use, to either side of the line."""


@dataclasses.dataclass(frozen=True, eq=False)
class Crossing(Path):
    """A crosswalk over one arm of a junction, from a point of one walk to a point of another."""

    width_m: float
    """Half the width that walkers may use, to either side of the line."""
    walks: tuple[int, int]
    """Rows of the walks at both ends."""
    places_m: tuple[float, float]
    """Where the crosswalk meets those walks, metres from their beginnings."""
    junction: int
    """Row of the junction."""
    conflicts: tuple[int, ...]
    """Rows of the connectors that cut it."""


class Run(NamedTuple):
    """One street's left side, walked from the node at its beginning to that at its end; None is the end of a stub."""

    street: Street
    sign: int
    """1 if u grows along the walk."""
    start: Place | None
    end: Place | None
    stub_u: tuple[float, float]
    """u where the walk begins or ends on a stub."""


def build_walks(plan: Plan) -> tuple[list[Walk], dict[Side, int]]:
    """All walks, and the walk of each side of a street."""
    walks: list[Walk] = []
    owner: dict[Side, int] = {}
    for darts, is_closed in _chains(plan):
        for place, arm, is_inward in darts:
            owner[place, arm, -1 if is_inward else 1] = len(walks)
            if arm in plan.nodes[place].roads:
                owner[beyond(place, arm), (arm + 2) % 4, -1] = len(walks)
        runs = _runs(plan, darts, is_closed)
        narrow = min(run.street.walk_m for run in runs)
        if is_closed:
            line = _line(plan, runs, True, 0.0)
            half = narrow / 2 - 0.2
        else:
            there, back = (_line(plan, runs, False, side * narrow / 4) for side in (-1, 1))
            line, half = np.concatenate([there, back[::-1]]), narrow / 4 - 0.12
        closed = path_of(np.concatenate([line, line[:1]]))
        walks.append(Walk(closed.line, closed.headings, round(half, 3)))
    return walks, owner


Dart = tuple[Place, int, bool]
"""Node, arm, and whether one walks towards the node (which happens on stubs only)."""


def _chains(plan: Plan) -> list[tuple[list[Dart], bool]]:
    """Street sides in the order in which one walks with the block on the left, and whether they close."""
    chains: list[tuple[list[Dart], bool]] = []
    left_over = {(place, arm) for place, node in plan.nodes.items() for arm in node.arms}
    stubs = [(place, arm) for place, node in plan.nodes.items() for arm in node.stubs]
    for place, arm in stubs:
        darts, node, entered = [(place, arm, True)], place, arm
        while len(darts) == 1 or darts[-1][1] not in plan.nodes[darts[-1][0]].stubs:
            darts.append((node, _leftmost(plan, node, entered), False))
            node, entered = beyond(node, darts[-1][1]), (darts[-1][1] + 2) % 4
        left_over -= {(node, arm) for node, arm, _ in darts[1:]}
        chains.append((darts, False))
    for place, arm in sorted(left_over):
        darts = []
        node, out = place, arm
        while (node, out) in left_over:
            left_over.remove((node, out))
            darts.append((node, out, False))
            node, entered = beyond(node, out), (out + 2) % 4
            out = _leftmost(plan, node, entered)
        if darts:
            chains.append((darts, True))
    return chains


def _leftmost(plan: Plan, node: Place, entered: int) -> int:
    """The arm to leave by when the block is to stay on the left: left, else straight on."""
    arms = plan.nodes[node].arms
    left = (entered - 1) % 4
    return left if left in arms else (entered + 2) % 4


def _runs(plan: Plan, darts: list[Dart], is_closed: bool) -> list[Run]:
    """Join the sides that follow each other along one street."""
    if is_closed:
        turns = [k for k in range(len(darts)) if darts[k][1] != darts[k - 1][1]]
        darts = darts[turns[0] :] + darts[: turns[0]]
    runs: list[Run] = []
    heading = -1
    for place, arm, is_inward in darts:
        ahead = (arm + 2) % 4 if is_inward else arm
        is_stub = arm in plan.nodes[place].stubs
        far = plan.leave(place, arm, plan.nodes[place].cross_m[arm] + STUB_WALK_M) if is_stub else 0.0
        start, end = (None, place) if is_inward else (place, None if is_stub else beyond(place, arm))
        if ahead == heading:
            runs[-1] = runs[-1]._replace(end=end, stub_u=(runs[-1].stub_u[0], far))
        else:
            stub_u = (far, 0.0) if is_inward else (0.0, far)
            runs.append(Run(plan.street(place, arm), 1 if ahead < WEST else -1, start, end, stub_u))
        heading = ahead
    return runs


def _line(plan: Plan, runs: list[Run], is_closed: bool, aside_m: float) -> Floats:
    """The middle of the sidewalk along some runs, moved ``aside_m`` towards the block, with rounded corners."""
    starts = [run.stub_u[0] for run in runs]
    ends = [run.stub_u[1] for run in runs]
    for k in range(len(runs)):
        if k == 0 and not is_closed:
            continue
        before, after, node = runs[k - 1], runs[k], runs[k].start
        assert node is not None
        us = corner(plan, node, before, after, [r.street.walk_d_m + aside_m for r in (before, after)])
        turn = _heading(after, us[1]) - _heading(before, us[0])
        turn = (turn + np.pi) % (2 * np.pi) - np.pi
        cut_m = (plan.walk_radius_m(node) - aside_m) * np.tan(turn / 2)
        ends[k - 1] = us[0] - before.sign * cut_m / float(before.street.stretch(us[0]))
        starts[k] = us[1] + after.sign * cut_m / float(after.street.stretch(us[1]))
    pieces: list[Floats] = []
    for k, run in enumerate(runs):
        if pieces or is_closed:
            last = runs[k - 1]
            here = [_point(r, u, aside_m) for r, u in ((last, ends[k - 1]), (run, starts[k]))]
            pieces.append(joint(here[0], _heading(last, ends[k - 1]), here[1], _heading(run, starts[k]))[0])
        u = np.linspace(starts[k], ends[k], max(2, int(abs(ends[k] - starts[k])) + 1))
        pieces.append(_point(run, u, aside_m))
    return np.concatenate(pieces)


def _point(run: Run, u: Floats | float, aside_m: float) -> Floats:
    return run.street.point(u, run.sign * (run.street.walk_d_m + aside_m))


def _heading(run: Run, u: float) -> float:
    return float(run.street.heading(u)) + (np.pi if run.sign < 0 else 0.0)


def corner(plan: Plan, node: Place, before: Run, after: Run, offsets_m: list[float]) -> tuple[float, float]:
    """u on two streets where lines beside them, as far away as told, meet to the left of a walk around a corner."""
    at = [plan.nodes[node].u[int(run.street.is_north)] for run in (before, after)]
    for _ in range(20):  # Newton: intersect the tangents
        points = [run.street.point(u, run.sign * d) for run, u, d in zip((before, after), at, offsets_m)]
        yaws = [float(run.street.heading(u)) for run, u in zip((before, after), at)]
        (ax, ay), (bx, by) = [(np.cos(yaw), np.sin(yaw)) for yaw in yaws]
        gap = points[1] - points[0]
        cross = ax * by - ay * bx
        steps = (gap[0] * by - gap[1] * bx) / cross, (gap[0] * ay - gap[1] * ax) / cross
        at = [u + step / float(run.street.stretch(u)) for run, u, step in zip((before, after), at, steps)]
    return at[0], at[1]


def build_crossings(plan: Plan, walks: list[Walk], owner: dict[Side, int], lanes: list[Lane]) -> list[Crossing]:
    """A crosswalk on every arm of every junction, arm by arm in the order of ``plan.nodes``."""
    crossings = []
    for row, (place, node) in enumerate(plan.nodes.items()):
        connectors = [k for k, lane in enumerate(lanes) if lane.junction == row]
        for arm in node.arms:
            street, u = plan.street(place, arm), plan.leave(place, arm, node.cross_m[arm])
            sign = 1 if arm < WEST else -1
            ends = owner[place, arm, 1], owner[place, arm, -1]
            spots, places = [], []
            for walk, side in zip(ends, (1, -1)):
                kerb = street.point(u, side * sign * (street.half_m + street.strip_m))
                gap = walks[walk].line - kerb
                nearest = int((gap[:, 0] ** 2 + gap[:, 1] ** 2).argmin())
                spots.append(walks[walk].line[nearest])
                places.append(float(walks[walk].stations[nearest]))
            path = path_of(np.stack(spots))
            cut = tuple(k for k in connectors if _gap_m(lanes[k], path) < SWEPT_HALF_M + WALKER_HALF_M)
            half = CROSSWALK_HALF_M - WALKER_HALF_M
            crossings.append(Crossing(path.line, path.headings, half, ends, (places[0], places[1]), row, cut))
    return crossings


def _gap_m(first: Path, second: Path) -> float:
    """Distance between the points of two paths."""
    gap = first.line[:, None, :] - second.line[None, :, :]
    return float(np.sqrt((gap[..., 0] ** 2 + gap[..., 1] ** 2).min()))
