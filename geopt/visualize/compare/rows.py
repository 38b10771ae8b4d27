"""How far apart two data sets are, quantity by quantity."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import wasserstein_distance

from geopt.visualize.compare.statistics import HISTOGRAMS, RATIOS, WITHIN_M, Statistics

MIN_BOXES = 10
"""Points per box are compared at ranges where both data sets have so many boxes."""
BOX_CLASSES = ("car", "pedestrian")


class Distance(NamedTuple):
    """How far apart two distributions are; NaN where one is empty."""

    moved: float
    """Wasserstein-1 (earth mover's) distance: how far the mean member has to move, in the unit of the quantity; decades where
    it is logarithmic; NaN for classes, which have no order. Of points per box the mean number of doublings between the
    means of a range."""
    variation: float
    """Total variation: the share that would have to change its bin, from 0 to 1; NaN for numbers of key frames and boxes."""


NOTHING = Distance(math.nan, math.nan)
Between = Callable[[Statistics, Statistics], Distance]


class Row(NamedTuple):
    """A quantity in both data sets."""

    name: str
    title: str
    unit: str
    real: float
    """Mean; of a histogram the median, exact to its bins; NaN for classes."""
    simulated: float
    apart: Distance
    within_real: Distance
    """The same between the first and the second half of the real key frames: what a scene differs from itself."""
    between_scenes: Distance
    """The same between a simulated scene and all others, averaged over the scenes; NaN if there is one."""


def compare(real: Statistics, simulated: Statistics) -> list[Row]:
    """Numbers of key frames, then histograms of points, then classes, then points of boxes."""
    both = real, simulated
    rows = []
    for name, ratio in RATIOS.items():
        rows.append(_row(name, ratio, [_pooled(s.sums[name]) for s in both], _between_ratios(name), *both))
    for name, histogram in HISTOGRAMS.items():
        medians = [median(s.counts[name].sum(axis=0), histogram.edges, histogram.is_log) for s in both]
        rows.append(_row(name, (histogram.title, histogram.unit), medians, _between_counts(name), *both))
    for name, title, within_m in (
        ("classes", "Classes of boxes", np.inf),
        ("classes_within", f"Classes of boxes with a point within {WITHIN_M:g} m", WITHIN_M),
    ):
        rows.append(_row(name, (title, ""), [math.nan, math.nan], _between_classes(within_m), *both))
    if all("lidarseg" in s.counts for s in both):
        rows.append(
            _row("lidarseg", ("Classes of points", ""), [math.nan, math.nan], _between_counts("lidarseg"), *both)
        )
    for name in BOX_CLASSES:
        means = [mean(np.concatenate(s.points_by_range(name))) for s in both]
        rows.append(_row(f"points_per_{name}", (f"Points per box, {name}", ""), means, _between_boxes(name), *both))
    return rows


def distance(first: ArrayLike, second: ArrayLike, centers: ArrayLike | None = None) -> Distance:
    """How far apart two histograms with the same bins are.

    Args:
        first: (B,) counts.
        second: (B,) counts.
        centers: (B,) where the bins lie; None for classes.
    """
    p, q = (np.asarray(counts, dtype=np.float64) for counts in (first, second))
    if not p.sum() or not q.sum():
        return NOTHING
    moved = math.nan if centers is None else float(wasserstein_distance(centers, centers, p, q))
    return Distance(moved, float(np.abs(p / p.sum() - q / q.sum()).sum() / 2))


def median(counts: ArrayLike, edges: ArrayLike, is_log: bool = False) -> float:
    """Below it lies half of a histogram whose bins are filled evenly, on a logarithmic axis if asked; NaN for an empty one."""
    counts, edges = np.asarray(counts, dtype=np.float64), np.asarray(edges, dtype=np.float64)
    if not counts.sum():
        return math.nan
    below = np.concatenate([[0.0], np.cumsum(counts)])
    upper = int(np.searchsorted(below, below[-1] / 2, side="left"))  # the first edge with half of it below
    share = (below[-1] / 2 - below[upper - 1]) / counts[upper - 1]
    low, high = float(edges[upper - 1]), float(edges[upper])
    return low * (high / low) ** share if is_log else low + share * (high - low)


def factor_per_range(real: Statistics, simulated: Statistics, class_name: str) -> NDArray[np.float64]:
    """Mean points of a simulated box over those of a real one at each range of BOX_RANGE_M.

    NaN where a data set has fewer than MIN_BOXES boxes or no point in them.
    """
    factors = []
    for pair in zip(real.points_by_range(class_name), simulated.points_by_range(class_name)):
        known = all(len(points) >= MIN_BOXES and points.any() for points in pair)
        factors.append(mean(pair[1]) / mean(pair[0]) if known else math.nan)
    return np.array(factors)


def mean(values: NDArray[Any]) -> float:
    """NaN if there are none."""
    return float(values.mean()) if len(values) else math.nan


def _row(
    name: str, title: Sequence[str], values: Sequence[float], between: Between, real: Statistics, simulated: Statistics
) -> Row:
    first = np.arange(len(real.scene)) < len(real.scene) // 2
    within = between(real.part(first), real.part(~first)) if first.any() else NOTHING
    scenes = np.unique(simulated.scene)
    spread = [between(simulated.part(simulated.scene == s), simulated.part(simulated.scene != s)) for s in scenes]
    apart_scenes = Distance(*np.mean(spread, axis=0).tolist()) if len(scenes) > 1 else NOTHING
    (words, unit), (first_value, second_value) = title, values
    return Row(name, words, unit, first_value, second_value, between(real, simulated), within, apart_scenes)


def _between_ratios(name: str) -> Between:
    def between(a: Statistics, b: Statistics) -> Distance:
        values = [part.sums[name][part.sums[name][:, 1] > 0] for part in (a, b)]
        if not all(map(len, values)):
            return NOTHING
        return Distance(float(wasserstein_distance(*(v[:, 0] / v[:, 1] for v in values))), math.nan)

    return between


def _between_counts(name: str) -> Between:
    centers = HISTOGRAMS[name].centers if name in HISTOGRAMS else None
    return lambda a, b: distance(a.counts[name].sum(axis=0), b.counts[name].sum(axis=0), centers)


def _between_classes(within_m: float) -> Between:
    return lambda a, b: distance(a.class_counts(within_m).sum(axis=0), b.class_counts(within_m).sum(axis=0))


def _between_boxes(class_name: str) -> Between:
    def between(a: Statistics, b: Statistics) -> Distance:
        factors = factor_per_range(a, b, class_name)
        return Distance(mean(np.abs(np.log2(factors[np.isfinite(factors)]))), math.nan)

    return between


def _pooled(sums: NDArray[np.float64]) -> float:
    numerator, denominator = sums.sum(axis=0).tolist()
    return numerator / denominator if denominator else math.nan
