"""Angles and distances in place of x, y and z."""

from __future__ import annotations

from geopt.inspection.facts import Facts
from geopt.inspection.findings import Finding, listed

MAJORITY = 0.5


def check(facts: Facts) -> list[Finding]:
    """Columns that a scan's azimuth, elevation and distance would fill."""
    some = [scan for scan in facts.scans if scan.angles is not None]
    if not some or len(some) < MAJORITY * len(facts.scans):
        return []
    what = f"x, y and z look like a distance and two angles in {some[0].angles}: {listed([scan.name for scan in some])}"
    return [
        Finding(
            "error",
            "spherical",
            what,
            "convert them to x, y, z in metres, or name the right columns in data.folder.columns or fields",
        )
    ]
