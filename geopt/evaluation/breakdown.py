"""Scores by class and by distance, in one form for all benchmarks."""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypedDict, TypeVar

import numpy as np
from numpy.typing import NDArray

from geopt.evaluation.label_frames import in_order

log = logging.getLogger(__name__)

BOX_EDGES_M = (0.0, 20.0, 35.0, 50.0)
POINT_EDGES_M = (*BOX_EDGES_M, math.inf)

Rows = dict[str, dict[str, Any]]
"""By class: the metrics of the benchmark, ``num_true`` and ``num_predicted``. With ``num_true`` 0 a metric has the official
value for a class that is nowhere, which says nothing."""


class Breakdown(TypedDict, total=False):
    """What ``geopt score --details`` adds to the curves."""

    by_class: Rows
    by_range: dict[str, Rows]
    """By the name of a band, nearest first; absent where distances are unknown."""


class Band(NamedTuple):
    """Distances from ``lower_m`` up to, but not, ``upper_m``."""

    lower_m: float
    upper_m: float

    @property
    def name(self) -> str:
        return f"{self.lower_m:g} m on" if math.isinf(self.upper_m) else f"{self.lower_m:g}-{self.upper_m:g} m"

    def holds(self, distance_m: NDArray[np.floating]) -> NDArray[np.bool_]:
        """(N,) whether each of (N,) distances is in the band; NaN is in none."""
        return (distance_m >= self.lower_m) & (distance_m < self.upper_m)


def bands(edges_m: Sequence[float]) -> list[Band]:
    """The bands between neighbouring edges.

    Raises:
        ValueError: there are less than two edges, or they do not ascend from 0 or above.
    """
    if len(edges_m) < 2 or edges_m[0] < 0 or not all(a < b for a, b in zip(edges_m, edges_m[1:])):
        raise ValueError(f"bands: edges_m must be two or more ascending distances from 0 on, got {list(edges_m)}")
    return [Band(*edges) for edges in zip(edges_m, edges_m[1:])]


class HasPoints(Protocol):
    """A labelled scan."""

    @property
    def points(self) -> Path: ...


Scan = TypeVar("Scan", bound=HasPoints)


def of_points(
    scans: Sequence[Scan],
    labels_of: Callable[[Scan], tuple[NDArray[Any], NDArray[Any]]],
    count: Callable[[Scan, NDArray[Any], NDArray[Any]], NDArray[np.int64]],
    iou_per_class: Callable[[NDArray[np.int64]], dict[str, float]],
    *,
    num_columns: int,
    edges_m: Sequence[float],
    num_threads: int,
) -> Breakdown:
    """The breakdown of labels of points, by class and by the distance from the sensor.

    Precision and recall are NaN where nothing is predicted or true. Without all LiDAR files a warning names the first that
    is missing, and there is nothing by range.

    Args:
        scans: Each has a LiDAR file ``points`` of float32 rows that begin with x, y, z.
        labels_of: (N,) true and (N,) predicted labels of a scan.
        count: (C, C) points of a scan by true class (rows) and predicted class; class 0 is not scored. Gets all labels of
            a scan first, then those of each band.
        iou_per_class: IoU by name of the classes from 1 on of such a matrix, as the benchmark computes it.
        num_columns: Numbers in a row of a LiDAR file.
        edges_m: Ends of the bands.
        num_threads: Threads that read and count.

    Raises:
        ValueError: a LiDAR file has another number of points than labels, or ``edges_m`` does not ascend.
    """
    among = bands(edges_m)
    missing = next((scan.points for scan in scans if not scan.points.is_file()), None)
    if missing is not None:
        log.warning("%s is missing: without the LiDAR files there are no scores by range", missing)
        among = []

    def confusions(scan: Scan) -> NDArray[np.int64]:
        truth, predicted = labels_of(scan)
        parts = [count(scan, truth, predicted)]
        if among:
            distance_m = _distances(scan.points, num_columns, len(truth))
            inside = [band.holds(distance_m) for band in among]
            parts += [count(scan, truth[part], predicted[part]) for part in inside]
        return np.stack(parts)

    whole, *parts = functools.reduce(np.add, in_order(confusions, scans, num_threads))
    result = Breakdown(by_class=_point_rows(whole, iou_per_class(whole)))
    if among:
        result["by_range"] = {
            band.name: _point_rows(part, iou_per_class(part)) for band, part in zip(among, parts, strict=True)
        }
    return result


def _point_rows(confusion: NDArray[np.int64], iou: dict[str, float]) -> Rows:
    scored = confusion[1:]
    hits, true, said = np.diagonal(confusion)[1:], scored.sum(axis=1), scored[:, 1:].sum(axis=0)
    with np.errstate(invalid="ignore"):
        precision, recall = hits / said, hits / true
    return {
        name: {
            "iou": iou[name],
            "precision": float(precision[row]),
            "recall": float(recall[row]),
            "num_true": int(true[row]),
            "num_predicted": int(said[row]),
        }
        for row, name in enumerate(iou)
    }


def _distances(path: Path, num_columns: int, num_points: int) -> NDArray[np.float64]:
    """(N,) metres from the sensor of the points of a LiDAR file."""
    values = np.fromfile(path, dtype="<f4")
    if len(values) != num_points * num_columns:
        raise ValueError(
            f"breakdown: {path} must hold the {num_points} points that have labels, {num_columns} float32 each, got "
            f"{len(values)} numbers"
        )
    return np.linalg.norm(values.reshape(-1, num_columns)[:, :3].astype(np.float64), axis=1)
