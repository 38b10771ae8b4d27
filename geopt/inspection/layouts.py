"""Which dataset lies in a folder, by the names of its files."""

from __future__ import annotations

import glob
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from geopt.data.file_names import PACKED, files_below
from geopt.data.folder.logs import SUFFIXES as LOG_SUFFIXES
from geopt.data.folder.scan_files import SUFFIXES, suffix
from geopt.data.shards.layout import MANIFEST


class Layout(NamedTuple):
    """How a dataset is opened."""

    kind: str
    """``data.kind``."""
    root: Path
    options: dict[str, str]
    """Further keys of ``data`` that opening it takes."""


SCAN_FILES: dict[str, tuple[str, ...]] = {
    "nuscenes": ("samples/LIDAR_TOP/*", "sweeps/LIDAR_TOP/*"),
    "kitti": ("training/velodyne/*.bin", "testing/velodyne/*.bin"),
    "semantickitti": ("sequences/*/velodyne/*.bin",),
    "argoverse2": tuple(f"{above}sensors/lidar/*.feather" for above in ("", "*/", "*/*/", "*/*/*/")),
    "pandaset": ("lidar/*.pkl.gz", "*/lidar/*.pkl.gz"),
}
"""Files of one scan each; Waymo and shards have many in a file."""


def detect(path: str | Path) -> Layout:
    """Tell the format of a dataset.

    Args:
        path: Its folder, a scan file, or a log.

    Raises:
        FileNotFoundError: there is nothing, or nothing that geopt reads; says what it looks for.
    """
    root = Path(path).expanduser()
    if not root.exists():
        raise FileNotFoundError(
            f"inspect: PATH must be a folder, a scan file or a log, got {root}, which does not exist"
        )
    if root.is_file():
        return _file(root)
    for find in FORMATS:
        found = find(root)
        if found is not None:
            return found
    raise FileNotFoundError(
        f"inspect: {root} must hold a dataset that geopt reads, scan files ({', '.join(SUFFIXES)}) or logs "
        f"({', '.join(LOG_SUFFIXES)}), got none of these"
    )


def _file(path: Path) -> Layout:
    if path.suffix in LOG_SUFFIXES:
        return Layout("folder", path, {})
    if suffix(path) is None:
        raise FileNotFoundError(
            f"inspect: {path} must be a scan file ({', '.join(SUFFIXES)}) or a log ({', '.join(LOG_SUFFIXES)})"
        )
    return Layout("folder", path.parent, {"folder.pattern": glob.escape(path.name)})


def _nuscenes(root: Path) -> Layout | None:
    if (root / "sample_data.json").is_file():
        return Layout("nuscenes", root.resolve().parent, {"version": root.resolve().name})
    versions = sorted(path.parent.name for path in root.glob("*/sample_data.json"))
    return Layout("nuscenes", root, {"version": versions[-1]}) if versions else None


def _waymo(root: Path) -> Layout | None:
    return _any("waymo", root, "*.tfrecord", "*/*.tfrecord", "vehicle_pose/*.parquet", "*/vehicle_pose/*.parquet")


def _folder(root: Path) -> Layout | None:
    """Packed files are found too: opening the folder says what to do about them."""
    ends = tuple(end + packed for end in (*SUFFIXES, *LOG_SUFFIXES) for packed in ("", *PACKED))
    there = any(path.name.lower().endswith(ends) for path in files_below(root, "**/*"))
    return Layout("folder", root, {}) if there else None


def _any(kind: str, root: Path, *patterns: str) -> Layout | None:
    """A layout that files of these names show."""
    there = any(next(root.glob(pattern), None) is not None for pattern in patterns)
    return Layout(kind, root, {}) if there else None


FORMATS: tuple[Callable[[Path], Layout | None], ...] = (
    lambda root: _any("shards", root, MANIFEST),
    _nuscenes,
    _waymo,
    lambda root: _any("kitti", root, *SCAN_FILES["kitti"]),
    lambda root: _any("semantickitti", root, *SCAN_FILES["semantickitti"]),
    lambda root: _any("argoverse2", root, *SCAN_FILES["argoverse2"]),
    lambda root: _any("pandaset", root, *SCAN_FILES["pandaset"]),
    _folder,
)
"""In this order; the last one takes whatever holds scans."""
