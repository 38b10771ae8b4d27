"""A folder of plain scan files: nothing but points."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, field_validator

from geopt.data.config import DataConfig
from geopt.data.sample import Sample
from geopt.schema import Frozen

Column = Literal["x", "y", "z", "intensity", "elongation", "ring", "time_lag_s", "skip"]
KITTI: tuple[Column, ...] = ("x", "y", "z", "intensity")
NUSCENES: tuple[Column, ...] = ("x", "y", "z", "intensity", "ring")
SUFFIXES = (".bin", ".npy")
LIDAR_HEIGHT_M = 1.84
"""Of the LiDAR of nuScenes over the ground; in its frame, which models may be trained in, the ground is so far below 0."""


class ScansConfig(Frozen):
    """What the files hold and how the sensor was mounted."""

    columns: tuple[Column, ...] | None = None
    """Columns of a file, all float32 in a ``.bin``; null decides by the size: 4 (x, y, z, intensity) or 5 (and ring)."""
    sensor_height_m: NonNegativeFloat = 0.0
    """Of the sensor over the ground; 0 where the files have z = 0 on the ground already."""
    yaw_deg: float = 0.0
    """Direction in which the x axis of the files points in the vehicle: 0 for forward (KITTI), -90 for right (nuScenes)."""
    intensity_scale: float = 1.0
    """Factor that makes the intensity of the files that of the training data as it is stored; 255 for KITTI's 0 to 1
    where a model was trained on nuScenes."""

    @field_validator("columns")
    @classmethod
    def _whole(cls, columns: tuple[Column, ...] | None) -> tuple[Column, ...] | None:
        if columns is not None and not {"x", "y", "z"} <= set(columns):
            raise ValueError(f"must name x, y and z, got {columns}")
        named = [name for name in columns or () if name != "skip"]
        if len(set(named)) < len(named):
            raise ValueError(f"must name each column once, got {columns}")
        return columns


class Scan(NamedTuple):
    """One file."""

    path: Path
    columns: dict[str, NDArray[np.float32]]
    """(N,) each."""


def find_scans(folder: str | Path) -> list[Path]:
    """Scan files below a folder, in the order of their names.

    Raises:
        FileNotFoundError: the folder is missing or holds no scan file.
        ValueError: two files differ in their suffix alone, so that their results would have one name.
    """
    root = Path(folder).expanduser()
    found = sorted(path for suffix in SUFFIXES for path in root.rglob(f"*{suffix}"))
    if not found:
        raise FileNotFoundError(f"scans: {root} must be a folder with {' or '.join(SUFFIXES)} files, got none there")
    for first, second in itertools.pairwise(sorted(path.with_suffix("") for path in found)):
        if first == second:
            raise ValueError(f"scans: files must differ in their names, got {first} with several suffixes")
    return found


def read_scan(path: Path, columns: Sequence[Column] | None = None) -> Scan:
    """Read a scan file.

    Args:
        path: ``.bin`` (float32, point by point) or ``.npy`` ((N, columns), any float type).
        columns: Names; None decides by the size.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: it is damaged, empty, or has another number of columns; names the file.
    """
    table = _read_npy(path) if path.suffix == ".npy" else _read_bin(path, columns)
    names = columns or {4: KITTI, 5: NUSCENES}.get(table.shape[1])
    if names is None or table.shape[1] != len(names) or not len(table):
        wanted = f"{len(names)} ({', '.join(names)})" if names else "4 or 5, or as many as scans.columns names"
        raise ValueError(f"scans: {path} must hold points with columns {wanted}, got an array of shape {table.shape}")
    return Scan(path, {name: table[:, i] for i, name in enumerate(names) if name != "skip"})


def _read_npy(path: Path) -> NDArray[np.float32]:
    try:
        table = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"scans: {path} must be an array of numbers as NumPy saves it ({error})") from error
    if not isinstance(table, np.ndarray) or table.ndim != 2 or table.dtype.kind != "f":
        got = f"{table.dtype} {table.shape}" if isinstance(table, np.ndarray) else type(table).__name__
        raise ValueError(f"scans: {path} must hold floating-point numbers of shape (N, columns), got {got}")
    return table.astype(np.float32)


def _read_bin(path: Path, columns: Sequence[Column] | None) -> NDArray[np.float32]:
    data = path.read_bytes()
    widths = [len(columns)] if columns else [len(KITTI), len(NUSCENES)]
    fitting = [width for width in widths if len(data) and len(data) % (4 * width) == 0]
    if not fitting:
        raise ValueError(
            f"scans: {path} must hold whole points of {' or '.join(str(4 * w) for w in widths)} bytes, got {len(data)} "
            "bytes; name the columns with scans.columns, or copy the file again"
        )
    if len(fitting) > 1:
        raise ValueError(
            f"scans: {path} has {len(data)} bytes, which could be points of 4 or of 5 numbers; say which with "
            "scans.columns=[x,y,z,intensity] or scans.columns=[x,y,z,intensity,ring]"
        )
    return np.frombuffer(data, dtype="<f4").reshape(-1, fitting[0])


def as_sample(scan: Scan, config: ScansConfig, data: DataConfig) -> Sample:
    """A scan as one frame in the model frame.

    Args:
        scan: The file.
        config: Mounting and scale.
        data: What the model was trained on. Its frame is the model frame, where ``lidar`` stands for x to the right and the
            ground ``LIDAR_HEIGHT_M`` below the origin; of its features ``time_lag_s`` is 0 unless the file has it.

    Raises:
        ValueError: the file lacks a channel; names it and the file. Or the model was trained in the frame of Waymo's top
            lidar, whose axes point differently on every car.
    """
    if data.kind == "waymo" and data.frame == "lidar":
        raise ValueError(
            f"scans: {scan.path} cannot be seen in the frame of Waymo's top lidar; train with data.frame=ego"
        )
    x, y, z = (scan.columns[axis].astype(np.float64) for axis in "xyz")
    cos, sin = np.cos(np.radians(config.yaw_deg)), np.sin(np.radians(config.yaw_deg))
    forward, left, height_m = cos * x - sin * y, sin * x + cos * y, config.sensor_height_m
    if data.frame == "lidar":
        forward, left, height_m = -left, forward, height_m - LIDAR_HEIGHT_M
    xyz = np.stack([forward, left, z + height_m], axis=1).astype(np.float32)
    channels = np.zeros((len(xyz), len(data.features)), dtype=np.float32)
    for place, name in enumerate(data.features):
        if name in scan.columns:
            scale = data.intensity_scale * config.intensity_scale if name == "intensity" else 1.0
            channels[:, place] = scan.columns[name] * np.float32(scale)
            if name == "intensity" and data.intensity_curve == "tanh":
                channels[:, place] = np.tanh(channels[:, place])
        elif name != "time_lag_s":
            raise ValueError(
                f"scans: {scan.path} has columns {', '.join(scan.columns)}, but the model needs {name} as well; name it in "
                "scans.columns, or use a model that was trained without it"
            )
    return Sample(
        frame=scan.path.stem,
        token=scan.path.stem,
        timestamp_us=0,
        xyz=xyz,
        features=channels,
        sweep=np.zeros(len(xyz), dtype=np.int16),
        sensor_origins=np.array([[0.0, 0.0, height_m]], dtype=np.float32),
        seed=0,
    )
