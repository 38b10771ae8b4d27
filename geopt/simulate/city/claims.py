"""Which ground is taken already."""

from __future__ import annotations

import numpy as np

from geopt.simulate.city.ground import Fields, Grid
from geopt.simulate.city.plan import Plan, Street
from geopt.simulate.city.rect import Rect
from geopt.simulate.randomness import Floats

CELLS_PER_M = 2


class Claims:
    """Ground beyond the sidewalks, given away piece by piece."""

    def __init__(self, grid: Grid, fields: Fields) -> None:
        self._grid, self._walk = grid, fields["walk"]
        self._taken = np.zeros([CELLS_PER_M * (n - 1) for n in grid.shape], dtype=bool)

    def is_free(self, rect: Rect, margin_m: float = 0.05) -> bool:
        """Whether a rectangle lies on the map, ``margin_m`` or more away from streets and sidewalks, on free ground."""
        corners = rect.corners() - self._grid.lower
        if corners.min() < 1 or (corners.max(axis=0) > np.array(self._grid.shape) - 2).any():
            return False
        inner = rect.inner(0.5)
        if self._taken[tuple(self._cells(inner))].any():
            return False
        return bool((self._grid.value(self._walk, inner) >= margin_m).all())

    def take(self, rect: Rect) -> None:
        """Give a rectangle away."""
        low, high = self._cells(np.stack([rect.corners().min(axis=0), rect.corners().max(axis=0)])).T
        low = np.maximum(low, 0)
        window = self._taken[low[0] : high[0] + 1, low[1] : high[1] + 1]
        x, y = (self._grid.lower[k] + (low[k] + 0.5 + np.arange(window.shape[k])) / CELLS_PER_M for k in (0, 1))
        places = np.stack(np.broadcast_arrays(x[:, None], y[None, :]), axis=-1)
        window |= rect.outside_m(places) < 0.5 / CELLS_PER_M

    def try_take(self, rect: Rect, margin_m: float = 0.05) -> bool:
        """Give a rectangle away if it is free."""
        is_free = self.is_free(rect, margin_m)
        if is_free:
            self.take(rect)
        return is_free

    def _cells(self, xy: Floats) -> np.ndarray:
        return np.floor((xy - self._grid.lower) * CELLS_PER_M).astype(int).T


def beside(street: Street, u: float, side: int, near_m: float, length_m: float, depth_m: float) -> Rect:
    """A rectangle beside a street: its near edge ``near_m`` from the centre line, its length along the street.

    Its own y axis points away from the street for ``side`` 1 and towards it for -1.
    """
    middle = street.point(u, side * (near_m + depth_m / 2))
    return Rect(np.round(middle, 6), round(float(street.heading(u)), 6), length_m, depth_m)


class Frontage:
    """One side of a street between two junctions, or along a stub; places on it are u."""

    def __init__(
        self, plan: Plan, street: Street, side: int, ends_u: tuple[float, float], block: tuple[int, int], is_stub: bool
    ) -> None:
        self.street, self.side, (self.start_u, self.end_u), self.is_stub = street, side, ends_u, is_stub
        self.style = plan.blocks[block].style
        self.is_inner = 0 < min(block) and max(block) < len(plan.rows)
        self.mouths: list[tuple[float, float]] = []
        """Parts (from, to) of the kerb that must stay clear, or that something stands at."""

    def is_clear(self, start_u: float, end_u: float) -> bool:
        """Whether a part of the kerb is not taken."""
        return all(end_u <= start or end <= start_u for start, end in self.mouths)
