"""Which labels of the Waymo dataset are scored, and how hard they are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geopt.evaluation.waymo_columns import Columns

HARD_POINTS = 5
"""A box with this many lidar points or fewer is LEVEL_2 where no annotator decided."""


def waymo_preprocess(
    *,
    bbox: ArrayLike,
    type: ArrayLike,
    frame_id: ArrayLike,
    num_lidar_points: ArrayLike,
    difficulty: ArrayLike | None = None,
    speed: ArrayLike | None = None,
) -> dict[str, NDArray[Any]]:
    """What the official tool does to labels before it scores: drop boxes without lidar points, decide the level of others.

    Args:
        bbox: (N, 7) boxes.
        type: (N,) 0 to 4.
        frame_id: (N,) whole numbers.
        num_lidar_points: (N,) points in each box; boxes with none are dropped.
        difficulty: (N,) 1 or 2 as annotated; 0 where it is not, which becomes 2 for 5 points or fewer, else 1. None: all 0.
        speed: (N, 2) x and y in m/s, or None.

    Returns:
        ``ground_truth_bbox``, ``ground_truth_type``, ``ground_truth_frame_id``, ``ground_truth_difficulty`` (uint8) and, if
        given, ``ground_truth_speed``: arguments of :func:`waymo_detection`. Dtypes are those given.

    Raises:
        ValueError, TypeError: a column is not as said above.

    Source: waymo-open-dataset 1.6.7.
    """
    columns = Columns("waymo_preprocess", "")
    boxes = columns.boxes(bbox)
    count = len(boxes)
    most = np.iinfo(np.int64).max
    columns.whole("type", type, count, 0, 4, "0 (unknown) to 4")
    columns.frames(frame_id, count)
    points = columns.whole("num_lidar_points", num_lidar_points, count, -most, most, "int64")
    annotated = np.zeros(count, dtype=np.int64)
    if difficulty is not None:
        annotated = columns.whole("difficulty", difficulty, count, 0, 2, "1 or 2, or 0 where nobody decided")
    if speed is not None:
        columns.speeds(speed, count)
    decided = np.where(annotated == 0, np.where(points <= HARD_POINTS, 2, 1), annotated)
    kept = points > 0
    found = {"ground_truth_bbox": np.asarray(bbox).reshape(count, 7)[kept]}
    found["ground_truth_type"] = np.asarray(type).reshape(count)[kept]
    found["ground_truth_frame_id"] = np.asarray(frame_id).reshape(count)[kept]
    found["ground_truth_difficulty"] = decided[kept].astype(np.uint8)
    if speed is not None:
        found["ground_truth_speed"] = np.asarray(speed).reshape(count, 2)[kept]
    return found
