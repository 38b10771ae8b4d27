"""Room for things that stand still: out of the lanes and walks, and out of each other."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

import numpy as np

from geopt.simulate.actors.bodies import Rectangles
from geopt.simulate.actors.boxes import box_size, corners, overlapping
from geopt.simulate.actors.lines import Lines, rounded
from geopt.simulate.actors.wardrobe import Wardrobe
from geopt.simulate.meshes import Figure
from geopt.simulate.randomness import Floats

if TYPE_CHECKING:
    from geopt.simulate.city import City

CELL_M = 0.25
LANE_HALF_M = 1.65
"""Half the widest vehicle, and some distance."""
BODY_M = 0.3
"""Half a person: walkers take this much more than where their middles go."""
GAP_M = 0.1
Stance = Literal["parked", "stopped", "standing", "sitting", ""]


@dataclasses.dataclass(frozen=True)
class Prop:
    """A thing that never moves."""

    name: str
    figure: Figure
    xy: Floats
    yaw: float
    stance: Stance


class Stage:
    """Where things stand so far.

    Args:
        lanes, walks, crossings: Nothing but people may be put on them.
    """

    def __init__(self, city: City, wardrobe: Wardrobe, lanes: Lines, walks: Lines, crossings: Lines) -> None:
        self.wardrobe = wardrobe
        self._lower = np.floor(np.min([lines.points.min(axis=0) for lines in (lanes, walks)], axis=0)) - 40.0
        upper = np.max([lines.points.max(axis=0) for lines in (lanes, walks)], axis=0) + 40.0
        shape = np.ceil((upper - self._lower) / CELL_M).astype(np.int64)
        self._driven, self._walked = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
        self._mark(self._driven, lanes, np.full(len(lanes), LANE_HALF_M))
        self._mark(self._walked, walks, np.array([walk.width_m for walk in city.walks]) + BODY_M)
        self._mark(self._walked, crossings, np.array([crossing.width_m for crossing in city.crossings]) + BODY_M)
        self.props: list[Prop] = []
        self._corners = np.zeros((0, 4, 2))
        self._middles = np.zeros((0, 2))

    def _mark(self, cells: np.ndarray, lines: Lines, half_m: Floats) -> None:
        for row in range(len(lines)):
            s = np.arange(0.0, float(lines.length_m[row]) + CELL_M, CELL_M)
            middle, along, _ = lines.frame(np.full(len(s), row), s)
            across = np.arange(-half_m[row], half_m[row] + 1e-9, 0.8 * CELL_M)
            left = np.stack([-along[:, 1], along[:, 0]], axis=1)
            index = self._cells(middle[:, None, :] + across[:, None] * left[:, None, :])
            cells[index[..., 0], index[..., 1]] = True

    def keep_clear(self, parts: Iterable[Rectangles]) -> None:
        """Put nothing where something long will drive."""
        for part in parts:
            index = self._cells(part.cover(GAP_M, CELL_M).reshape(-1, 2))
            self._driven[index[:, 0], index[:, 1]] = True

    def _cells(self, xy: Floats) -> np.ndarray:
        return np.clip(np.floor((xy - self._lower) / CELL_M).astype(np.int64), 0, np.array(self._driven.shape) - 1)

    def is_free(self, xy: Floats, yaw: float, length_m: float, width_m: float, on_walks: bool = False) -> bool:
        """Whether a rectangle stands in nobody's way."""
        x = np.linspace(-length_m / 2, length_m / 2, int(length_m / 0.2) + 2)
        y = np.linspace(-width_m / 2, width_m / 2, int(width_m / 0.2) + 2)
        cos, sin = np.cos(yaw), np.sin(yaw)
        along, across = (part.ravel() for part in np.meshgrid(x, y))
        index = self._cells(xy + np.stack([along * cos - across * sin, along * sin + across * cos], axis=1))
        if self._driven[index[:, 0], index[:, 1]].any():
            return False
        if not on_walks and self._walked[index[:, 0], index[:, 1]].any():
            return False
        near = np.flatnonzero((np.abs(self._middles - xy) < 22.0).all(axis=1))
        mine = corners(xy[None], np.array([yaw]), length_m + 2 * GAP_M, width_m + 2 * GAP_M)
        return not overlapping(np.repeat(mine, len(near), axis=0), self._corners[near]).any()

    def put(
        self, name: str, figure: Figure, xy: Floats, yaw: float, stance: Stance, on_walks: bool = False
    ) -> Prop | None:
        """Put a figure somewhere, if there is room."""
        length, width, _ = box_size(figure)
        place = rounded(xy)
        if not self.is_free(place, yaw, length, width, on_walks):
            return None
        prop = Prop(name, figure, place, round(float(yaw), 6), stance)
        self.props.append(prop)
        self._corners = np.concatenate([self._corners, corners(place[None], np.array([prop.yaw]), length, width)])
        self._middles = np.concatenate([self._middles, place[None]])
        return prop

    def draw(
        self, name: str, kind: str, rng: np.random.Generator, xy: Floats, yaw: float, stance: Stance = ""
    ) -> Prop | None:
        """Draw a figure of a kind, and put it somewhere if there is room."""
        return self.put(name, self.wardrobe.draw(kind, rng), xy, yaw, stance)
