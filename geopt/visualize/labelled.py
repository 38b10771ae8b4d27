"""Bird's-eye pictures of classes: points and boxes of one class have one colour."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from geopt import files, ops
from geopt.official import class_map
from geopt.optional import require
from geopt.visualize import bev, colors
from geopt.visualize.views import reach_of

TRUTH_WIDTH = 0.9
"""Points, of the dashed outline of a true box below predicted ones."""
_LEGEND_ROW_INCHES = 0.17
_LEGEND_COLUMN_INCHES = 1.15


class DrawnBoxes(NamedTuple):
    """Boxes of one frame to draw."""

    geometry: NDArray[np.float64]
    """(D, 9) x, y, z, length, width, height, yaw, vx, vy."""
    names: tuple[str, ...]
    """Class of each."""
    scores: NDArray[Any] | None = None
    """(D,) in [0, 1]; None for boxes that are true."""


def colors_of(names: Iterable[str]) -> list[str]:
    """Colour of each class, ``#rrggbb``; grey for a name without one."""
    return [colors.CLASSES.get(colors.LIKE.get(name, name), colors.UNKNOWN) for name in names]


def rgb_of(names: Iterable[str]) -> NDArray[np.float64]:
    """(K, 3) :func:`colors_of` in [0, 1]."""
    return colors.rgb(colors_of(names)).reshape(-1, 3)


def label_colors(labels: ArrayLike, classes: Sequence[str]) -> NDArray[np.float64]:
    """(N, 3) colours in [0, 1] of labels (N,), positions in ``classes``.

    Raises:
        ValueError: a label is no position in ``classes``.
    """
    numbers = np.asarray(labels).astype(np.int64)
    if len(numbers) and not (0 <= numbers.min() and numbers.max() < len(classes)):
        raise ValueError(
            f"label_colors: labels must be 0 to {len(classes) - 1}, got {numbers.min()} to {numbers.max()}"
        )
    return rgb_of(classes)[numbers]


def point_colors(
    xyz: ArrayLike, labels: ArrayLike | None, boxes: DrawnBoxes, classes: Sequence[str] | None = None
) -> NDArray[np.float64]:
    """Colours of points by class.

    Args:
        xyz: (N, 3) metres.
        labels: (N,) lidarseg class of each point, 0 where it is unknown, which is grey. With None a point has the
            colour of the box that holds it, of overlapping boxes the first, and is grey by height outside.
        boxes: In the frame of the points.
        classes: Names that labels are positions in; None for those of lidarseg.

    Returns:
        (N, 3) RGB in [0, 1].

    Raises:
        ValueError: the labels do not belong to the points, or one is no lidarseg class.
    """
    cloud = np.asarray(xyz, dtype=np.float32)
    if labels is not None:
        if np.shape(labels) != (len(cloud),):
            raise ValueError(f"point_colors: labels must have shape ({len(cloud)},), got {np.shape(labels)}")
        return label_colors(labels, class_map("lidarseg").classes if classes is None else classes)
    found = greys(cloud[:, 2])
    geometry = torch.as_tensor(np.ascontiguousarray(boxes.geometry[:, :7]), dtype=torch.float64)
    held = ops.points_in_boxes(torch.from_numpy(np.ascontiguousarray(cloud)), geometry).numpy()
    found[held >= 0] = rgb_of(boxes.names)[held[held >= 0]]
    return found


def greys(heights: ArrayLike) -> NDArray[np.float64]:
    """(N, 3) greys of heights in metres, from the 2 % to the 98 % quantile; the darkest where a height is not finite."""
    z: NDArray[np.float64] = np.asarray(heights, dtype=np.float64)
    known = np.isfinite(z)
    found = np.repeat(colors.rgb(colors.GREYS[:1]), len(z), axis=0)
    found[known] = colors.ramp(colors.GREYS, z[known], colors.quantile_range(z[known]))
    return found


def classes_in(rgb: ArrayLike) -> tuple[str, ...]:
    """Classes whose colour some of (N, 3) RGB in [0, 1] are."""
    levels = np.unique(np.rint(np.asarray(rgb, dtype=np.float64).reshape(-1, 3) * 255).astype(np.int64), axis=0)
    seen = {f"#{r:02x}{g:02x}{b:02x}" for r, g, b in levels.tolist()}
    return tuple(name for name, color in colors.CLASSES.items() if color in seen)


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Each of the class names once, as a legend lists them: objects first."""
    kept, known = set(names), list(colors.CLASSES)
    return (*(name for name in known if name in kept), *sorted(kept.difference(known)))


def draw_points(panel: bev.Panel, xyz: ArrayLike, rgb: ArrayLike) -> None:
    """Points (N, 3) in metres in colours (N, 3), as larger dots than those of heights: a few must tell a class."""
    bev.draw_colored(panel, xyz, rgb, size_px=min(4.5, max(2.6, 0.08 * panel.pixels_per_m)))


def draw_boxes(panel: bev.Panel, boxes: DrawnBoxes) -> None:
    """Outlines in the colours of the classes; the higher the score, the stronger the line."""
    scores = np.ones(len(boxes.names)) if boxes.scores is None else np.asarray(boxes.scores, dtype=np.float64)
    order = np.argsort(scores, kind="stable")  # the best lie on top
    strength = scores[order]
    rgba = np.column_stack([rgb_of(boxes.names)[order], 0.3 + 0.7 * strength])
    bev.draw_outlines(panel, boxes.geometry[order], rgba, 0.6 + 0.8 * strength)


def draw_truth(panel: bev.Panel, geometry: ArrayLike) -> None:
    """True boxes (K, 7 or more) dashed in grey, whatever their class."""
    bev.draw_outlines(panel, geometry, colors.INK, TRUTH_WIDTH, dashed=True)


def save_bev(
    path: Path,
    xyz: ArrayLike,
    rgb: ArrayLike,
    boxes: DrawnBoxes,
    *,
    frame: str,
    title: str,
    truth: DrawnBoxes | None = None,
    lower: Sequence[float] | None = None,
    upper: Sequence[float] | None = None,
    width_px: int = 1000,
) -> Path:
    """Write a PNG of coloured points with boxes and a legend of the classes that occur in it.

    Args:
        path: Where the PNG shall lie.
        xyz: (N, 3) metres.
        rgb: (N, 3) in [0, 1], of :func:`point_colors`.
        boxes: Predicted ones.
        frame: ``ego`` or ``lidar``.
        title: Above the picture.
        truth: True boxes, drawn dashed in grey.
        lower: (x, y) of the rectangle to show, metres; None takes a square that holds nearly all points.
        upper: (x, y), metres.
        width_px: Width of the picture.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: the rectangle is empty or the frame unknown.
    """
    reach = reach_of(xyz)
    lower, upper = (-reach, -reach) if lower is None else lower, (reach, reach) if upper is None else upper
    names = in_order({*classes_in(rgb), *boxes.names})
    extra = [] if truth is None else [(colors.INK, "true box, dashed")]
    figure, (panel,) = with_legend(lower, upper, names, extra, frame=frame, titles=(title,), width_px=width_px)
    draw_points(panel, xyz, rgb)
    if truth is not None:
        draw_truth(panel, truth.geometry)
    draw_boxes(panel, boxes)
    data = bev.png(figure, palette=256)
    files.replace_bytes(Path(path), data)
    return Path(path)


def with_legend(
    lower: Sequence[float],
    upper: Sequence[float],
    names: Sequence[str],
    extra: Sequence[tuple[str, str]] = (),
    *,
    frame: str,
    titles: Sequence[str],
    width_px: int,
) -> tuple[Any, list[bev.Panel]]:
    """Panels as of :func:`geopt.visualize.bev.panels`, above a legend of classes and of other (colour, name)."""
    entries = [(color, name.replace("_", " ")) for color, name in zip(colors_of(names), names)] + list(extra)
    columns = max(1, int(width_px / bev.INCH / _LEGEND_COLUMN_INCHES))
    rows = -(-len(entries) // columns)
    footer = rows * _LEGEND_ROW_INCHES + 0.06 if rows else 0.0
    figure, panels = bev.panels(lower, upper, frame=frame, titles=titles, width_px=width_px, footer_inches=footer)
    if rows:
        line = require("matplotlib.lines", extra="viz").Line2D
        figure.legend(
            [line([], [], linestyle="", marker="s", markersize=5, color=color) for color, _ in entries],
            [text for _, text in entries],
            loc="lower center",
            ncols=min(columns, len(entries)),
            fontsize=7,
            labelcolor=colors.INK,
            frameon=False,
            borderaxespad=0.2,
            borderpad=0.2,
            handletextpad=0.2,
            columnspacing=1.0,
            labelspacing=0.3,
        )
    return figure, panels
