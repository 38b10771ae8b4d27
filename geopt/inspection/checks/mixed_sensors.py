"""Scans of several sensors in one folder."""

from __future__ import annotations

from collections.abc import Hashable

from geopt.inspection.facts import Facts
from geopt.inspection.findings import Finding, listed

MORE_BEAMS = 1.25
"""A scan without returns of some lasers, which look at the sky, is one of the same sensor."""
MIN_SCANS = 4
"""Among so many, a single scan with fewer lasers is one that was cut off."""


def check(facts: Facts) -> list[Finding]:
    """Fields, columns and numbers of lasers that differ from scan to scan."""
    found = []
    fields: dict[Hashable, list[str]] = {}
    for scan in facts.scans:
        fields.setdefault(tuple(scan.columns), []).append(scan.name)
    widths: dict[Hashable, list[str]] = {}
    for width in facts.widths:
        widths.setdefault(f"{width.looks_like} numbers a point", []).append(facts.short(width.path))
    beams = [(scan.num_beams, scan.name) for scan in facts.scans if scan.num_beams is not None]
    if len(fields) > 1:
        found.append(
            _mixed({", ".join(map(str, names)): scans for names, scans in fields.items() if isinstance(names, tuple)})
        )
    elif len(widths) > 1:
        found.append(_mixed(widths))
    most = max(beams, default=(0, ""))
    fewer = [name for count, name in beams if MORE_BEAMS * count < most[0]]
    if len(fewer) > (len(beams) >= MIN_SCANS):
        found.append(_mixed({f"{most[0]} lasers": [most[1]], "fewer": fewer}))
    return found


def _mixed(groups: dict) -> Finding:
    parts = "; ".join(f"{what}: {listed(names)}" for what, names in groups.items())
    remedy = "read them as several datasets: data.mix, each with its root or data.folder.pattern"
    return Finding("warning", "mixed sensors", f"scans are of several sensors or formats: {parts}", remedy)
