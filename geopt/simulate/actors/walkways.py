"""Where people walk: sidewalks and crosswalks, and the ground that is reserved to cross a street."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from geopt.simulate.actors.junctions import Ground
from geopt.simulate.actors.lines import Lines
from geopt.simulate.classes import ROAD
from geopt.simulate.randomness import Floats

if TYPE_CHECKING:
    from geopt.simulate.city import City

BODY_HALF_M = 0.3
"""A walk may be used up to its edges: half a person less for the middle of one."""
ONE_WAY_M = 0.62
"""On walks whose half width is less, everybody goes the same way round."""


@dataclasses.dataclass
class Walkers:
    """The state of all walkers, one row each."""

    path: np.ndarray
    """(N,) row of the walk, or of the crossing for those on one."""
    on_crossing: np.ndarray
    """(N,) bool."""
    s: Floats
    d: Floats
    """To the left of the path."""
    direction: Floats
    """(N,) 1 or -1: along or against the path."""
    speed: Floats
    yaw: Floats
    wish_d: Floats
    """(N,) where on the path each likes to walk, seen in its own direction."""
    lag_m: Floats
    """(N,) behind the leader of the group."""


class Walkways:
    """Walks and crossings as walkers use them."""

    def __init__(self, city: City, grounds: list[Ground]) -> None:
        self.walks = Lines([walk.line for walk in city.walks], is_closed=True)
        self.crossings = Lines([crossing.line for crossing in city.crossings], extend_m=6.0)
        self.width_m = np.array([walk.width_m for walk in city.walks])
        self.limit = np.maximum(self.width_m - BODY_HALF_M, 0.03)
        self.cross_limit = np.array([crossing.width_m for crossing in city.crossings])
        self.junction = [int(crossing.junction) for crossing in city.crossings]
        self.walk_of = [tuple(crossing.walks) for crossing in city.crossings]
        self.place_of = [tuple(crossing.places_m) for crossing in city.crossings]
        self.ends: list[list[tuple[float, int, int]]] = [[] for _ in city.walks]
        """(place, crossing, end) on each walk."""
        for row in range(len(city.crossings)):
            for end in (0, 1):
                self.ends[self.walk_of[row][end]].append((self.place_of[row][end], row, end))
        self._grounds, self._city = grounds, city
        self.side = [(self._side(row, 0), self._side(row, 1)) for row in range(len(city.crossings))]
        """Of the walk at either end of each crossing: 1 if the crossing lies to the left of the walk's direction, else -1."""
        self._sweeps: dict[int, tuple[float, float, tuple[int, ...], tuple[int, ...]]] = {}

    def sweep(self, row: int) -> tuple[float, float, tuple[int, ...], tuple[int, ...]]:
        """Where the carriageway begins and ends on a crossing, and what is left to walk at each half metre of it.

        The first sequence is for those who walk along the crossing's line, the second for those who walk against it.
        """
        if row not in self._sweeps:
            length = float(self.crossings.length_m[row])
            s = np.arange(0.0, length, 0.25)
            at = s[self._city.surface(self.crossings.point(np.full(len(s), row), s)) == ROAD]
            low, high = (float(at.min()) - 0.6, float(at.max()) + 0.6) if len(at) else (length / 2, length / 2)
            steps = np.arange(low, high + 0.5, 0.5)
            across = np.arange(-self.cross_limit[row] - 0.6, self.cross_limit[row] + 0.61, 0.25)
            middle, along, _ = self.crossings.frame(np.full(len(steps), row), steps)
            left = np.stack([-along[:, 1], along[:, 0]], axis=1)
            spread = np.arange(-0.25, 0.26, 0.25)
            places = middle[:, None, None, :] + across[:, None, None] * left[:, None, None, :]
            places = (places + spread[:, None] * along[:, None, None, :]).reshape(len(steps), -1, 2)
            ground = self._grounds[self.junction[row]]
            there, back = ground.sweep([places]), ground.sweep([places[::-1]])
            self._sweeps[row] = low, high, there, back
        return self._sweeps[row]

    def left(self, row: int, progress_m: float, is_along: bool) -> int:
        """Cells still to be walked over by somebody ``progress_m`` from the end where it began."""
        low, high, there, back = self.sweep(row)
        behind_m = 0.5  # the back of a walker
        begin = low if is_along else float(self.crossings.length_m[row]) - high
        step = math.floor((progress_m - behind_m - begin) / 0.5)
        cells = there if is_along else back
        return cells[max(step, 0)] if step < len(cells) else 0

    def frame(self, state: Walkers) -> tuple[Floats, Floats, Floats]:
        """Where the paths of walkers are: (N, 2) places, (N, 2) directions, (N,) bends."""
        on = state.on_crossing
        place, along, bend = self.walks.frame(np.where(on, 0, state.path), state.s)
        if on.any():
            place[on], along[on], bend[on] = self.crossings.frame(state.path[on], state.s[on])
        return place, along, bend

    def _side(self, crossing: int, end: int) -> int:
        walk, place = self.walk_of[crossing][end], self.place_of[crossing][end]
        _, along, _ = self.walks.frame(np.array([walk]), np.array([place]))
        _, across, _ = self.crossings.frame(np.array([crossing]), np.zeros(1))
        turn = float(along[0, 0] * across[0, 1] - along[0, 1] * across[0, 0])
        return (1 if turn > 0 else -1) * (1 if end == 0 else -1)

    def onto_walk(self, xy: Floats, row: int, near_m: float) -> tuple[float, float]:
        """(s, d) of a place near ``near_m`` on a walk."""
        rows, s = np.full(33, row), near_m + np.linspace(-4.0, 4.0, 33)
        gap = self.walks.point(rows, s) - xy
        best = s[[int((gap[:, 0] ** 2 + gap[:, 1] ** 2).argmin())]]
        for _ in range(4):
            place, along, bend = self.walks.frame(rows[:1], best)
            away = xy - place[0]
            ahead = away[0] * along[0, 0] + away[1] * along[0, 1]
            d = away[1] * along[0, 0] - away[0] * along[0, 1]
            best = best + ahead / max(1.0 - bend[0] * d, 0.3)
        place, along, _ = self.walks.frame(rows[:1], best)
        away = xy - place[0]
        return float(best[0]), float(away[1] * along[0, 0] - away[0] * along[0, 1])

    def onto_crossing(self, xy: Floats, row: int) -> tuple[float, float]:
        """(s, d) of a place beside a crossing; s may lie beyond its ends."""
        begin, along, _ = self.crossings.frame(np.array([row]), np.zeros(1))
        away = xy - begin[0]
        return (
            float(away[0] * along[0, 0] + away[1] * along[0, 1]),
            float(away[1] * along[0, 0] - away[0] * along[0, 1]),
        )
