"""Scores of the Waymo 3D semantic segmentation benchmark."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geopt import _host
from geopt.evaluation.waymo_columns import Columns, of_predictions

CLASSES = (
    "TYPE_CAR",
    "TYPE_TRUCK",
    "TYPE_BUS",
    "TYPE_OTHER_VEHICLE",
    "TYPE_MOTORCYCLIST",
    "TYPE_BICYCLIST",
    "TYPE_PEDESTRIAN",
    "TYPE_SIGN",
    "TYPE_TRAFFIC_LIGHT",
    "TYPE_POLE",
    "TYPE_CONSTRUCTION_CONE",
    "TYPE_BICYCLE",
    "TYPE_MOTORCYCLE",
    "TYPE_BUILDING",
    "TYPE_VEGETATION",
    "TYPE_TREE_TRUNK",
    "TYPE_CURB",
    "TYPE_ROAD",
    "TYPE_LANE_MARKER",
    "TYPE_OTHER_GROUND",
    "TYPE_WALKABLE",
    "TYPE_SIDEWALK",
)
"""Of labels 1 to 22; 0 is undefined."""


def waymo_segmentation(
    *,
    ground_truth: ArrayLike,
    prediction: ArrayLike,
    frame_id: ArrayLike | None = None,
    return_index: ArrayLike | None = None,
    prediction_missing_frames: ArrayLike | None = None,
) -> dict[str, Any]:
    """IoU of each of 22 classes over all points of the TOP lidar, both returns, as the official tool computes it.

    Points whose true label is undefined do not count; an undefined prediction of a labelled point is a miss. A class that
    neither side has counts 1.

    Args:
        ground_truth: (N,) 0 (undefined) to 22.
        prediction: (N,) likewise, for the same points.
        frame_id: (N,) whole numbers; read to find ``prediction_missing_frames``.
        return_index: (N,) 1 or 2 (or counted from 0), which return of the lidar a point is. Both count alike.
        prediction_missing_frames: (K,) frames without a prediction: their points count as predicted undefined.

    Returns:
        ``miou``, and ``iou_per_class`` by official name, computed in float32 as officially.

    Raises:
        SubmissionError: a predicted label is not 0 to 22, or there are more or fewer of them than points.
        ValueError: another argument is not as said above.
        TypeError: labels are no whole numbers.

    Source: waymo-open-dataset 1.6.7.
    """
    meaning = "0 (undefined) to 22"
    columns = Columns("waymo_segmentation", "")
    count = np.asarray(ground_truth).size
    truth = columns.whole("ground_truth", ground_truth, count, 0, len(CLASSES), meaning).astype(np.int32)
    of_them = of_predictions("waymo_segmentation", "")
    predicted = of_them.whole("prediction", prediction, count, 0, len(CLASSES), meaning).astype(np.int32)
    if return_index is not None:
        columns.whole("return_index", return_index, count, 0, 2, "1 or 2, or counted from 0")
    frames = None if frame_id is None else columns.frames(frame_id, count)
    if prediction_missing_frames is not None:
        if frames is None:
            raise ValueError("waymo_segmentation: frame_id must be given to find prediction_missing_frames, got None")
        missing = np.asarray(prediction_missing_frames).reshape(-1)
        unknown = np.setdiff1d(missing, frames)
        if len(unknown):
            raise ValueError(
                f"waymo_segmentation: prediction_missing_frames must be in frame_id, got {unknown[0]} which is not"
            )
        predicted[np.isin(frames, missing)] = 0
    return summary(_host.waymo_confusion(truth, predicted, len(CLASSES)))


def summary(confusion: NDArray[np.int64]) -> dict[str, Any]:
    """The metrics of a confusion matrix.

    Args:
        confusion: (23, 23) points by true class (rows) and predicted class; undefined is the last of both.

    Returns:
        As :func:`waymo_segmentation`.
    """
    hits = np.diagonal(confusion)[:-1]
    union = confusion[:-1].sum(axis=1) + confusion[:-1, :-1].sum(axis=0) - hits
    iou = np.ones(len(CLASSES), dtype=np.float32)
    np.divide(hits.astype(np.float32), union.astype(np.float32), out=iou, where=union > 0)
    mean = np.float32(0)
    for value in iou:  # one after another, as officially: NumPy would add in pairs
        mean += value
    return {
        "miou": float(mean / np.float32(len(CLASSES))),
        "iou_per_class": {name: float(value) for name, value in zip(CLASSES, iou)},
    }
