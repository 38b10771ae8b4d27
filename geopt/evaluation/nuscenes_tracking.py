"""The nuScenes tracking benchmark: AMOTA, AMOTP and every other official number. Needs no torch.

Source: nuscenes-devkit 1.2.0, ``eval/tracking`` with the configuration tracking_nips_2019, and motmetrics 1.4.0.
Weng and Kitani, A Baseline for 3D Multi-Object Tracking, arXiv:1907.03961, has AMOTA and AMOTP.
"""

from __future__ import annotations

import copy
import os
import time
import warnings
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from geopt.evaluation import ground_truth, submission, threads
from geopt.evaluation.filters import filter_boxes
from geopt.evaluation.submission import Predictions
from geopt.evaluation.tracking_curves import METRICS, MIN_RECALL, NUM_THRESHOLDS, Curves, tracking_curves
from geopt.evaluation.tracking_tracks import build_tracks, frames_of_samples

CLASS_RANGE_M = {
    "car": 50,
    "truck": 50,
    "bus": 50,
    "trailer": 50,
    "pedestrian": 40,
    "motorcycle": 40,
    "bicycle": 40,
}
SUMMED = ("mt", "ml", "tp", "fp", "fn", "ids", "frag")  # over classes; every other metric is averaged
AVERAGED_OVER_RECALL = {"amota": ("motar", 0.0), "amotp": ("motp", 2.0)}  # with the value for a recall not reached
SUMMARY = (
    "amota", "amotp", "recall", "motar", "gt", "mota", "motp", "mt", "ml", "faf",
    "tp", "fp", "fn", "ids", "frag", "tid", "lgd",
)  # fmt: skip
# As the official code writes it into its summary. -1 stands for a value that follows from the ground truth.
CONFIG: dict[str, Any] = {
    "tracking_names": ["bicycle", "bus", "car", "motorcycle", "pedestrian", "trailer", "truck"],
    "pretty_tracking_names": {
        "bicycle": "Bicycle",
        "bus": "Bus",
        "car": "Car",
        "motorcycle": "Motorcycle",
        "pedestrian": "Pedestrian",
        "trailer": "Trailer",
        "truck": "Truck",
    },
    "tracking_colors": {
        "bicycle": "C9",
        "bus": "C2",
        "car": "C0",
        "motorcycle": "C6",
        "pedestrian": "C5",
        "trailer": "C3",
        "truck": "C1",
    },
    "class_range": CLASS_RANGE_M,
    "dist_fcn": "center_distance",
    "dist_th_tp": 2.0,
    "min_recall": MIN_RECALL,
    "max_boxes_per_sample": submission.MAX_BOXES_PER_SAMPLE,
    "metric_worst": {
        "amota": 0.0,
        "amotp": 2.0,
        "recall": 0.0,
        "motar": 0.0,
        "mota": 0.0,
        "motp": 2.0,
        "mt": 0.0,
        "ml": -1.0,
        "faf": 500,
        "gt": -1,
        "tp": 0.0,
        "fp": -1.0,
        "fn": -1.0,
        "ids": -1.0,
        "frag": -1.0,
        "tid": 20,
        "lgd": 20,
    },
    "num_thresholds": NUM_THRESHOLDS,
}

Summary = dict[str, Any]
Details = dict[str, dict[str, list[float]]]


@overload
def nuscenes_tracking(
    predictions: Predictions,
    data_root: str | os.PathLike[str],
    version: str,
    split: str,
    *,
    details: Literal[False] = False,
    num_threads: int | None = None,
) -> Summary: ...
@overload
def nuscenes_tracking(
    predictions: Predictions,
    data_root: str | os.PathLike[str],
    version: str,
    split: str,
    *,
    details: Literal[True],
    num_threads: int | None = None,
) -> tuple[Summary, Details]: ...
def nuscenes_tracking(
    predictions: Predictions,
    data_root: str | os.PathLike[str],
    version: str,
    split: str,
    *,
    details: bool = False,
    num_threads: int | None = None,
) -> Summary | tuple[Summary, Details]:
    """Score tracks as the official nuScenes tracking benchmark does.

    Args:
        predictions: Path of a submission file, or its content as a dict.
        data_root: The dataset's folder; only the tables in ``data_root/version`` are read.
        version: Such as ``v1.0-trainval``.
        split: Such as ``val``, or a custom split of ``splits.json`` in the version folder.
        details: Return the curves too.
        num_threads: Threads of the compiled loops; by default ``OMP_NUM_THREADS``, or all processors. The numbers do
            not depend on it.

    Returns:
        Every key of the official ``metrics_summary.json``: ``amota``, ``amotp`` (metres) and the other metrics over
        all classes, ``label_metrics`` by metric and class, ``cfg``, ``meta`` and ``eval_time`` (seconds). A class
        without ground truth has NaN and is left out of the means. With ``details`` also, for each class, lists of 40
        values from recall 1 down to 0.1: ``confidence`` (the score threshold), ``recall_hypo`` (the recall aimed at)
        and the metrics there, NaN where a recall is not reached.

    Raises:
        SubmissionError: the official code does not score these predictions; the message names the sample or box.
        FileNotFoundError: the submission, the version folder or a table is missing.
        ValueError: the split is unknown or does not belong to the version, or a table is damaged.
    """
    num_threads = threads.count(num_threads)
    truth = ground_truth.load(data_root, version, split, "tracking", num_threads=num_threads)
    boxes, meta = submission.load(predictions, truth, "tracking", num_threads=num_threads)
    begin = time.perf_counter()
    frames = frames_of_samples(truth.timestamps_us, truth.scene)
    predicted_tracks, true_tracks = (
        build_tracks(filter_boxes(table, truth, CLASS_RANGE_M), frames, len(truth.classes))
        for table in (boxes, truth.boxes)
    )
    curves = tracking_curves(true_tracks, predicted_tracks, frames, truth.classes, num_threads)
    curves = {name: curves[name] for name in CONFIG["tracking_names"]}
    label_metrics = summarize_classes(curves)
    summary: Summary = {
        "label_metrics": label_metrics,
        "eval_time": time.perf_counter() - begin,
        "cfg": copy.deepcopy(CONFIG),
        **{metric: _over_classes(metric, list(label_metrics[metric].values())) for metric in SUMMARY},
        "meta": meta,
    }
    if not details:
        return summary
    return summary, {name: {key: value.tolist() for key, value in of.items()} for name, of in curves.items()}


def summarize_classes(curves: dict[str, Curves]) -> dict[str, dict[str, float]]:
    """One number per metric and class: averages over recall, and the other metrics where MOTA is highest."""
    label_metrics: dict[str, dict[str, float]] = {metric: {} for metric in SUMMARY}
    for name, of_class in curves.items():
        for metric, (curve, worst) in AVERAGED_OVER_RECALL.items():
            label_metrics[metric][name] = _over_recall(of_class[curve], worst)
        mota = of_class["mota"]
        best = None if np.isnan(mota).all() else int(np.nanargmax(mota))  # of equals, the one with the highest recall
        for metric in METRICS:
            label_metrics[metric][name] = float("nan") if best is None else float(of_class[metric][best])
    return label_metrics


def _over_recall(values: NDArray, worst: float) -> float:
    if np.isnan(values).all():
        return float("nan")
    return float(np.mean(np.where(np.isnan(values), worst, values)))


def _over_classes(metric: str, values: list[float]) -> float:
    if metric in SUMMED:
        return float(np.nansum(values))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a mean over nothing
        return float(np.nanmean(values))
