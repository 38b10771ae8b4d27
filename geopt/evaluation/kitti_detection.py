"""Scores of the KITTI object benchmark: 2D, orientation, bird's-eye view and 3D."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from geopt.evaluation.kitti_files import AnyPath, Objects, read_frames
from geopt.evaluation.kitti_matching import Level, find_overlaps, precision_curves

MIN_OVERLAP = {"car": 0.7, "cyclist": 0.5, "pedestrian": 0.5}
LEVELS = {"easy": Level(40, 0, 0.15), "moderate": Level(25, 1, 0.3), "hard": Level(25, 2, 0.5)}
SPACES = {"image": "detection", "3d": "detection_3d", "ground": "detection_ground"}
"""Spaces of overlap, and how results are called."""
NO_ALPHA, NO_PLACE_M = -10.0, -1000.0

Scores = dict[str, dict[str, dict[str, Any]]]


def kitti_detection(
    labels_dir: AnyPath, predictions_dir: AnyPath, *, frames: AnyPath | Iterable[str] | None = None
) -> Scores:
    """AP of cars, pedestrians and cyclists as the official evaluator with 41 steps of recall computes it.

    Cars match above an overlap of 0.7, the others above 0.5. The official evaluator leaves frames without a prediction
    file out of the count, which raises the scores; here they are refused, unless ``frames`` says what is scored.

    Args:
        labels_dir: KITTI's ``label_2``: a text file for each frame.
        predictions_dir: Folder of the submission, with a file of the same name for each frame; an empty one where nothing
            was found. Lines are as in labels, with the score as a sixteenth column.
        frames: Names such as ``000007``, or a file such as ``ImageSets/val.txt`` with one in each line. None: every frame
            that has labels.

    Returns:
        ``{"car_detection": {"easy": {"curve41": [...], "AP_R11": ..., "AP_R40": ...}, "moderate": ..., "hard": ...}, ...}``:
        precision at the steps of recall from 0 to 1, and the mean of its first six digits, as many as the official tool writes,
        over 11 and over 40 of them in percent. For each class
        ``_detection`` is the box in the image, ``_detection_ground`` the one seen from above, ``_detection_3d`` the one in
        space, and ``_orientation`` the similarity of headings for boxes in the image. As officially a class that is nowhere
        predicted is missing, and so are all orientations if any ``alpha`` is -10, and what only holds x1 < 0, x = -1000
        or y = -1000.

    Raises:
        FileNotFoundError: a folder or file is missing.
        SubmissionError: a prediction file is missing or damaged; the message names file and line.
        ValueError: so is a label file, or ``frames`` names one that does not exist.

    Source: the official KITTI object evaluator, in the variant that scores 41 steps offline (kitti_eval 955c04c).
    """
    return score_objects(*read_frames(labels_dir, predictions_dir, frames, "kitti_detection"))


def score_objects(labels: Objects, predictions: Objects) -> Scores:
    """Labels and predictions of the same frames scored as :func:`kitti_detection` does."""
    with_orientation = not (predictions.alpha_rad == NO_ALPHA).any()
    scores: Scores = {}
    for space, called in SPACES.items():
        overlaps = find_overlaps(space, predictions, labels)
        for name, min_overlap in MIN_OVERLAP.items():
            if not _is_scored(space, predictions, name):
                continue
            for difficulty, level in LEVELS.items():
                precision, similarity = precision_curves(predictions, labels, overlaps, name, level, min_overlap)
                scores.setdefault(f"{name}_{called}", {})[difficulty] = _summary(precision)
                if space == "image" and with_orientation:
                    scores.setdefault(f"{name}_orientation", {})[difficulty] = _summary(similarity)
    return dict(sorted(scores.items()))


def _is_scored(space: str, predictions: Objects, name: str) -> bool:
    """Whether the class has at least one prediction with a box in this space."""
    x, y = predictions.xyz[:, 0], predictions.xyz[:, 1]
    has_box = {"image": predictions.image[:, 0] >= 0, "ground": x != NO_PLACE_M, "3d": y != NO_PLACE_M}
    return bool((has_box[space] & (predictions.kind == name)).any())


def _summary(curve: np.ndarray) -> dict[str, Any]:
    written = np.round(curve, 6)  # the official tool writes six digits, and AP is taken from what it writes
    return {
        "curve41": curve.tolist(),
        "AP_R11": 100 * float(written[::4].mean()),
        "AP_R40": 100 * float(written[1:].mean()),
    }
