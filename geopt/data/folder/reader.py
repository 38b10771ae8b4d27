"""Any folder of scans."""

from __future__ import annotations

import itertools
import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geopt.data.deskew import deskew
from geopt.data.folder.config import FolderConfig
from geopt.data.folder.layout import LONGEST_SCAN_S, Scan
from geopt.data.folder.logs import find_logs
from geopt.data.folder.recordings import Recording, file_recordings
from geopt.data.folder.scan_files import scan_paths
from geopt.data.scan_source import ScanIndex, ScanSource, SweepPoints
from geopt.data.sweeps import apply, inverse

log = logging.getLogger(__name__)


class Folder(ScanSource):
    """Scans without labels; a :class:`geopt.data.source.Source`.

    Each sub-folder with scan files is a scene, named by its path, and its scans are in the order of the numbers in their names,
    or of the times that they are named by. Each topic of a log is a scene, too. There is one split, ``all``.

    Points without a position (NaN, infinite, or 0, 0, 0, which sensors write where nothing came back) are left out; the first
    file that has some is told.

    Args:
        root: The folder, or a log.
        config: What the files hold, and how the sensor was mounted.

    Raises:
        FileNotFoundError: the folder is missing or holds no scan.
        OSError: a folder cannot be read; names it.
        ValueError: ``root`` is empty; a scan is packed; or a file of poses or times is damaged, or does not fit the scans;
            names it.
    """

    kind = "folder"

    def __init__(self, root: str | Path, config: FolderConfig | None = None) -> None:
        if not str(root):
            raise ValueError("folder: root must be the folder of the scans, got ''")
        folder, self.config = Path(root).expanduser(), config or FolderConfig()
        recordings: list[Recording] = list(find_logs(folder, self.config))
        if self.config.topic and not recordings:
            raise ValueError(f"folder: topic must be left out, for {folder} holds no log, got {self.config.topic!r}")
        if not recordings or scan_paths(folder, self.config.pattern):
            recordings += file_recordings(folder, self.config)
        recordings.sort(key=lambda one: one.name)
        for first, second in itertools.pairwise(recordings):
            if first.name == second.name:
                raise ValueError(
                    f"folder: scenes of {folder} must differ in their names, got {first.name} twice; folder.pattern"
                )
        with_poses = [one.poses is not None for one in recordings]
        if any(with_poses) and not all(with_poses):
            lacks = recordings[with_poses.index(False)].name
            raise ValueError(
                f"folder: {folder} must have poses of all scenes or of none, got none of {lacks}; folder.poses"
            )
        self.recordings = recordings
        self._ego_from_lidar = self.config.ego_from_lidar
        self.sensor = self.config.sensor or self.sensor
        self._told = False
        counts = [len(one) for one in recordings]
        times = [np.zeros(len(one), np.int64) if one.time_ns is None else one.time_ns // 1000 for one in recordings]
        poses = [self._of_ego(one.poses) for one in recordings if one.poses is not None]
        self._tracks = [
            None if one.track is None else one.track._replace(global_from_body=self._of_ego(one.track.global_from_body))
            for one in recordings
        ]
        index = ScanIndex(
            scenes=tuple(one.name for one in recordings),
            scene=np.repeat(np.arange(len(recordings)), counts),
            timestamp_us=np.concatenate(times),
            global_from_ego=np.concatenate(poses) if poses else None,
        )
        super().__init__(folder, index, {})

    def ego_from_lidar(self, row: int) -> NDArray[np.float64]:
        """(3, 4) where the sensor is on the vehicle, metres."""
        return self._ego_from_lidar

    def scan(self, row: int) -> Scan:
        """A scan as its file has it, with all points and columns.

        Raises:
            FileNotFoundError, ValueError: it is missing or damaged; names the file.
        """
        return self.recordings[int(self.index.scene[row])].read(self.number(row))

    def read(self, row: int) -> SweepPoints:
        """The points of a scan that have a position, in the ego frame.

        Raises:
            FileNotFoundError, ValueError: it is missing, damaged or has no such point, or ``deskew`` lacks times or
                poses; names the file.
        """
        scan = self.scan(row)
        xyz = self.config.xyz_m(scan)
        kept = np.flatnonzero(np.isfinite(xyz).all(axis=1) & xyz.any(axis=1))
        columns = {name: values[kept] for name, values in scan.columns.items()}
        if len(kept) < len(xyz):
            self._tell(scan.name, len(xyz) - len(kept), len(xyz))
        # of these points alone: those without a position may have no time either
        offsets = self._offsets(row, scan._replace(columns=columns))
        if self.config.deskew:
            xyz_ego = self._deskewed(row, scan.name, xyz[kept], offsets)
        else:
            xyz_ego = apply(self._ego_from_lidar, xyz[kept])
        return SweepPoints(
            xyz=xyz_ego,
            intensity=columns.get("intensity"),
            ring=columns.get("ring"),
            elongation=columns.get("elongation"),
            time_offset_s=None if offsets is None else offsets.astype(np.float32),
        )

    def _offsets(self, row: int, scan: Scan) -> NDArray[np.float64] | None:
        """Seconds from the time of the scan: files have these, or times of the clock that the scans have."""
        times_s, time_ns = scan.time_s(), self.recordings[int(self.index.scene[row])].time_ns
        if times_s is None or np.abs(times_s).max() <= LONGEST_SCAN_S:
            return times_s
        if time_ns is None:
            return None
        offsets = times_s - time_ns[self.number(row)] * 1e-9
        return offsets if np.abs(offsets).max() <= LONGEST_SCAN_S else None

    def _deskewed(
        self, row: int, name: str, xyz: NDArray[np.float64], offsets: NDArray[np.float64] | None
    ) -> NDArray[np.float32]:
        scene = int(self.index.scene[row])
        track, time_ns = self._tracks[scene], self.recordings[scene].time_ns
        if track is None or time_ns is None:
            raise ValueError(f"folder: deskew needs poses and times of {self.scenes[scene]}, got none in {self.root}")
        if offsets is None:
            raise ValueError(
                f"folder: deskew needs the time of each point of {name}, between {-LONGEST_SCAN_S} and {LONGEST_SCAN_S} s "
                "from that of the scan, got none; name its field in folder.fields, or its column in folder.columns"
            )
        turn, shift = self._ego_from_lidar[:, :3], self._ego_from_lidar[:, 3]
        with np.errstate(over="ignore", invalid="ignore"):  # as sweeps.apply: garbage lies outside every grid
            return deskew(xyz @ turn.T + shift, offsets, track, int(time_ns[self.number(row)])).astype(np.float32)

    def _of_ego(self, poses: NDArray[np.float64]) -> NDArray[np.float64]:
        """(K, 3, 4) poses of the vehicle."""
        if self.config.poses_of == "ego":
            return poses
        lidar_from_ego, turns = inverse(self._ego_from_lidar), poses[:, :, :3]
        shifts = turns @ lidar_from_ego[:, 3:] + poses[:, :, 3:]
        return np.concatenate([turns @ lidar_from_ego[:, :3], shifts], axis=2)

    def _tell(self, name: str, left_out: int, number: int) -> None:
        if left_out == number:
            raise ValueError(f"scans: {name} must hold points with a position, got {number} that are NaN or 0, 0, 0")
        if not self._told:
            log.warning(
                "%d of %d points of %s have no position and are left out; more of that is not told",
                left_out,
                number,
                name,
            )
            self._told = True
