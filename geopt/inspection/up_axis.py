"""Which way is up in a cloud, without knowing its unit."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

AXES = ("x", "y", "z")
CELL, REACH, THICKNESS = 0.25, 2.5, 0.06
"""Side of a cell, how far cells reach, and how thick the ground is, in median distances of a point (4 to 20 m)."""
NEAREST = 0.25
"""Nearer points, in the same unit, are on the vehicle."""
MIN_CELLS = 15
"""With fewer cells any plane looks flat."""
CLEARLY = 1.4
"""So many times as much ground along the best axis as along the next one; walls are flat, too."""
ONE_SIDED = 1.5
"""So many times as many points stand above the ground as lie below it."""
LOOKED_AT = 60_000
"""Points that suffice."""


class Up(NamedTuple):
    """Where the ground is."""

    axis: str
    """That points up: ``z``, or another of x, y, z, -x, -y, -z."""
    ground: float
    """Height of the ground along it, in the unit of the cloud."""


def find(xyz: NDArray) -> Up | None:
    """Find the ground and the side of it that things stand on.

    Along the axis that is up, the lowest points of most cells of the other two lie at one height. Over the ground there are
    houses, trees and cars, and below it nothing.

    Args:
        xyz: (N, 3) finite points about the sensor, in any unit.

    Returns:
        None where no axis is clearly better than the others, or neither side is.
    """
    distance = np.linalg.norm(xyz, axis=1)
    scale = float(np.median(distance)) if len(distance) else 0.0
    if not scale > 0:
        return None
    some = xyz[(distance > NEAREST * scale) & (distance < REACH * scale)] / scale
    some = some[:: max(1, len(some) // LOOKED_AT)]
    found = [max((_flatness(some, axis, sign) for sign in (1, -1)), key=lambda pair: pair[0]) for axis in range(3)]
    order = np.argsort([-cells for cells, _ in found])
    best, level = found[order[0]]
    if best < MIN_CELLS or best < CLEARLY * found[order[1]][0]:
        return None
    sign = _side(some[:, order[0]], level)
    return None if sign == 0 else Up(("" if sign > 0 else "-") + AXES[order[0]], sign * level * scale)


def _flatness(xyz: NDArray, axis: int, sign: int) -> tuple[float, float]:
    """How many cells have their lowest point at the height of the ground, times their share; and that height."""
    height = xyz[:, axis] * sign
    across = np.floor(np.delete(xyz, axis, axis=1) / CELL).astype(np.int64)
    cell = across[:, 0] * 4096 + across[:, 1]
    order = np.lexsort((height, cell))
    first = np.flatnonzero(np.diff(cell[order], prepend=cell[order][:1] - 1))
    lowest = np.sort(height[order][first])
    within = np.searchsorted(lowest, lowest + THICKNESS, side="right") - np.arange(len(lowest))
    if not len(within):
        return 0.0, 0.0
    at = int(np.argmax(within))
    count = int(within[at])
    return count * count / len(lowest), sign * float(np.median(lowest[at : at + count]))


def _side(height: NDArray, level: float) -> int:
    """1 where things stand on the positive side of the ground, -1 for the other, 0 where that is not clear."""
    above, below = int((height > level + 2 * THICKNESS).sum()), int((height < level - 2 * THICKNESS).sum())
    if above > ONE_SIDED * below:
        return 1
    return -1 if below > ONE_SIDED * above else 0
