"""The nuScenes detection benchmark: mAP, NDS and the errors of true positives.

Source: nuscenes-devkit 1.2.0, configuration ``detection_cvpr_2019``; Caesar et al., nuScenes, CVPR 2020,
arXiv:1903.11027.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Iterator
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from geopt import _host
from geopt.evaluation import ground_truth, submission, threads
from geopt.evaluation.boxes import BoxTable
from geopt.evaluation.detection_curves import ERRORS, Curves, average_precision, curves, error_at_recalls
from geopt.evaluation.errors import SubmissionError
from geopt.evaluation.filters import filter_boxes

CLASS_RANGE_M = {
    "car": 50,
    "truck": 50,
    "bus": 50,
    "trailer": 50,
    "construction_vehicle": 50,
    "pedestrian": 40,
    "motorcycle": 40,
    "bicycle": 40,
    "traffic_cone": 30,
    "barrier": 30,
}
THRESHOLDS_M = (0.5, 1.0, 2.0, 4.0)
ERROR_THRESHOLD_M = 2.0
MEAN_AP_WEIGHT = 5
# Cones look the same from everywhere and barriers from both ends; neither moves nor has attributes.
WITHOUT = {"traffic_cone": ("attr_err", "vel_err", "orient_err"), "barrier": ("attr_err", "vel_err")}
CONFIG = {
    "class_range": CLASS_RANGE_M,
    "dist_fcn": "center_distance",
    "dist_ths": list(THRESHOLDS_M),
    "dist_th_tp": ERROR_THRESHOLD_M,
    "min_recall": 0.1,
    "min_precision": 0.1,
    "max_boxes_per_sample": submission.MAX_BOXES_PER_SAMPLE,
    "mean_ap_weight": MEAN_AP_WEIGHT,
}


@overload
def nuscenes_detection(
    predictions: submission.Predictions,
    data_root: str | os.PathLike[str],
    version: str,
    split: str,
    *,
    details: Literal[False] = False,
    num_threads: int | None = None,
) -> dict[str, Any]: ...


@overload
def nuscenes_detection(
    predictions: submission.Predictions,
    data_root: str | os.PathLike[str],
    version: str,
    split: str,
    *,
    details: Literal[True],
    num_threads: int | None = None,
) -> tuple[dict[str, Any], dict[str, dict[str, list[float]]]]: ...


def nuscenes_detection(
    predictions: submission.Predictions,
    data_root: str | os.PathLike[str],
    version: str,
    split: str,
    *,
    details: bool = False,
    num_threads: int | None = None,
) -> dict[str, Any] | tuple[dict[str, Any], dict[str, dict[str, list[float]]]]:
    """Score detections as the official nuScenes evaluator does.

    Args:
        predictions: Path of a submission in the official format, or its content as a dict.
        data_root: The dataset's folder; of it only tables are read.
        version: Name of the version folder in it, such as ``v1.0-trainval``.
        split: An official split (``val``, ``mini_val``, ...), or one of ``splits.json`` in the version folder.
        details: Return the curves too.
        num_threads: Default: ``OMP_NUM_THREADS``, else all processors. The result does not depend on it.

    Returns:
        The content of the official ``metrics_summary.json``: ``label_aps`` by class and threshold ("0.5" to "4.0",
        metres), ``mean_dist_aps`` by class, ``mean_ap``, ``label_tp_errors`` by class (``trans_err`` metres,
        ``scale_err`` 1 - IoU, ``orient_err`` radians, ``vel_err`` metres per second, ``attr_err`` 1 - accuracy; NaN
        where a class has none), ``tp_errors`` and ``tp_scores``, ``nd_score``, ``eval_time`` in seconds, ``cfg`` and
        ``meta``. With ``details`` also the content of ``metrics_details.json``: by "class:threshold" the precision,
        confidence and running mean errors at 101 recalls from 0 to 1.

    Raises:
        SubmissionError: the official evaluator refuses the predictions.
        FileNotFoundError: the submission, the dataset or a table is missing.
        ValueError: the split does not belong to the version, or the dataset is damaged.
    """
    loaded = load(predictions, data_root, version, split, threads.count(num_threads))
    begin = time.perf_counter()
    found = loaded.curves(loaded.predicted, loaded.annotated)
    summary = summarize(found)
    summary |= {"eval_time": time.perf_counter() - begin, "cfg": {**CONFIG, "class_range": dict(CLASS_RANGE_M)}}
    summary["meta"] = loaded.meta
    if not details:
        return summary
    return summary, {f"{class_name}:{th}": curve.to_lists() for (class_name, th), curve in found.items()}


@dataclasses.dataclass(frozen=True)
class Loaded:
    """Both sides of an evaluation."""

    predictions: submission.Predictions
    truth: ground_truth.GroundTruth
    submitted: BoxTable
    predicted: BoxTable
    """Those of ``submitted`` that count."""
    annotated: BoxTable
    """Likewise of the annotations."""
    meta: Any
    num_threads: int

    def curves(self, predicted: BoxTable, annotated: BoxTable) -> dict[tuple[str, float], Curves]:
        """The curves by class and threshold of some of the boxes on each side."""
        found: dict[tuple[str, float], Curves] = {}
        for label, class_name in enumerate(self.truth.classes):
            mine, theirs = predicted.take(predicted.label == label), annotated.take(annotated.label == label)
            try:
                of_class = _curves_of_class(class_name, mine, theirs, len(self.truth.samples), self.num_threads)
                found |= {(class_name, threshold): curve for threshold, curve in of_class}
            except _BadBox as error:
                if error.is_annotation:
                    sample = self.truth.samples[theirs.sample[error.row]]
                    raise ValueError(f"nuScenes: sample {sample} has an annotated {class_name} {error}") from None
                order, sample_row = mine.order[error.row], mine.sample[error.row]
                box = order - np.flatnonzero(self.submitted.sample == sample_row)[0]
                where = submission.name_of(self.predictions)
                raise SubmissionError(
                    f"{where}: sample '{self.truth.samples[sample_row]}', box {box}: {error}"
                ) from None
        return found


def load(
    predictions: submission.Predictions, data_root: str | os.PathLike[str], version: str, split: str, num_threads: int
) -> Loaded:
    """Read both sides and keep what counts; arguments and errors are those of :func:`nuscenes_detection`."""
    truth = ground_truth.load(data_root, version, split, "detection", num_threads=num_threads)
    submitted, meta = submission.load(predictions, truth, "detection", num_threads=num_threads)
    predicted, annotated = (filter_boxes(boxes, truth, CLASS_RANGE_M) for boxes in (submitted, truth.boxes))
    return Loaded(predictions, truth, submitted, predicted, annotated, meta, num_threads)


class _BadBox(Exception):
    """A box that stops the official evaluator where it is matched."""

    def __init__(self, row: int, reason: str, is_annotation: bool = False) -> None:
        super().__init__(reason)
        self.row = row
        self.is_annotation = is_annotation


def _curves_of_class(
    class_name: str, predicted: BoxTable, annotated: BoxTable, num_samples: int, num_threads: int
) -> Iterator[tuple[float, Curves]]:
    """The curves at each threshold of the boxes of one class."""
    # Of equal scores the later box comes first.
    best_first = np.argsort(predicted.score, kind="stable")[::-1]
    matched = _host.match_detections(
        predicted_xy=np.ascontiguousarray(predicted.translation[best_first, :2]),
        predicted_sample=predicted.named_sample[best_first],
        true_xy=np.ascontiguousarray(annotated.translation[:, :2]),
        true_sample=annotated.sample,
        num_samples=num_samples,
        thresholds=THRESHOLDS_M,
        num_threads=num_threads,
    )
    period_rad = np.pi if class_name == "barrier" else 2 * np.pi
    confidence = predicted.score[best_first]
    for threshold, row in zip(THRESHOLDS_M, matched):
        hit = row >= 0
        rows = best_first[hit]
        _check_matched(predicted, rows, annotated, row[hit])
        errors = match_errors(predicted.take(rows), annotated.take(row[hit]), period_rad)
        curve = curves(hit, confidence, errors, num_positive=len(annotated))
        if np.isnan(curve.confidence).any() or (curve.confidence[1:] > curve.confidence[:-1]).any():
            lowest = int(np.argmin(predicted.score))
            score = predicted.score[lowest]
            raise _BadBox(lowest, f"'detection_score' must be finite and not below 0, got {score}")
        yield threshold, curve


def _check_matched(predicted: BoxTable, rows: NDArray, annotated: BoxTable, truth_rows: NDArray) -> None:
    for table, at, is_annotation in ((annotated, truth_rows, True), (predicted, rows, False)):
        flat = ~(table.size[at] > 0).all(axis=1)
        if flat.any():
            first = int(at[np.argmax(flat)])
            size = table.size[first].tolist()
            raise _BadBox(first, f"'size' of a box that matches must be above 0, got {size}", is_annotation)
    unknown = ~predicted.velocity_known[rows]
    if unknown.any():
        first = int(rows[np.argmax(unknown)])
        raise _BadBox(first, "'velocity' of a box that matches must be two numbers; write NaN if it is unknown")


def match_errors(predicted: BoxTable, annotated: BoxTable, period_rad: float) -> dict[str, NDArray[np.float64]]:
    """Errors of matched boxes.

    Args:
        predicted: N boxes.
        annotated: The N boxes that they match.
        period_rad: Turn after which a box looks the same.

    Returns:
        (N,) each: ``trans_err`` metres on the ground, ``scale_err`` 1 - IoU of the boxes put upon each other,
        ``orient_err`` radians, ``vel_err`` metres per second, and ``attr_err`` 0 or 1; NaN where the truth is unknown.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        common = np.minimum(predicted.size, annotated.size).prod(axis=1)
        union = annotated.size.prod(axis=1) + predicted.size.prod(axis=1) - common
        turn = (yaw(annotated.rotation) - yaw(predicted.rotation) + period_rad / 2) % period_rad - period_rad / 2
        wrong = (annotated.attribute != predicted.attribute).astype(np.float64)
        return {
            "trans_err": _norm(predicted.translation[:, :2] - annotated.translation[:, :2]),
            "vel_err": _norm(predicted.velocity - annotated.velocity),
            "scale_err": 1 - common / union,
            "orient_err": np.abs(turn),
            "attr_err": np.where(annotated.attribute < 0, np.nan, wrong),
        }


def _norm(xy: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sqrt(xy[:, 0] ** 2 + xy[:, 1] ** 2)


def yaw(quat_wxyz: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) heading in radians of (N, 4) quaternions of any length; 0 for a quaternion of zeros."""
    square = (quat_wxyz**2).sum(axis=1)
    norm = np.where((np.abs(1.0 - square) < 1e-14) | (square == 0), 1.0, np.sqrt(square))
    w, x, y, z = (quat_wxyz / norm[:, None]).T
    return np.arctan2(2 * (x * y + w * z), w**2 + x**2 - y**2 - z**2)


def summarize(found: dict[tuple[str, float], Curves]) -> dict[str, Any]:
    """The metrics of the curves by class and threshold: the official summary without what it says of the run."""
    names = list(CLASS_RANGE_M)
    label_aps = {name: {str(th): average_precision(found[name, th]) for th in THRESHOLDS_M} for name in names}
    mean_dist_aps = {name: float(np.mean(list(aps.values()))) for name, aps in label_aps.items()}
    mean_ap = float(np.mean(list(mean_dist_aps.values())))
    label_tp_errors = {
        name: {
            error: np.nan if error in WITHOUT.get(name, ()) else error_at_recalls(found[name, ERROR_THRESHOLD_M], error)
            for error in ERRORS
        }
        for name in names
    }
    tp_errors = {error: float(np.nanmean([label_tp_errors[name][error] for name in names])) for error in ERRORS}
    tp_scores = {error: max(0.0, 1.0 - value) for error, value in tp_errors.items()}
    total = MEAN_AP_WEIGHT * mean_ap + float(np.sum(list(tp_scores.values())))
    return {
        "label_aps": label_aps,
        "mean_dist_aps": mean_dist_aps,
        "mean_ap": mean_ap,
        "label_tp_errors": label_tp_errors,
        "tp_errors": tp_errors,
        "tp_scores": tp_scores,
        "nd_score": total / (MEAN_AP_WEIGHT + len(tp_scores)),
    }
