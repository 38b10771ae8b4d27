"""From a folder to a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from geopt.inspection import suggestion
from geopt.inspection.checks import CHECKS, Check
from geopt.inspection.look import load, look
from geopt.inspection.report import Report

SCANS = 20


def inspect(
    path: str | Path,
    scans: int = SCANS,
    overrides: Sequence[str] = (),
    checks: Sequence[Check] = CHECKS,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Say what a dataset is and what is wrong with it.

    Args:
        path: Its folder, a scan file, or a log.
        scans: How many scans are read, spread evenly; sizes, names, times and poses are those of all.
        overrides: Such as ``data.folder.unit_m=0.001``, for what the files do not tell.
        checks: Functions of :class:`geopt.inspection.Facts` that return findings.
        progress: Called with scans read and scans in all.

    Raises:
        FileNotFoundError: there is nothing that geopt reads.
        ConfigError: an override is wrong.
        ImportError: the files need a package that is not installed; says which.
        ValueError: ``scans`` is below 1.

    What cannot be read is a finding.
    """
    if scans < 1:
        raise ValueError(f"inspect: scans must be at least 1, got {scans}")
    facts = look(load(path, overrides), scans, progress)
    findings = tuple(finding for check in checks for finding in check(facts))
    return Report(facts, findings, suggestion.keys(facts))
