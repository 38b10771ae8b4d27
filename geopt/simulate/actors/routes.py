"""Where drivers begin and where they go: most of them stay around the ego."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from geopt.simulate.actors.bodies import Body
from geopt.simulate.actors.network import Network
from geopt.simulate.randomness import Floats

LIVELY_M = (70.0, 200.0)
"""Part of its way on which the ego is during the first seconds of the scene, about."""
FAR_M = 70.0
"""Lanes farther from the ego are chosen e times less often for each of these."""


def weighted(rng: np.random.Generator, weights: Sequence[float]) -> int:
    """A row, drawn by weight."""
    total = np.cumsum(np.asarray(weights, dtype=np.float64))
    return min(int(np.searchsorted(total, rng.uniform() * total[-1], side="right")), len(weights) - 1)


def ego_route(network: Network, rng: np.random.Generator, num_lanes: int, wide: frozenset[int]) -> list[int]:
    """Lanes of the ego: from a road near the middle on, turning this way and that, and never far away.

    Lanes that are ``wide`` are chosen more often: long vehicles can come along.
    """
    near = np.exp(-np.hypot(*network.middle.T) / 60.0)
    fit = [row for row in network.roads if row in wide] or network.roads
    route = [fit[weighted(rng, [near[row] for row in fit])]]
    seen = {route[0]}
    while len(route) < num_lanes:
        options = network.next[route[-1]]
        weights = []
        for row in options:
            target = network.next[row][0] if network.junction[row] >= 0 else row
            fresh = (1.0 if target not in seen else 0.3) * (3.0 if row in wide else 1.0)
            weights.append(fresh * math.exp(-math.hypot(*network.middle[target]) / 60.0))
        route.append(options[weighted(rng, weights)])
        seen.add(route[-1])
    return route


def before(network: Network, lane: int, wide: frozenset[int]) -> tuple[int, int]:
    """A road and a connector that lead to a road, for long vehicles if there are such."""
    options = [(road, after) for after, road in network.entry.items() if network.next[after][0] == lane]
    return max(options, key=lambda pair: (pair[0] in wide and pair[1] in wide, network.length_m[pair[0]]))


def liveliest(network: Network, drafts: list[list[int]], sights: Floats) -> list[int]:
    """The way that comes by most ``sights`` (x, y and weight in rows) where the ego is when the scene begins, about."""
    scores = []
    for draft in drafts:
        ends = np.cumsum([network.length_m[row] for row in draft])
        at = np.arange(*LIVELY_M, 6.0)
        slots = np.searchsorted(ends, at, side="right")
        begins = ends - np.array([network.length_m[row] for row in draft])
        places = network.lines.point(np.array(draft)[slots], at - begins[slots])
        away = np.sqrt(((sights[:, None, :2] - places[None]) ** 2).sum(axis=2)).min(axis=1, initial=1e9)
        scores.append(float((sights[:, 2] * np.exp(-((away / 30.0) ** 2))).sum()))
    return drafts[int(np.argmax(scores))]


def next_lane(
    network: Network,
    rng: np.random.Generator,
    options: Iterable[int],
    is_open: frozenset[int],
    focus: Floats,
    crowd: Sequence[Sequence[object]],
) -> int:
    """One of the lanes that follow, rather one towards ``focus`` (2,) where few others are; -1 if none is open."""
    open_lanes = [row for row in options if row in is_open]
    if not open_lanes:
        return -1
    weights = []
    for row in open_lanes:
        target = network.next[row][0] if network.junction[row] >= 0 else row
        away = math.hypot(network.middle[target, 0] - focus[0], network.middle[target, 1] - focus[1])
        weights.append(math.exp(-max(away - 90.0, 0.0) / FAR_M) / (1.0 + len(crowd[target])) ** 2)
    return open_lanes[weighted(rng, weights)]


class Start(NamedTuple):
    """Where a vehicle begins."""

    lane: int
    middle_m: float


class Starts:
    """Free places on the lanes, handed out from the front of each lane to its end."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._free = {row: network.length_m[row] - 3.0 for row in network.roads}

    def take(self, lane: int, body: Body, gap_m: float, keep_m: float = 0.5) -> Start | None:
        """The next place on a lane, ``gap_m`` behind the last; None if there would be less than ``keep_m`` left."""
        nose = self._free[lane] - gap_m
        if nose - body.total_m < keep_m:
            return None
        self._free[lane] = nose - body.total_m
        return Start(lane, nose - body.nose_m)
