"""Lanes between junctions, connectors through them, and which connectors are in each other's way."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from geopt.simulate.city.paths import DIGITS, Path, joint, sampled
from geopt.simulate.city.plan import EAST, NORTH, Plan, beyond
from geopt.simulate.city.turns import Ends, Place, choose_turns
from geopt.simulate.randomness import Floats

SWEPT_HALF_M = 1.3
"""Half the width that vehicles sweep."""


@dataclasses.dataclass(frozen=True, eq=False)
class Lane(Path):
    """A directed lane along a street, or a connector from one lane to the next through a junction."""

    width_m: float
    speed_mps: float
    """Speed limit."""
    next: tuple[int, ...]
    """Rows of the lanes that begin where this one ends."""
    junction: int
    """Row of the junction that a connector crosses, -1 for a lane along a street."""
    conflicts: tuple[int, ...]
    """Rows of the connectors from other lanes whose swept area overlaps this connector's."""
    turn: str
    """straight, left or right for a connector, else empty."""


class Junction(NamedTuple):
    """Where streets meet."""

    centre: Floats
    """(2,)."""
    lanes: tuple[int, ...]
    """Rows of the connectors."""
    crossings: tuple[int, ...]
    """Rows of the crosswalks on its arms."""


def build_lanes(plan: Plan) -> list[Lane]:
    """All lanes: those along streets, then the connectors, junction by junction in the order of ``plan.nodes``."""
    lanes: list[Lane] = []
    ends: dict[tuple[Place, int], Ends] = {}
    for place, node in plan.nodes.items():
        for arm in set(node.roads) & {EAST, NORTH}:
            _lay_road(plan, place, arm, lanes, ends)
    for row, joints in enumerate(choose_turns(plan, ends, len(lanes)).values()):
        first = len(lanes)
        for (before, after), turn in joints.items():
            lanes.append(_connector(lanes[before], lanes[after], row, after, turn))
            lanes[before] = dataclasses.replace(lanes[before], next=(*lanes[before].next, len(lanes) - 1))
        origins = [before for before, _ in joints]
        for connector, others in zip(range(first, len(lanes)), _overlaps(lanes[first:], origins)):
            lanes[connector] = dataclasses.replace(lanes[connector], conflicts=tuple(first + k for k in others))
    return lanes


def _lay_road(plan: Plan, place: Place, arm: int, lanes: list[Lane], ends: dict[tuple[Place, int], Ends]) -> None:
    """Lanes of both directions between a node and the next one to the east or north."""
    street, other = plan.street(place, arm), beyond(place, arm)
    start = plan.leave(place, arm, plan.nodes[place].stop_m[arm])
    end = plan.leave(other, arm + 2, plan.nodes[other].stop_m[arm + 2])
    here, there = ends.setdefault((place, arm), Ends([], [])), ends.setdefault((other, arm + 2), Ends([], []))
    for lane in range(street.lanes):
        d = street.median_m + (lane + 0.5) * street.lane_m
        for sign, leaving, arriving in ((1, here, there), (-1, there, here)):
            leaving.leaving.append(len(lanes))
            arriving.arriving.append(len(lanes))
            first, last = (start, end) if sign > 0 else (end, start)

            def curve(
                u: Floats, d: float = -sign * d, turn: float = np.pi if sign < 0 else 0.0
            ) -> tuple[Floats, Floats]:
                return street.point(u, d), street.heading(u) + turn

            line, headings = sampled(curve, first, last)
            lanes.append(Lane(line, headings, street.lane_m, round(street.speed_mps, 3), (), -1, (), ""))


def _connector(before: Lane, after: Lane, junction: int, after_row: int, turn: str) -> Lane:
    line, headings = joint(before.line[-1], before.headings[-1], after.line[0], after.headings[0])
    line[0], line[-1] = before.line[-1], after.line[0]
    speed = {"straight": before.speed_mps, "left": 6.5, "right": 5.0}[turn]
    width = min(before.width_m, after.width_m)
    return Lane(line, np.round(headings, DIGITS), width, speed, (after_row,), junction, (), turn)


def _overlaps(connectors: list[Lane], origins: list[int]) -> list[list[int]]:
    """For each connector the others, from other lanes, that come closer than two vehicles may."""
    fine = [c.point(np.linspace(0.0, c.length_m, int(2 * c.length_m) + 2)) for c in connectors]
    found: list[list[int]] = [[] for _ in connectors]
    for a in range(len(fine)):
        for b in range(a):
            if origins[a] == origins[b]:
                continue
            gap = fine[a][:, None, :] - fine[b][None, :, :]
            if (gap[..., 0] ** 2 + gap[..., 1] ** 2).min() < (2 * SWEPT_HALF_M) ** 2:
                found[a].append(b)
                found[b].append(a)
    return [sorted(others) for others in found]
