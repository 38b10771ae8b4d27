"""Overlap of boxes as Waymo's matcher sees it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geopt import _host
from geopt.evaluation.waymo_columns import Columns
from geopt.evaluation.waymo_config import BOX_TYPES


def waymo_iou(box_a: ArrayLike, box_b: ArrayLike) -> dict[str, NDArray[np.float32]]:
    """Overlap of each box with the one in the same row, as the official match op reports it.

    Args:
        box_a: (N, 7) float32 or float64: x, y of the centre, z of the **bottom**, length, width, height (m), heading (rad).
        box_b: (N, 7), likewise.

    Returns:
        ``iou_3d`` and ``iou_bev``, (N,) float32: of the volumes, and seen from above. 0 where a side that counts is 1 cm or
        less, or any is 1,000 km or more.

    Raises:
        ValueError: a shape or value is not as said above.
        TypeError: boxes are not float.

    Source: waymo-open-dataset 1.6.7.
    """
    columns = Columns("waymo_iou", "")
    pair = []
    for name, given in (("box_a", box_a), ("box_b", box_b)):
        boxes = columns._replace(prefix=f"{name}: ").boxes(given)
        boxes[:, 2] += boxes[:, 5] / 2
        pair.append(boxes)
    if len(pair[0]) != len(pair[1]):
        raise ValueError(f"waymo_iou: box_a and box_b must have as many rows, got {len(pair[0])} and {len(pair[1])}")
    return {
        "iou_3d": _host.waymo_iou(pair[0], pair[1], BOX_TYPES["TYPE_3D"]),
        "iou_bev": _host.waymo_iou(pair[0], pair[1], BOX_TYPES["TYPE_2D"]),
    }
