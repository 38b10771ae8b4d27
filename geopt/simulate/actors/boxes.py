"""Boxes about figures: how large, where, whether two overlap, and how high they stand."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geopt.simulate.meshes import Figure
from geopt.simulate.randomness import Floats

SIDE_M = 0.05
"""Margin of a box at each side and above: 2.5 times the range noise."""
BELOW_M = 0.02
STANDS_ABOVE_M = 0.035
"""From the highest ground under a box to the mesh, so that no ground return lies in the box."""
SPACING_M = 0.5
"""Between the places where the ground under a box is looked at, at most."""


class Ground(Protocol):
    """What has a height."""

    def height(self, xy: Floats) -> Floats:
        """(N,) metres, of places (N, 2)."""
        ...


def box_size(figure: Figure) -> tuple[float, float, float]:
    """Length, width and height of the box of a figure, metres: its mesh in every phase, and the margins."""
    sides = 2 * SIDE_M
    return figure.length_m + sides, figure.width_m + sides, figure.height_m + SIDE_M + BELOW_M


def box_centre(figure: Figure, xyz: ArrayLike) -> Floats:
    """(..., 3) centre of the box of a figure that stands at ``xyz`` (..., 3)."""
    return np.asarray(xyz, dtype=np.float64) + np.array([0.0, 0.0, box_size(figure)[2] / 2 - BELOW_M])


def corners(xy: Floats, yaw: Floats, length: ArrayLike, width: ArrayLike) -> Floats:
    """(N, 4, 2) corners of rectangles about ``xy`` (N, 2)."""
    ahead = np.stack([np.cos(yaw), np.sin(yaw)], axis=-1) * np.asarray(length)[..., None] / 2
    left = np.stack([-np.sin(yaw), np.cos(yaw)], axis=-1) * np.asarray(width)[..., None] / 2
    return xy[:, None, :] + np.stack([ahead + left, left - ahead, -ahead - left, ahead - left], axis=1)


def overlapping(first: Floats, second: Floats) -> NDArray[np.bool_]:
    """(N,) whether rectangles with corners (N, 4, 2) overlap row by row: no direction of an edge parts them."""
    apart = np.zeros(len(first), dtype=bool)
    for rectangle in (first, second):
        for end in (1, 3):
            axis = rectangle[:, end] - rectangle[:, 0]
            a = first[..., 0] * axis[:, None, 0] + first[..., 1] * axis[:, None, 1]
            b = second[..., 0] * axis[:, None, 0] + second[..., 1] * axis[:, None, 1]
            apart |= (a.max(axis=1) <= b.min(axis=1)) | (b.max(axis=1) <= a.min(axis=1))
    return ~apart


class Footprints:
    """The ground under boxes of fixed sizes.

    Args:
        sizes: (A, 2) length and width of each box, metres.
        reach_m: (A,) how far beyond the boxes the ground is looked at.
    """

    def __init__(self, sizes: Floats, reach_m: Floats) -> None:
        parts = [_lattice(length + 2 * reach, width + 2 * reach) for (length, width), reach in zip(sizes, reach_m)]
        self._first = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
        self._row = np.repeat(np.arange(len(parts)), np.diff(self._first))
        self._local = np.concatenate([*parts, np.zeros((0, 2))])

    def stand(self, ground: Ground, xy: Floats, yaw: Floats) -> Floats:
        """(A,) heights at which the figures stand at places (A, 2)."""
        if not len(self._local):
            return np.zeros(len(xy))
        cos, sin = np.cos(yaw)[self._row], np.sin(yaw)[self._row]
        along, across = self._local[:, 0], self._local[:, 1]
        places = xy[self._row] + np.stack([along * cos - across * sin, along * sin + across * cos], axis=1)
        return np.maximum.reduceat(ground.height(places), self._first[:-1]) + STANDS_ABOVE_M


def _lattice(length: float, width: float) -> Floats:
    """(K, 2) places on a rectangle, its corners among them."""
    x = np.linspace(-length / 2, length / 2, max(2, int(np.ceil(length / SPACING_M)) + 1))
    y = np.linspace(-width / 2, width / 2, max(2, int(np.ceil(width / SPACING_M)) + 1))
    return np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
