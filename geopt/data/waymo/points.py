"""From the range images of a frame to points in the vehicle frame."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geopt import _host
from geopt.data.waymo.segment import LIDARS, TOP, Calibration, RangeImages


class LaserPoints(NamedTuple):
    """Points of one frame: lidar by lidar, the first returns before the second, row by row from the highest beam. N points."""

    xyz: NDArray[np.float32]
    """(N, 3) metres, in the vehicle frame at the time of the frame: x forward, y left, origin on the ground."""
    range_m: NDArray[np.float32]
    """(N,) from the lidar."""
    intensity: NDArray[np.float32]
    """(N,) as stored: from 0, most of it below 1, without a limit."""
    elongation: NDArray[np.float32]
    """(N,) as stored: how much longer than the pulse the return was."""
    in_no_label_zone: NDArray[np.bool_]
    """(N,)"""
    lidar: NDArray[np.uint8]
    """(N,) 1 top, 2 front, 3 left, 4 right, 5 rear."""
    which_return: NDArray[np.uint8]
    """(N,) 1 or 2."""
    ring: NDArray[np.int32]
    """(N,) beam of its lidar, from 0 at the bottom."""
    column: NDArray[np.int32]
    """(N,) of the range image: 0 looks back, the middle forward, clockwise seen from above."""
    semantic: NDArray[np.uint8]
    """(N,) class of the segmentation benchmark, 0 where there is none."""
    instance: NDArray[np.int32]
    """(N,) number of the object, 0 where there is none."""


def laser_points(
    images: dict[int, RangeImages],
    calibrations: dict[int, Calibration],
    world_from_vehicle: NDArray[np.float64],
    first_return_only: bool = False,
) -> LaserPoints:
    """Convert all pixels with a return, in float64.

    Args:
        images: By the number of the lidar.
        calibrations: Likewise.
        world_from_vehicle: (4, 4) pose of the frame.
        first_return_only: Leave the second returns out.

    Raises:
        ValueError: a lidar has no calibration, the top lidar no poses, or sizes differ.
    """
    parts = []
    for number in sorted(images):
        if number not in calibrations:
            raise ValueError(f"lidar {LIDARS.get(number, number)} has range images but no calibration")
        own = images[number]
        if number == TOP and own.poses is None:
            raise ValueError("the top lidar has range images but no poses of their pixels (lidar_pose)")
        for which, image in enumerate(own.returns[: 1 if first_return_only else 2]):
            if image is not None:
                parts.append(_of_return(number, which, image, own, calibrations[number], world_from_vehicle))
    if not parts:
        raise ValueError("it has no range images of the lidars that are wanted")
    return LaserPoints._make(np.concatenate(columns) for columns in zip(*parts))


def _of_return(
    number: int,
    which: int,
    image: NDArray[np.float32],
    own: RangeImages,
    calibration: Calibration,
    world_from_vehicle: NDArray[np.float64],
) -> LaserPoints:
    height, width = image.shape[:2]
    poses = own.poses if number == TOP else None
    found = _host.range_image_points(
        image, calibration.extrinsic, calibration.rows(height), poses, None if poses is None else world_from_vehicle
    )
    pixel, count = found["pixel"], len(found["pixel"])
    row, column = np.divmod(pixel, width)
    semantic, instance = np.zeros(count, dtype=np.uint8), np.zeros(count, dtype=np.int32)
    labels = own.segmentation[which]
    if labels is not None:
        if labels.shape[:2] != image.shape[:2]:
            raise ValueError(
                f"labels of points must have the size of the image, {image.shape[:2]}, got {labels.shape[:2]}"
            )
        chosen = labels.reshape(-1, 2)[pixel]
        if ((chosen[:, 1] < 0) | (chosen[:, 1] > 255)).any():
            raise ValueError("a label of a point is no class")
        instance, semantic = chosen[:, 0], chosen[:, 1].astype(np.uint8)
    return LaserPoints(
        xyz=found["xyz"],
        range_m=found["range_m"],
        intensity=found["intensity"],
        elongation=found["elongation"],
        in_no_label_zone=found["in_no_label_zone"],
        lidar=np.full(count, number, dtype=np.uint8),
        which_return=np.full(count, which + 1, dtype=np.uint8),
        ring=height - 1 - row,
        column=column,
        semantic=semantic,
        instance=instance,
    )
