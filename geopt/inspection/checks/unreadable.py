"""What a reader refuses."""

from __future__ import annotations

from geopt.inspection.facts import Facts
from geopt.inspection.findings import NAMED, Finding

WHAT = {
    "dataset": "the dataset cannot be opened",
    "poses": "the poses beside the scans cannot be used",
    "times": "the times beside the scans cannot be used",
    "scan": "{} of the scans that were looked at cannot be read",
    "boxes": "the boxes of {} frames cannot be read",
    "labels": "the labels of {} frames cannot be read",
}


def check(facts: Facts) -> list[Finding]:
    """An error for each kind of thing that could not be read, with the readers' own messages."""
    found = []
    for part, what in WHAT.items():
        # a scan is read again for its neighbours and its boxes
        texts = list(dict.fromkeys(problem.text for problem in facts.problems if problem.part == part))
        if texts:
            more = f"; and {len(texts) - NAMED} more" if len(texts) > NAMED else ""
            text = f"{what.format(len(texts))}: {'; '.join(texts[:NAMED])}{more}"
            found.append(
                Finding(
                    "error",
                    "unreadable",
                    text,
                    "do what the message says; else copy these files again, or leave them out",
                )
            )
    return found
