"""How fast the objects of a dataset moved that tells only where they were."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MAX_GAP_S = 0.5
"""An object that was not seen for longer says nothing of its speed: at 10 Hz it missed four scans."""


def velocities(track: NDArray, time_s: NDArray[np.float64], xyz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Displacement of tracked objects over time.

    From the observation before to the one after, each at most :data:`MAX_GAP_S` away; from or to the observation itself where
    there is only one of them.

    Args:
        track: (R,) which object it is: numbers or names.
        time_s: (R,) when it was there, in any order.
        xyz: (R, 3) where its centre was, metres, in a frame that does not move.

    Returns:
        (R, 3) metres per second; NaN for an object that was seen once, or twice at a time.
    """
    by_track = np.unique(track, return_inverse=True)[1]
    order = np.lexsort((time_s, by_track))
    track, time_s, xyz = by_track[order], time_s[order], xyz[order]
    follows = (track[1:] == track[:-1]) & (np.diff(time_s) <= MAX_GAP_S)
    rows = np.arange(len(order))
    before, after = rows.copy(), rows.copy()
    before[1:] -= follows
    after[:-1] += follows
    gap_s = time_s[after] - time_s[before]
    found = np.full(xyz.shape, np.nan)
    known = gap_s > 0
    found[known] = (xyz[after] - xyz[before])[known] / gap_s[known, None]
    result = np.empty_like(found)
    result[order] = found
    return result
