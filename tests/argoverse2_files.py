"""Writes small logs in the format of the Argoverse 2 sensor dataset, and reads or damages a folder of them."""

from __future__ import annotations

from pathlib import Path

import every_frame
import fuzzing
import numpy as np
from scipy.spatial.transform import Rotation

from geopt.data import Argoverse2

FIRST_NS = 315966265259836000
STEP_NS = 100_196_000
CAR, WALKER, SIGN = "00000000-0000-0000-0000-00000000000c", "00000000-0000-0000-0000-00000000000a", "one-look"


def quaternion(rotation: Rotation) -> list[float]:
    """(w, x, y, z)."""
    x, y, z, w = rotation.as_quat()
    return [w, x, y, z]


def pose_columns(rotations: list[Rotation], shifts) -> dict[str, list[float]]:
    values = [[*quaternion(turn), *shift] for turn, shift in zip(rotations, shifts)]
    return dict(zip(("qw", "qx", "qy", "qz", "tx_m", "ty_m", "tz_m"), np.array(values).T.tolist()))


def write(path: Path, columns: dict, compression: str = "uncompressed") -> None:
    import pyarrow as pa
    import pyarrow.feather

    path.parent.mkdir(parents=True, exist_ok=True)
    pa.feather.write_feather(pa.table(columns), path, compression=compression)


class Drive:
    """A vehicle that turns while it drives; a car and a walker with steady speeds in the city, a sign that is seen once."""

    def __init__(self, num_sweeps: int = 3, num_points: int = 40, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.times = [FIRST_NS + k * STEP_NS for k in range(num_sweeps)]
        self.turns = [Rotation.from_euler("ZYX", [0.3 + 0.05 * k, 0.01, -0.02]) for k in range(num_sweeps)]
        self.shifts = [np.array([1000.0 + 0.8 * k, -2000.0 + 0.3 * k, 12.0]) for k in range(num_sweeps)]
        self.points = [self.rng.uniform(-30, 30, (num_points, 3)).astype(np.float16) for _ in self.times]
        self.velocity = {CAR: np.array([7.0, -3.0, 0.0]), WALKER: np.array([-1.0, 0.5, 0.0]), SIGN: np.zeros(3)}
        self.start = {
            CAR: np.array([1015.0, -1990.0, 12.5]),
            WALKER: np.array([990.0, -2008.0, 12.6]),
            SIGN: self.shifts[0],
        }

    def boxes_at(self, sweep: int) -> list[tuple[str, np.ndarray, float]]:
        """Object, centre and heading in the axle's frame."""
        found = []
        for name in (WALKER, CAR, SIGN)[: 3 if sweep == 0 else 2]:
            place = self.start[name] + self.velocity[name] * (self.times[sweep] - self.times[0]) * 1e-9
            centre = self.turns[sweep].inv().apply(place - self.shifts[sweep])
            found.append((name, centre, 0.25 * (sweep + 1)))
        return found

    def write(self, log: Path, with_boxes: bool = True, compression: str = "uncompressed") -> Path:
        for time, xyz in zip(self.times, self.points):
            n = len(xyz)
            columns = dict(zip("xyz", xyz.T)) | {
                "intensity": np.arange(n, dtype=np.uint8),
                "laser_number": np.arange(n, dtype=np.uint8) % 64,
                "offset_ns": np.arange(n, dtype=np.int32) * 1_000_000,
            }
            write(log / "sensors" / "lidar" / f"{time}.feather", columns, compression)
        write(
            log / "city_SE3_egovehicle.feather",
            {"timestamp_ns": self.times[::-1], **pose_columns(self.turns[::-1], self.shifts[::-1])},
        )
        lidars = [Rotation.identity(), Rotation.from_euler("x", 3.1), Rotation.from_euler("z", 0.01)]
        places = [[1.6, 0.0, 1.4], [1.3, 0.0, 1.5], [1.35, 0.0, 1.64]]
        write(
            log / "calibration" / "egovehicle_SE3_sensor.feather",
            {"sensor_name": ["ring_front_center", "down_lidar", "up_lidar"], **pose_columns(lidars, places)},
        )
        if with_boxes:
            rows = [(time, *box) for k, time in enumerate(self.times) for box in self.boxes_at(k)]
            write(
                log / "annotations.feather",
                {
                    "timestamp_ns": [row[0] for row in rows],
                    "track_uuid": [row[1] for row in rows],
                    "category": [{CAR: "REGULAR_VEHICLE", WALKER: "PEDESTRIAN", SIGN: "SIGN"}[row[1]] for row in rows],
                    "length_m": [4.0] * len(rows),
                    "width_m": [2.0] * len(rows),
                    "height_m": [1.5] * len(rows),
                    **pose_columns([Rotation.from_euler("z", row[3]) for row in rows], [row[2] for row in rows]),
                    "num_interior_pts": list(range(len(rows))),
                },
            )
        return log


def read_all(folder: Path) -> None:
    source = Argoverse2(folder)
    every_frame.read_all(source, len(source))


def damage(path: Path, whole: bytes, rng: np.random.Generator) -> bytes:
    """At the end in half of the cases: that is where Feather says what it holds."""
    if rng.random() < 0.5:
        return fuzzing.damaged(whole, rng)
    split = max(len(whole) - 1200, 0)
    return whole[:split] + fuzzing.damaged(whole[split:], rng)
