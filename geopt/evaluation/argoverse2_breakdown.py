"""The Argoverse 2 detection benchmark by category and by distance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from geopt.evaluation.argoverse2_boxes import Cuboids, Source
from geopt.evaluation.argoverse2_detection import MAX_RANGE_M, read, score_categories
from geopt.evaluation.breakdown import Breakdown, Rows, bands

EDGES_M = (0.0, 50.0, 100.0, MAX_RANGE_M)


def argoverse2_breakdown(predictions: Source, ground_truth: Source, *, edges_m: Sequence[float] = EDGES_M) -> Breakdown:
    """AP, errors and CDS of each category, of all boxes and of those in bands of distance from the vehicle.

    A band is scored as if there were nothing else: each side keeps the boxes whose own centre is in the band (x, y and z in
    the ego frame, as for the official range of 150 m, which still holds), and of those the best 100 of a category in a sweep.

    Args:
        predictions, ground_truth: As for :func:`argoverse2_detection`.
        edges_m: Ends of the bands, metres.

    Returns:
        ``AP``, ``ATE``, ``ASE``, ``AOE`` and ``CDS``, ``num_true`` and ``num_predicted``, the boxes that take part.

    Raises:
        FileNotFoundError, ImportError, SubmissionError, ValueError: as :func:`argoverse2_detection`; or ``edges_m`` does
            not ascend.
    """
    among = bands(edges_m)
    predicted, true = read(predictions, ground_truth)
    predicted_m, true_m = (np.linalg.norm(boxes.xyz, axis=1) for boxes in (predicted, true))
    return Breakdown(
        by_class=_rows(predicted, true),
        by_range={
            band.name: _rows(predicted.at(band.holds(predicted_m)), true.at(band.holds(true_m))) for band in among
        },
    )


def _rows(predicted: Cuboids, true: Cuboids) -> Rows:
    return {
        name: {**found.metrics, "num_true": found.num_true, "num_predicted": found.num_predicted}
        for name, found in score_categories(predicted, true).items()
    }
