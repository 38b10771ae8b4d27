"""The scenes of a folder: sub-folders with scan files, and what lies beside them."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from geopt.data.deskew import Track, interpolate
from geopt.data.folder.config import FolderConfig
from geopt.data.folder.layout import Scan
from geopt.data.folder.poses import POSES, TIMES, read_poses, read_times, time_in_name
from geopt.data.folder.scan_files import find_scans, read_scan

log = logging.getLogger(__name__)

NONE = "none"


class Recording(Protocol):
    """The scans of one scene in the order of time. S scans. It pickles."""

    name: str
    """Of the scene."""
    time_ns: NDArray[np.int64] | None
    """(S,) None where nobody knows."""
    poses: NDArray[np.float64] | None
    """(S, 3, 4) global_from_body at the time of each scan, metres; None where nobody knows."""
    track: Track | None
    """The poses as they were recorded; None where they have no times."""

    def __len__(self) -> int: ...

    def read(self, number: int) -> Scan:
        """A scan.

        Raises:
            FileNotFoundError, ValueError: it is missing or damaged; names the file.
        """
        ...


class Files:
    """Scan files of one folder, sorted by the numbers in their names.

    Args:
        name: Of the scene.
        paths: The files.
        root: Folder of all scenes; poses and times are looked for from the files' folder up to it.
        config: See :class:`FolderConfig`.

    Raises:
        FileNotFoundError: a file of poses or times that the config names is missing.
        ValueError: one is damaged, or does not fit the scans; names it.
    """

    def __init__(self, name: str, paths: list[Path], root: Path, config: FolderConfig) -> None:
        self.name, self.config = name, config
        self.paths = sorted(paths, key=lambda path: natural(path.name))
        folder = self.paths[0].parent
        self.time_ns = self._times(folder, root)
        self.track: Track | None = None
        self.poses: NDArray[np.float64] | None = None
        found = _beside(folder, root, config.poses, POSES)
        if found is not None:
            self._take_poses(found)

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, number: int) -> Scan:
        """See :meth:`Recording.read`."""
        return read_scan(self.paths[number], self.config)

    def _times(self, folder: Path, root: Path) -> NDArray[np.int64] | None:
        found = _beside(folder, root, self.config.times, TIMES)
        if found is None:
            return None if self.config.times == NONE else self._times_in_names()
        times = read_times(found)
        self._one_each(found, len(times), "times")
        back = np.flatnonzero(np.diff(times) < 0)
        if len(back):
            raise ValueError(
                f"folder: {found} must ascend, got a line {int(back[0]) + 2} that is before the one above; sort the scans, "
                f"or ignore the file with folder.times={NONE}"
            )
        return times

    def _times_in_names(self) -> NDArray[np.int64] | None:
        """Where every file is named by its time, that is the order, too."""
        named = [(time_in_name(path.name), path) for path in self.paths]
        times = [(time, path) for time, path in named if time is not None]
        if len(times) < len(named):
            if times:
                untimed = next(path for time, path in named if time is None)
                log.warning(
                    "%d of %d scans of %s are named by a time, %s is not; their times are not used",
                    *(len(times), len(named), self.name, untimed.name),
                )
            return None
        times.sort(key=lambda pair: pair[0])
        self.paths = [path for _, path in times]
        return np.array([time for time, _ in times], dtype=np.int64)

    def _take_poses(self, path: Path) -> None:
        if path.suffix == ".txt" and (path.parent / "calib.txt").is_file():
            raise ValueError(
                f"folder: {path} lies beside a calib.txt, so its poses are of the camera, as in KITTI odometry; read it with "
                f"data.kind=semantickitti, or ignore the file with folder.poses={NONE}"
            )
        time_ns, matrices = read_poses(path)
        if time_ns is None:
            self._one_each(path, len(matrices), "poses")
            self.poses = matrices
            if self.time_ns is not None and np.all(np.diff(self.time_ns) > 0):
                self.track = Track(str(path), self.time_ns, matrices)
            return
        if np.any(np.diff(time_ns) <= 0):
            raise ValueError(f"folder: {path} must have poses with ascending times, each once")
        if self.time_ns is None:
            raise ValueError(
                f"folder: {path} has poses with times, but the scans of {self.name} have none; put a line for each scan into "
                f"{' or '.join(TIMES)}, or ignore the file with folder.poses={NONE}"
            )
        self.track = Track(str(path), time_ns, matrices)
        turns, places = interpolate(self.track, self.time_ns)
        self.poses = np.concatenate([turns.as_matrix(), places[:, :, None]], axis=2)

    def _one_each(self, path: Path, number: int, what: str) -> None:
        if number != len(self):
            raise ValueError(
                f"folder: {path} must have {what} for {len(self)} scans of {self.name}, got {number}; ignore the file with "
                f"folder.{what}={NONE}"
            )


def file_recordings(root: Path, config: FolderConfig) -> list[Files]:
    """The scenes of a folder: each sub-folder with scans, named by its path; the folder itself by its own name.

    Raises:
        FileNotFoundError, ValueError: see :func:`find_scans` and :class:`Files`.
    """
    by_folder: dict[Path, list[Path]] = {}
    for path in find_scans(root, config.pattern):
        by_folder.setdefault(path.parent, []).append(path)
    names = {folder: folder.relative_to(root).as_posix() for folder in by_folder}
    return [
        Files(root.resolve().name if name == "." else name, by_folder[folder], root, config)
        for folder, name in names.items()
    ]


def natural(name: str) -> list[tuple[int, str]]:
    """Sorts ``scan_10`` after ``scan_9``."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name) if part] + [
        (-2, name)
    ]


def _beside(folder: Path, root: Path, wanted: str, usual: tuple[str, ...]) -> Path | None:
    """A file of this name, or of a usual one, in a folder or the next above it, up to ``root``."""
    if wanted == NONE:
        return None
    above = [folder, *folder.parents]
    for place in above[: above.index(root) + 1]:
        known = {place / wanted} if wanted else {path for name in usual for path in place.glob(name)}
        found = sorted(path for path in known if path.is_file())
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            raise ValueError(
                f"folder: {place} must have one such file, got {names}; name one with folder.poses or times"
            )
        if found:
            return found[0]
    if wanted:
        raise FileNotFoundError(f"folder: {wanted} must lie in {folder} or above it in {root}")
    return None
