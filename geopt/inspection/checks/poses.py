"""Poses that do not bring scans together."""

from __future__ import annotations

import statistics

from geopt.inspection.checks import frozen
from geopt.inspection.checks.geometry import is_plain
from geopt.inspection.facts import Facts
from geopt.inspection.findings import Finding, listed
from geopt.inspection.motion import INVERTED, MISTAKES

BETTER = 0.75
"""A mistake is one if it brings scans this much nearer than the poses do: over clean drives no other motion does."""
TELLING_M = 0.1
"""What is nearer together than this with the poses is together."""
REMEDIES = {
    "still": "the poses are in another frame or unit, belong to other scans, or are those of another time",
    INVERTED: "the poses lead from the map to the sensor: invert each",
    "of the camera": "the poses are of the camera, z forward and y down: turn them into the sensor's frame (data.kind=semantickitti does)",
}
MIRRORED = "points and poses are not in one frame, or the files are mirrored (left-handed): set data.folder.axes"


def check(facts: Facts) -> list[Finding]:
    """Brings scans together as the poses say, and as they would say if they were something else."""
    if not facts.pairs or not is_plain(facts) or frozen.check(facts):
        return []
    names = listed([f"{first} and {second}" for first, second in (pair.names for pair in facts.pairs)])
    apart = {
        motion: statistics.median(pair.apart_m[motion] for pair in facts.pairs)
        for motion in ("given", "still", INVERTED, *MISTAKES)
    }
    best = min(apart, key=apart.__getitem__)
    if best == "given" or apart["given"] < TELLING_M or apart[best] > BETTER * apart["given"]:
        return []
    how = "without any motion" if best == "still" else f"if they were {best}"
    what = f"poses bring scans to {apart['given']:.2f} m from each other, {apart[best]:.2f} m {how}: {names}"
    return [Finding("error", "poses", what, REMEDIES.get(best, MIRRORED))]
