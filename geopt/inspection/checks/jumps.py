"""Poses that jump, or are no metres."""

from __future__ import annotations

import numpy as np

from geopt.inspection.facts import Facts
from geopt.inspection.findings import Finding, listed

FASTEST_M_S = 70.0
"""250 km/h."""
LONGEST_M = 40.0
"""Of a step between scans without times: nobody drives so far in half a second."""
UNUSUAL = 10.0
"""A jump is this many times the usual step of its scene."""
SHORTEST_M = 2.0
"""Shorter ones are those of a map that was corrected."""
MAJORITY = 0.5


def check(facts: Facts) -> list[Finding]:
    """Distances from pose to pose, scene by scene."""
    if facts.global_from_ego is None:
        return []
    jumps, fast = [], []
    times_us = facts.timestamp_us if facts.timestamp_us is not None else np.zeros(len(facts.scene), np.int64)
    for (scene, poses), (_, times) in zip(facts.in_scenes(facts.global_from_ego), facts.in_scenes(times_us)):
        step = np.linalg.norm(np.diff(poses[:, :, 3], axis=0), axis=1)
        if not len(step):
            continue
        seconds = np.diff(times) * 1e-6
        limit = np.where(seconds > 0, FASTEST_M_S * np.maximum(seconds, 0.05), LONGEST_M)
        usual = max(float(np.median(step)), SHORTEST_M / UNUSUAL)
        if np.mean(step > limit) > MAJORITY:
            fast.append(f"{scene} ({np.median(step):,.0f} m from scan to scan)")
            continue
        unlike = np.flatnonzero((step > UNUSUAL * usual) | (step > limit))
        jumps += [f"{scene}/{at + 1} ({step[at]:,.1f} m)" for at in unlike]
    found = []
    if jumps:
        what = f"poses jump at {len(jumps)} scans: {listed(jumps)}"
        found.append(
            Finding(
                "warning",
                "jumps",
                what,
                "cut the drive into scenes there, or take poses that are continuous (odometry)",
            )
        )
    if fast:
        what = f"poses of {len(fast)} scenes are farther apart than any car drives: {listed(fast)}"
        found.append(Finding("error", "jumps", what, "their unit is not the metre, or they are of other scans"))
    return found
