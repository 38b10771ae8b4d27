"""Scores of the Waymo detection benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geopt import _host
from geopt.evaluation import threads
from geopt.evaluation.waymo_columns import Columns, of_predictions
from geopt.evaluation.waymo_config import BOX_TYPES, BREAKDOWNS, checked, decide_score_cutoffs

Scores = dict[str, dict[str, float]]
Curves = dict[str, NDArray[Any]]
ALL_NS = ("TYPE_VEHICLE", "TYPE_PEDESTRIAN", "TYPE_CYCLIST")


@overload
def waymo_detection(
    *,
    prediction_bbox: ArrayLike,
    prediction_type: ArrayLike,
    prediction_score: ArrayLike,
    prediction_frame_id: ArrayLike,
    prediction_overlap_nlz: ArrayLike | None = None,
    ground_truth_bbox: ArrayLike,
    ground_truth_type: ArrayLike,
    ground_truth_frame_id: ArrayLike,
    ground_truth_difficulty: ArrayLike,
    ground_truth_speed: ArrayLike | None = None,
    config: Mapping[str, Any] | None = None,
    details: Literal[False] = False,
    num_threads: int | None = None,
) -> Scores: ...
@overload
def waymo_detection(
    *,
    prediction_bbox: ArrayLike,
    prediction_type: ArrayLike,
    prediction_score: ArrayLike,
    prediction_frame_id: ArrayLike,
    prediction_overlap_nlz: ArrayLike | None = None,
    ground_truth_bbox: ArrayLike,
    ground_truth_type: ArrayLike,
    ground_truth_frame_id: ArrayLike,
    ground_truth_difficulty: ArrayLike,
    ground_truth_speed: ArrayLike | None = None,
    config: Mapping[str, Any] | None = None,
    details: Literal[True],
    num_threads: int | None = None,
) -> tuple[Scores, Curves]: ...
def waymo_detection(
    *,
    prediction_bbox: ArrayLike,
    prediction_type: ArrayLike,
    prediction_score: ArrayLike,
    prediction_frame_id: ArrayLike,
    prediction_overlap_nlz: ArrayLike | None = None,
    ground_truth_bbox: ArrayLike,
    ground_truth_type: ArrayLike,
    ground_truth_frame_id: ArrayLike,
    ground_truth_difficulty: ArrayLike,
    ground_truth_speed: ArrayLike | None = None,
    config: Mapping[str, Any] | None = None,
    details: bool = False,
    num_threads: int | None = None,
) -> Scores | tuple[Scores, Curves]:
    """AP, APH and APL as the official metrics op and command-line tool compute them.

    Boxes are x, y, z of the centre, length, width, height (m) and heading (rad) in the vehicle frame. As officially,
    float32 boxes are compared as the op does, float64 ones as the tool does: geometry in float64, overlaps stored in
    float32. Labels of a dataset go through :func:`waymo_preprocess` first. Rows may come in any order; within a frame
    their order decides between equal solutions of the matching, as officially.

    Args:
        prediction_bbox: (N, 7) float32 or float64. For boxes of ``TYPE_2D`` also (N, 5) x, y, length, width, heading;
            for ``TYPE_AA_2D`` also (N, 4) x, y, length, width.
        prediction_type: (N,) 1 vehicle, 2 pedestrian, 3 sign, 4 cyclist.
        prediction_score: (N,) from 0 to 1, compared in float32.
        prediction_frame_id: (N,) whole numbers. Frames that only one side has are scored too.
        prediction_overlap_nlz: (N,) bool: in a no-label zone, where a prediction without match is no error. None: none.
        ground_truth_bbox: (M, 7), as ``prediction_bbox``.
        ground_truth_type: (M,) as ``prediction_type``; 0 (unknown) is in no part of a breakdown by type.
        ground_truth_frame_id: (M,).
        ground_truth_difficulty: (M,) 1 or 2; 0 counts at both levels.
        ground_truth_speed: (M, 2) x and y in m/s; needed by the breakdown ``VELOCITY`` only.
        config: Keys of ``waymo_config.OFFICIAL`` in place of the official values. Without ``score_cutoffs`` (None) there
            are ``num_desired_score_cutoffs``, decided by the scores.
        details: Also return the curves.
        num_threads: Threads that match; None takes all processors. The result does not depend on it.

    Returns:
        ``{"OBJECT_TYPE_TYPE_VEHICLE_LEVEL_1": {"AP": ..., "APH": ..., "APL": ...}, ...}``; and with ``details`` a dict of
        ``breakdown_names`` (B,), ``precision_recall_tp_fp_fn`` (B, S, 5), ``precision_recall_ha`` and
        ``precision_recall_la`` (B, S, 2) float32 at each of S cutoffs, and ``breakdown`` (B, 3) uint8, the official
        numbers of breakdown, part and level. A part without ground truth or without a match has AP 0.

    Raises:
        SubmissionError: a value of the predictions is not as said above; the message names the row.
        ValueError: so is one of the ground truth or the config.
        TypeError: the dtype of a column is another.

    Source: waymo-open-dataset 1.6.7.
    """
    num_threads = threads.count(num_threads)
    wanted = checked(config)
    of_them = of_predictions("waymo_detection")
    box = of_them.boxes(prediction_bbox, wanted.box_type)
    count = len(box)
    frame = of_them.frames(prediction_frame_id, count)
    types = of_them.whole("type", prediction_type, count, 1, 4, "1 (vehicle), 2 (pedestrian), 3 (sign) or 4 (cyclist)")
    score = of_them.scores(prediction_score, count)
    nlz = of_them.flags("overlap_nlz", prediction_overlap_nlz, count)

    of_truth = Columns("waymo_detection", "ground_truth_")
    true_box = of_truth.boxes(ground_truth_bbox, wanted.box_type)
    count = len(true_box)
    true_frame = of_truth.frames(ground_truth_frame_id, count)
    true_types = of_truth.whole("type", ground_truth_type, count, 0, 4, "0 (unknown) to 4")
    difficulty = of_truth.whole("difficulty", ground_truth_difficulty, count, 0, 2, "1 or 2, or 0 where nobody decided")
    speed = np.zeros((0, 2))
    if "VELOCITY" in wanted.breakdowns:
        if ground_truth_speed is None:
            raise ValueError("waymo_detection: ground_truth_speed must be given for the breakdown VELOCITY, got None")
        speed = of_truth.speeds(ground_truth_speed, count)

    frames = np.unique(np.concatenate([frame, true_frame]))
    cutoffs = wanted.score_cutoffs or decide_score_cutoffs(score, wanted.num_desired_score_cutoffs).tolist()
    ap, curve, by_heading, by_affinity, parts = _host.waymo_detection(
        box,
        types.astype(np.uint8),
        score,
        np.searchsorted(frames, frame),
        nlz,
        true_box,
        true_types.astype(np.uint8),
        np.searchsorted(frames, true_frame),
        difficulty.astype(np.uint8),
        speed,
        len(frames),
        [BREAKDOWNS[name] for name in wanted.breakdowns],
        wanted.levels,
        wanted.iou_thresholds,
        BOX_TYPES[wanted.box_type],
        wanted.matcher,
        cutoffs,
        wanted.recall_delta,
        wanted.tolerance,
        num_threads,
    )
    names = wanted.names
    scores = {name: dict(zip(("AP", "APH", "APL"), row)) for name, row in zip(names, ap.tolist())}
    if not details:
        return scores
    return scores, {
        "breakdown_names": np.array(names),
        "precision_recall_tp_fp_fn": curve,
        "precision_recall_ha": by_heading,
        "precision_recall_la": by_affinity,
        "breakdown": parts,
    }


def waymo_all_ns(scores: Scores) -> Scores:
    """What the leaderboard calls ALL_NS: the mean over vehicles, pedestrians and cyclists, but not signs.

    Args:
        scores: As :func:`waymo_detection` returns them, with the breakdown ``OBJECT_TYPE``.

    Returns:
        ``ALL_NS_LEVEL_1`` and ``ALL_NS_LEVEL_2``, those whose level was scored.

    Raises:
        ValueError: ``scores`` lacks the breakdown.
    """
    found = {}
    for level in ("LEVEL_1", "LEVEL_2"):
        rows = [scores.get(f"OBJECT_TYPE_{name}_{level}") for name in ALL_NS]
        if all(row is not None for row in rows):
            found[f"ALL_NS_{level}"] = {
                metric: float(np.mean([row[metric] for row in rows if row])) for metric in ("AP", "APH", "APL")
            }
    if not found:
        raise ValueError("waymo_all_ns: scores must have the breakdown OBJECT_TYPE, got " + ", ".join(scores))
    return found
