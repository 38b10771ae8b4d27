"""Points read with the wrong number of columns."""

from __future__ import annotations

from geopt.inspection.facts import Facts
from geopt.inspection.findings import Finding, listed


def check(facts: Facts) -> list[Finding]:
    """How many numbers a point of a .bin is read as, and how many its values look like."""
    some = [width for width in facts.widths if width.read_as != width.looks_like]
    if not some:
        return []
    names = [f"{facts.short(width.path)} (looks like {width.looks_like})" for width in some]
    what = f"{len(some)} of {len(facts.widths)} files have no points of {some[0].read_as} numbers, as they are read: {listed(names)}"
    remedy = (
        f"data.folder.columns with {some[0].looks_like} names" if facts.kind == "folder" else "copy these files again"
    )
    return [Finding("error", "columns", what, remedy)]
