"""Which boxes take part in an evaluation.

Source: nuscenes-devkit 1.2.0, ``eval/common/loaders.py``.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from geopt.evaluation.boxes import BoxTable
from geopt.evaluation.ground_truth import GroundTruth, Racks

RACKED_CLASSES = ("bicycle", "motorcycle")


def filter_boxes(boxes: BoxTable, ground_truth: GroundTruth, class_ranges: Mapping[str, float]) -> BoxTable:
    """Keep the boxes that count.

    Left out are boxes whose centre is as far as the range of their class from the vehicle, or farther (in x and y);
    boxes with no point in them (-1 is unknown and stays); and bicycles and motorcycles whose centre lies in or on a
    bicycle rack of their sample.

    Args:
        boxes: Annotations or predictions.
        ground_truth: Where the vehicle and the racks are.
        class_ranges: Metres for every class.
    """
    ranges = np.array([class_ranges[name] for name in ground_truth.classes], dtype=np.float64)
    keep = (ego_distance(boxes, ground_truth) < ranges[boxes.label]) & (boxes.num_pts != 0)
    racked = np.array([name in RACKED_CLASSES for name in ground_truth.classes])
    parked = np.flatnonzero(keep & racked[boxes.label])
    keep[parked[in_racks(boxes.translation[parked], boxes.sample[parked], ground_truth.racks)]] = False
    return boxes.take(np.flatnonzero(keep))


def ego_distance(boxes: BoxTable, ground_truth: GroundTruth) -> NDArray[np.float64]:
    """(N,) metres in x and y from the vehicle to the centre of each box."""
    away = boxes.translation[:, :2] - ground_truth.ego_translation[boxes.sample, :2]
    with np.errstate(over="ignore", invalid="ignore"):
        return np.sqrt(away[:, 0] ** 2 + away[:, 1] ** 2)


def in_racks(points: NDArray[np.float64], sample: NDArray[np.int32], racks: Racks) -> NDArray[np.bool_]:
    """Whether points lie in or on a rack of their sample.

    Args:
        points: (N, 3) metres, global frame.
        sample: (N,) sample of each point.
        racks: All racks.

    Returns:
        (N,) bool.
    """
    inside = np.zeros(len(points), dtype=bool)
    if len(racks.sample) == 0 or len(points) == 0:
        return inside
    order = np.argsort(racks.sample, kind="stable")
    begin = np.searchsorted(racks.sample[order], sample, side="left")
    count = np.searchsorted(racks.sample[order], sample, side="right") - begin
    point = np.repeat(np.arange(len(points)), count)  # every pair of a point and a rack of its sample
    rack = order[np.repeat(begin - np.cumsum(count) + count, count) + np.arange(len(point))]

    corner, edges = _corners_and_edges(racks)
    away = points[point] - corner[rack]
    hit = np.ones(len(point), dtype=bool)
    for edge in edges:
        along, length = _dot(edge[rack], away), _dot(edge, edge)[rack]
        hit &= (along >= 0) & (along <= length)
    inside[point[hit]] = True
    return inside


def _corners_and_edges(racks: Racks) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
    """(R, 3) front left upper corners, and the edges from there backwards, to the right and down, (R, 3) each."""
    turn = rotation_matrices(racks.rotation)
    width, length, height = (racks.size / 2).T

    def corner(along: float, across: float, up: float) -> NDArray[np.float64]:
        place = np.stack([along * length, across * width, up * height], axis=1)
        turned = (turn[:, :, 0] * place[:, None, 0] + turn[:, :, 1] * place[:, None, 1]) + turn[:, :, 2] * place[
            :, None, 2
        ]
        return turned + racks.translation

    first = corner(1, 1, 1)
    return first, [corner(*signs) - first for signs in ((-1, 1, 1), (1, -1, 1), (1, 1, -1))]


def rotation_matrices(quat_wxyz: NDArray[np.float64]) -> NDArray[np.float64]:
    """(R, 3, 3) rotations of (R, 4) quaternions of any length.

    A box on the border of a rack is inside, so the last bit decides. What the official code gets there depends on the
    processor: its sums are those of the BLAS kernel that was chosen for it. These are the sums of the kernel that runs
    everywhere, without fused operations.
    """
    square = quat_wxyz**2
    norm_squared = (square[:, 0] + square[:, 2]) + (square[:, 1] + square[:, 3])
    unit = (np.abs(1.0 - norm_squared) < 1e-14) | (norm_squared == 0)
    w, x, y, z = (quat_wxyz / np.where(unit, 1.0, np.sqrt(norm_squared))[:, None]).T
    left = ((x, w, -z, y), (y, z, w, -x), (z, -y, x, w))
    right = ((x, w, z, -y), (y, -z, w, x), (z, y, -x, w))
    rows = [[((a[0] * b[0] + a[1] * b[1]) + a[2] * b[2]) + a[3] * b[3] for b in right] for a in left]
    return np.moveaxis(np.array(rows), 2, 0)


def _dot(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return (a[:, 0] * b[:, 0] + a[:, 2] * b[:, 2]) + a[:, 1] * b[:, 1]
