"""What an inspection found to be wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

Severity = Literal["error", "warning", "info"]
NAMED = 3
"""So many files are named in a message, the others counted."""


class Finding(NamedTuple):
    """One thing that a user should know."""

    severity: Severity
    """``error``: training on it goes wrong; ``warning``: it may; ``info``: a fact that is no fault."""
    check: str
    """Short name of the kind of fault, such as ``axes``."""
    what: str
    """What is the matter, with the numbers and files that show it."""
    remedy: str
    """What to do about it."""


def listed(names: Sequence[str]) -> str:
    """The first few names and how many there are."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
