"""Scores of the Argoverse 2 3D object detection benchmark."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geopt.evaluation.argoverse2_boxes import Cuboids, Source, read_ground_truth, read_predictions
from geopt.evaluation.errors import SubmissionError
from geopt.evaluation.pairs import in_same_group, place_in_group

CATEGORIES = (
    "ARTICULATED_BUS",
    "BICYCLE",
    "BICYCLIST",
    "BOLLARD",
    "BOX_TRUCK",
    "BUS",
    "CONSTRUCTION_BARREL",
    "CONSTRUCTION_CONE",
    "DOG",
    "LARGE_VEHICLE",
    "MESSAGE_BOARD_TRAILER",
    "MOBILE_PEDESTRIAN_CROSSING_SIGN",
    "MOTORCYCLE",
    "MOTORCYCLIST",
    "PEDESTRIAN",
    "REGULAR_VEHICLE",
    "SCHOOL_BUS",
    "SIGN",
    "STOP_SIGN",
    "STROLLER",
    "TRUCK",
    "TRUCK_CAB",
    "VEHICULAR_TRAILER",
    "WHEELCHAIR",
    "WHEELED_DEVICE",
    "WHEELED_RIDER",
)
"""Those that are scored, of the 30 of the dataset."""
NOT_SCORED = ("ANIMAL", "OFFICIAL_SIGNALER", "RAILED_VEHICLE", "TRAFFIC_LIGHT_TRAILER")
MAX_RANGE_M = 150.0
MAX_PREDICTIONS = 100
"""Of a category in a sweep."""
THRESHOLDS_M = (0.5, 1.0, 2.0, 4.0)
TP_THRESHOLD = 2
"""Place of the threshold at which errors are measured."""
WORST = {"ATE": THRESHOLDS_M[TP_THRESHOLD], "ASE": 1.0, "AOE": math.pi}
RECALLS = np.linspace(0, 1, 101)
DIGITS = 3
CHUNK = 20_000
"""Predictions whose distances are worked out at once."""

Scores = dict[str, dict[str, dict[str, float]]]
ARGUMENTS = (("predictions", SubmissionError), ("ground_truth", ValueError))


def argoverse2_detection(predictions: Source, ground_truth: Source) -> Scores:
    """AP, errors and CDS of each category as the official evaluator computes them without its region of interest.

    Scored are boxes whose centre is nearer than 150 m, of the predictions the best 100 of a category in a sweep, and of the
    ground truth those with a point inside. A prediction stands for its nearest ground truth, of those for the same one the
    surest, and is a hit if it is nearer than 0.5, 1, 2 or 4 m. Of equal scores the order in the file decides, and between
    sweeps that of log and time; the official sort of one sweep is not stable and may decide otherwise.

    Args:
        predictions: Path of a ``.feather`` file as it is submitted (``tx_m``, ``ty_m``, ``tz_m``, ``length_m``, ``width_m``,
            ``height_m``, ``qw``, ``qx``, ``qy``, ``qz``, ``score``, ``log_id``, ``timestamp_ns``, ``category``); or of an
            ``.npz`` file, or a dict, with ``log_id`` (N,) str, ``timestamp_ns`` (N,) whole numbers, ``category`` (N,) str,
            ``cuboids`` (N, 10) x, y, z of the centre, length, width, height (m), quaternion with w first, in the ego frame,
            and ``last`` (N,) the score.
        ground_truth: Likewise, with the number of points inside as ``num_interior_pts`` or ``last``; or the folder of a
            split, such as ``sensor/val``, with ``LOG/annotations.feather``. A file of this name holds the boxes of the log
            after which its folder is called.

    Returns:
        ``per_category``, for each of the 26 ``AP``, ``ATE`` (m), ``ASE``, ``AOE`` (rad) and ``CDS``; and ``rounded_table``,
        the same in three digits as officially printed, with the mean as ``AVERAGE_METRICS``. A category without ground
        truth counts with AP and CDS 0 and the worst errors: 2 m, 1 and pi.

    Raises:
        FileNotFoundError: a file is missing.
        ImportError: a feather file needs pyarrow.
        SubmissionError: the predictions are damaged, or have values that are not as said above or a category that the
            dataset does not know.
        ValueError: so is the ground truth, or it is empty.

    Source: av2 0.3.6.
    """
    scores = score_categories(*read(predictions, ground_truth))
    per_category = {name: row.metrics for name, row in scores.items()}
    table = {name: {metric: _rounded(value) for metric, value in row.items()} for name, row in per_category.items()}
    table["AVERAGE_METRICS"] = {metric: _rounded(value) for metric, value in mean_over_categories(per_category).items()}
    return {"per_category": per_category, "rounded_table": table}


def read(predictions: Source, ground_truth: Source) -> tuple[Cuboids, Cuboids]:
    """Both sides of an evaluation; arguments and errors are those of :func:`argoverse2_detection`."""
    predicted, true = read_predictions(predictions), read_ground_truth(ground_truth)
    if not len(true.last):
        raise ValueError(
            "argoverse2_detection: ground_truth is empty; it must hold the boxes of the sweeps that are scored"
        )
    return predicted, true


class CategoryScores(NamedTuple):
    """Of one category."""

    metrics: dict[str, float]
    num_true: int
    num_predicted: int


def score_categories(predicted: Cuboids, true: Cuboids) -> dict[str, CategoryScores]:
    """The scores of each category, and how many boxes they are of."""
    found, scores = _grouped(predicted, true), {}
    for number, name in enumerate(CATEGORIES):
        mine = slice(*np.searchsorted(found.category, [number, number + 1]))
        num_true = int(np.count_nonzero(found.true_category == number))
        order = np.argsort(-found.score[mine], kind="stable")
        metrics = _summary(found.distance_m[mine][order], found.errors[mine][order], num_true)
        scores[name] = CategoryScores(metrics, num_true, len(order))
    return scores


def mean_over_categories(per_category: dict[str, dict[str, float]]) -> dict[str, float]:
    """Mean of every metric, not rounded."""
    return {metric: float(np.mean([row[metric] for row in per_category.values()])) for metric in ("AP", *WORST, "CDS")}


class Matches(NamedTuple):
    """The predictions that are scored, by category and then by sweep, the surest first."""

    category: NDArray[np.int64]
    score: NDArray[np.float64]
    distance_m: NDArray[np.float64]
    """(N,) to the ground truth that the prediction stands for; inf if there is none or a surer one stands for it."""
    errors: NDArray[np.float64]
    """(N, 3) of translation, scale and orientation, 0 where there is no such ground truth."""
    true_category: NDArray[np.int64]
    """(M,) of the ground truths that are scored."""


def _grouped(predicted: Cuboids, true: Cuboids) -> Matches:
    tables = (predicted, true)
    category = [
        _numbers_of(boxes.category, {name: i for i, name in enumerate((*CATEGORIES, *NOT_SCORED))}) for boxes in tables
    ]
    for boxes, numbers, (argument, error) in zip(tables, category, ARGUMENTS):
        if (numbers < 0).any():
            row = int(numbers.argmin())
            raise error(
                f"argoverse2_detection: {argument} has category {str(boxes.category[row])!r} in row {row}, which the dataset does not know"
            )
    sweep = _sweeps(predicted, true)
    near = [np.linalg.norm(boxes.xyz, axis=1) < MAX_RANGE_M for boxes in tables]
    near = [mask & (numbers < len(CATEGORIES)) for mask, numbers in zip(near, category)]

    rows = np.flatnonzero(near[0])
    rows = rows[np.lexsort((-predicted.last[rows], sweep[0][rows], category[0][rows]))]
    num_sweeps = int(max(np.max(numbers, initial=0) for numbers in sweep)) + 1
    group = category[0][rows] * num_sweeps + sweep[0][rows]
    allowed = place_in_group(group) < MAX_PREDICTIONS
    rows, group = rows[allowed], group[allowed]

    true_rows = np.flatnonzero(near[1] & (np.trunc(true.last) > 0))
    true_rows = true_rows[np.lexsort((sweep[1][true_rows], category[1][true_rows]))]
    true_group = category[1][true_rows] * num_sweeps + sweep[1][true_rows]

    nearest, distance_m = _nearest(predicted.xyz[rows], group, true.xyz[true_rows], true_group)
    _, first = np.unique(nearest, return_index=True)  # the surest of those that stand for the same one
    first = first[nearest[first] >= 0]
    errors = np.zeros((len(rows), 3))
    errors[first] = _errors(predicted.at(rows[first]), true.at(true_rows[nearest[first]]))
    alone = np.full(len(rows), np.inf)
    alone[first] = distance_m[first]
    return Matches(category[0][rows], predicted.last[rows], alone, errors, category[1][true_rows])


def _numbers_of(texts: NDArray[Any], number: dict[str, int]) -> NDArray[np.int64]:
    """(N,) number of each text, -1 for others."""
    return np.fromiter((number.get(text, -1) for text in texts.tolist()), np.int64, len(texts))


def _sweeps(predicted: Cuboids, true: Cuboids) -> list[NDArray[np.int64]]:
    """(N,) and (M,) numbers of sweeps, ascending by log and then by time."""
    logs = {log: i for i, log in enumerate(sorted({*predicted.log_id.tolist(), *true.log_id.tolist()}))}
    log = np.concatenate([_numbers_of(boxes.log_id, logs) for boxes in (predicted, true)])
    _, time = np.unique(np.concatenate([predicted.timestamp_ns, true.timestamp_ns]), return_inverse=True)
    _, sweep = np.unique(log * (time.max(initial=0) + 1) + time, return_inverse=True)
    return np.split(sweep, [len(predicted.log_id)])


def _nearest(
    xyz: NDArray, group: NDArray, true_xyz: NDArray, true_group: NDArray
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Row of the nearest ground truth in the same group, the first one of equals, and its distance; -1 and inf if none."""
    nearest, distance_m = np.full(len(xyz), -1), np.full(len(xyz), np.inf)
    for begin in range(0, len(xyz), CHUNK):
        row, other = in_same_group(group[begin : begin + CHUNK], true_group)
        if not len(row):
            continue
        x, y, z = (xyz[begin + row] - true_xyz[other]).T
        apart = np.sqrt((x * x + y * y) + z * z)
        starts = np.flatnonzero(np.diff(row, prepend=-1))
        least = np.minimum.reduceat(apart, starts)
        ties = np.flatnonzero(apart == np.repeat(least, np.diff(starts, append=len(row))))
        first = ties[np.searchsorted(ties, starts)]
        nearest[begin + row[starts]] = other[first]
        distance_m[begin + row[starts]] = least
    return nearest, distance_m


def _errors(predicted: Cuboids, true: Cuboids) -> NDArray[np.float64]:
    """(N, 3) distance of the centres in metres, 1 - product of the smaller over that of the larger sides, turn in radians."""
    smaller, larger = np.minimum(predicted.size, true.size), np.maximum(predicted.size, true.size)
    turn = np.abs(predicted.yaw_rad - true.yaw_rad)
    return np.stack(
        [
            np.linalg.norm(predicted.xyz - true.xyz, axis=1),
            1 - smaller.prod(axis=1) / larger.prod(axis=1),
            np.where(turn < math.pi, turn, 2 * math.pi - turn),
        ],
        axis=1,
    )


def _summary(distance_m: NDArray, errors: NDArray, num_true: int) -> dict[str, float]:
    """Metrics of one category from its predictions, the surest first."""
    if not num_true:
        return {"AP": 0.0, **WORST, "CDS": 0.0}
    ap = float(np.mean([_average_precision(distance_m < threshold, num_true) for threshold in THRESHOLDS_M]))
    hits = distance_m < THRESHOLDS_M[TP_THRESHOLD]
    mean = dict(zip(WORST, errors[hits].mean(axis=0).tolist())) if hits.any() else WORST
    quality = float(np.mean([1 - mean[error] / worst for error, worst in WORST.items()]))
    return {"AP": ap, **mean, "CDS": ap * quality}


def _average_precision(hits: NDArray[np.bool_], num_true: int) -> float:
    if not len(hits):
        return 0.0
    num_hits = np.cumsum(hits)
    precision = num_hits / np.arange(1, len(hits) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.mean(np.interp(RECALLS, num_hits / num_true, best, right=0)))


def _rounded(value: float) -> float:
    return float(np.round(value, DIGITS))
