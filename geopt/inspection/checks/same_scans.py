"""One scan under several names."""

from __future__ import annotations

from geopt.inspection.facts import Facts
from geopt.inspection.findings import Finding, listed


def check(facts: Facts) -> list[Finding]:
    """Files with the same bytes, and scans with the same points in whatever order and format."""
    groups = [[facts.short(path) for path in group] for group in facts.same_files]
    by_digest: dict[int, list[str]] = {}
    for scan in facts.scans:
        by_digest.setdefault(scan.digest, []).append(scan.name)
    if not groups:
        groups = [names for names in by_digest.values() if len(names) > 1]
    if not groups:
        return []
    twice = sum(len(group) - 1 for group in groups)
    shown = listed([" = ".join(group[:2]) for group in groups])
    return [
        Finding(
            "error",
            "same scans",
            f"{twice} scans are copies of others: {shown}",
            "delete the copies; if the sensor stood still or hung, leave that part of the drive out",
        )
    ]
