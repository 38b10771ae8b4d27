"""Points in the frame of a map."""

from __future__ import annotations

from geopt.inspection.facts import Facts
from geopt.inspection.findings import Finding, listed

OFF_CENTRE = 3.0
"""The sensor stands among its points: their middle is nearer than this many times their usual distance from there. The crop of
a camera's view reaches 1.5."""
MAJORITY = 0.5


def check(facts: Facts) -> list[Finding]:
    """The sensor at 0, 0, 0 must be among the points."""
    some = []
    for scan in facts.scans:
        x, y, _ = scan.centre_m
        if (x * x + y * y) ** 0.5 > OFF_CENTRE * scan.spread_m > 0:
            some.append(f"{scan.name} (about {x:,.0f}, {y:,.0f})")
    if len(some) <= MAJORITY * len(facts.scans):
        return []
    what = f"{len(some)} of {len(facts.scans)} scans lie far beside the sensor at 0, 0, 0: {listed(some)}"
    return [
        Finding(
            "error",
            "world frame",
            what,
            "points must be in the frame of the sensor: undo the pose of each scan, or cut the map into scans",
        )
    ]
