"""Average precision from histograms of scores, which add over batches and ranks.

Near what ``geopt.evaluation.nuscenes_detection`` gives, which is the judge: here scores are told apart by ``NUM_BINS``
bins, and boxes count if their centre is in the grid and a LiDAR point in them, at any distance, near a bicycle rack or not.

Source of the metric: nuScenes (Caesar et al., CVPR 2020, arXiv:1903.11027), nuscenes-devkit 1.2.0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geopt.evaluation.detection_curves import FIRST, MIN_PRECISION, RECALL

DISTANCES_M = (0.5, 1.0, 2.0, 4.0)
NUM_BINS = 1000


class Found(NamedTuple):
    """Detections of one frame as arrays, best first."""

    centers: NDArray[np.float64]
    """(D, 2) metres."""
    scores: NDArray[np.float64]
    """(D,) in [0, 1]."""
    classes: NDArray[np.int64]


def match(centers: NDArray[np.float64], truth: NDArray[np.float64], distance_m: float) -> NDArray[np.bool_]:
    """Which detections of a frame and class hit: each in turn takes the nearest object that is free and nearer than
    ``distance_m``; of equally near ones the first.

    Args:
        centers: (D, 2) metres, best first.
        truth: (K, 2) metres.
    """
    hit = np.zeros(len(centers), dtype=bool)
    if not len(truth):
        return hit
    apart = np.linalg.norm(centers[:, None] - truth[None], axis=2)
    for row in np.flatnonzero((apart < distance_m).any(axis=1)):
        nearest = int(apart[row].argmin())
        if apart[row, nearest] < distance_m:
            hit[row] = True
            apart[:, nearest] = np.inf
    return hit


def frame_sums(
    found: Found, truth: NDArray[np.float64], truth_classes: NDArray[np.int64], num_classes: int
) -> dict[str, Tensor]:
    """Histograms of a frame.

    Args:
        found: Best first.
        truth: (K, 2) centres of the labelled boxes, metres.
        truth_classes: (K,).
        num_classes: C.

    Returns:
        ``found`` (C, bins) and ``hits`` (C, 4, bins) by score, ``objects`` (C,), float64.
    """
    bins = np.minimum((found.scores * NUM_BINS).astype(np.int64), NUM_BINS - 1)
    counts = np.zeros((num_classes, NUM_BINS))
    np.add.at(counts, (found.classes, bins), 1)
    hits = np.zeros((num_classes, len(DISTANCES_M), NUM_BINS))
    for number in np.intersect1d(found.classes, truth_classes):
        of_class = found.classes == number
        for i, distance in enumerate(DISTANCES_M):
            hit = match(found.centers[of_class], truth[truth_classes == number], distance)
            np.add.at(hits[number, i], bins[of_class][hit], 1)
    objects = np.bincount(truth_classes, minlength=num_classes).astype(np.float64)
    return {"found": torch.from_numpy(counts), "hits": torch.from_numpy(hits), "objects": torch.from_numpy(objects)}


def average_precisions(sums: dict[str, Tensor]) -> NDArray[np.float64]:
    """(C,) mean over the four distances of the area under precision over recall, both counted above 0.1; NaN for a class
    without objects.

    Args:
        sums: Of :func:`frame_sums`, added up.
    """
    # Flipped: thresholds fall, so counts add up.
    found, hits = (sums[key].numpy()[..., ::-1].cumsum(axis=-1) for key in ("found", "hits"))
    objects = sums["objects"].numpy()
    result = np.full(len(objects), np.nan)
    for number in np.flatnonzero(objects):
        result[number] = np.mean(
            [_area(found[number], hits[number, i], objects[number]) for i in range(len(DISTANCES_M))]
        )
    return result


def _area(found: NDArray[np.float64], hits: NDArray[np.float64], num_objects: float) -> float:
    used = np.diff(found, prepend=0) > 0
    if not hits.any():
        return 0.0
    precision = np.interp(RECALL, hits[used] / num_objects, hits[used] / found[used], right=0)
    return float(np.maximum(precision[FIRST:] - MIN_PRECISION, 0).mean() / (1 - MIN_PRECISION))
