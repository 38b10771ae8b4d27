"""Whether the poses of scans bring them together, and what would bring them together better."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from geopt.data.source import Source
from geopt.data.sweeps import apply, compose, inverse
from geopt.inspection import up_axis
from geopt.inspection.facts import PairFacts
from geopt.inspection.measure import RAISED_M

MISTAKES: dict[str, NDArray[np.float64]] = {
    "y mirrored": np.diag([1.0, -1.0, 1.0]),
    "x mirrored": np.diag([-1.0, 1.0, 1.0]),
    "x and y exchanged": np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]),
    "of the camera": np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]]),
}
"""Other frames that poses may be given in: left-multiply what points are in, get what poses are in."""
INVERTED = "inverted"
MIN_MOVED_M, MAX_MOVED_M = 0.3, 8.0
"""With less motion all poses fit, with more two scans see little of the same."""
NEAREST_M, FARTHEST_M = 3.0, 40.0
MOVED_POINTS, STILL_POINTS = 2_000, 40_000
MISSED_M = 1.0
"""What has nothing nearer than this was not seen in the other scan; it counts so much and no more."""


def choose(source: Source, poses: NDArray[np.float64], number: int) -> list[tuple[int, int]]:
    """Rows of scans that follow each other and between which the sensor moved, spread over the dataset, in each part where it
    turned most: a mirror image of a straight drive is a straight drive."""
    scene = source.order.scene
    step = np.linalg.norm(np.diff(poses[:, :, 3], axis=0), axis=1)
    fitting = np.flatnonzero((scene[1:] == scene[:-1]) & (step > MIN_MOVED_M) & (step < MAX_MOVED_M))
    turn = np.trace(
        poses[:-1, :, :3].swapaxes(1, 2) @ poses[1:, :, :3], axis1=1, axis2=2
    )  # the smaller, the more it turned
    parts = np.array_split(fitting, min(number, len(fitting))) if len(fitting) else []
    chosen = [int(part[np.argmin(turn[part])]) for part in parts]
    return [(row, row + 1) for row in chosen]


def measure(source: Source, first: int, second: int) -> PairFacts:
    """Bring the second scan to the first by the poses, by nothing, and by what users take for poses.

    Raises:
        FileNotFoundError, ValueError: a scan is missing or damaged; names the file.
    """
    ego_from_lidar = source.ego_from_lidar(first)
    poses = source.global_from_ego(first), source.global_from_ego(second)
    given = compose(inverse(poses[0]), poses[1])
    motions = {
        "given": given,
        "still": np.eye(3, 4),
        # of the sensor, whose pose in the file is that of the map seen from it
        INVERTED: compose(ego_from_lidar, compose(_of_lidar(poses, source, first, second), inverse(ego_from_lidar))),
    }
    for name, frame in MISTAKES.items():
        turned = np.concatenate([frame.T @ given[:, :3] @ frame, (frame.T @ given[:, 3])[:, None]], axis=1)
        motions[name] = turned
    still, moved = _xyz_ego(source, first), _xyz_ego(source, second)
    tree = cKDTree(still[:: max(1, len(still) // STILL_POINTS)])
    chosen = _telling(moved, ego_from_lidar[:, 3])
    turn_deg = np.degrees(np.arccos(np.clip((np.trace(given[:, :3]) - 1) / 2, -1, 1)))
    return PairFacts(
        names=(source.name(first), source.name(second)),
        moved_m=float(np.linalg.norm(given[:, 3])),
        turned_deg=float(turn_deg),
        apart_m={name: _apart(tree, apply(motion, chosen)) for name, motion in motions.items()},
    )


def _of_lidar(
    poses: tuple[NDArray[np.float64], NDArray[np.float64]], source: Source, first: int, second: int
) -> NDArray[np.float64]:
    """Motion of the sensor if what is given as its pose is the inverse of it."""
    of_lidar = [compose(pose, source.ego_from_lidar(row)) for pose, row in zip(poses, (first, second))]
    return compose(of_lidar[0], inverse(of_lidar[1]))


def _xyz_ego(source: Source, row: int) -> NDArray[np.float32]:
    points = source.read(row).xyz
    points = points if source.points_frame == "ego" else apply(source.ego_from_lidar(row), points)
    return points[np.isfinite(points).all(axis=1)]


def _telling(xyz: NDArray[np.float32], sensor: NDArray[np.float64]) -> NDArray[np.float32]:
    """Points that stand on the ground, neither near nor far: the ground looks alike wherever one is."""
    distance = np.linalg.norm(xyz - sensor, axis=1)
    up = up_axis.find(xyz - sensor)
    raised = xyz[:, 2] > sensor[2] + up.ground + RAISED_M if up is not None and up.axis == "z" else True
    chosen = xyz[(distance > NEAREST_M) & (distance < FARTHEST_M) & raised]
    return chosen[:: max(1, len(chosen) // MOVED_POINTS)]


def _apart(tree: cKDTree, xyz: NDArray[np.float32]) -> float:
    if not len(xyz):
        return 0.0
    return float(np.minimum(tree.query(xyz, distance_upper_bound=MISSED_M)[0], MISSED_M).mean())
