"""The KITTI object benchmark by class and by depth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from geopt.evaluation.breakdown import Breakdown, Rows, bands
from geopt.evaluation.kitti_detection import LEVELS, MIN_OVERLAP, SPACES, score_objects
from geopt.evaluation.kitti_files import AnyPath, Objects, read_frames

EDGES_M = (0.0, 20.0, 40.0, 80.0)
NAMES = {"3d": "3d", "ground": "bev", "image": "2d"}


def kitti_breakdown(
    labels_dir: AnyPath,
    predictions_dir: AnyPath,
    *,
    frames: AnyPath | Iterable[str] | None = None,
    edges_m: Sequence[float] = EDGES_M,
) -> Breakdown:
    """AP at 40 steps of recall of each class, of all boxes and of those in bands of depth.

    A band is scored as if there were nothing else: each side keeps the boxes whose own place is in the band, by z in the
    frame of the camera. Regions that nobody labelled (DontCare) have no place and stay in every band; a prediction without a
    place (z = -1000), as of a detector for images, is in none.

    Args:
        labels_dir, predictions_dir, frames: As for :func:`kitti_detection`.
        edges_m: Ends of the bands, metres.

    Returns:
        ``AP_3d_moderate``, ``AP_3d_easy``, ``AP_3d_hard`` and so on for ``bev`` (from above) and ``2d`` (in the image), in
        percent, 0 where nothing is predicted; ``num_true``, the labels of the class at any level, and ``num_predicted``.

    Raises:
        FileNotFoundError, SubmissionError, ValueError: as :func:`kitti_detection`; or ``edges_m`` does not ascend.
    """
    among = bands(edges_m)
    labels, predictions = read_frames(labels_dir, predictions_dir, frames, "kitti_breakdown")
    anywhere = labels.kind == "dontcare"
    return Breakdown(
        by_class=_rows(labels, predictions),
        by_range={
            band.name: _rows(
                labels.at(anywhere | band.holds(labels.xyz[:, 2])), predictions.at(band.holds(predictions.xyz[:, 2]))
            )
            for band in among
        },
    )


def _rows(labels: Objects, predictions: Objects) -> Rows:
    scores = score_objects(labels, predictions)
    return {
        name: {
            f"AP_{NAMES[space]}_{level}": scores[f"{name}_{SPACES[space]}"][level]["AP_R40"]
            if f"{name}_{SPACES[space]}" in scores
            else 0.0
            for space in NAMES
            for level in ("moderate", *(level for level in LEVELS if level != "moderate"))
        }
        | {"num_true": int(np.sum(labels.kind == name)), "num_predicted": int(np.sum(predictions.kind == name))}
        for name in MIN_OVERLAP
    }
