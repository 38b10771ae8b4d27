"""Points that are nowhere, and values that are no numbers."""

from __future__ import annotations

from geopt.inspection.beams import BUILT
from geopt.inspection.facts import Facts
from geopt.inspection.findings import Finding, Severity, listed


def check(facts: Facts) -> list[Finding]:
    """NaN, infinity, and 0, 0, 0.

    A range image has a pixel for each direction, and nothing in it where no pulse came back: then all scans have as many
    points, the same for each laser, and all have such points. That is told as a fact. A single point in a scan or less is one, too.
    """
    found = []
    for what, counts in (
        ("NaN or infinite", [scan.num_bad for scan in facts.scans]),
        ("0, 0, 0", [scan.num_zero for scan in facts.scans]),
    ):
        some = [(scan, count) for scan, count in zip(facts.scans, counts) if count > 1]
        if not some:
            continue
        is_image = (
            len(some) == len(facts.scans)
            and len({scan.num_points for scan in facts.scans}) == 1
            and facts.scans[0].num_points % min(BUILT) == 0
        )
        names = listed([f"{scan.name} ({count:,} of {scan.num_points:,})" for scan, count in some])
        is_bare = any(count == scan.num_points for scan, count in some)
        severity: Severity = "error" if is_bare else "info" if is_image else "warning"
        text = f"{len(some)} of {len(facts.scans)} scans have points at {what}: {names}"
        remedy = "data.kind=folder leaves them out; other readers do not: delete them, or copy the files again"
        found.append(Finding(severity, "no position", text, remedy))
    bad = [
        f"{scan.name} ({name}: {column.num_bad:,})"
        for scan in facts.scans
        for name, column in scan.columns.items()
        if column.num_bad and name not in ("x", "y", "z")
    ]
    if bad:
        text = f"values of points are NaN or infinite: {listed(bad)}"
        found.append(
            Finding(
                "error", "no position", text, "a network learns nothing from NaN; replace them, or leave out the column"
            )
        )
    return found
