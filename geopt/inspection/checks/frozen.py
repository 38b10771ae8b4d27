"""Scans that stay as they are while the vehicle drives on."""

from __future__ import annotations

from geopt.inspection.checks import same_scans
from geopt.inspection.facts import Facts
from geopt.inspection.findings import Finding, listed

FROZEN_M = 0.005
"""Scans of one place differ by the noise of the sensor, 1 cm or more."""


def check(facts: Facts) -> list[Finding]:
    """Pairs of scans that lie on each other without any motion, and are no copies, which another check tells."""
    frozen = [pair for pair in facts.pairs if pair.apart_m["still"] < FROZEN_M < pair.apart_m["given"]]
    if not frozen or same_scans.check(facts):
        return []
    names = listed([f"{pair.names[0]} and {pair.names[1]} ({pair.moved_m:.2g} m)" for pair in frozen])
    what = (
        f"{len(frozen)} of {len(facts.pairs)} pairs of scans are alike although the sensor moved, by its poses: {names}"
    )
    return [Finding("error", "frozen", what, "the sensor hung, or scans were written twice; leave that part out")]
