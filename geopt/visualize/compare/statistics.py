"""What a data set is like, counted key frame by key frame: points, surfaces, boxes, labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from geopt import official, ops
from geopt.data import NuScenes

VEHICLE_M = 2.5
"""Points nearer to the sensor, on the ground, may lie on the vehicle that carries it."""
NEAR_M, FAR_M = 15.0, 30.0
"""Where near points end and far ones begin."""
WITHIN_M = 50.0
MOVING_MPS = 0.5
NEIGHBORS = 16
OTHER = "other"
CLASSES = (*official.class_map("detection").classes, OTHER)
"""Of boxes: those of the detection benchmark, and the categories that it leaves out."""
SEGMENTS = official.class_map("lidarseg").classes
BOX_RANGE_M = np.arange(0.0, 81.0, 10.0)
"""Edges of the ranges over which the points of a box are averaged."""


class Histogram(NamedTuple):
    """A number that every point has, and how it is counted."""

    title: str
    unit: str
    edges: NDArray[np.float64]
    """(B + 1,) ascending. The first bin also holds what is below it, the last what is above."""
    is_log: bool = False
    """Whether positions and distances are powers of ten of the unit."""

    def counts_of(self, values: ArrayLike) -> NDArray[np.int64]:
        """(B,) how many finite values lie in each half-open bin."""
        values = np.asarray(values, dtype=np.float64)
        places = np.searchsorted(self.edges[1:-1], values[np.isfinite(values)], side="right")
        return np.bincount(places, minlength=len(self.edges) - 1)

    @property
    def centers(self) -> NDArray[np.float64]:
        """(B,) middles of the bins; of a logarithmic one their power of ten."""
        edges = np.log10(self.edges) if self.is_log else self.edges
        return (edges[:-1] + edges[1:]) / 2


_INTENSITY = np.arange(0.0, 257.0, 8.0)
HISTOGRAMS: dict[str, Histogram] = {
    "range": Histogram("Range on the ground", "m", np.arange(0.0, 100.1, 2.5)),
    "height": Histogram("Height over the ground below the vehicle", "m", np.arange(-4.0, 16.1, 0.25)),
    "laser": Histogram("Laser, from the lowest", "", np.arange(-0.5, 128.0)),
    "intensity": Histogram("Intensity", "", _INTENSITY),
    "intensity_near": Histogram(f"Intensity nearer than {NEAR_M:g} m", "", _INTENSITY),
    "intensity_middle": Histogram(f"Intensity from {NEAR_M:g} to {FAR_M:g} m", "", _INTENSITY),
    "intensity_far": Histogram(f"Intensity beyond {FAR_M:g} m", "", _INTENSITY),
    "spacing": Histogram("Distance to the nearest point", "m", np.geomspace(0.003, 3.0, 31), is_log=True),
    "surface_variation": Histogram("Surface variation", "", np.geomspace(1e-6, 1 / 3, 31), is_log=True),
    "upright": Histogram("Upright part of the normal", "", np.linspace(0.0, 1.0, 21)),
}
"""Of points beyond VEHICLE_M. Surface variation is the smallest eigenvalue of the NEIGHBORS nearest points over the sum of the
three; ``upright`` is |z| of their unit normal."""


class Ratio(NamedTuple):
    """A number of each key frame: one sum over another."""

    title: str
    unit: str = ""


RATIOS: dict[str, Ratio] = {
    "points": Ratio("Points per key frame"),
    "points_beyond_vehicle": Ratio(f"Points per key frame beyond {VEHICLE_M:g} m"),
    "boxes": Ratio("Boxes per key frame"),
    "boxes_within": Ratio(f"Boxes with a point per key frame within {WITHIN_M:g} m"),
    "classes_within": Ratio(f"Classes of boxes per key frame within {WITHIN_M:g} m"),
    "moving": Ratio(f"Share of vehicles faster than {MOVING_MPS:g} m/s"),
    "in_boxes": Ratio("Share of points in boxes"),
}


class BoxRows(NamedTuple):
    """Every box of every key frame."""

    frame: NDArray[np.int64]
    """(A,) number of the key frame."""
    class_number: NDArray[np.int64]
    """(A,) row of CLASSES."""
    range_m: NDArray[np.float64]
    """(A,) on the ground, from the sensor to the centre."""
    num_points: NDArray[np.int64]
    """(A,) as the data set counts them."""


class Statistics(NamedTuple):
    """What was counted in F key frames; parts of it are compared too."""

    scene: NDArray[np.int64]
    """(F,) number of the scene."""
    counts: dict[str, NDArray[np.int64]]
    """(F, B) for each of HISTOGRAMS; and ``lidarseg``, of SEGMENTS, where all key frames have labels."""
    sums: dict[str, NDArray[np.float64]]
    """(F, 2) numerator and denominator for each of RATIOS."""
    boxes: BoxRows

    def part(self, frames: NDArray[np.bool_]) -> Statistics:
        """Those of the key frames that (F,) chooses."""
        of_box = frames[self.boxes.frame]
        rows = self.boxes
        frame = (np.cumsum(frames) - 1)[rows.frame[of_box]]
        boxes = BoxRows(frame, rows.class_number[of_box], rows.range_m[of_box], rows.num_points[of_box])
        return Statistics(
            self.scene[frames],
            {name: counts[frames] for name, counts in self.counts.items()},
            {name: sums[frames] for name, sums in self.sums.items()},
            boxes,
        )

    def class_counts(self, within_m: float = np.inf) -> NDArray[np.int64]:
        """(F, C) boxes of each of CLASSES in each key frame; with a range given, those that hold a point."""
        rows = self.boxes
        keep = (rows.range_m < within_m) & (np.isinf(within_m) | (rows.num_points > 0))
        counts = np.zeros((len(self.scene), len(CLASSES)), dtype=np.int64)
        np.add.at(counts, (rows.frame[keep], rows.class_number[keep]), 1)
        return counts

    def points_by_range(self, class_name: str) -> list[NDArray[np.int64]]:
        """Points of each box of one of CLASSES, by its range in BOX_RANGE_M; further ones are left out."""
        rows = self.boxes
        mine = rows.class_number == CLASSES.index(class_name)
        ranges = zip(BOX_RANGE_M[:-1], BOX_RANGE_M[1:])
        return [rows.num_points[mine & (low <= rows.range_m) & (rows.range_m < high)] for low, high in ranges]


def measure(dataset: NuScenes, selection: str, progress: Callable[[int, int], None] | None = None) -> Statistics:
    """Count what is in the key frames of a data set. Points are those of the key frame alone, without past sweeps.

    Args:
        dataset: Where to read.
        selection: As :meth:`geopt.data.NuScenes.select` takes it.
        progress: Called after each key frame with the number done and the number in all.

    Raises:
        ValueError: the selection names nothing in the data set; or a key frame lacks lidarseg labels that others have.
        FileNotFoundError: a file of the data set is missing.
    """
    rows = dataset.select(selection).rows.tolist()
    has_labels = (dataset.folder / "lidarseg.json").is_file()
    counts: dict[str, list[NDArray[np.int64]]] = {name: [] for name in HISTOGRAMS}
    if has_labels:
        counts["lidarseg"] = []
    sums: dict[str, list[tuple[float, float]]] = {name: [] for name in RATIOS}
    boxes: list[tuple[NDArray, ...]] = []
    for frame, row in enumerate(rows):
        cloud = dataset.cloud(row)
        assert cloud.intensity is not None and cloud.ring is not None, "nuScenes has both"
        range_m = np.hypot(*(cloud.xyz[:, :2] - cloud.sensor_origins[0, :2]).T)
        beyond = range_m >= VEHICLE_M
        xyz, far, intensity = cloud.xyz[beyond], range_m[beyond], cloud.intensity[beyond]
        found = {"range": far, "height": xyz[:, 2], "laser": cloud.ring[beyond], "intensity": intensity}
        found["intensity_near"] = intensity[far < NEAR_M]
        found["intensity_middle"] = intensity[(far >= NEAR_M) & (far < FAR_M)]
        found["intensity_far"] = intensity[far >= FAR_M]
        found |= surfaces(xyz)
        for name, histogram in HISTOGRAMS.items():
            counts[name].append(histogram.counts_of(found[name]))
        if has_labels:
            counts["lidarseg"].append(np.bincount(dataset.lidarseg(row, "coarse"), minlength=len(SEGMENTS)))
        table, ratios = _boxes(dataset, row, cloud.xyz, cloud.sensor_origins[0])
        boxes.append((np.full(len(table[0]), frame), *table))
        ratios |= {"points": (len(range_m), 1), "points_beyond_vehicle": (len(xyz), 1)}
        for name, ratio in ratios.items():
            sums[name].append(ratio)
        if progress is not None:
            progress(frame + 1, len(rows))
    return Statistics(
        dataset.sweeps.scene[rows].astype(np.int64),
        {name: np.stack(values).astype(np.int64) for name, values in counts.items()},
        {name: np.array(values, dtype=np.float64) for name, values in sums.items()},
        BoxRows(*(np.concatenate(column) for column in zip(*boxes))),
    )


def surfaces(xyz: NDArray[np.float32]) -> Mapping[str, NDArray[np.float64]]:
    """Spacing, surface variation and upright part of the normal of (N, 3) points; NaN where there is none."""
    points = torch.from_numpy(np.ascontiguousarray(xyz))
    nearest = ops.knn(points, points, 2).squared_distances[:, 1].double().sqrt().numpy()
    pca = ops.local_pca(points, k=NEIGHBORS)
    values, normals = pca.eigenvalues.double().numpy(), pca.normals.double().numpy()
    has_normal = normals.any(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        variation = values[:, 0] / values.sum(axis=1)
    upright = np.where(has_normal, np.abs(normals[:, 2]), np.nan)
    return {"spacing": nearest, "surface_variation": np.where(has_normal, variation, np.nan), "upright": upright}


def _boxes(
    dataset: NuScenes, row: int, xyz: NDArray[np.float32], sensor: NDArray[np.float32]
) -> tuple[tuple[NDArray, NDArray, NDArray], dict[str, tuple[float, float]]]:
    """Class, range and points of the boxes of a key frame, and sums over them."""
    boxes = dataset.boxes(row)
    classes = official.class_map("detection").class_of_category
    number = np.array([CLASSES.index(classes.get(name, OTHER)) for name in boxes.names], dtype=np.int64)
    geometry, num_points = boxes.geometry.numpy(), boxes.num_points.numpy()
    range_m = np.hypot(*(geometry[:, :2] - sensor[:2]).T)
    within = (range_m < WITHIN_M) & (num_points > 0)
    speed = np.hypot(geometry[:, 7], geometry[:, 8])
    known = np.isfinite(speed) & np.array([name.startswith("vehicle.") for name in boxes.names], dtype=bool)
    holder = ops.points_in_boxes(torch.from_numpy(np.ascontiguousarray(xyz)), boxes.geometry[:, :7].contiguous())
    sums: dict[str, tuple[float, float]] = {
        "boxes": (len(number), 1),
        "boxes_within": (int(within.sum()), 1),
        "classes_within": (len(set(number[within]) - {CLASSES.index(OTHER)}), 1),
        "moving": (int((speed[known] > MOVING_MPS).sum()), int(known.sum())),
        "in_boxes": (int((holder >= 0).sum()), len(xyz)),
    }
    return (number, range_m, num_points), sums
