"""Returns from the vehicle that carries the sensor."""

from __future__ import annotations

import statistics

from geopt.inspection.checks.geometry import is_plain
from geopt.inspection.facts import Facts
from geopt.inspection.findings import Finding
from geopt.inspection.measure import NEAR_M, VEHICLE_M

SHARE = 0.03
"""Of the points, over the ground and beside the sensor, in most scans: nuScenes, KITTI, PandaSet and Argoverse 2 have below 0.01."""
TOLD = 0.02


def check(facts: Facts) -> list[Finding]:
    """What stands around the sensor in most scans moves with it."""
    if not facts.scans or not is_plain(facts):
        return []
    found = []
    share = statistics.median(scan.on_vehicle for scan in facts.scans)
    if share > SHARE:
        what = f"{share:.0%} of the points of a scan are over the ground, {NEAR_M:g} to {VEHICLE_M:g} m beside the sensor, as the vehicle is"
        remedy = "cut out the box of the vehicle: in several scans together it leaves a trail, and it is the same in every frame"
        found.append(Finding("warning", "on vehicle", what, remedy))
    near = statistics.median(scan.near for scan in facts.scans)
    if near > TOLD:
        what = f"{near:.0%} of the points of a scan are within {NEAR_M:g} m of the sensor: its housing and the roof"
        found.append(
            Finding(
                "info", "on vehicle", what, "nothing need be done for nuScenes, whose past scans lose them when read"
            )
        )
    return found
