"""Points that are stored several times in one scan."""

from __future__ import annotations

from geopt.inspection.checks.geometry import is_plain
from geopt.inspection.facts import Facts
from geopt.inspection.findings import Finding, listed

SHARE = 0.05
"""Of the points beyond a metre from the sensor. nuScenes has its many equal points nearer than that."""


def check(facts: Facts) -> list[Finding]:
    """Scans whose points stand where others do."""
    some = [scan for scan in facts.scans if scan.num_twice > SHARE * scan.num_points]
    if not some or not is_plain(facts):
        return []
    names = [f"{scan.name} ({scan.num_twice:,} of {scan.num_points:,})" for scan in some]
    return [
        Finding(
            "warning",
            "repeated points",
            f"{len(some)} of {len(facts.scans)} scans have points at the same place as others: {listed(names)}",
            "write each return once; normals and densities count them all",
        )
    ]
