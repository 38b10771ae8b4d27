"""Boxes that lie beside their objects."""

from __future__ import annotations

import numpy as np

from geopt.inspection.facts import Facts
from geopt.inspection.findings import Finding, listed

MIN_STATED, NEAR_M = 5, 30.0
"""Boxes with so many points by the dataset's count, and so near, hold some if they are where their objects are."""
SHARE, MIN_BOXES = 0.3, 5


def check(facts: Facts) -> list[Finding]:
    """Boxes without a point; readers that count points themselves do not tell how many there should be."""
    total, bare, frames = 0, 0, []
    for frame in facts.boxes:
        near = np.linalg.norm(frame.geometry[:, :2], axis=1) < NEAR_M
        counted_here = np.array_equal(frame.stated, frame.inside)
        wanted = near & (counted_here | (frame.stated >= MIN_STATED))
        total += int(wanted.sum())
        here = int((wanted & (frame.inside == 0)).sum())
        bare += here
        frames += [f"{frame.name} ({here} of {int(wanted.sum())})"] if here else []
    if total < MIN_BOXES or bare <= SHARE * total:
        return []
    what = f"{bare} of {total} boxes within {NEAR_M:g} m hold no point: {listed(frames)}"
    return [
        Finding(
            "error",
            "box points",
            what,
            "boxes and points are not in one frame, or not of one time; see the calibration and the poses",
        )
    ]
