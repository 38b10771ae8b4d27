"""Times of points that do not fit the times of scans."""

from __future__ import annotations

import statistics

import numpy as np

from geopt.inspection.facts import Facts
from geopt.inspection.findings import Finding, listed

LONGER = 1.6
"""A turn takes as long as it is to the next scan, a little more where scans overlap."""


def check(facts: Facts) -> list[Finding]:
    """How long a scan takes by its points, and how long it is to the next one."""
    spans = [(scan.name, scan.point_time_s[1] - scan.point_time_s[0]) for scan in facts.scans if scan.point_time_s]
    if facts.timestamp_us is None or not spans:
        return []
    steps = np.concatenate([np.diff(times) for _, times in facts.in_scenes(facts.timestamp_us)]) * 1e-6
    usual = float(np.median(steps)) if len(steps) else 0.0
    if usual <= 0 or statistics.median(span for _, span in spans) < LONGER * usual:
        return []
    some = [f"{name} ({span:.3g} s)" for name, span in spans if span > LONGER * usual]
    what = f"points of {len(some)} of {len(spans)} scans span more time than the {usual:.3g} s to the next scan: {listed(some)}"
    return [
        Finding(
            "warning",
            "point times",
            what,
            "the unit of the point times or that of the scans' is wrong; do not de-skew by them",
        )
    ]
