"""Which segments lie in a folder of the Waymo Open Dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from geopt.data.waymo.v1 import SegmentV1
from geopt.data.waymo.v2 import SegmentV2

LAYOUT = (
    "a Waymo folder holds training/, validation/ or testing/ with .tfrecord files (version 1), or with a folder for each "
    "component, such as lidar/NAME.parquet and vehicle_pose/NAME.parquet (version 2); the files may also lie in the folder itself"
)
SPLITS = {"training": "train", "validation": "val", "testing": "test"}
"""Names of the official folders as other datasets call them."""
EVERYTHING = "all"


class Found(NamedTuple):
    """A segment and the folder that it was found in."""

    part: str
    """Name of the folder, "" for the dataset's own."""
    segment: SegmentV1 | SegmentV2


def find_segments(root: Path) -> list[Found]:
    """All segments below a folder, by folder and name.

    Raises:
        FileNotFoundError: there is none.
        ValueError: there are some of both versions.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"Waymo: root must be a folder, got {root}; {LAYOUT}")
    own = _segments_in(root)
    if own:
        found = [Found("", segment) for segment in own]
    else:
        folders = sorted(path for path in root.iterdir() if path.is_dir())
        found = [Found(folder.name, segment) for folder in folders for segment in _segments_in(folder)]
    if not found:
        raise FileNotFoundError(f"Waymo: {root} holds no segment; {LAYOUT}")
    if len({type(one.segment) for one in found}) > 1:
        raise ValueError(
            f"Waymo: {root} must hold one version of the dataset, got .tfrecord (1) and .parquet (2) files; give the folder of one"
        )
    return found


def _segments_in(folder: Path) -> list[SegmentV1] | list[SegmentV2]:
    records = sorted(folder.glob("*.tfrecord"))
    if records:
        return [SegmentV1(path) for path in records]
    return [SegmentV2(folder, path.stem) for path in sorted(folder.glob("vehicle_pose/*.parquet"))]


def splits_of(root: Path, parts: Sequence[str], names: Sequence[str]) -> dict[str, Sequence[str]]:
    """Segments of each split: ``all``, the folders under their own names and as train, val and test, and those of a
    ``splits.json`` in the root, which win.

    Args:
        parts: Folder of each segment.
        names: Name of each segment.

    Raises:
        ValueError: ``splits.json`` is no object of lists of names.
    """
    known: dict[str, Sequence[str]] = {EVERYTHING: tuple(names)}
    for part in sorted(set(parts) - {""}):
        known[part] = known[SPLITS.get(part, part)] = tuple(name for name, own in zip(names, parts) if own == part)
    path = root / "splits.json"
    if path.is_file():
        try:
            known |= msgspec.json.decode(path.read_bytes(), type=dict[str, list[str]])
        except msgspec.MsgspecError as error:
            raise ValueError(f'Waymo: {path} must be like {{"my_split": ["SEGMENT"]}}, got {error}') from error
    return known
