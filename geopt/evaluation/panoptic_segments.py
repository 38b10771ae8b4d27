"""Panoptic labels of one frame: reading them, finding segments, and pairing the true with the predicted ones.

A label is 1000 * class + instance. True labels carry the fine category instead of the class. A segment is all points of one
label; those whose true class is ignored belong to none.
"""

from __future__ import annotations

import pickle
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from geopt import _host
from geopt.evaluation.errors import SubmissionError
from geopt.evaluation.label_frames import LabelFrame

NUM_CLASSES = 17
NUM_THINGS = 10
"""Classes 1 to 10 are things, 11 to 16 stuff."""
INSTANCES = 1000
LARGEST_CATEGORY = 255


class Segments(NamedTuple):
    """Segments of a frame: T true ones, P predicted ones, and R pairs that share points."""

    confusion: NDArray[np.int64]
    """(17, 17) points by true class (rows, ignored ones too) and predicted class."""
    true_label: NDArray[np.int64]
    """(T,) ascending."""
    true_class: NDArray[np.int64]
    """(T,) 1 to 16."""
    true_points: NDArray[np.int64]
    """(T,)"""
    label: NDArray[np.int64]
    """(P,) predicted labels, ascending; 0 is void."""
    points: NDArray[np.int64]
    """(P,)"""
    pair_true: NDArray[np.int64]
    """(R,) rows of the true segments, ascending."""
    pair: NDArray[np.int64]
    """(R,) rows of the predicted segments, ascending for each true one."""
    pair_points: NDArray[np.int64]
    """(R,)"""

    @property
    def predicted_class(self) -> NDArray[np.int64]:
        """(P,) 0 to 16."""
        return self.label // INSTANCES

    def iou(self, dtype: DTypeLike) -> NDArray:
        """(R,) intersection over union of each pair, divided in ``dtype``."""
        union = self.true_points[self.pair_true] + self.points[self.pair] - self.pair_points
        return self.pair_points.astype(dtype) / union.astype(dtype)


def read_segments(frame: LabelFrame, class_of_index: NDArray[np.int16]) -> Segments:
    """Read both files of labels of a frame.

    Args:
        class_of_index: (256,) class of each fine category, -1 where there is none.

    Raises:
        FileNotFoundError, ValueError: the ground truth is missing or damaged.
        SubmissionError: the prediction is missing, unreadable, or not one label of class 0 to 16 for each point.
    """
    truth = _true_labels(frame)
    prediction = _predicted_labels(frame, len(truth))
    confusion, bad_truth, *found = _host.panoptic_segments(truth, prediction, class_of_index)
    if bad_truth >= 0:
        raise ValueError(
            f"nuscenes_panoptic: {frame.truth}: category {truth[bad_truth] // INSTANCES} of point {bad_truth} is in no row "
            "of category.json"
        )
    return Segments(confusion, found[0], class_of_index[found[0] // INSTANCES].astype(np.int64), *found[1:])


_DAMAGED = (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile, zlib.error, pickle.UnpicklingError)


def _read(path: Path) -> NDArray:
    arrays = np.load(path)
    if not isinstance(arrays, np.lib.npyio.NpzFile):
        raise ValueError("it holds one array without a name")
    with arrays:
        return arrays["data"]


def _true_labels(frame: LabelFrame) -> NDArray[np.uint32]:
    try:
        labels = _read(frame.truth)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"nuscenes_panoptic: {frame.truth} is missing, the labels of {frame.scene}") from error
    except _DAMAGED as error:
        raise ValueError(
            f"nuscenes_panoptic: {frame.truth} is damaged ({error}); unpack or download it again"
        ) from error
    if labels.ndim != 1 or not len(labels) or labels.dtype.kind not in "iu" or not _within(labels, LARGEST_CATEGORY):
        raise ValueError(
            f"nuscenes_panoptic: {frame.truth} must hold 1000 * category + instance for each point, "
            f"got {_described(labels)}; unpack or download it again"
        )
    return np.ascontiguousarray(labels, dtype=np.uint32)


def _predicted_labels(frame: LabelFrame, num_points: int) -> NDArray[np.uint32]:
    path = frame.prediction
    try:
        labels = _read(path)
    except FileNotFoundError as error:
        raise SubmissionError(
            f"nuscenes_panoptic: {path} is missing; every key frame of the split needs a file"
        ) from error
    except _DAMAGED as error:
        raise SubmissionError(
            f"nuscenes_panoptic: {path} must be an .npz file with an array named data, written by "
            f"numpy.savez_compressed(path, data=labels); reading it failed: {error}"
        ) from error
    # The official code mixes unsigned 64-bit labels with signed ones into floats, and fails.
    if labels.dtype.kind not in "biu" or labels.dtype == np.uint64:
        raise SubmissionError(f"nuscenes_panoptic: {path}: data must be uint16, got {labels.dtype}")
    if labels.shape != (num_points,):
        raise SubmissionError(
            f"nuscenes_panoptic: {path} must hold {num_points} labels, as many as the scan has points, "
            f"got shape {labels.shape}"
        )
    if not _within(labels, NUM_CLASSES - 1):
        wrong = int(np.flatnonzero((labels < 0) | (labels // INSTANCES >= NUM_CLASSES))[0])
        raise SubmissionError(
            f"nuscenes_panoptic: {path}: labels must be 1000 * class + instance with a class from 0 (void) to 16, "
            f"got {labels[wrong]} for point {wrong}"
        )
    return np.ascontiguousarray(labels, dtype=np.uint32)


def _within(labels: NDArray, largest: int) -> bool:
    return int(labels.min()) >= 0 and int(labels.max()) < INSTANCES * (largest + 1)


def _described(labels: NDArray) -> str:
    extent = f" from {labels.min()} to {labels.max()}" if labels.size and labels.dtype.kind in "iu" else ""
    return f"{labels.dtype} of shape {labels.shape}{extent}"
