"""Times of scans that stand still, go back or jump."""

from __future__ import annotations

import numpy as np

from geopt.inspection.facts import Facts
from geopt.inspection.findings import Finding, listed

GAP = 2.6
"""A gap is longer than this many usual steps: at 2 Hz a key frame may come one scan early or late, and one that is missing
makes 2; sweeps of nuScenes skip one or two now and then."""
MIN_STEPS = 6
"""Fewer steps have no usual length."""
RHYTHM, ALIKE = 0.08, 1.2
"""Where so great a share of the steps are gaps that differ by less than this factor, they are how the scans were chosen: some
sweeps before each key frame."""
LONGEST_S = 10.0
"""Nobody scans so seldom; times in another unit look so."""


def check(facts: Facts) -> list[Finding]:
    """Steps from scan to scan, scene by scene."""
    if facts.timestamp_us is None:
        return []
    back, twice, longest = [], [], []
    gaps: list[tuple[str, float]] = []
    num_steps = 0
    for scene, times in facts.in_scenes(facts.timestamp_us):
        step_s = np.diff(times) * 1e-6
        if not len(step_s):
            continue
        back += [f"{scene}/{at + 1}" for at in np.flatnonzero(step_s < 0)]
        twice += [f"{scene}/{at + 1}" for at in np.flatnonzero(step_s == 0)]
        usual = float(np.median(step_s))
        if len(step_s) >= MIN_STEPS and usual > 0:
            gaps += [(f"{scene}/{at + 1}", float(step_s[at])) for at in np.flatnonzero(step_s > GAP * usual)]
            num_steps += len(step_s)
        if len(step_s) >= MIN_STEPS and usual > LONGEST_S:
            longest.append(f"{scene} ({usual:,.3g} s)")
    lengths = [length for _, length in gaps]
    if len(gaps) >= max(2, RHYTHM * num_steps) and max(lengths) < ALIKE * min(lengths):
        gaps = []
    found = []
    for severity, names, what, remedy in (
        ("error", back, "scans are older than the one before", "sort the scans by their time"),
        (
            "error",
            twice,
            "scans have the time of the one before",
            "several scans with one time are copies, or the clock is too coarse",
        ),
        (
            "warning",
            [f"{name} ({length:.3g} s)" for name, length in gaps],
            "scans come after a gap",
            "cut the drive into scenes there, or copy the scans that are missing",
        ),
        (
            "warning",
            longest,
            "scenes have scans this far apart",
            "times may be in another unit; poses and speeds depend on it",
        ),
    ):
        if names:
            found.append(Finding(severity, "times", f"{len(names)} {what}: {listed(names)}", remedy))  # type: ignore[arg-type]
    return found
