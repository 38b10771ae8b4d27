"""Scores of nuScenes-lidarseg."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geopt import _host, official
from geopt.evaluation import threads
from geopt.evaluation.breakdown import POINT_EDGES_M, Breakdown, of_points
from geopt.evaluation.errors import SubmissionError
from geopt.evaluation.label_frames import LabelFrame, in_order, label_frames
from geopt.evaluation.split_frames import POINT_BYTES

NUM_CLASSES = 17


def nuscenes_lidarseg(
    predictions_dir: str | os.PathLike[str],
    data_root: str | os.PathLike[str],
    version: str,
    split: str,
    *,
    num_threads: int | None = None,
) -> dict[str, Any]:
    """Score a class for each LiDAR point as the official evaluator does.

    Points whose true class is ignored take no part. Classes that neither the ground truth nor the predictions have get
    NaN and are left out of the mean.

    Args:
        predictions_dir: Holds ``lidarseg/SPLIT/TOKEN_lidarseg.bin`` for each key frame of the split: one byte 1 to 16 a
            point, in the order of the scan. TOKEN is that of the LiDAR sweep (``sample_data``).
        data_root: nuScenes folder with ``VERSION/lidarseg.json``.
        version: Such as ``v1.0-trainval``.
        split: An official split whose scenes the version holds, such as ``val``.
        num_threads: Threads that read and count; None takes all processors. The result does not depend on it.

    Returns:
        ``iou_per_class`` (17 names, ``ignore`` among them), ``miou``, ``freq_weighted_iou`` and
        ``confusion_matrix_gt_rows_pred_cols`` (17 rows of 17 counts, those of ``ignore`` 0).

    Raises:
        SubmissionError: a file of predictions is missing or empty, has another number of labels than the scan has
            points (the official code lets a single label stand for all points, this does not), or one is not 1 to 16.
        FileNotFoundError, ValueError: the dataset is incomplete or damaged, or the split is unknown.

    Source: nuscenes-devkit 1.2.0.
    """
    num_threads = threads.count(num_threads)
    frames, class_of_index = label_frames("lidarseg", predictions_dir, data_root, version, split)
    confusion = np.zeros((NUM_CLASSES, NUM_CLASSES), dtype=np.int64)
    for counts in in_order(lambda frame: _confusion(frame, *_labels(frame), class_of_index), frames, num_threads):
        confusion += counts
    return summary(confusion)


def nuscenes_lidarseg_breakdown(
    predictions_dir: str | os.PathLike[str],
    data_root: str | os.PathLike[str],
    version: str,
    split: str,
    *,
    edges_m: Sequence[float] = POINT_EDGES_M,
    num_threads: int | None = None,
) -> Breakdown:
    """IoU, precision and recall of each class, of all points and of those in bands of distance from the LiDAR.

    The band of a point is that of its place in the LiDAR frame (x, y and z). Without the LiDAR files a warning says so and
    there is nothing by range.

    Args:
        predictions_dir, data_root, version, split, num_threads: As for :func:`nuscenes_lidarseg`.
        edges_m: Ends of the bands, metres.

    Raises:
        SubmissionError, FileNotFoundError, ValueError: as :func:`nuscenes_lidarseg`; or a LiDAR file has another number of
            points than labels.
    """
    frames, class_of_index = label_frames("lidarseg", predictions_dir, data_root, version, split)
    return of_points(
        frames,
        _labels,
        lambda frame, truth, prediction: _confusion(frame, truth, prediction, class_of_index),
        lambda confusion: _without_ignore(summary(confusion)["iou_per_class"]),
        num_columns=POINT_BYTES // 4,
        edges_m=edges_m,
        num_threads=threads.count(num_threads),
    )


def _without_ignore(iou_per_class: dict[str, float]) -> dict[str, float]:
    return {name: iou for name, iou in iou_per_class.items() if name != "ignore"}


def summary(confusion: NDArray[np.int64]) -> dict[str, Any]:
    """The metrics of a confusion matrix.

    Args:
        confusion: (17, 17) points by true class (rows) and predicted class.

    Returns:
        As :func:`nuscenes_lidarseg`.
    """
    confusion = confusion.copy()
    confusion[0, :] = 0
    confusion[:, 0] = 0
    hits, true = np.diagonal(confusion), confusion.sum(axis=1)
    union = (true + confusion.sum(axis=0) - hits).astype(np.float32)  # as officially; rounds above 2**24 points
    with np.errstate(divide="ignore", invalid="ignore"):
        iou = hits / union.astype(np.float64)
        weighted = np.nansum(true * iou) / np.float64(confusion.sum())
    known = iou[~np.isnan(iou)]
    return {
        "iou_per_class": dict(zip(official.class_map("lidarseg").classes, iou.tolist())),
        "miou": float(known.mean()) if len(known) else float("nan"),
        "freq_weighted_iou": float(weighted),
        "confusion_matrix_gt_rows_pred_cols": confusion.tolist(),
    }


def _labels(frame: LabelFrame) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """True and predicted labels of a frame."""
    try:
        truth = _read(frame.truth)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"nuscenes_lidarseg: {frame.truth} is missing, the labels of {frame.scene}") from error
    if not len(truth):
        raise ValueError(f"nuscenes_lidarseg: {frame.truth} is empty; unpack or download it again")
    try:
        prediction = _read(frame.prediction)
    except OSError as error:
        fault = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise SubmissionError(
            f"nuscenes_lidarseg: {frame.prediction} {fault}; every key frame of the split needs a file of one byte for each "
            "point"
        ) from error
    if len(prediction) != len(truth):
        raise SubmissionError(
            f"nuscenes_lidarseg: {frame.prediction} must hold {len(truth)} labels of one byte, as many as the scan has "
            f"points, got {len(prediction)}"
        )
    return truth, prediction


def _confusion(
    frame: LabelFrame, truth: NDArray[np.uint8], prediction: NDArray[np.uint8], class_of_index: NDArray[np.int16]
) -> NDArray[np.int64]:
    counts, bad_truth, bad_prediction = _host.lidarseg_confusion(truth, prediction, class_of_index)
    if bad_truth >= 0:
        raise ValueError(
            f"nuscenes_lidarseg: {frame.truth}: label {truth[bad_truth]} of point {bad_truth} is in no row of category.json"
        )
    if bad_prediction >= 0:
        raise SubmissionError(
            f"nuscenes_lidarseg: {frame.prediction}: labels must be 1 to 16, got {prediction[bad_prediction]} for point "
            f"{bad_prediction} (0 is the class that is not scored: predict the most likely of the others)"
        )
    return counts


def _read(path: Path) -> NDArray[np.uint8]:
    return np.frombuffer(path.read_bytes(), dtype=np.uint8)
