"""Scores of SemanticKITTI, single scan."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geopt import _host, official
from geopt.evaluation import threads
from geopt.evaluation.breakdown import POINT_EDGES_M, Breakdown, of_points
from geopt.evaluation.errors import SubmissionError
from geopt.evaluation.label_frames import in_order

CLASSES = official.class_map("lidarseg", "semantickitti").classes
TINY = 1e-15  # added to every denominator, as officially
SEMANTIC = 0xFFFF  # the upper 16 bits of a label are an instance number

AnyPath = str | os.PathLike[str]


class LabelledScan(NamedTuple):
    """The files of one scan."""

    truth: Path
    prediction: Path
    points: Path
    """float32 x, y, z, remission; it need not exist."""


def semantickitti_segmentation(
    labels_dir: AnyPath,
    predictions_dir: AnyPath,
    split: str | Sequence[str] = "val",
    *,
    num_threads: int | None = None,
) -> dict[str, Any]:
    """Score a label for each point of single scans as the official evaluator does.

    Labels are uint32 whose lower 16 bits are one of the 34 numbers of the dataset. They are merged into 19 classes, where
    what moves has the class of what stands, and class 0, which takes outliers and everything else. Points whose true class
    is 0 take no part. A labelled point that is predicted to be of class 0 is a miss of its true class and no error of
    another one, and is left out of the accuracy. As officially a class that is nowhere has IoU 0, and the mean counts it.

    Args:
        labels_dir: Holds ``sequences/XX/labels/NNNNNN.label``.
        predictions_dir: Holds ``sequences/XX/predictions/NNNNNN.label`` for each of them, with the labels of the dataset
            (not numbers of classes), in the order of the scan.
        split: ``train`` (sequences 00 to 07, 09, 10), ``val`` (08, officially called valid) or ``test`` (11 to 21, whose
            labels are not public); or a list of sequences.
        num_threads: Threads that read and count; None takes all processors. The result does not depend on it.

    Returns:
        ``miou`` and ``iou_per_class`` of the 19 classes, ``accuracy``, and ``confusion_matrix_gt_rows_pred_cols`` (20 rows
        of 20 counts; row 0, points without a class, has 0).

    Raises:
        SubmissionError: a file of predictions is missing, has no scan, has another number of labels than the scan, or one
            that the dataset does not know (the official code takes some of these for unlabeled, and stops at others).
        FileNotFoundError, ValueError: so has the ground truth, or the split is unknown.

    Source: evaluate_semantics.py of semantic-kitti-api; Behley et al., SemanticKITTI, ICCV 2019, arXiv:1904.01416.
    """
    num_threads = threads.count(num_threads)
    confusion = np.zeros((len(CLASSES), len(CLASSES)), dtype=np.int64)
    scans = _labelled_scans(labels_dir, predictions_dir, split)
    for counts in in_order(lambda scan: _confusion(*_classes_of(scan)), scans, num_threads):
        confusion += counts
    return summary(confusion)


def semantickitti_breakdown(
    labels_dir: AnyPath,
    predictions_dir: AnyPath,
    split: str | Sequence[str] = "val",
    *,
    edges_m: Sequence[float] = POINT_EDGES_M,
    num_threads: int | None = None,
) -> Breakdown:
    """IoU, precision and recall of each class, of all points and of those in bands of distance from the LiDAR.

    Distances come from ``sequences/XX/velodyne/NNNNNN.bin`` below ``labels_dir`` (x, y and z; the official script by distance
    takes the remission for a fourth coordinate). Without these files a warning says so and there is nothing by range.

    Args:
        labels_dir, predictions_dir, split, num_threads: As for :func:`semantickitti_segmentation`.
        edges_m: Ends of the bands, metres.

    Raises:
        SubmissionError, FileNotFoundError, ValueError: as :func:`semantickitti_segmentation`; or a LiDAR file has another
            number of points than labels.
    """
    return of_points(
        _labelled_scans(labels_dir, predictions_dir, split),
        _classes_of,
        lambda _, truth, predicted: _confusion(truth, predicted),
        lambda confusion: summary(confusion)["iou_per_class"],
        num_columns=4,
        edges_m=edges_m,
        num_threads=threads.count(num_threads),
    )


def summary(confusion: NDArray[np.int64]) -> dict[str, Any]:
    """The metrics of a confusion matrix.

    Args:
        confusion: (20, 20) points by true class (rows) and predicted class.

    Returns:
        As :func:`semantickitti_segmentation`.
    """
    confusion = confusion.copy()
    confusion[0] = 0
    hits = np.diagonal(confusion)[1:]
    union = confusion[1:].sum(axis=1) + confusion[:, 1:].sum(axis=0) - hits
    iou = hits / (union + TINY)
    return {
        "miou": float(iou.mean()),
        "accuracy": float(hits.sum() / (confusion[:, 1:].sum() + TINY)),
        "iou_per_class": dict(zip(CLASSES[1:], iou.tolist())),
        "confusion_matrix_gt_rows_pred_cols": confusion.tolist(),
    }


def _labelled_scans(
    labels_dir: AnyPath, predictions_dir: AnyPath, split: str | Sequence[str] = "val"
) -> list[LabelledScan]:
    """Find the true and the predicted labels of every scan of a split, sequence by sequence.

    Raises:
        SubmissionError, FileNotFoundError, ValueError: as :func:`semantickitti_segmentation`, about whole files.
    """
    found = []
    for sequence in _sequences(split):
        folder = Path(labels_dir) / "sequences" / sequence
        truth = sorted((folder / "labels").glob("[!.]*.label"))
        if not truth:
            raise FileNotFoundError(
                f"semantickitti_segmentation: {folder / 'labels'} must hold the labels of sequence {sequence}, "
                "NNNNNN.label; unpack data_odometry_labels.zip there (those of 11 to 21 are not public)"
            )
        predictions = Path(predictions_dir) / "sequences" / sequence / "predictions"
        names = {path.name for path in predictions.glob("[!.]*.label")}
        for wrong, what in (
            ([path.name for path in truth if path.name not in names], "is missing"),
            (sorted(names - {path.name for path in truth}), f"belongs to no scan with labels in {folder / 'labels'}"),
        ):
            if wrong:
                raise SubmissionError(
                    f"semantickitti_segmentation: {predictions / wrong[0]} {what} ({len(wrong)} such files); predictions "
                    "must hold one file for each file of labels, of the same name"
                )
        found += [
            LabelledScan(path, predictions / path.name, folder / "velodyne" / f"{path.stem}.bin") for path in truth
        ]
    return found


def _sequences(split: str | Sequence[str]) -> Sequence[str]:
    splits = official.splits("semantickitti")
    if isinstance(split, str):
        if split not in splits:
            raise ValueError(
                f"semantickitti_segmentation: split must be one of {', '.join(splits)} or a list of sequences, got {split!r}"
            )
        return splits[split]
    if not len(split) or any(not isinstance(name, str) or Path(name).name != name for name in split):
        raise ValueError(f"semantickitti_segmentation: split must list names of sequences, such as '08', got {split!r}")
    return split


def _classes_of(scan: LabelledScan) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """True and predicted class, 0 to 19, of each point of a scan.

    Raises:
        SubmissionError, FileNotFoundError, ValueError: as :func:`semantickitti_segmentation`.
    """
    truth = _read(scan.truth, ValueError)
    predicted = _read(scan.prediction, SubmissionError)
    if len(predicted) != len(truth):
        raise SubmissionError(
            f"semantickitti_segmentation: {scan.prediction} must hold {len(truth)} labels of 4 bytes, as many as "
            f"{scan.truth}, got {len(predicted)}"
        )
    return truth, predicted


def _read(path: Path, error: type[ValueError]) -> NDArray[np.int32]:
    content = path.read_bytes()
    if not content or len(content) % 4:
        raise error(
            f"semantickitti_segmentation: {path} must hold a label of 4 bytes for each point, got {len(content)} bytes"
        )
    labels = np.frombuffer(content, dtype="<u4") & SEMANTIC
    classes = official.semantickitti_class_of_label()[labels]
    if classes.min() < 0:
        point = int(np.argmin(classes))
        raise error(
            f"semantickitti_segmentation: {path}: label {labels[point]} of point {point} is none of the dataset's, which "
            f"are {', '.join(map(str, official.semantickitti_labels()))}; numbers of classes must be turned into labels"
        )
    return classes


def _confusion(truth: NDArray[np.int32], predicted: NDArray[np.int32]) -> NDArray[np.int64]:
    """(20, 20) points by true and predicted class."""
    counts = _host.waymo_confusion(truth, predicted, len(CLASSES) - 1)
    return np.roll(counts, 1, axis=(0, 1))  # from the last row and column to the first: what has no class
