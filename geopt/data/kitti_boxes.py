"""Labels of a KITTI frame, which are written in the frame of a camera, as boxes around its points."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from geopt import ops
from geopt.data.sweeps import check_rigid, compose, inverse
from geopt.data.velodyne import EGO_FROM_VELODYNE, read_matrices
from geopt.evaluation.kitti_detection import LEVELS
from geopt.evaluation.kitti_files import LABEL_NUMBERS, Objects, read_objects
from geopt.evaluation.kitti_matching import too_hard
from geopt.structures import Boxes

DONT_CARE = "DontCare"
"""A region of the image that nobody labelled."""


class KittiCalibration(NamedTuple):
    """How camera and lidar of a frame stand to each other."""

    rect_from_velodyne: NDArray[np.float64]
    """(3, 4) from the lidar frame to the rectified camera frame of the labels, metres."""
    image_from_rect: NDArray[np.float64]
    """(3, 4) projection onto the image of camera 2, the one of ``image_2``, pixels."""

    @property
    def ego_from_rect(self) -> NDArray[np.float64]:
        """(3, 4) from the rectified camera frame to the ego frame, metres."""
        return compose(EGO_FROM_VELODYNE, inverse(self.rect_from_velodyne))


def read_calibration(path: Path) -> KittiCalibration:
    """Read a file of ``calib``.

    Raises:
        FileNotFoundError: it is missing.
        ValueError: ``P2``, ``R0_rect`` or ``Tr_velo_to_cam`` is missing or damaged; names the file.
    """
    found = read_matrices(path, {"P2": (3, 4), "R0_rect": (3, 3), "Tr_velo_to_cam": (3, 4)})
    for key in ("R0_rect", "Tr_velo_to_cam"):
        check_rigid(found[key][None], f"kitti: {path}: {key}")
    return KittiCalibration(found["R0_rect"] @ found["Tr_velo_to_cam"], found["P2"])


def read_labels(path: Path) -> Objects:
    """Read a file of ``label_2``, ``DontCare`` regions included.

    Raises:
        FileNotFoundError: it is missing.
        ValueError: a line has not 15 columns, a number is none, or an object has no size; names the file.
    """
    labels = read_objects([path], LABEL_NUMBERS, "kitti")
    flat = (labels.category != DONT_CARE) & ~(labels.height_width_length > 0).all(axis=1)
    if flat.any():
        raise ValueError(f"kitti: {path}, object {np.flatnonzero(flat)[0]}: height, width and length must be above 0")
    return labels


def difficulty(labels: Objects) -> NDArray[np.int64]:
    """(N,) 0 for what all levels of the benchmark count, 1 for moderate and hard alone, 2 for hard alone, 3 for none."""
    return np.sum([too_hard(labels, level) for level in LEVELS.values()], axis=0)


def boxes_of(labels: Objects, calibration: KittiCalibration, xyz: NDArray[np.float32], frame: str) -> Boxes:
    """Labels as boxes in the ego frame; ``DontCare`` is left out.

    A box of KITTI stands upright in the camera frame, one of ours in the ego frame: its middle and its heading are turned
    from one into the other, the degree or so by which the two are tilted is left out.

    Args:
        labels: Of the frame.
        calibration: Of the frame.
        xyz: (N, 3) points of the frame in the ego frame; those in boxes are counted.
        frame: Its name, of which tokens are made.

    Returns:
        Boxes in the order of the file. Velocities are NaN: frames of KITTI stand alone.
    """
    rows = np.flatnonzero(labels.category != DONT_CARE)
    objects, ego_from_rect = labels.at(rows), calibration.ego_from_rect
    height, width, length = objects.height_width_length.T
    middle = objects.xyz - np.outer(height / 2, [0.0, 1.0, 0.0])  # y of the camera points down
    yaw, none = objects.yaw_rad, np.zeros(len(rows))
    forward = np.stack([np.cos(yaw), none, -np.sin(yaw)], axis=1) @ ego_from_rect[:, :3].T
    geometry = np.stack(
        [
            *(middle @ ego_from_rect[:, :3].T + ego_from_rect[:, 3]).T,
            *(length, width, height, np.arctan2(forward[:, 1], forward[:, 0])),
            *np.full((2, len(rows)), np.nan),
        ],
        axis=1,
    )
    boxes = torch.from_numpy(geometry)
    owner = ops.points_in_boxes(torch.from_numpy(xyz), boxes[:, :7])
    tokens = tuple(f"{frame}:{row}" for row in rows)
    return Boxes(
        geometry=boxes,
        names=tuple(objects.category.tolist()),
        tokens=tokens,
        instances=tokens,
        num_points=torch.bincount(owner[owner >= 0], minlength=len(rows)),
    )
