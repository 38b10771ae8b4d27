"""Columns that hold angles and a distance in place of x, y and z."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TURNS = {"degrees": 360.0, "radians": 2 * np.pi}
FULL = 0.97, 1.003
"""Between these shares of a turn a column of azimuths extends."""
BINS = 36
CROWDED = 10.0
"""Times as many values as on average that a bin of azimuths may have: of nuScenes, whose car is seen to some sides, 7.6."""
EMPTY = 0.15
"""Share of its bins that a column of azimuths may leave nearly empty."""


def find(xyz: NDArray) -> str | None:
    """The unit of the angles, ``degrees`` or ``radians``; None where the columns are lengths.

    A scanner turns evenly: azimuths fill a whole turn with no end to either side, and distances are never negative. No x or y
    ends at 360 or at 6.28 on all sides.

    Args:
        xyz: (N, 3) finite points.
    """
    if len(xyz) < 10 * BINS:
        return None
    for unit, turn in TURNS.items():
        for column in range(3):
            others = np.delete(xyz, column, axis=1)
            if _is_azimuth(xyz[:, column], turn) and _are_distance_and_elevation(others, turn):
                return unit
    return None


def _is_azimuth(values: NDArray, turn: float) -> bool:
    extent = np.ptp(values) / turn
    if not FULL[0] < extent < FULL[1]:
        return False
    counts = np.histogram(values, BINS)[0]
    return bool((counts < counts.mean() / 10).mean() < EMPTY and counts.max() < CROWDED * counts.mean())


def _are_distance_and_elevation(others: NDArray, turn: float) -> bool:
    """One is never negative, the other within a quarter of a turn up or down (or half a turn from the zenith)."""
    for distance, elevation in (others.T, others.T[::-1]):
        if distance.min() >= 0 and np.ptp(distance) > 0 and np.abs(elevation).max() <= turn / 2:
            return True
    return False
