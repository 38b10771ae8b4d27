"""Scores of Panoptic nuScenes."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from geopt.evaluation import threads
from geopt.evaluation.label_frames import in_order, label_frames
from geopt.evaluation.panoptic_quality import PanopticSums, segmentation_summary
from geopt.evaluation.panoptic_segments import read_segments
from geopt.evaluation.panoptic_tracking import TrackingSums

TASKS = ("segmentation", "tracking")


def nuscenes_panoptic(
    predictions_dir: str | os.PathLike[str],
    data_root: str | os.PathLike[str],
    version: str,
    split: str,
    task: str = "segmentation",
    min_instance_points: int = 15,
    *,
    num_threads: int | None = None,
) -> dict[str, Any]:
    """Score a class and an instance for each LiDAR point as the official evaluator does.

    Points whose true class is ignored take no part; points that a method leaves void do.

    Args:
        predictions_dir: Holds ``panoptic/SPLIT/TOKEN_panoptic.npz`` for each key frame of the split, with an array ``data``
            of one integer 1000 * class + instance a point, in the order of the scan; class 1 to 16, or 0 for void. TOKEN
            is that of the LiDAR sweep (``sample_data``).
        data_root: nuScenes folder with ``VERSION/panoptic.json``.
        version: Such as ``v1.0-trainval``.
        split: An official split whose scenes the version holds, such as ``val``.
        task: ``tracking`` expects the same instance throughout a scene, and scores that besides.
        min_instance_points: Smaller segments that match nothing are no errors.
        num_threads: Threads that read and match; None takes all processors. The result does not depend on it.

    Returns:
        ``segmentation``, and ``tracking`` for that task: for ``all`` and each of 17 classes a dict of metrics.

    Raises:
        SubmissionError: a file of predictions is missing, unreadable, or has not one label of class 0 to 16 for each point
            (the official code lets a negative label pass, this does not).
        FileNotFoundError, ValueError: the dataset is incomplete or damaged, or another argument is wrong.

    Source: nuscenes-devkit 1.2.0; Fong et al., Panoptic nuScenes, RA-L 2022, arXiv:2109.03805.
    """
    num_threads = threads.count(num_threads)
    if task not in TASKS:
        raise ValueError(f"nuscenes_panoptic: task must be one of {', '.join(TASKS)}, got {task!r}")
    if min_instance_points < 0:
        raise ValueError(f"nuscenes_panoptic: min_instance_points must be at least 0, got {min_instance_points}")
    frames, class_of_index = label_frames("panoptic", predictions_dir, data_root, version, split)
    sums = PanopticSums(min_instance_points, np.float64)
    tracking = TrackingSums(min_instance_points) if task == "tracking" else None
    found = in_order(lambda frame: read_segments(frame, class_of_index), frames, num_threads)
    for frame, segments in zip(frames, found):
        sums.add(segments)
        if tracking is not None:
            tracking.add(frame.scene, segments)
    result = {"segmentation": segmentation_summary(sums)}
    if tracking is not None:
        result["tracking"] = tracking.summary()
    return result
