"""The scan files of a dataset as they lie on disk, without reading what they hold."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from geopt.data.config import DataConfig
from geopt.data.folder.scan_files import scan_paths
from geopt.data.folder.tables import width
from geopt.inspection.facts import FileFacts, WidthFacts
from geopt.inspection.layouts import SCAN_FILES

PROBE = 4096
"""Bytes of the middle of a file that tell it from others of its size."""
NUM_NUMBERS = {"nuscenes": 5, "kitti": 4, "semantickitti": 4}
"""float32 numbers of a point of these datasets."""
CHUNK = 1 << 20


def find(config: DataConfig) -> tuple[FileFacts, ...]:
    """All scan files of a dataset; none where files hold many scans."""
    root = Path(config.root).expanduser()
    if not root.is_dir():
        return ()
    if config.kind == "folder":
        paths = scan_paths(root, config.folder.pattern)
    else:
        paths = sorted(
            path for pattern in SCAN_FILES.get(config.kind, ()) for path in root.glob(pattern) if path.name[0] != "."
        )
    return tuple(FileFacts(path, path.stat().st_size) for path in paths if path.is_file())


def same(files: Sequence[FileFacts]) -> tuple[tuple[Path, ...], ...]:
    """Groups of files with the same bytes. Of files of one size the middle is read, and all of those alike there."""
    groups: dict[tuple[int, bytes], list[Path]] = {}
    sizes = [file.num_bytes for file in files]
    shared = {size for size, count in zip(*np.unique(sizes, return_counts=True)) if count > 1 and size}
    for file in files:
        if file.num_bytes in shared:
            groups.setdefault((file.num_bytes, _middle(file)), []).append(file.path)
    found: list[tuple[Path, ...]] = []
    for alike in groups.values():
        while len(alike) > 1:
            equal = [path for path in alike[1:] if _equal(alike[0], path)]
            if equal:
                found.append((alike[0], *equal))
            alike = [path for path in alike[1:] if path not in equal]
    return tuple(found)


def widths(config: DataConfig, files: Sequence[FileFacts], number: int) -> tuple[WidthFacts, ...]:
    """For some of the ``.bin`` files, how many numbers a point is read as, and how many it looks like."""
    given = config.folder.columns if config.kind == "folder" else None
    read_as = len(given) if given else NUM_NUMBERS.get(config.kind)
    chosen = [file.path for file in files if file.path.suffix == ".bin" and file.num_bytes]
    found = []
    for at in np.unique(np.linspace(0, len(chosen) - 1, min(number, len(chosen))).astype(int)):
        try:
            looks_like = width(chosen[at].read_bytes())
        except ValueError:
            continue  # it does not tell
        found.append(WidthFacts(chosen[at], read_as or looks_like, looks_like))
    return tuple(found)


def _middle(file: FileFacts) -> bytes:
    with file.path.open("rb") as opened:
        opened.seek(max(0, file.num_bytes // 2 - PROBE // 2), os.SEEK_SET)
        return opened.read(PROBE)


def _equal(first: Path, second: Path) -> bool:
    with first.open("rb") as one, second.open("rb") as other:
        while True:
            parts = one.read(CHUNK), other.read(CHUNK)
            if parts[0] != parts[1]:
                return False
            if not parts[0]:
                return True
