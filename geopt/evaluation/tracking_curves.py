"""Score thresholds for 40 values of recall, and the metrics at each of them. Needs no torch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geopt import _host
from geopt.evaluation.errors import SubmissionError
from geopt.evaluation.tracking_tracks import Frames, Tracks

NUM_THRESHOLDS = 40
MIN_RECALL = 0.1
FRAME_PERIOD_S = 0.5
METRICS = (
    "gt", "tp", "motar", "mota", "motp", "faf", "mt", "ml", "fp", "fn", "ids", "frag", "recall", "tid", "lgd",
)  # fmt: skip
WORST = {  # of a class that no prediction matches; ml, gt and fn follow from the ground truth
    "tp": 0.0, "motar": 0.0, "mota": 0.0, "motp": 2.0, "faf": 500.0, "mt": 0.0,
    "fp": np.nan, "ids": np.nan, "frag": np.nan, "recall": 0.0, "tid": 20.0, "lgd": 20.0,
}  # fmt: skip

Curves = dict[str, NDArray[np.float64]]


def tracking_curves(
    truth: Tracks, predictions: Tracks, frames: Frames, classes: tuple[str, ...], num_threads: int
) -> dict[str, Curves]:
    """Metrics of every class at 40 thresholds.

    Args:
        truth: Annotated tracks.
        predictions: Predicted tracks.
        frames: That both were built with.
        classes: Names of the classes.
        num_threads: The numbers do not depend on it.

    Returns:
        For each class ``confidence`` and ``recall_hypo``, the thresholds and the recalls that they aim at, and one
        entry for each of ``METRICS``: (40,) float64 each, from recall 1 down to 0.1. NaN where a recall was not
        reached, and throughout for a class without ground truth.

    Raises:
        SubmissionError: an id is repeated in samples so often that more predictions of a class match than there is
            ground truth, or scores are infinite.
    """
    matcher = _host.TrackMatcher(
        frames.scene_offsets,
        truth.offsets,
        truth.xy,
        truth.track,
        predictions.offsets,
        predictions.xy,
        predictions.track,
        predictions.score,
    )
    first_row = truth.offsets[:: len(frames.timestamp_us)]
    aims = [
        _aim(truth.track[first : first_row[i + 1]], scores, classes[i])
        for i, (first, scores) in enumerate(zip(first_row, matcher.matched_scores(num_threads)))
    ]
    counts, distances = matcher.counts([list(aim.thresholds) for aim in aims], num_threads)
    ends = np.cumsum([len(aim.thresholds) for aim in aims])
    return {
        name: _curves(aim, counts[end - len(aim.thresholds) : end], distances[end - len(aim.thresholds) : end])
        for name, aim, end in zip(classes, aims, ends)
    }


class _Aim(NamedTuple):
    """What a class is evaluated at."""

    num_boxes: int
    num_ids: int
    recall: NDArray[np.float64]
    """(40,) from 1 down to 0.1; NaN where nothing matches at all."""
    confidence: NDArray[np.float64]
    """(40,) the threshold for each recall, NaN for one that is not reached."""
    thresholds: NDArray[np.float64]
    """Each of ``confidence`` once, ascending."""


def _aim(truth_track: NDArray, matched_scores: NDArray, name: str) -> _Aim:
    num_boxes, num_ids = len(truth_track), len(np.unique(truth_track))
    nothing = np.full(NUM_THRESHOLDS, np.nan)
    if num_boxes == 0 or len(matched_scores) == 0:
        return _Aim(num_boxes, num_ids, nothing, nothing, np.empty(0))
    if len(matched_scores) > num_boxes:
        raise SubmissionError(
            f"nuscenes_tracking: {len(matched_scores)} predictions of class {name} match {num_boxes} ground truth "
            "boxes, because a tracking_id is there several times in one sample; give each box of a sample its own id"
        )
    scores = np.sort(matched_scores)[::-1]
    reached = np.arange(1, len(scores) + 1) / num_boxes
    recall = np.linspace(MIN_RECALL, 1, NUM_THRESHOLDS).round(12)
    confidence = np.interp(recall, reached, scores, right=0)
    confidence[recall > reached[-1]] = np.nan
    known = confidence[~np.isnan(confidence)]
    if (known[1:] > known[:-1]).any():
        raise SubmissionError(
            f"nuscenes_tracking: scores of class {name} give thresholds out of order, up to {scores[0]} and down to "
            f"{scores[-1]}; make every tracking_score a number of moderate size"
        )
    return _Aim(num_boxes, num_ids, recall[::-1], confidence[::-1], np.unique(known))


def _curves(aim: _Aim, counts: NDArray, distance: NDArray) -> Curves:
    curves = {"confidence": aim.confidence, "recall_hypo": aim.recall}
    if aim.num_boxes == 0:
        return curves | {name: np.full(NUM_THRESHOLDS, np.nan) for name in METRICS}
    if len(aim.thresholds) == 0:
        worst = WORST | {"gt": aim.num_boxes, "fn": aim.num_boxes, "ml": aim.num_ids}
        return curves | {name: np.full(NUM_THRESHOLDS, float(worst[name])) for name in METRICS}
    # Thresholds ascend where recall descends. One that several recalls share is evaluated once and repeated; recalls
    # that are not reached come first.
    repeats = np.array([np.count_nonzero(aim.confidence == threshold) for threshold in aim.thresholds])
    missing = np.full(NUM_THRESHOLDS - repeats.sum(), np.nan)
    metrics = _metrics(counts, distance)
    return curves | {name: np.concatenate([missing, np.repeat(metrics[name], repeats)]) for name in METRICS}


def _metrics(counts: NDArray, distance: NDArray) -> Curves:
    """Every metric from the sums of ``_host.TrackMatcher.counts``, (K,) each for K thresholds."""
    columns = counts.T.astype(np.float64)
    frames, matches, switches, misses, false_positives, mt, ml, fragments, num_tracked, initial, gaps = columns
    boxes = matches + switches + misses
    errors = misses + switches + false_positives
    recall_of_matches = matches / boxes
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = recall_of_matches * boxes
        motar = np.maximum(0, 1 - (errors - (1 - recall_of_matches) * boxes) / expected)
        motar[expected == 0] = np.nan
        motp = distance / (matches + switches)
        tid = initial * FRAME_PERIOD_S / num_tracked
        lgd = gaps * FRAME_PERIOD_S / num_tracked
    return {
        "gt": boxes,
        "tp": matches,
        "motar": motar,
        "mota": np.maximum(0, 1 - errors / boxes),
        "motp": motp,
        "faf": false_positives / frames * 100,
        "mt": mt,
        "ml": ml,
        "fp": false_positives,
        "fn": misses,
        "ids": switches,
        "frag": fragments,
        "recall": (matches + switches) / boxes,
        "tid": tid,
        "lgd": lgd,
    }
