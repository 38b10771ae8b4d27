"""Boxes that lie across their objects, or whose headings are in degrees."""

from __future__ import annotations

import numpy as np

from geopt.inspection.facts import Facts
from geopt.inspection.findings import Finding

ELONGATED = 1.5
"""Length over width, from which on turning a box shows."""
MIN_POINTS, MORE = 20, 1.1
MIN_BOXES, MAJORITY = 5, 0.6
FULL_TURN = 2 * np.pi + 1e-3


def check(facts: Facts) -> list[Finding]:
    """Which way round a box holds more points; and whether yaw is within a turn."""
    if not facts.boxes:
        return []
    found = []
    geometry = np.concatenate([frame.geometry for frame in facts.boxes])
    inside, turned = (np.concatenate([getattr(frame, what) for frame in facts.boxes]) for what in ("inside", "turned"))
    length, width, yaw = geometry[:, 3], geometry[:, 4], geometry[:, 6]
    if np.any(np.abs(yaw) > FULL_TURN):
        what = f"{int((np.abs(yaw) > FULL_TURN).sum())} of {len(yaw)} boxes have a yaw of more than a turn, up to {np.abs(yaw).max():.4g} rad"
        found.append(Finding("error", "box shape", what, "yaw may be in degrees: convert it to radians"))
    ratio = np.maximum(length, width) / np.maximum(np.minimum(length, width), 1e-6)
    telling = (ratio > ELONGATED) & (np.maximum(inside, turned) >= MIN_POINTS)
    better = telling & (turned > MORE * inside)
    if telling.sum() >= MIN_BOXES and better.sum() > MAJORITY * telling.sum():
        across = np.median(width[better] / length[better]) > 1
        how = "their width is above their length: the two are exchanged" if across else "yaw is off by 90 degrees"
        what = (
            f"{int(better.sum())} of {int(telling.sum())} long boxes hold more points when turned by 90 degrees "
            f"({int(turned[telling].sum()):,} against {int(inside[telling].sum()):,}); {how}"
        )
        remedy = (
            "exchange length and width in the labels"
            if across
            else "add 90 degrees to yaw: it is that of the length, from x to y"
        )
        found.append(Finding("error", "box shape", what, remedy))
    return found
