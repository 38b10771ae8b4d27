"""Poses that are latitude and longitude."""

from __future__ import annotations

import numpy as np

from geopt.inspection.facts import Facts
from geopt.inspection.findings import Finding

LARGEST = 180.0
SHORTEST, LONGEST = 1e-8, 1e-3
"""Degrees from scan to scan: from 1 mm to 100 m on the ground."""
MIN_SCANS = 5


def check(facts: Facts) -> list[Finding]:
    """Places that stay within 180 and hardly move, though somewhere else than 0, 0."""
    if facts.global_from_ego is None or len(facts.global_from_ego) < MIN_SCANS:
        return []
    place = facts.global_from_ego[:, :2, 3]
    step = np.abs(np.diff(place, axis=0)).max(axis=1)
    is_small = np.abs(place).max() <= LARGEST and np.abs(place).min() > 1
    if not is_small or not SHORTEST < np.median(step) < LONGEST or np.ptp(place, axis=0).max() > 1:
        return []
    x, y = place[0]
    what = f"poses are at {x:.6f}, {y:.6f} and move by {np.median(step):.2g} from scan to scan, as latitudes and longitudes do"
    return [
        Finding("error", "geographic", what, "convert them to metres, such as UTM or east and north of the first pose")
    ]
