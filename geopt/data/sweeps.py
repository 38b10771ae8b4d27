"""Scans, clouds of them, and rigid motions."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

POINT_BYTES = 20
"""float32 x, y, z, intensity, ring."""
CLOSE_M = 1.0
"""Past points nearer than this to the sensor, in x and in y, lie on the vehicle, which has moved on since."""


ModelFrame = Literal["ego", "lidar"]


class SweepPoints(NamedTuple):
    """One scan. N points."""

    xyz: NDArray[np.float32]
    """(N, 3) metres, in the ego frame at the time of the scan, or where its reader says so in that of the LiDAR."""
    intensity: NDArray[np.float32] | None = None
    """(N,) as stored."""
    ring: NDArray[np.float32] | None = None
    """(N,) number of the laser."""
    elongation: NDArray[np.float32] | None = None
    """(N,) how much longer than the pulse the return was."""
    time_offset_s: NDArray[np.float32] | None = None
    """(N,) when the point was measured, seconds after the time of the scan; negative before it."""

    def take(self, rows: NDArray[np.int64]) -> SweepPoints:
        """Some of the points."""
        return SweepPoints._make(None if column is None else column.take(rows, axis=0) for column in self)


class Cloud(NamedTuple):
    """Points of several sweeps in one frame, those of the key frame first, then newer before older."""

    xyz: NDArray[np.float32]
    """(N, 3) metres."""
    intensity: NDArray[np.float32] | None
    """(N,) as stored; None where the dataset has none."""
    ring: NDArray[np.float32] | None
    """(N,) number of the laser, in nuScenes from 0 at the bottom; None where the dataset does not tell it."""
    time_lag_s: NDArray[np.float32]
    """(N,) seconds before the key frame, >= 0."""
    sweep: NDArray[np.int16]
    """(N,) row of ``sensor_origins``, 0 for the key frame."""
    sensor_origins: NDArray[np.float32]
    """(S, 3) where the sensor stood in each sweep, metres."""
    elongation: NDArray[np.float32] | None = None
    """(N,) how much longer than the pulse the return was, where the dataset tells it."""


def read_points(path: Path) -> NDArray[np.float32]:
    """Read a LiDAR file of nuScenes.

    Returns:
        (N, 5) float32: x, y, z in metres in the LiDAR frame (x right, y forward), intensity 0 to 255, ring.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: it is empty or ends within a point.
    """
    try:
        data = np.fromfile(path, dtype=np.uint8)  # float32 would drop an incomplete last number without a word
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"nuScenes: {path} is missing although the tables list it; download the LiDAR blobs (samples/ and sweeps/ "
            f"of LIDAR_TOP), or set data.num_sweeps=1 to read key frames alone"
        ) from error
    if data.size == 0 or data.size % POINT_BYTES:
        raise ValueError(
            f"nuScenes: {path} must hold whole points of {POINT_BYTES} bytes, got {data.size}; copy the file again"
        )
    return data.view("<f4").reshape(-1, 5)


def rotation_matrix(quat_wxyz: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., 4) quaternions, scalar first, of any length but zero, to (..., 3, 3) rotations."""
    w, x, y, z = np.moveaxis(quat_wxyz / np.linalg.norm(quat_wxyz, axis=-1, keepdims=True), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def rigid(quat_wxyz: NDArray[np.float64], translation: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 4) motion that turns, then shifts."""
    return np.concatenate([rotation_matrix(quat_wxyz), translation[:, None]], axis=1)


def check_rigid(motions: NDArray[np.float64], what: str) -> None:
    """Refuse matrices that are no rotations, or no rigid motions; float32 is exact enough.

    Args:
        motions: (N, 3, 3), (N, 3, 4) or (N, 4, 4).

    Raises:
        ValueError: begins with ``what``.
    """
    turns = motions[:, :3, :3]
    with np.errstate(all="ignore"):
        off = np.abs(turns @ turns.swapaxes(1, 2) - np.eye(3)).max(axis=(1, 2), initial=0)
        is_turn = (off < 1e-3) & (np.linalg.det(turns) > 0)
    if not (is_turn & np.isfinite(motions).all(axis=(1, 2))).all():
        raise ValueError(f"{what} must be a rotation" + (" and a shift" if motions.shape[2] == 4 else ""))


def inverse(motion: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 4) motion that undoes ``motion``."""
    turned_back = motion[:, :3].T
    return np.concatenate([turned_back, -turned_back @ motion[:, 3:]], axis=1)


def compose(second: NDArray[np.float64], first: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 4) motion that does ``first``, then ``second``."""
    moved = second[:, :3] @ first
    moved[:, 3] += second[:, 3]
    return moved


def apply(motion: NDArray[np.float64], xyz: NDArray) -> NDArray[np.float32]:
    """Move points, in float64, and round once.

    Args:
        motion: (3, 4), or (3, 3) without a shift.
        xyz: (N, 3), further columns are ignored.

    Returns:
        (N, 3) float32. Written out rather than left to BLAS, whose bits depend on its threads.
    """
    moved = np.empty((len(xyz), 3), dtype=np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # garbage in a file becomes inf or NaN, which no grid contains
        x, y, z = (np.ascontiguousarray(xyz[:, axis], dtype=np.float64) for axis in range(3))
        for axis, row in enumerate(motion):
            value = x * row[0]
            value += y * row[1]
            value += z * row[2]
            if len(row) == 4:
                value += row[3]
            moved[:, axis] = value
    return moved
