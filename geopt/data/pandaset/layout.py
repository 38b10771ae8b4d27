"""Which frames lie in a folder of PandaSet, and when and where they were measured."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from geopt.damage import naming
from geopt.data.file_names import names_in
from geopt.data.sweeps import check_rigid, compose, rotation_matrix

KIND = "pandaset"
GROUND_M = 0.31
"""Height of the origin of PandaSet's poses over the road. Measured on sequence 002: over the road that the car came to within
the next eight seconds, 0.31 m at one place and 0.32 m at another (1,529 points)."""
POSE_FROM_EGO = np.array([[0.0, -1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, -GROUND_M]])
"""(3, 4). Poses of PandaSet have x to the right and y forward: within 0.3 degrees the direction that the car moves in."""
LAYOUT = (
    "a PandaSet folder holds a folder for each sequence, such as 002, and that lidar/00.pkl.gz and so on, lidar/poses.json, "
    "lidar/timestamps.json, and annotations/cuboids/00.pkl.gz and annotations/semseg/00.pkl.gz where there are any"
)
T = TypeVar("T")


class Vector(msgspec.Struct, gc=False):
    x: float
    y: float
    z: float


class Heading(Vector, gc=False):
    w: float


class Pose(msgspec.Struct):
    position: Vector
    heading: Heading


def find_sequences(root: Path) -> list[Path]:
    if not root.is_dir():
        raise FileNotFoundError(f"pandaset: root must be a folder, got {root}; {LAYOUT}")
    folders = (
        [root] if (root / "lidar").is_dir() else sorted(path for path in root.iterdir() if (path / "lidar").is_dir())
    )
    if not folders:
        raise FileNotFoundError(f"pandaset: {root} holds no sequence; {LAYOUT}")
    return folders


def frames_of(sequence: Path) -> NDArray[np.int64]:
    """Numbers of the frames of a sequence, ascending; a file that is not there is no frame."""
    names = names_in(KIND, sequence / "lidar", ".pkl.gz")
    for name in names:
        if not (name.isdecimal() and name == f"{int(name):02d}"):
            raise ValueError(f"pandaset: {sequence / 'lidar'} must hold files like 00.pkl.gz, got {name}.pkl.gz")
    if not names:
        raise FileNotFoundError(f"pandaset: {sequence / 'lidar'} holds no frame; {LAYOUT}")
    return np.sort(np.array(names, dtype=np.int64))


def _listed(path: Path, kind: type[T], frames: NDArray[np.int64]) -> list[T]:
    """Items of a JSON list that belong to frames."""
    if not path.is_file():
        raise FileNotFoundError(f"pandaset: {path} is missing; {LAYOUT}")
    with naming(KIND, path):
        items = msgspec.json.decode(path.read_bytes(), type=list[kind])  # type: ignore[valid-type]
        if len(items) <= frames[-1]:
            raise ValueError(f"it must have an item for each frame to {frames[-1]:02d}, got {len(items)}")
        return [items[frame] for frame in frames]


def times_of(sequence: Path, frames: NDArray[np.int64]) -> NDArray[np.float64]:
    """(F,) seconds since 1970."""
    path = sequence / "lidar" / "timestamps.json"
    times = np.array(_listed(path, float, frames), dtype=np.float64)
    if not (np.abs(times) < 1e11).all() or (np.diff(times) < 0).any():
        raise ValueError(
            f"pandaset: {path} is damaged: times must be seconds since 1970 that ascend; copy the file again"
        )
    return times


def poses_of(sequence: Path, frames: NDArray[np.int64]) -> NDArray[np.float64]:
    """(F, 3, 4) where the ego frame was in the world."""
    path = sequence / "lidar" / "poses.json"
    poses = _listed(path, Pose, frames)
    headings = np.array([[pose.heading.w, pose.heading.x, pose.heading.y, pose.heading.z] for pose in poses])
    places = np.array([[pose.position.x, pose.position.y, pose.position.z] for pose in poses])
    with np.errstate(all="ignore"):
        world_from_pose = np.concatenate([rotation_matrix(headings), places[:, :, None]], axis=2)
    check_rigid(world_from_pose, f"pandaset: {path} is damaged: each pose")
    return np.stack([compose(pose, POSE_FROM_EGO) for pose in world_from_pose])
