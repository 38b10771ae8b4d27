"""z does not point up."""

from __future__ import annotations

from collections import Counter

from geopt.inspection.facts import Facts
from geopt.inspection.findings import Finding

UPRIGHT = {
    "-z": "[x,-y,-z]",
    "y": "[-z,-x,y]",
    "-y": "[z,-x,-y]",
    "x": "[-z,y,x]",
    "-x": "[z,y,-x]",
}
"""``folder.axes`` that turn this axis up, none of which mirrors."""
MAJORITY = 0.5


def check(facts: Facts) -> list[Finding]:
    """The direction of up in most scans where it can be told."""
    if any(scan.angles for scan in facts.scans):
        return []
    found = Counter(scan.up.axis for scan in facts.scans if scan.up is not None)
    total = sum(found.values())
    wrong = [(axis, count) for axis, count in found.most_common() if axis != "z" and count > MAJORITY * total]
    if not wrong or total < MAJORITY * len(facts.scans):
        return []
    axis, count = wrong[0]
    what = f"{axis} points up rather than z, in {count} of {len(facts.scans)} scans"
    hint = {"-z": " (z points down)", "-y": " (as in a camera's frame)"}.get(axis, "")
    mirrored = "; if left and right are then exchanged, the files are mirrored: use [x,y,-z]" if axis == "-z" else ""
    remedy = (
        f"data.folder.axes={UPRIGHT[axis]}{mirrored}"
        if facts.kind == "folder"
        else "copy the dataset again, it was changed"
    )
    return [Finding("error", "axes", what + hint, remedy)]
