"""Numbers that are missing among the names of scan files."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from geopt.inspection.facts import Facts
from geopt.inspection.findings import Finding, listed

NUMBER = re.compile(r"(\d+)\D*$")
LARGEST = 100_000_000
"""Seconds since 1970 are more, whatever their unit."""
MIN_FILES = 4
REGULAR = 0.5
"""Share of the steps that must be the usual one, else the numbers are no count of frames."""


def check(facts: Facts) -> list[Finding]:
    """Steps that are longer than the usual one; frames of KITTI stand alone, so that any choice of them is whole."""
    folders: dict[Path, list[int]] = {}
    for file in facts.files if facts.kind != "kitti" else ():
        match = NUMBER.search(file.path.name.partition(".")[0])
        if match and int(match[1]) <= LARGEST:
            folders.setdefault(file.path.parent, []).append(int(match[1]))
    missing = []
    for folder, found in folders.items():
        numbers = np.unique(found)
        if len(numbers) < MIN_FILES:
            continue
        steps, counts = np.unique(np.diff(numbers), return_counts=True)
        usual = int(steps[np.argmax(counts)])
        if counts.max() < REGULAR * (len(numbers) - 1):
            continue
        for at in np.flatnonzero(np.diff(numbers) > usual):
            missing.append(f"{facts.short(folder)}: none from {numbers[at] + usual} to {numbers[at + 1] - usual}")
    if not missing:
        return []
    what = f"numbers are missing among the names of scans in {len(missing)} places: {listed(missing)}"
    return [
        Finding(
            "warning", "numbering", what, "copy these scans, or cut the drive into scenes there: motions and times jump"
        )
    ]
