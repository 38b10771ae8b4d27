"""Overlap of KITTI boxes in the image, seen from above, and in space."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geopt.evaluation.kitti_files import Objects

Numbers = NDArray[np.float64]


def overlap(space: str, predictions: Objects, labels: Objects, *, of_prediction: bool = False) -> Numbers:
    """How far each prediction and the label in the same row cover each other, in float64.

    Args:
        space: ``image``, ``ground`` (seen from above) or ``3d``.
        predictions, labels: N of each.
        of_prediction: Share of the prediction's own size instead of the union of both.

    Returns:
        (N,) from 0 to 1. Boxes whose length and width differ in sign, or with a side of 0, share nothing.

    Source: the official KITTI object evaluator.
    """
    a, b = predictions, labels
    if space == "image":
        shared = _shared_image(a.image, b.image)
        sizes = [(box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1]) for box in (a.image, b.image)]
    else:
        shared = _shared_ground(a, b)
        sizes = [box[:, 1] * box[:, 2] for box in (a.height_width_length, b.height_width_length)]
    if space == "3d":
        (top_a, top_b), (y_a, y_b) = ([f(box) for box in (a, b)] for f in (_top, _bottom))
        shared *= np.maximum(np.minimum(y_a, y_b) - np.maximum(top_a, top_b), 0.0)  # y points down
        sizes = [size * box.height_width_length[:, 0] for size, box in zip(sizes, (a, b))]
    whole = sizes[0] if of_prediction else sizes[0] + sizes[1] - shared
    return np.divide(shared, whole, out=np.zeros_like(shared), where=shared > 0)


def _bottom(boxes: Objects) -> Numbers:
    return boxes.xyz[:, 1]


def _top(boxes: Objects) -> Numbers:
    return boxes.xyz[:, 1] - boxes.height_width_length[:, 0]


def _shared_image(a: Numbers, b: Numbers) -> Numbers:
    sides = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
    return np.where((sides > 0).all(axis=1), sides[:, 0] * sides[:, 1], 0.0)


def _shared_ground(a: Objects, b: Objects) -> Numbers:
    """Area that two boxes share on the plane of x and z."""
    half_a, half_b = (box.height_width_length[:, [2, 1]] / 2 for box in (a, b))
    apart = a.xyz[:, [0, 2]] - b.xyz[:, [0, 2]]
    reach = np.hypot(*half_a.T) + np.hypot(*half_b.T)
    near = np.flatnonzero(
        (half_a.prod(axis=1) > 0) & (half_b.prod(axis=1) > 0) & (np.abs(apart) < reach[:, None]).all(axis=1)
    )
    shared = np.zeros(len(apart))
    if not len(near):
        return shared
    turned = _turned(np.abs(half_a[near])[:, None] * [[1, 1], [1, -1], [-1, -1], [-1, 1]], a.yaw_rad[near])
    corners = _turned(turned + apart[near, None], -b.yaw_rad[near])
    shared[near] = _area(_inside(corners, np.abs(half_b[near])))
    return shared


def _turned(points: Numbers, yaw_rad: Numbers) -> Numbers:
    """(N, K, 2) points x, z turned by (N,) angles about y, which points down."""
    cos, sin = np.cos(yaw_rad)[:, None], np.sin(yaw_rad)[:, None]
    x, z = points[..., 0], points[..., 1]
    return np.stack([cos * x + sin * z, cos * z - sin * x], axis=-1)


def _inside(polygon: Numbers, half: Numbers) -> Numbers:
    """What of convex polygons lies in rectangles about the origin, one half-plane after another (Sutherland and Hodgman).

    Args:
        polygon: (N, K, 2) corners in order; a corner may come several times in a row.
        half: (N, 2) half of the rectangles' sides.

    Returns:
        (N, K + 4, 2) corners, the first one once more in rows that have fewer; all 0 where nothing is inside.
    """
    for axis in (0, 1):
        for sign in (1.0, -1.0):
            depth = half[:, axis, None] - sign * polygon[..., axis]  # how far inside, negative outside
            following, next_depth = np.roll(polygon, -1, axis=1), np.roll(depth, -1, axis=1)
            stays, crosses = depth >= 0, (depth >= 0) != (next_depth >= 0)
            step = np.divide(depth, depth - next_depth, out=np.zeros_like(depth), where=crosses)
            crossing = polygon + step[..., None] * (following - polygon)
            num_rows, num_corners = depth.shape
            corners = np.stack([polygon, crossing], axis=2).reshape(num_rows, 2 * num_corners, 2)
            kept = np.stack([stays, crosses], axis=2).reshape(num_rows, 2 * num_corners)
            order = np.argsort(~kept, axis=1, kind="stable")[:, : num_corners + 1]  # a half-plane adds a corner at most
            corners, kept = (
                np.take_along_axis(found, place, axis=1)
                for found, place in ((corners, order[..., None]), (kept, order))
            )
            first = np.where(kept[:, :1], corners[:, 0], 0.0)
            polygon = np.where(kept[..., None], corners, first[:, None])
    return polygon


def _area(polygon: Numbers) -> Numbers:
    x, z = polygon[..., 0], polygon[..., 1]
    return np.abs((x * np.roll(z, -1, axis=1) - np.roll(x, -1, axis=1) * z).sum(axis=1)) / 2
