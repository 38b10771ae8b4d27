"""Lengths that are no metres."""

from __future__ import annotations

import statistics

from geopt.inspection.facts import Facts
from geopt.inspection.findings import Finding

MILLIMETRES, CENTIMETRES, NONE = 3_000.0, 200.0, 0.5
"""Half of the points of a scan are nearer than 4 to 30 m with a scanner on a car, up to 100 m with one of long range."""
USUAL_M = 10.0


def check(facts: Facts) -> list[Finding]:
    """The median distance from the sensor; from the middle of the cloud where that is a map's."""
    scans = [scan for scan in facts.scans if scan.angles is None and scan.spread_m > 0]
    if not scans:
        return []
    median = statistics.median(min(scan.distance_m[0], scan.spread_m) for scan in scans)
    what = f"half of the points are within {median:,.3g} of the sensor, which are no metres"
    if median > CENTIMETRES:
        name, unit = ("millimetres", 0.001) if median > MILLIMETRES else ("centimetres", 0.01)
        return [Finding("error", "unit", f"{what} but perhaps {name}", _remedy(facts, unit))]
    if median < NONE:
        return [
            Finding(
                "error",
                "unit",
                f"{what}; they may be scaled to a unit cube or be kilometres",
                _remedy(facts, USUAL_M / median),
            )
        ]
    return []


def _remedy(facts: Facts, factor: float) -> str:
    if facts.kind != "folder":
        return "copy the dataset again, it was changed"
    return f"data.folder.unit_m={factor * facts.config.folder.unit_m:.3g}"
