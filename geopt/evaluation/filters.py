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
# Relative to the terms of the sums; rounding moves them by less than a thousandth of it.
DOUBT = 1e-9


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
    away = boxes.translation[:, :2] - ground_truth.ego_translation[boxes.sample, :2]
    with np.errstate(over="ignore", invalid="ignore"):
        distance = np.sqrt(away[:, 0] ** 2 + away[:, 1] ** 2)
    keep = (distance < ranges[boxes.label]) & (boxes.num_pts != 0)
    racked = np.array([name in RACKED_CLASSES for name in ground_truth.classes])
    parked = np.flatnonzero(keep & racked[boxes.label])
    keep[parked[in_racks(boxes.translation[parked], boxes.sample[parked], ground_truth.racks)]] = False
    return boxes.take(np.flatnonzero(keep))


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

    boxes = [_corner_and_edges(*values) for values in zip(racks.translation, racks.size, racks.rotation)]
    corner, edges = np.array([box[0] for box in boxes]), np.array([box[1] for box in boxes])
    away = points[point] - corner[rack]
    along = np.einsum("pij,pj->pi", edges[rack], away)
    length = np.einsum("pij,pij->pi", edges[rack], edges[rack])
    hit = ((along >= 0) & (along <= length)).all(axis=1)
    scale = DOUBT * (np.abs(edges[rack]) * np.abs(points[point])[:, None]).sum(axis=2)
    unsure = (np.minimum(np.abs(along), np.abs(along - length)) <= scale).any(axis=1)
    for pair in np.flatnonzero(unsure):
        hit[pair] = _contains(corner[rack[pair]], edges[rack[pair]], points[point[pair]])
    inside[point[hit]] = True
    return inside


def rotation_matrix(quat_wxyz: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 3) rotation of a quaternion of any length, rounded as pyquaternion rounds it."""
    quat = quat_wxyz
    if not abs(1.0 - np.dot(quat, quat)) < 1e-14:
        norm = np.sqrt(np.dot(quat, quat))
        quat = quat / norm if norm > 0 else quat
    w, x, y, z = quat
    left = np.array([[w, -x, -y, -z], [x, w, -z, y], [y, z, w, -x], [z, -y, x, w]])
    right = np.array([[w, -x, -y, -z], [x, w, z, -y], [y, -z, w, x], [z, y, -x, w]])
    return np.dot(left, right.conj().transpose())[1:][:, 1:]


def _corner_and_edges(translation: NDArray, size: NDArray, rotation: NDArray) -> tuple[NDArray, NDArray]:
    """A corner of a box, and its edges from there along x, y and z as rows.

    A box on the border counts, so the last bit decides: all eight corners are turned at once, as the official code
    does, because the rounding of a matrix product depends on its shape.
    """
    width, length, height = size
    corners = np.vstack(
        [
            length / 2 * np.array([1, 1, 1, 1, -1, -1, -1, -1]),
            width / 2 * np.array([1, -1, -1, 1, 1, -1, -1, 1]),
            height / 2 * np.array([1, 1, -1, -1, 1, 1, -1, -1]),
        ]
    )
    corners = np.dot(rotation_matrix(rotation), corners) + translation[:, None]
    return corners[:, 0], (corners[:, [4, 1, 3]] - corners[:, :1]).T


def _contains(corner: NDArray, edges: NDArray, point: NDArray) -> bool:
    away = point[:, None] - corner[:, None]
    return all(0 <= np.dot(edge, away) <= np.dot(edge, edge) for edge in edges)
