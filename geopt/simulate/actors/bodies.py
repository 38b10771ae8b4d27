"""How a vehicle lies on its lane: two axles on the line, the box between and beyond them, a trailer behind."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from geopt.simulate.actors import trailers
from geopt.simulate.actors.boxes import SIDE_M
from geopt.simulate.actors.trailers import Trailer
from geopt.simulate.meshes import Figure
from geopt.simulate.randomness import Floats

SIZES_M = ((2.7, 1.1), (5.9, 2.4), (8.4, 2.95), (13.6, 3.2), (21.5, 3.2))
"""Length and width of the bodies for which the sweep through a junction is found once for all who fit in."""


class Body(NamedTuple):
    """Plan of a vehicle; its middle is the middle of the box of the part that drives."""

    length_m: float
    width_m: float
    half_base_m: float
    """From the middle to the front axle, and to the rear axle."""
    trailer: Trailer | None = None

    @property
    def nose_m(self) -> float:
        """From the middle to the front."""
        return self.length_m / 2

    @property
    def tail_m(self) -> float:
        """From the middle back to the end of all."""
        if self.trailer is None:
            return self.length_m / 2
        return trailers.DRAWBAR_M + self.trailer.length_m - self.trailer.hitch_m

    @property
    def total_m(self) -> float:
        """From front to end."""
        return self.nose_m + self.tail_m


def body_of(figure: Figure, trailer: Figure | None = None) -> Body:
    """The plan of a figure, margins of the box included."""
    length, width = figure.length_m + 2 * SIDE_M, figure.width_m + 2 * SIDE_M
    drawn = None
    if trailer is not None:
        if figure.hitch_m is None:
            raise ValueError(f"body_of: figure must have a hitch to pull a trailer, got {figure.kind!r} without one")
        drawn = Trailer(figure.hitch_m, trailer.length_m + 2 * SIDE_M, trailer.width_m + 2 * SIDE_M)
    return Body(length, width, 0.29 * length, drawn)


def enclosing(body: Body) -> Body:
    """The smallest of a few bodies that holds this one; one with a trailer is its own."""
    if body.trailer is not None:
        return body
    for length, width in SIZES_M:
        if body.length_m <= length and body.width_m <= width:
            return Body(length, width, 0.29 * length)
    raise ValueError(f"enclosing: body must be at most {SIZES_M[-1]} m, got {body.length_m:.2f} x {body.width_m:.2f}")


class Rectangles(NamedTuple):
    """Where the parts of a body are, one row for each place on its way."""

    xy: Floats
    """(K, 2)."""
    yaw: Floats
    """(K,)."""
    length_m: float
    width_m: float

    def cover(self, grow_m: float, spacing_m: float) -> Floats:
        """(K, G, 2) points on a lattice over each rectangle grown at all sides."""
        length, width = self.length_m + 2 * grow_m, self.width_m + 2 * grow_m
        x = np.linspace(-length / 2, length / 2, int(np.ceil(length / spacing_m)) + 1)
        y = np.linspace(-width / 2, width / 2, int(np.ceil(width / spacing_m)) + 1)
        along, across = (part.ravel() for part in np.meshgrid(x, y, indexing="ij"))
        cos, sin = np.cos(self.yaw)[:, None], np.sin(self.yaw)[:, None]
        return self.xy[:, None, :] + np.stack([along * cos - across * sin, along * sin + across * cos], axis=-1)


def placed(body: Body, front: Floats, rear: Floats) -> list[Rectangles]:
    """Where a body is when its axles pass the points of (K, 2) ``front`` and ``rear``, one after the other."""
    away = front - rear
    yaw, xy = np.arctan2(away[:, 1], away[:, 0]), (front + rear) / 2
    parts = [Rectangles(xy, yaw, body.length_m, body.width_m)]
    if body.trailer is not None:
        turn, old = float(yaw[0]), trailers.hitch_of(body.trailer, xy[0], float(yaw[0]))
        turns, middles = [], []
        for place, heading in zip(xy, yaw):
            hitch = trailers.hitch_of(body.trailer, place, float(heading))
            turn = trailers.follow(body.trailer, old, hitch, turn)
            turns.append(turn)
            middles.append(trailers.middle_of(body.trailer, hitch, turn))
            old = hitch
        parts.append(Rectangles(np.stack(middles), np.array(turns), body.trailer.length_m, body.trailer.width_m))
    return parts
