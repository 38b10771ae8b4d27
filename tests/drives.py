"""Drives through a made-up street, cast ray by ray, and the folders of scan files that they make."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

HEIGHT_M = 1.8
NUM_BEAMS, NUM_AZIMUTHS = 16, 720
STEP_S = 0.1


@dataclasses.dataclass
class Drive:
    """Scans as a folder has them; faults change it. S scans."""

    scans: list[np.ndarray]
    """(N, 5) x, y, z, intensity, ring about the sensor, z up."""
    poses: np.ndarray | None
    """(S, 3, 4) global_from_sensor."""
    times_s: np.ndarray | None
    names: list[str]

    def write(self, root: Path, num_columns: int = 5) -> Path:
        """Files of float32, and poses.txt and times.txt where they are known."""
        (root / "scans").mkdir(parents=True)
        for name, scan in zip(self.names, self.scans):
            (root / "scans" / f"{name}.bin").write_bytes(scan[:, :num_columns].astype("<f4").tobytes())
        if self.poses is not None:
            np.savetxt(root / "poses.txt", self.poses.reshape(len(self.poses), -1), fmt="%.12g")
        if self.times_s is not None:
            np.savetxt(root / "times.txt", self.times_s, fmt="%.6f")
        return root


def make_drive(seed: int, num_scans: int = 8) -> Drive:
    """A car drives a bend between houses, trees and parked cars, and bounces."""
    rng = np.random.default_rng(seed)
    lower, upper = _street(rng)
    poses, scans = [], []
    place, yaw, turn = np.zeros(2), 0.0, rng.choice([-1, 1]) * rng.uniform(0.03, 0.05)
    for _ in range(num_scans):
        pose = np.eye(3, 4)
        pose[:, :3] = Rotation.from_euler("z", yaw).as_matrix()
        pose[:, 3] = *place, HEIGHT_M
        poses.append(pose)
        scans.append(_cast(pose, lower, upper, rng))
        yaw += turn
        place = place + rng.uniform(0.9, 1.1) * np.array([np.cos(yaw), np.sin(yaw)])
    names = [f"{number:06d}" for number in range(num_scans)]
    return Drive(scans, np.array(poses), 1e3 + STEP_S * np.arange(num_scans), names)


def _street(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(B, 3) lowest and highest corners of boxes, none of them near the path."""
    lower, upper = [], []
    for x in np.arange(-60, 70, 12.0):
        for side in (-1, 1):
            near = side * (9 + rng.uniform(0, 6)) + 0.02 * abs(x) * side
            depth, height, long = rng.uniform(6, 12), rng.uniform(4, 14), rng.uniform(7, 11)
            begin = x + rng.uniform(-1, 1)
            y = sorted([near, near + side * depth])
            lower.append([begin, y[0], 0])
            upper.append([begin + long, y[1], height])
            for size, height in ((0.3, 5.0), (2.0, 1.6)):
                where = begin + rng.uniform(0, 10), side * rng.uniform(5, 7)
                lower.append([*where, 0])
                upper.append([where[0] + 2.2 * size, where[1] + size, height])
    return np.array(lower), np.array(upper)


def _cast(pose: np.ndarray, lower: np.ndarray, upper: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """First hits of the rays of a turn, 1 cm of noise along them."""
    elevation = np.radians(np.linspace(-25, 3, NUM_BEAMS))
    azimuth = np.linspace(-np.pi, np.pi, NUM_AZIMUTHS, endpoint=False)
    ring, turn = (grid.ravel() for grid in np.meshgrid(np.arange(NUM_BEAMS), azimuth, indexing="ij"))
    up = elevation[ring]
    rays = np.stack([np.cos(up) * np.cos(turn), np.cos(up) * np.sin(turn), np.sin(up)], axis=1)
    world = rays @ pose[:, :3].T
    with np.errstate(divide="ignore", invalid="ignore"):
        ground = np.where(world[:, 2] < 0, -pose[2, 3] / world[:, 2], np.inf)
        first, last = (corner[:, None] - pose[:, 3] for corner in (lower, upper))
        hits = np.stack([first / world, last / world])
    enter, leave = hits.min(axis=0).max(axis=2), hits.max(axis=0).min(axis=2)
    boxes = np.where((enter < leave) & (enter > 0), enter, np.inf)
    nearest = np.minimum(ground, boxes.min(axis=0))
    seen = nearest < 70
    distance = nearest[seen] + rng.normal(0, 0.01, seen.sum())
    bright = np.clip(rng.gamma(2, 8, seen.sum()) + 40 * (boxes.min(axis=0) < ground)[seen], 0, 255)
    return np.column_stack([rays[seen] * distance[:, None], np.round(bright), ring[seen]])
