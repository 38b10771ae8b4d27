"""A folder of the Argoverse 2 sensor dataset as it was downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from geopt.data.file_names import names_in
from geopt.data.recent import Recent
from geopt.data.scan_source import ScanIndex, ScanSource, SweepPoints
from geopt.data.sweeps import apply, check_rigid, compose, inverse, rotation_matrix
from geopt.data.tracks import velocities
from geopt.feather import read_columns
from geopt.structures import Boxes

GROUND_M = 0.33
"""Height of the origin of Argoverse's egovehicle frame, the middle of the rear axle, over the road.
Source: https://github.com/argoverse/argoverse-api/issues/286 ("around 33 cm"); a plane through the points of the test log
that are labelled as ground lies 0.328 to 0.334 m below the axle."""
EGO_FROM_AXLE = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, GROUND_M]])
LIDAR = "up_lidar"
"""The upper of the two lidars, whose place stands for both."""
SPLITS = ("train", "val", "test")
POSE = ("qw", "qx", "qy", "qz", "tx_m", "ty_m", "tz_m")
SIZE = ("length_m", "width_m", "height_m")
ANNOTATED_LOGS = 32
"""Logs whose boxes are in memory, about 2 MB each."""
LAYOUT = (
    "an Argoverse 2 folder holds sensor/train/, sensor/val/ or sensor/test/ with a folder for each log, and that "
    "sensors/lidar/TIME.feather, city_SE3_egovehicle.feather, calibration/egovehicle_SE3_sensor.feather and, for boxes, "
    "annotations.feather; the folder of a split or of one log will do too"
)


class Annotations(NamedTuple):
    """All boxes of a log in the order of time. M boxes."""

    timestamp_ns: NDArray[np.int64]
    """(M,) ascending."""
    geometry: NDArray[np.float64]
    """(M, 9) as :class:`geopt.structures.Boxes` has it, in the ego frame at that time."""
    category: NDArray[np.object_]
    track: NDArray[np.object_]
    """(M,) UUID of the object."""
    num_points: NDArray[np.int64]


class Argoverse2(ScanSource):
    """Reads the sensor dataset in place; nothing is converted.

    A scene is a log; every sweep is a key frame. The model frame ``ego`` is Argoverse's egovehicle frame, lowered by
    :data:`GROUND_M` from the rear axle to the road; ``lidar`` is that of the upper lidar. Splits are ``all`` and the folders
    ``train``, ``val`` and ``test``. The dataset of bare lidar logs has the same files without boxes.

    Args:
        root: The folder that holds ``sensor`` or the splits, one split, or one log.

    Raises:
        FileNotFoundError: there is no log, or one of its files is missing; names it.
        ValueError: ``root`` is empty; a file is damaged or a log there twice, names it.
        ImportError: pyarrow is not installed.
    """

    kind = "argoverse2"
    sensor = "2 x VLP-32C"

    def __init__(self, root: str | Path) -> None:
        if not str(root):
            raise ValueError(f"argoverse2: root must be the dataset's folder, got ''; {LAYOUT}")
        root = Path(root).expanduser().resolve()
        found = sorted(_find_logs(root), key=lambda log: log[1].name)
        if not found:
            raise FileNotFoundError(f"argoverse2: {root} holds no log; {LAYOUT}")
        self._logs = [path for _, path in found]
        scenes = tuple(path.name for path in self._logs)
        for first, second in zip(scenes, scenes[1:]):
            if first == second:
                raise ValueError(f"argoverse2: {root} must hold each log once, got {first} twice")
        times = [_sweep_times(log) for log in self._logs]
        self._timestamp_ns = np.concatenate(times)
        poses = np.concatenate([_poses_at(log, time) for log, time in zip(self._logs, times)])
        self._ego_from_lidar = [_ego_from_lidar(log) for log in self._logs]
        self._has_boxes = [(log / "annotations.feather").is_file() for log in self._logs]
        self._annotations: Recent[Annotations] = Recent(ANNOTATED_LOGS)
        scene = np.repeat(np.arange(len(scenes)), [len(time) for time in times])
        splits = {
            split: [path.name for part, path in found if part == split]
            for split in SPLITS
            if any(part == split for part, _ in found)
        }
        super().__init__(root, ScanIndex(scenes, scene, self._timestamp_ns // 1000, poses), splits)

    def timestamp_ns(self, row: int) -> int:
        """Time of a sweep as predictions are submitted under, nanoseconds."""
        return int(self._timestamp_ns[row])

    def token(self, row: int) -> str:
        """``LOG:TIME`` in nanoseconds, the two parts that predictions are submitted under."""
        return f"{self.scenes[self.index.scene[row]]}:{self.timestamp_ns(row)}"

    def ego_from_lidar(self, row: int) -> NDArray[np.float64]:
        """(3, 4) where the upper lidar is on the vehicle, metres."""
        return self._ego_from_lidar[self.index.scene[row]]

    def read(self, row: int) -> SweepPoints:
        """The points of a sweep, of both lidars: intensity 0 to 255, lasers 0 to 63, times from the sweep's on.

        Raises:
            FileNotFoundError, ValueError: the file is missing or damaged; names it.
        """
        path = _lidar_folder(self._logs[self.index.scene[row]]) / f"{self.timestamp_ns(row)}.feather"
        columns = read_columns(self.kind, path, ("x", "y", "z", "intensity", "laser_number", "offset_ns"))
        return SweepPoints(
            xyz=apply(EGO_FROM_AXLE, np.stack([columns[axis] for axis in "xyz"], axis=1)),
            intensity=columns["intensity"].astype(np.float32),
            ring=columns["laser_number"].astype(np.float32),
            time_offset_s=(columns["offset_ns"] * 1e-9).astype(np.float32),
        )

    def is_key_frame(self, row: int) -> bool:
        """Whether the log has a file of boxes; the logs of the test split have none."""
        return self._has_boxes[self.index.scene[row]]

    def ego_boxes(self, row: int) -> Boxes:
        """Annotated boxes of a sweep, of all categories, in the order of the file.

        Their velocity is not in the files: it is how far the object moved in the city, see
        :func:`geopt.data.tracks.velocities`, seen from the vehicle's axes. NaN for an object that was seen once.

        Raises:
            FileNotFoundError, ValueError: the file of boxes is missing or damaged; names it.
        """
        scene = int(self.index.scene[row])
        found = self._annotations.get(scene, lambda: _read_annotations(self._logs[scene]))
        time = self.timestamp_ns(row)
        own = slice(*np.searchsorted(found.timestamp_ns, [time, time + 1]))
        tracks = tuple(found.track[own])
        return Boxes(
            geometry=torch.from_numpy(found.geometry[own].copy()),
            names=tuple(found.category[own]),
            tokens=tuple(f"{track}:{time}" for track in tracks),
            instances=tracks,
            num_points=torch.from_numpy(found.num_points[own].copy()),
        )


def _lidar_folder(log: Path) -> Path:
    return log / "sensors" / "lidar"


def _find_logs(root: Path) -> list[tuple[str, Path]]:
    """Logs and the split that each is in, "" where no folder tells."""
    if not root.is_dir():
        raise FileNotFoundError(f"argoverse2: root must be a folder, got {root}; {LAYOUT}")
    if _lidar_folder(root).is_dir():
        return [(root.parent.name, root)]
    base = root / "sensor" if (root / "sensor").is_dir() else root
    parts = [base / split for split in SPLITS if (base / split).is_dir()] or [base]
    return [(part.name, log) for part in parts for log in sorted(part.iterdir()) if _lidar_folder(log).is_dir()]


def _sweep_times(log: Path) -> NDArray[np.int64]:
    """(S,) times of the sweeps of a log, nanoseconds, ascending."""
    names = names_in(Argoverse2.kind, _lidar_folder(log), ".feather")
    for name in names:
        if not (name.isdecimal() and len(name) < 19):
            raise ValueError(
                f"argoverse2: {_lidar_folder(log)} must hold files like 315966265259836000.feather, got {name}"
            )
    if not names:
        raise FileNotFoundError(f"argoverse2: {_lidar_folder(log)} holds no sweep; {LAYOUT}")
    return np.sort(np.array(names, dtype=np.int64))


def _motions(columns: dict[str, NDArray], path: Path) -> NDArray[np.float64]:
    """(R, 3, 4) motions from columns of quaternions and shifts."""
    values = np.stack([columns[name] for name in POSE], axis=1).astype(np.float64)
    with np.errstate(all="ignore"):
        motions = np.concatenate([rotation_matrix(values[:, :4]), values[:, 4:, None]], axis=2)
    check_rigid(motions, f"argoverse2: {path} is damaged: each row")
    return motions


def _read_poses(log: Path) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(P,) times in nanoseconds, ascending, and (P, 3, 4) where the ego frame was in the city then."""
    path = log / "city_SE3_egovehicle.feather"
    columns = read_columns(Argoverse2.kind, path, ("timestamp_ns", *POSE))
    order = np.argsort(columns["timestamp_ns"], kind="stable")
    axle_from_ego = inverse(EGO_FROM_AXLE)
    poses = _motions(columns, path)[order]
    poses[:, :, 3] += poses[:, :, :3] @ axle_from_ego[:, 3]
    return columns["timestamp_ns"][order].astype(np.int64), poses


def _poses_at(log: Path, timestamp_ns: NDArray[np.int64]) -> NDArray[np.float64]:
    """(S, 3, 4) where the ego frame was in the city at the times of sweeps or boxes, which all have a pose of their own."""
    times, poses = _read_poses(log)
    rows = np.searchsorted(times, timestamp_ns)
    known = rows < len(times)
    known[known] = times[rows[known]] == timestamp_ns[known]
    if not known.all():
        raise ValueError(
            f"argoverse2: {log / 'city_SE3_egovehicle.feather'} must have a pose at the time of each sweep, got none at "
            f"{timestamp_ns[~known][0]}; copy the file again"
        )
    return poses[rows]


def _ego_from_lidar(log: Path) -> NDArray[np.float64]:
    path = log / "calibration" / "egovehicle_SE3_sensor.feather"
    columns = read_columns(Argoverse2.kind, path, POSE, ("sensor_name",))
    rows = np.flatnonzero(columns["sensor_name"] == LIDAR)
    if len(rows) != 1:
        raise ValueError(f"argoverse2: {path} must have one row for {LIDAR}, got {len(rows)}")
    return compose(EGO_FROM_AXLE, _motions(columns, path)[rows[0]])


def _read_annotations(log: Path) -> Annotations:
    path = log / "annotations.feather"
    numbers = ("timestamp_ns", "num_interior_pts", *SIZE, *POSE)
    columns = read_columns(Argoverse2.kind, path, numbers, ("track_uuid", "category"))
    order = np.argsort(columns["timestamp_ns"], kind="stable")
    columns = {name: column[order] for name, column in columns.items()}
    ego_from_box = _motions(columns, path)
    ego_from_box[:, 2, 3] += GROUND_M
    size = np.stack([columns[name] for name in SIZE], axis=1).astype(np.float64)
    if not (size > 0).all():
        raise ValueError(f"argoverse2: {path} is damaged: boxes must have positive sizes; copy the file again")
    times = columns["timestamp_ns"].astype(np.int64)
    unique, place = np.unique(times, return_inverse=True)
    city_from_ego = _poses_at(log, unique)[place]
    centre = ego_from_box[:, :, 3]
    in_city = np.einsum("mij,mj->mi", city_from_ego[:, :, :3], centre) + city_from_ego[:, :, 3]
    speed = velocities(columns["track_uuid"].astype(str), (times - times[:1]).astype(np.float64) * 1e-9, in_city)
    seen = np.einsum("mji,mj->mi", city_from_ego[:, :, :3], speed)  # the inverse turn
    yaw = np.arctan2(ego_from_box[:, 1, 0], ego_from_box[:, 0, 0])
    return Annotations(
        timestamp_ns=times,
        geometry=np.concatenate([centre, size, yaw[:, None], seen[:, :2]], axis=1),
        category=columns["category"],
        track=columns["track_uuid"],
        num_points=columns["num_interior_pts"].astype(np.int64),
    )
