"""Pictures of a comparison, on transparent ground and in colours for white and for black pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geopt import files
from geopt.data import NuScenes
from geopt.optional import require
from geopt.visualize import bev
from geopt.visualize.colors import INK
from geopt.visualize.compare.rows import BOX_CLASSES
from geopt.visualize.compare.statistics import (
    BOX_RANGE_M,
    CLASSES,
    HISTOGRAMS,
    SEGMENTS,
    WITHIN_M,
    Statistics,
)

COLORS = ("#4d79c7", "#df6b3c")
DPI = 120
GROUND_M = 50.0
"""Half the side of the ground that a frame is shown on."""

Pair = tuple[Statistics, Statistics]
Names = tuple[str, str]


def write_pictures(folder: Path, real: Statistics, simulated: Statistics, names: Names) -> list[Path]:
    """Write ``points.png``, ``intensity.png``, ``surfaces.png``, ``boxes.png`` and, where both have labels, ``labels.png``.

    Raises:
        ImportError: matplotlib is not installed.
    """
    both = real, simulated
    figures = {
        "points": _histograms(both, names, ("range", "height", "laser"), per_frame=True, log=("range", "height")),
        "intensity": _histograms(both, names, ("intensity_near", "intensity_middle", "intensity_far"), log=("all",)),
        "surfaces": _histograms(both, names, ("spacing", "surface_variation", "upright")),
        "boxes": _boxes(both, names),
    }
    if all("lidarseg" in s.counts for s in both):
        figures["labels"] = _labels(both, names)
    paths = []
    for name, figure in figures.items():
        paths.append(folder / f"{name}.png")
        files.replace_bytes(paths[-1], bev.png(figure, palette=64))
    return paths


def write_frames(path: Path, frames: Sequence[tuple[NuScenes, int]], names: Names) -> Path:
    """Write one key frame of each data set from above, coloured by height, with its boxes.

    Args:
        path: Where the PNG shall lie.
        frames: Both data sets and a row of each.
        names: Of the data sets.

    Raises:
        ImportError: matplotlib is not installed.
    """
    titles = [f"{name}: {dataset.name(row)}" for name, (dataset, row) in zip(names, frames)]
    figure, panels = bev.panels((-GROUND_M, -GROUND_M), (GROUND_M, GROUND_M), titles=titles, width_px=1600)
    for panel, (dataset, row) in zip(panels, frames):
        bev.draw_points(panel, dataset.cloud(row).xyz, height_range=(-0.3, 4.0))
        bev.draw_boxes(panel, dataset.boxes(row))
    files.replace_bytes(path, bev.png(figure))
    return path


def _figure(width: float, height: float, columns: int, both: Pair, names: Names) -> tuple[Any, list[Any]]:
    figure = require("matplotlib.figure", extra="viz").Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    axes = list(np.ravel(figure.subplots(1, columns)))
    for one in axes:
        one.set_facecolor("none")
        one.tick_params(which="both", labelsize=8, colors=INK)
        one.grid(color=INK, alpha=0.25, linewidth=0.5)
        for side, spine in one.spines.items():
            spine.set(color=INK, visible=side in ("left", "bottom"))
    patches = require("matplotlib.patches", extra="viz")
    handles = [patches.Patch(color=color) for color in COLORS]
    labels = [f"{name}, {len(s.scene)} key frames" for name, s in zip(names, both)]
    figure.legend(
        handles, labels, loc="outside upper center", ncols=2, fontsize=9, frameon=False, labelcolor=INK, handlelength=1
    )
    return figure, axes


def _titled(axes: Any, title: str, below: str) -> None:
    axes.set_title(title, fontsize=9, color=INK, loc="left")
    axes.set_xlabel(below, fontsize=8, color=INK)


def _histograms(
    both: Pair, names: Names, shown: Sequence[str], per_frame: bool = False, log: Sequence[str] = ()
) -> Any:
    """Outlines of histograms side by side: points per key frame, or shares of the points."""
    figure, all_axes = _figure(9.6, 2.9, len(shown), both, names)
    for axes, name in zip(all_axes, shown):
        histogram = HISTOGRAMS[name]
        means = [s.counts[name].mean(axis=0) for s in both]
        filled = int(np.flatnonzero(means[0] + means[1]).max(initial=0)) + 1  # lasers that nobody has are left out
        for values, color in zip(means, COLORS):
            height = values if per_frame else values / max(values.sum(), 1e-300)
            axes.stairs(height[:filled], histogram.edges[: filled + 1], color=color, linewidth=1.6)
        if histogram.is_log:
            axes.set_xscale("log")
        if name in log or "all" in log:
            axes.set_yscale("log")
        _titled(axes, histogram.title, histogram.unit)
    all_axes[0].set_ylabel("points per key frame" if per_frame else "share of points", fontsize=8, color=INK)
    return figure


def _boxes(both: Pair, names: Names) -> Any:
    """Boxes of each class within WITHIN_M, and points per box over range."""
    figure, axes = _figure(9.6, 3.4, 1 + len(BOX_CLASSES), both, names)
    counts = [s.class_counts(WITHIN_M).mean(axis=0) for s in both]
    _bars(axes[0], CLASSES, counts)
    _titled(axes[0], f"Boxes with a point within {WITHIN_M:g} m", "boxes per key frame")
    middles = (BOX_RANGE_M[:-1] + BOX_RANGE_M[1:]) / 2
    for one, class_name in zip(axes[1:], BOX_CLASSES):
        for s, color in zip(both, COLORS):
            parts = s.points_by_range(class_name)
            there = [(place, points) for place, points in zip(middles, parts) if len(points)]
            means = [points.mean() for _, points in there]
            one.plot([place for place, _ in there], means, color=color, linewidth=1.8, marker="o", markersize=4)
            for place, points in there:
                low, high = np.quantile(points, (0.25, 0.75))
                one.plot([place, place], [low, high], color=color, alpha=0.45, linewidth=4, solid_capstyle="butt")
        one.set_yscale("symlog", linthresh=1.0)  # boxes without a point are many
        one.set_ylim(bottom=0.0)
        _titled(one, f"Points of a {class_name}", "range (m): mean and middle half")
    return figure


def _labels(both: Pair, names: Names) -> Any:
    figure, (axes,) = _figure(7.2, 4.4, 1, both, names)
    shares = [s.counts["lidarseg"].sum(axis=0) / s.counts["lidarseg"].sum() for s in both]
    _bars(axes, SEGMENTS, [100 * share for share in shares])
    axes.set_xscale("symlog", linthresh=0.1)
    _titled(axes, "Classes of points", "% of points")
    return figure


def _bars(axes: Any, classes: Sequence[str], values: Sequence[NDArray[np.float64]]) -> None:
    places = np.arange(len(classes))
    for offset, (numbers, color) in zip((-0.2, 0.2), zip(values, COLORS)):
        axes.barh(places + offset, numbers, height=0.36, color=color)
    axes.set_yticks(places, [name.replace("_", " ") for name in classes])
    axes.set_ylim(len(classes) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
