"""How many lasers a scan was made with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BIN_DEG = 0.02
"""The lasers of a scanner are 0.1 degrees apart, or more."""
BUILT = (8, 16, 32, 40, 64, 80, 128)
"""Numbers of lasers that scanners have. A scan in which the highest one hit nothing shows one less, and is not counted."""
MOST = 256
"""More numbers than this in a column are no lasers."""
MIN_POINTS = 1000
LOW, HIGH = 0.05, 0.3
"""Shares of the usual height of a peak. A count that depends on which of them makes a peak is none."""
NEAREST = 0.25
"""Share of the median distance from the axis: what is nearer is on the vehicle, or is seen from beside the axis."""
IN_PEAKS = 0.9
"""Share of the points that must lie in peaks."""
MAX_FILLED = 0.5
"""Share of the bins between the lowest and the highest laser that peaks may fill; more is no row of peaks."""


def of_rings(ring: NDArray) -> int | None:
    """Number of lasers by their numbers; None where these are no whole numbers or too many."""
    numbers = np.unique(ring)
    whole = np.isfinite(numbers).all() and np.array_equal(numbers, np.round(numbers))
    return len(numbers) if whole and len(numbers) <= MOST else None


def of_elevations(xyz: NDArray) -> int | None:
    """Number of lasers by the peaks in the histogram of elevation angles; None where these are not sharp.

    Args:
        xyz: (N, 3) finite points in the frame of the sensor, z up, in any unit.
    """
    across = np.hypot(xyz[:, 0], xyz[:, 1])
    far = across > NEAREST * np.median(across) if len(across) else np.zeros(0, bool)
    if far.sum() < MIN_POINTS:
        return None
    angle_deg = np.degrees(np.arctan2(xyz[far, 2], across[far]))
    edges = np.arange(angle_deg.min() - BIN_DEG, angle_deg.max() + 2 * BIN_DEG, BIN_DEG)
    counts = np.histogram(angle_deg, edges)[0]
    usual = np.median(counts[counts > counts.max() * HIGH])
    found = [_runs(counts > usual * share) for share in (LOW, HIGH)]
    filled = counts > usual * LOW
    sharp = counts[filled].sum() > IN_PEAKS * counts.sum() and filled.mean() < MAX_FILLED
    return found[0] if sharp and found[0] == found[1] and found[0] in BUILT else None


def _runs(mask: NDArray[np.bool_]) -> int:
    """Runs of true values."""
    return int((np.diff(mask.astype(np.int8), prepend=0) == 1).sum())
