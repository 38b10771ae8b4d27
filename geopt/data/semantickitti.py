"""SemanticKITTI: the sequences of the KITTI odometry benchmark with a label for each point."""

from __future__ import annotations

import functools
import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geopt import official
from geopt.data.file_names import names_in
from geopt.data.scan_source import ScanIndex, ScanSource
from geopt.data.source import LabelKind
from geopt.data.sweeps import SweepPoints, check_rigid, compose, inverse
from geopt.data.velodyne import (
    EGO_FROM_VELODYNE,
    POINT_BYTES,
    numbers,
    read_matrices,
    read_scan,
    read_text,
)

log = logging.getLogger(__name__)

LAYOUT = (
    "a SemanticKITTI folder holds sequences/00/velodyne/000000.bin and so on, labels/000000.label beside velodyne/ for labels, "
    "and poses.txt, calib.txt and times.txt for clouds of several scans"
)
CATEGORIES = tuple(official.semantickitti_labels().values())
"""Names that labels of the kind ``fine`` are positions in; the numbers of the files go up to 259, too far for a byte."""
PERIOD_US = 100_000
"""The Velodyne turns ten times a second. Source: Geiger et al., Vision meets Robotics, IJRR 2013."""
MAX_TIME_S = 1e9
MAX_DIGITS = 9


class _Sequence(NamedTuple):
    """A folder of scans. S scans."""

    folder: Path
    scans: list[str]
    """Names of the files, ascending by number."""
    timestamp_us: NDArray[np.int64]
    """(S,)"""
    global_from_ego: NDArray[np.float64] | None
    """(S, 3, 4)"""


class SemanticKitti(ScanSource):
    """Reads a SemanticKITTI folder in place; nothing is converted.

    Scenes are the sequences, ``00`` to ``21``; the splits are the official ones, ``train`` (00 to 07, 09, 10), ``val`` (08)
    and ``test`` (11 to 21), and ``all``. The model frame ``lidar`` is the Velodyne's, x forward; ``ego`` lies 1.73 m below
    it. The map of a sequence is its Velodyne frame at scan 0, as ``poses.txt`` and ``calib.txt`` tell. Without ``poses.txt``
    every cloud is a single scan, and a warning says so; without ``times.txt`` scans are a tenth of a second apart.

    Args:
        root: The folder that holds ``sequences``.

    Raises:
        FileNotFoundError: there is no scan; or a sequence has poses and no calibration.
        ValueError: ``root`` is empty; or poses, calibration or times are damaged or too few, names the file.
    """

    kind = "semantickitti"
    sensor = "HDL-64E"

    def __init__(self, root: str | Path) -> None:
        if not str(root):
            raise ValueError(f"semantickitti: root must be the dataset's folder, got ''; {LAYOUT}")
        root = Path(root).expanduser().resolve()
        found = [sequence for folder in sorted((root / "sequences").glob("*/velodyne")) if (sequence := _open(folder))]
        if not found:
            what = "holds no scan" if root.is_dir() else "is no folder"
            raise FileNotFoundError(f"semantickitti: {root} {what}; {LAYOUT}")
        self._files = [(sequence.folder, name) for sequence in found for name in sequence.scans]
        self._labelled = {
            (one.folder, name) for one in found for name in names_in(self.kind, one.folder / "labels", ".label")
        }
        self._has_poses = [sequence.global_from_ego is not None for sequence in found]
        scenes, counts = tuple(one.folder.name for one in found), [len(one.scans) for one in found]
        if not all(self._has_poses):
            _warn_of_single_scans(
                tuple(name for name, has in zip(scenes, self._has_poses) if not has), len(found), root
            )
        no_motion = (np.tile(np.eye(3, 4), (count, 1, 1)) for count in counts)
        poses = [none if one.global_from_ego is None else one.global_from_ego for one, none in zip(found, no_motion)]
        index = ScanIndex(
            scenes=scenes,
            scene=np.repeat(np.arange(len(counts)), counts),
            timestamp_us=np.concatenate([one.timestamp_us for one in found]),
            global_from_ego=np.concatenate(poses) if any(self._has_poses) else None,
        )
        super().__init__(root, index, official.splits("semantickitti"))

    def _path(self, row: int, folder: str, suffix: str) -> Path:
        sequence, name = self._files[row]
        return sequence / folder / f"{name}{suffix}"

    def token(self, row: int) -> str:
        """``00/000012``, sequence and name of the files, under which predictions are submitted."""
        return f"{self.scenes[int(self.index.scene[row])]}/{self._files[row][1]}"

    def ego_from_lidar(self, row: int) -> NDArray[np.float64]:
        """(3, 4) where the Velodyne is on the car, metres."""
        return EGO_FROM_VELODYNE

    def past(self, row: int, count: int, oldest_key_frame: int = -1) -> list[int]:
        """Rows of up to ``count`` scans before a scan, newest first; none in a sequence without poses."""
        has_poses = self._has_poses[int(self.index.scene[row])]
        return super().past(row, count, oldest_key_frame) if has_poses else []

    def read(self, row: int) -> SweepPoints:
        """The points of a scan, their intensity from 0 to 1.

        Raises:
            FileNotFoundError, ValueError: see :func:`geopt.data.velodyne.read_scan`.
        """
        return read_scan(self._path(row, "velodyne", ".bin"))

    def has_labels(self, row: int) -> bool:
        """Whether a scan has a file of labels."""
        return self._files[row] in self._labelled

    def point_labels(self, row: int, classes: LabelKind = "fine") -> NDArray[np.uint8]:
        """(N,) label of each point of a scan.

        Args:
            row: The scan.
            classes: ``fine``, a position in :data:`CATEGORIES`; or ``coarse``, one of the benchmark's 19 classes of single
                scans, 0 where there is none.

        Raises:
            FileNotFoundError, ValueError: the file is missing, has not one label for each point, or one that is none of the
                dataset; names it.
        """
        semantic = self._read_labels(row) & 0xFFFF
        coarse = official.semantickitti_class_of_label()[semantic]
        if (coarse < 0).any():
            path, unknown = self._path(row, "labels", ".label"), semantic[np.argmin(coarse)]
            raise ValueError(
                f"semantickitti: {path} must hold labels of the dataset, got {unknown}; copy the file again"
            )
        return coarse.astype(np.uint8) if classes == "coarse" else _fine_of_number()[semantic]

    def instances(self, row: int) -> NDArray[np.uint16]:
        """(N,) number of the object that each point of a scan belongs to, 0 where there is none; an object has the same
        number in all scans of its sequence. Numbers are those of one category: two categories may use the same.

        Raises:
            FileNotFoundError, ValueError: as :meth:`point_labels`, about whole files.
        """
        return (self._read_labels(row) >> 16).astype(np.uint16)

    def _read_labels(self, row: int) -> NDArray[np.uint32]:
        path, scan = self._path(row, "labels", ".label"), self._path(row, "velodyne", ".bin")
        data, num_points = np.fromfile(path, dtype=np.uint8), scan.stat().st_size // POINT_BYTES
        if data.size != 4 * num_points:
            raise ValueError(
                f"semantickitti: {path} must have 4 bytes for each of the {num_points} points of {scan.name}, got {data.size} "
                "bytes; copy both files again"
            )
        return data.view("<u4")


@functools.cache
def _fine_of_number() -> NDArray[np.uint8]:
    """(65536,) position in ``CATEGORIES`` of each number of the files; 0 for those that are none."""
    found = np.zeros(1 << 16, dtype=np.uint8)
    for position, number in enumerate(official.semantickitti_labels()):
        found[number] = position
    return found


@functools.cache  # once, however often a dataset is opened
def _warn_of_single_scans(without: tuple[str, ...], count: int, root: Path) -> None:
    log.warning(
        "%d of the %d sequences in %s have no poses.txt (%s); their clouds are single scans",
        *(len(without), count, root, ", ".join(without[:5]) + (" ..." if len(without) > 5 else "")),
    )


def _open(velodyne: Path) -> _Sequence | None:
    """A sequence, or None where it has no scan."""
    folder, scans = velodyne.parent, names_in(SemanticKitti.kind, velodyne, ".bin")
    if not scans:
        return None
    for name in scans:
        if not (name.isascii() and name.isdecimal() and len(name) <= MAX_DIGITS):
            raise ValueError(f"semantickitti: {velodyne / name}.bin must be named by its number, such as 000000.bin")
    scans.sort(key=int)  # 10.bin comes after 9.bin
    lines = np.array([int(name) for name in scans])  # scans may be missing, lines are not
    twice = np.flatnonzero(np.diff(lines) == 0)
    if len(twice):
        pair = " and ".join(f"{name}.bin" for name in scans[twice[0] : twice[0] + 2])
        raise ValueError(f"semantickitti: {velodyne} must have one scan for each number, got {pair}")
    times, poses = folder / "times.txt", folder / "poses.txt"
    return _Sequence(
        folder,
        scans,
        _times_us(times, lines) if times.is_file() else lines * PERIOD_US,
        _poses(poses, folder / "calib.txt", lines) if poses.is_file() else None,
    )


def _times_us(path: Path, lines: NDArray[np.int64]) -> NDArray[np.int64]:
    words = read_text(path).split()
    _check_count(path, len(words), lines)
    times_s = numbers(words, str(path))
    if (np.abs(times_s) > MAX_TIME_S).any() or (np.diff(times_s) < 0).any():
        raise ValueError(f"semantickitti: {path} must hold seconds that ascend; copy the file again")
    return np.round(times_s * 1e6).astype(np.int64)[lines]


def _poses(path: Path, calibration: Path, lines: NDArray[np.int64]) -> NDArray[np.float64]:
    """Poses of the file are of camera 0; (S, 3, 4) those of the ego frame."""
    rows = [words for words in map(str.split, read_text(path).splitlines()) if words]
    _check_count(path, len(rows), lines)
    if any(len(words) != 12 for words in rows):
        wrong = next(number for number, words in enumerate(rows) if len(words) != 12)
        raise ValueError(
            f"semantickitti: {path}, pose {wrong} must have 12 numbers, got {len(rows[wrong])}; copy the file again"
        )
    camera = numbers([word for words in rows for word in words], str(path)).reshape(-1, 3, 4)
    check_rigid(camera, f"semantickitti: {path}: each pose")
    camera_from_velodyne = read_matrices(calibration, {"Tr": (3, 4)})["Tr"]
    check_rigid(camera_from_velodyne[None], f"semantickitti: {calibration}: Tr")
    camera_from_ego = compose(camera_from_velodyne, inverse(EGO_FROM_VELODYNE))
    velodyne_from_camera = inverse(camera_from_velodyne)
    return np.stack([compose(velodyne_from_camera, compose(pose, camera_from_ego)) for pose in camera[lines]])


def _check_count(path: Path, found: int, lines: NDArray[np.int64]) -> None:
    if found <= lines.max():
        raise ValueError(
            f"semantickitti: {path} must have a line for each of {lines.max() + 1} scans, got {found}; copy the file again, or "
            "move it away to do without"
        )
