"""Intensities that say nothing, or are not on the scale that they seem to be on."""

from __future__ import annotations

from geopt.inspection.checks import columns
from geopt.inspection.facts import Column, Facts, ScanFacts
from geopt.inspection.findings import Finding, listed

SCALES = {"0 to 1": 1.0, "0 to 255": 255.0, "0 to 65535": 65535.0}
KNOWN = {
    "nuscenes": "0 to 255",
    "kitti": "0 to 1",
    "semantickitti": "0 to 1",
    "argoverse2": "0 to 255",
    "pandaset": "0 to 255",
}
"""Scales of datasets."""
CLIPPED = 0.1
"""Share of values that are the highest one: clean scans have at most 0.012. Where nothing came back the lowest is usual."""
MAJORITY = 0.5


def scale_of(column: Column) -> str:
    """``0 to 1``, ``0 to 255``, ``0 to 65535``, ``constant`` or ``other``."""
    if column.lowest == column.highest:
        return "constant"
    fitting = [name for name, highest in SCALES.items() if column.lowest >= 0 and column.highest <= highest]
    return fitting[0] if fitting else "other"


def check(facts: Facts) -> list[Finding]:
    """Constant, clipped, negative or on several scales."""
    scans = [scan for scan in facts.scans if "intensity" in scan.columns and not columns.check(facts)]
    by_scale: dict[str, list[ScanFacts]] = {}
    for scan in scans:
        by_scale.setdefault(scale_of(scan.columns["intensity"]), []).append(scan)
    constant, strange = by_scale.pop("constant", []), by_scale.pop("other", [])
    found = []
    if constant:
        what = f"{len(constant)} of {len(scans)} scans have the same intensity everywhere: {_names(constant)}"
        found.append(
            Finding(
                "warning", "intensity", what, "leave it out of data.features, or see whether another field holds it"
            )
        )
    if strange:
        what = (
            f"{len(strange)} of {len(scans)} scans have intensities that are negative or above 65535: {_names(strange)}"
        )
        found.append(
            Finding(
                "warning", "intensity", what, "see whether the column is the intensity (data.folder.columns or fields)"
            )
        )
    if len(by_scale) > 1:
        parts = "; ".join(f"{scale}: {_names(some)}" for scale, some in by_scale.items())
        found.append(
            Finding(
                "warning",
                "intensity",
                f"scans differ in the scale of their intensity: {parts}",
                "read them as two datasets, each with its data.intensity_scale",
            )
        )
    elif facts.kind in KNOWN and by_scale and KNOWN[facts.kind] not in by_scale:
        what = f"{facts.kind} has intensities from {KNOWN[facts.kind]}, here they are {next(iter(by_scale))}: {_names(scans)}"
        found.append(Finding("warning", "intensity", what, "the files were changed; set data.intensity_scale to match"))
    clipped = [scan for scan in scans if scan not in constant and scan.columns["intensity"].at_highest > CLIPPED]
    if len(clipped) > MAJORITY * len(scans):
        share = max(scan.columns["intensity"].at_highest for scan in clipped)
        what = f"{len(clipped)} of {len(scans)} scans have up to {share:.0%} of their points at the highest intensity: {_names(clipped)}"
        found.append(Finding("warning", "intensity", what, "it was clipped or saturated when it was written"))
    return found


def _names(scans: list[ScanFacts]) -> str:
    return listed(
        [
            f"{scan.name} ({scan.columns['intensity'].lowest:.4g} to {scan.columns['intensity'].highest:.4g})"
            for scan in scans
        ]
    )
