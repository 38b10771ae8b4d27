"""Many flat faces or boxes at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geopt.simulate.classes import MANMADE
from geopt.simulate.meshes import Mesh, painted

_SIDES = np.array([(0, 1, 5, 4), (1, 3, 7, 5), (3, 2, 6, 7), (2, 0, 4, 6), (0, 2, 3, 1), (4, 5, 7, 6)])
"""Corners of a box's faces; corner k is upper in x, y, z where k has the bits 1, 2, 4."""


def quads(corners: ArrayLike, reflectance: ArrayLike, label: int = MANMADE) -> Mesh:
    """Faces from (N, 4, 3) corners in order; ``reflectance`` is one value or (N,)."""
    places = np.asarray(corners, dtype=np.float64).reshape(-1, 3)
    first = 4 * np.arange(len(places) // 4)
    faces = np.concatenate([np.stack([first, first + 1, first + 2], 1), np.stack([first, first + 2, first + 3], 1)])
    return painted(places, faces, label, np.tile(np.broadcast_to(reflectance, len(first)), 2))


def boxes(limits: ArrayLike, reflectance: ArrayLike, label: int = MANMADE) -> Mesh:
    """Upright boxes from (N, 2, 3) lower and upper corners; ``reflectance`` is one value or (N,)."""
    both = np.asarray(limits, dtype=np.float64).reshape(-1, 2, 3)
    count = len(both)
    bits = (np.arange(8)[:, None] >> np.arange(3)) & 1
    corners = both[:, bits, np.arange(3)]
    a, b, c, d = (8 * np.arange(count)[:, None] + _SIDES[:, k] for k in range(4))
    faces: NDArray[np.int64] = np.stack([np.stack([a, b, c], axis=-1), np.stack([a, c, d], axis=-1)], axis=2)
    paint = np.broadcast_to(reflectance, count)
    return painted(corners.reshape(-1, 3), faces.reshape(-1, 3), label, np.repeat(paint, 12))
