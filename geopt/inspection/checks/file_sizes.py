"""Files that hold nothing, end within a point, or are far smaller than the others."""

from __future__ import annotations

import statistics

from geopt.inspection.checks import columns
from geopt.inspection.facts import Facts
from geopt.inspection.findings import Finding, listed

MUCH_SMALLER = 0.5
"""A drive's scans differ by less: between a narrow street and an open place by a third."""
MIN_SCANS = 4
"""Of fewer, none is unlike the others."""


def check(facts: Facts) -> list[Finding]:
    """Sizes of all files; numbers of points of the scans that were looked at."""
    found = []
    empty = [facts.short(file.path) for file in facts.files if not file.num_bytes]
    if empty:
        what = f"{len(empty)} of {len(facts.files)} files are empty: {listed(empty)}"
        found.append(Finding("error", "file sizes", what, "copy them again, or delete them"))
    read_as = {width.read_as for width in facts.widths}
    if len(read_as) == 1 and not columns.check(facts):
        size = 4 * read_as.pop()
        torn = [facts.short(one.path) for one in facts.files if one.path.suffix == ".bin" and one.num_bytes % size]
        if torn:
            what = f"{len(torn)} of {len(facts.files)} files end within a point of {size} bytes: {listed(torn)}"
            found.append(Finding("error", "file sizes", what, "copy them again"))
    for scene in facts.scenes:
        scans = [scan for scan in facts.scans if scan.scene == scene]
        counts = [scan.num_points - scan.num_bad - scan.num_zero for scan in scans]
        usual = statistics.median(counts) if len(counts) >= MIN_SCANS else 0
        small = [f"{scan.name} ({count:,})" for scan, count in zip(scans, counts) if count < MUCH_SMALLER * usual]
        if small:
            what = f"{len(small)} of {len(scans)} scans of {scene} have far fewer points than the usual {usual:,.0f}: {listed(small)}"
            found.append(Finding("warning", "file sizes", what, "they may have been cut off; copy them again"))
    return found
