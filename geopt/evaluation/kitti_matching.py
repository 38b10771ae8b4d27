"""Precision of KITTI detections at the official 41 steps of recall."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geopt.evaluation.kitti_files import Objects
from geopt.evaluation.kitti_overlap import overlap
from geopt.evaluation.pairs import in_same_group, place_in_group

NUM_STEPS = 41
NEIGHBOURS = {"car": "van", "pedestrian": "person_sitting"}
"""Types that are neither right nor wrong to find."""

Mask = NDArray[np.bool_]
Numbers = NDArray[np.float64]


class Level(NamedTuple):
    """Which labels are hard enough to be left out."""

    min_height_px: int
    max_occlusion: int
    max_truncation: float


class Overlaps(NamedTuple):
    """Predictions and labels of the same frame that touch."""

    prediction: NDArray[np.int64]
    """(K,) rows."""
    label: NDArray[np.int64]
    share: Numbers
    """(K,) intersection over union."""
    in_dont_care: Numbers
    """(N,) of each prediction, the largest share of it that one DontCare region covers."""


def find_overlaps(space: str, predictions: Objects, labels: Objects) -> Overlaps:
    """Every pair that overlaps in a space of :func:`geopt.evaluation.kitti_overlap.overlap`."""
    prediction, label = in_same_group(predictions.frame, labels.frame)
    regions = labels.kind[label] == "dontcare"
    pairs = [(prediction[mask], label[mask]) for mask in (regions, ~regions)]
    covered, share = (
        overlap(space, predictions.at(p), labels.at(t), of_prediction=is_region)
        for is_region, (p, t) in zip((True, False), pairs)
    )
    in_dont_care = np.zeros(len(predictions.frame))
    np.maximum.at(in_dont_care, pairs[0][0], covered)
    touching = share > 0
    return Overlaps(pairs[1][0][touching], pairs[1][1][touching], share[touching], in_dont_care)


def precision_curves(
    predictions: Objects, labels: Objects, overlaps: Overlaps, name: str, level: Level, min_overlap: float
) -> tuple[Numbers, Numbers]:
    """Precision and orientation similarity, each the best from its step of recall on.

    Args:
        predictions, labels: All frames.
        overlaps: Of them, in the space that is scored.
        name: ``car``, ``pedestrian`` or ``cyclist``.
        level: Difficulty.
        min_overlap: A match overlaps more than this.

    Returns:
        (41,) each; 0 at steps that are not reached, NaN where nothing is left to count.
    """
    of_class = labels.kind == name
    counted_label = of_class & ~too_hard(labels, level)
    wanted_label = of_class | (labels.kind == NEIGHBOURS.get(name, name))
    top, bottom = predictions.image[:, 1], predictions.image[:, 3]
    small = np.trunc(np.abs(top - bottom)) < level.min_height_px  # of any class: it may hide a label, and costs nothing
    counted = (predictions.kind == name) & ~small

    near = (overlaps.share > min_overlap) & wanted_label[overlaps.label] & (counted | small)[overlaps.prediction]
    prediction, label, share = overlaps.prediction[near], overlaps.label[near], overlaps.share[near]
    counts = counted[prediction] & counted_label[label]
    score = predictions.score

    order = np.lexsort((prediction, -score[prediction], label))
    took, _ = _match(predictions.frame, prediction[order], label[order], np.ones((len(score), 1), dtype=bool))
    hits = order[took[:, 0]]
    thresholds = recall_steps(score[prediction[hits[counts[hits]]]], int(counted_label.sum()))

    # A prediction too small to count is taken only where no other one is near; then it is the first one in the file.
    order = np.lexsort((prediction, np.where(small[prediction], 0.0, -share), small[prediction], label))
    took, free = _match(predictions.frame, prediction[order], label[order], score[:, None] >= thresholds)
    took &= counts[order, None]
    hits_at = took.sum(axis=0)
    reported = hits_at + free[counted & (overlaps.in_dont_care <= min_overlap)].sum(axis=0)
    turn = labels.alpha_rad[label[order]] - predictions.alpha_rad[prediction[order]]
    similarity = ((1 + np.cos(turn)) / 2) @ took
    return _best_from_here(hits_at, reported), _best_from_here(similarity, reported)


def too_hard(labels: Objects, level: Level) -> Mask:
    """(N,) whether a level of difficulty leaves a label out."""
    height = labels.image[:, 3] - labels.image[:, 1]
    hidden = (labels.occlusion > level.max_occlusion) | (labels.truncation > level.max_truncation)
    return hidden | (height < level.min_height_px)


def _match(frame: NDArray[np.int64], prediction: NDArray, label: NDArray, free: Mask) -> tuple[Mask, Mask]:
    """Let each label in turn take the first free prediction of its list, at several thresholds side by side.

    Args:
        frame: (N,) of each prediction.
        prediction, label: (K,) pairs, ascending by label, and for each label in the order of its choice.
        free: (N, T) which predictions may be taken.

    Returns:
        Which pairs were made (K, T), and which predictions are still free (N, T).
    """
    free, took = free.copy(), np.zeros((len(label), free.shape[1]), dtype=bool)
    lonely = np.ones((int(label.max(initial=-1)) + 1, free.shape[1]), dtype=bool)
    place = place_in_group(frame[prediction])
    # Frames do not know each other: the first pairs of all frames are decided at once, then the second ones, ...
    for rows in np.split(np.argsort(place, kind="stable"), np.cumsum(np.bincount(place))[:-1]):
        took[rows] = free[prediction[rows]] & lonely[label[rows]]
        free[prediction[rows]] &= ~took[rows]
        lonely[label[rows]] &= ~took[rows]
    return took, free


def recall_steps(scores: Numbers, num_labels: int) -> Numbers:
    """Scores at which recall comes closest to 0, 1/40, 2/40, ...

    Args:
        scores: (N,) of the matches when every prediction counts.
        num_labels: Ground truths that count.

    Returns:
        Descending, at most 41.
    """
    found, recall = [], 0.0
    ordered = np.sort(scores)[::-1].tolist()
    for rank, score in enumerate(ordered, 1):
        here, after = rank / num_labels, (rank + 1) / num_labels
        if rank < len(ordered) and after - recall < recall - here:
            continue
        found.append(score)
        recall += 1.0 / (NUM_STEPS - 1)  # summed up as officially: rounding decides ties
    return np.array(found)


def _best_from_here(right: NDArray, reported: NDArray) -> Numbers:
    """Highest ratio at this or a later step; those that are not reached count 0."""
    ratio = np.zeros(NUM_STEPS)
    with np.errstate(invalid="ignore"):
        ratio[: len(right)] = right / reported
    best = np.fmax.accumulate(ratio[::-1])[::-1]
    return np.where(np.isnan(ratio), np.nan, best)
