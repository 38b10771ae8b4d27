"""Writes label files of SemanticKITTI."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from geopt import official

LABELS = np.array(sorted(official.semantickitti_labels()))


def write_labels(folder: Path, labels: Iterable[ArrayLike], kind: str = "labels", sequence: str = "08") -> Path:
    """Write a file for each scan's labels, with instance numbers in the upper bits, and return ``folder``.

    Args:
        kind: ``labels`` or ``predictions``.
    """
    path = folder / "sequences" / sequence / kind
    path.mkdir(parents=True, exist_ok=True)
    for number, of_scan in enumerate(labels):
        of_scan = np.asarray(of_scan, dtype=np.uint32)
        instances = np.arange(len(of_scan), dtype=np.uint32) % 7
        (of_scan | instances << 16).tofile(path / f"{number:06d}.label")
    return folder
