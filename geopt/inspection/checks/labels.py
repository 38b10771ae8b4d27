"""Labels of points that say nothing."""

from __future__ import annotations

from geopt.inspection.facts import Facts
from geopt.inspection.findings import Finding, listed

ALMOST_ALL = 0.995
"""Share of one label in a scan of a street, in which road, houses and plants have labels of their own."""
MIN_POINTS = 1000


def check(facts: Facts) -> list[Finding]:
    """Frames in which all points have one label."""
    some = []
    for frame in facts.labels:
        total = sum(frame.counts.values())
        label, count = max(frame.counts.items(), key=lambda pair: pair[1])
        if total >= MIN_POINTS and count > ALMOST_ALL * total:
            some.append(f"{frame.name} (label {label})")
    if not some:
        return []
    what = f"{len(some)} of {len(facts.labels)} frames have one label for all points: {listed(some)}"
    return [
        Finding("warning", "labels", what, "they may be of another scan, or empty; copy them again or leave them out")
    ]
