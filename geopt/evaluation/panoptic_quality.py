"""Panoptic quality: how well predicted segments cover true ones, frame by frame."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from geopt import official
from geopt.evaluation.panoptic_segments import NUM_CLASSES, NUM_THINGS, Segments

TINY = 1e-15
"""Keeps a class that is nowhere from dividing by zero; its quality is then 0."""
MATCHED = 0.5
"""An intersection over union above it makes a match. No segment can have two."""


class Matches(NamedTuple):
    """Pairs of a frame that agree in class and overlap by more than half, M of them."""

    true: NDArray[np.int64]
    """(M,) rows of true segments."""
    predicted: NDArray[np.int64]
    """(M,) rows of predicted segments."""
    iou: NDArray
    """(M,)"""


class PanopticSums:
    """True and false positives, misses and overlaps of each class, summed over frames.

    Args:
        min_points: Unmatched segments count against a method only if they have as many points.
        dtype: In which overlaps are computed and summed within a frame: the official code takes float64 for
            segmentation and float32 for tracking, and the difference shows in the eighth digit.
    """

    def __init__(self, min_points: int, dtype: DTypeLike) -> None:
        self.min_points, self.dtype = min_points, dtype
        self.confusion = np.zeros((NUM_CLASSES, NUM_CLASSES), dtype=np.int64)
        self.hits, self.false, self.missed, self.iou = (np.zeros(NUM_CLASSES) for _ in range(4))  # row 0 means nothing

    def add(self, segments: Segments) -> Matches:
        """Add a frame and return its matches."""
        iou = segments.iou(self.dtype)
        true_class, predicted_class = segments.true_class, segments.predicted_class
        same = true_class[segments.pair_true] == predicted_class[segments.pair]
        found = np.flatnonzero(same & (iou > MATCHED))
        matches = Matches(segments.pair_true[found], segments.pair[found], iou[found])

        missed = segments.true_points >= self.min_points
        missed[matches.true] = False
        false = segments.points >= self.min_points
        false[matches.predicted] = False
        hit_class = true_class[matches.true]
        hits = np.bincount(hit_class, minlength=NUM_CLASSES)
        self.confusion += segments.confusion
        self.hits += hits
        self.missed += np.bincount(true_class[missed], minlength=NUM_CLASSES)
        self.false += np.bincount(predicted_class[false], minlength=NUM_CLASSES)
        # Each class is summed alone, in the order of its labels: in float32 the order shows.
        by_class = matches.iou[np.argsort(hit_class, kind="stable")]
        ends = np.cumsum(hits)
        for number in np.flatnonzero(hits):
            self.iou[number] += np.sum(by_class[ends[number] - hits[number] : ends[number]])
        return matches

    def segmentation_quality(self) -> NDArray[np.float64]:
        """(17,) mean overlap of the matches, SQ."""
        return self.iou / np.maximum(self.hits, TINY)

    def recognition_quality(self) -> NDArray[np.float64]:
        """(17,) F1 of finding segments, RQ."""
        return self.hits / np.maximum(self.hits + 0.5 * self.false + 0.5 * self.missed, TINY)

    def semantic_iou(self) -> NDArray[np.float64]:
        """(17,) IoU of points by class. Void counts as a miss; a class that is nowhere has 0."""
        scored = self.confusion[1:]  # points whose true class is ignored are left out
        hits = np.concatenate([[0], np.diagonal(self.confusion)[1:]]).astype(np.float64)
        union = scored.sum(axis=0) + np.concatenate([[0], scored.sum(axis=1)]) - hits
        return hits / np.maximum(union, TINY)


def segmentation_summary(sums: PanopticSums) -> dict[str, dict[str, Any]]:
    """PQ, SQ, RQ and IoU of each class, and their means over classes 1 to 16, absent ones included, as ``all``."""
    sq, rq, iou = sums.segmentation_quality(), sums.recognition_quality(), sums.semantic_iou()
    pq = sq * rq
    return {
        "all": {
            "PQ": float(pq[1:].mean()),
            "SQ": float(sq[1:].mean()),
            "RQ": float(rq[1:].mean()),
            "mIoU": float(iou[1:].mean()),
            "PQ_dagger": dagger(pq, iou),
        },
        **{
            name: {"PQ": float(pq[c]), "SQ": float(sq[c]), "RQ": float(rq[c]), "IoU": float(iou[c])}
            for c, name in enumerate(official.class_map("lidarseg").classes)
        },
    }


def dagger(quality: NDArray[np.float64], iou: NDArray[np.float64]) -> float:
    """Mean over classes 1 to 16 of the quality of things and the IoU of stuff."""
    return float(np.concatenate([quality[1 : NUM_THINGS + 1], iou[NUM_THINGS + 1 :]]).mean())
