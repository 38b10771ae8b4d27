"""Points farther than any scanner sees."""

from __future__ import annotations

from geopt.inspection.checks.unit import CENTIMETRES
from geopt.inspection.facts import Facts
from geopt.inspection.findings import Finding, listed
from geopt.inspection.measure import FAR_M


def check(facts: Facts) -> list[Finding]:
    """Distances above a kilometre, where the other points are at usual ones."""
    some = [
        f"{scan.name} ({scan.far:.2%}, up to {scan.distance_m[2]:,.3g} m)"
        for scan in facts.scans
        if scan.far and scan.distance_m[0] < CENTIMETRES and scan.angles is None
    ]
    if not some:
        return []
    what = f"{len(some)} of {len(facts.scans)} scans have points beyond {FAR_M:,.0f} m: {listed(some)}"
    return [
        Finding("warning", "too far", what, "damaged values or no-return marks; cut them out, or set data.max_range_m")
    ]
