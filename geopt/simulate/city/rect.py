"""Rectangles on the ground."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from geopt.simulate.randomness import Floats


class Rect(NamedTuple):
    """A rectangle: its middle, and its sides along (length) and across (width) a direction."""

    xy: Floats
    """(2,) metres."""
    yaw: float
    length_m: float
    width_m: float

    def place(self, along: Floats | float, across: Floats | float) -> Floats:
        """City coordinates (..., 2) of a place in the rectangle's own axes, from its middle."""
        cos, sin = np.cos(self.yaw), np.sin(self.yaw)
        x, y = np.asarray(along, dtype=np.float64), np.asarray(across, dtype=np.float64)
        found = np.empty((*np.broadcast_shapes(x.shape, y.shape), 2))
        found[..., 0], found[..., 1] = self.xy[0] + x * cos - y * sin, self.xy[1] + x * sin + y * cos
        return found

    def corners(self) -> Floats:
        """(4, 2), counter-clockwise."""
        return self.place(np.array([-1, 1, 1, -1]) * self.length_m / 2, np.array([-1, -1, 1, 1]) * self.width_m / 2)

    def inner(self, step_m: float) -> Floats:
        """(N, 2) places all over the rectangle, its edges included, at most ``step_m`` apart on each axis."""
        x, y = (side * (np.arange(n + 1) / n - 0.5) for side, n in ((s, int(s / step_m) + 1) for s in self[2:4]))
        return self.place(x[:, None], y[None, :]).reshape(-1, 2)

    def outside_m(self, xy: Floats) -> Floats:
        """How far places (..., 2) lie outside along the worse of the two axes; negative inside."""
        dx, dy = xy[..., 0] - self.xy[0], xy[..., 1] - self.xy[1]
        cos, sin = np.cos(self.yaw), np.sin(self.yaw)
        along, across = dx * cos + dy * sin, dy * cos - dx * sin
        return np.maximum(np.abs(along) - self.length_m / 2, np.abs(across) - self.width_m / 2)

    def grown(self, margin_m: float) -> Rect:
        """The rectangle with a margin on every side."""
        return self._replace(length_m=self.length_m + 2 * margin_m, width_m=self.width_m + 2 * margin_m)
