"""The nuScenes detection benchmark by class and by distance."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from geopt.evaluation import submission, threads
from geopt.evaluation.boxes import BoxTable
from geopt.evaluation.breakdown import BOX_EDGES_M, Breakdown, Rows, bands
from geopt.evaluation.filters import ego_distance
from geopt.evaluation.nuscenes_detection import Loaded, load, summarize


def nuscenes_detection_breakdown(
    predictions: submission.Predictions,
    data_root: str | os.PathLike[str],
    version: str,
    split: str,
    *,
    edges_m: Sequence[float] = BOX_EDGES_M,
    num_threads: int | None = None,
) -> Breakdown:
    """AP and errors of each class, of all boxes and of those in bands of distance from the vehicle.

    A band is scored as if there were nothing else: each side keeps the boxes whose own centre is in the band (x and y, as
    for the official range of a class, which still holds). A detection across the border from its object is therefore an
    error on one side and a miss on the other, although the official total counts it as a match.

    Args:
        predictions, data_root, version, split, num_threads: As for :func:`nuscenes_detection`.
        edges_m: Ends of the bands, metres.

    Returns:
        ``ap`` (the mean over the four distances of a match) and ``trans_err`` to ``attr_err`` as in the official summary,
        ``num_true`` and ``num_predicted``, the boxes that take part.

    Raises:
        SubmissionError, FileNotFoundError, ValueError: as :func:`nuscenes_detection`; or ``edges_m`` does not ascend.
    """
    among = bands(edges_m)
    loaded = load(predictions, data_root, version, split, threads.count(num_threads))
    predicted_m, annotated_m = (ego_distance(boxes, loaded.truth) for boxes in (loaded.predicted, loaded.annotated))
    return Breakdown(
        by_class=_rows(loaded, loaded.predicted, loaded.annotated),
        by_range={
            band.name: _rows(
                loaded,
                loaded.predicted.take(band.holds(predicted_m)),
                loaded.annotated.take(band.holds(annotated_m)),
            )
            for band in among
        },
    )


def _rows(loaded: Loaded, predicted: BoxTable, annotated: BoxTable) -> Rows:
    summary = summarize(loaded.curves(predicted, annotated))
    return {
        name: {
            "ap": summary["mean_dist_aps"][name],
            **summary["label_tp_errors"][name],
            "num_true": int(np.sum(annotated.label == label)),
            "num_predicted": int(np.sum(predicted.label == label)),
        }
        for label, name in enumerate(loaded.truth.classes)
    }
