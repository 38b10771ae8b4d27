"""Bird's-eye pictures with forward up, in metres: points, normals, boxes.

The ground is transparent, and the colours suit a white page as well as a dark one. Drawing goes through a
:class:`Panel`; no global state of matplotlib is touched.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geopt import files
from geopt.optional import require
from geopt.structures import Boxes, PointBatch
from geopt.visualize import colors

INCH = 200
"""Pixels."""
_MARGINS = {"left": 0.62, "right": 0.06, "bottom": 0.42, "top": 0.08, "title": 0.3}
# inches around a panel, room for axis labels


class Panel(NamedTuple):
    """A rectangle of ground to draw on; made by :func:`panels`."""

    axes: Any
    """``matplotlib.axes.Axes``; x and y of it are the two numbers that ``flat`` gives."""
    lower: tuple[float, float]
    """(x, y) in the frame, metres."""
    upper: tuple[float, float]
    frame: str
    """``ego`` (x forward, y left) or ``lidar`` (x right, y forward, as nuScenes mounts it)."""
    pixels_per_m: float

    def flat(self, xy: ArrayLike) -> NDArray[np.float64]:
        """(N, 2 or more) x, y of the frame as (N, 2) horizontal, vertical of the axes."""
        places: NDArray[np.float64] = np.asarray(xy, dtype=np.float64)
        return places[:, [1, 0]] if self.frame == "ego" else places[:, :2]

    def inside(self, xy: ArrayLike) -> NDArray[np.bool_]:
        """Which rows (N, 2 or more) lie in the rectangle."""
        places: NDArray[np.float64] = np.asarray(xy, dtype=np.float64)[:, :2]
        return np.all((places >= self.lower) & (places < self.upper), axis=1)


def panels(
    lower: Sequence[float],
    upper: Sequence[float],
    *,
    frame: str = "ego",
    titles: Sequence[str] = ("",),
    width_px: int = 900,
    footer_inches: float = 0.0,
) -> tuple[Any, list[Panel]]:
    """A figure of panels side by side, all of the same ground, with equal scale on both axes.

    Args:
        lower: (x, y) of the lowest corner, metres; further numbers are ignored.
        upper: (x, y) of the highest corner.
        frame: ``ego`` or ``lidar``; forward is up for both.
        titles: One for each panel, empty for none.
        width_px: Width of the figure.
        footer_inches: Room below the panels, for a legend.

    Returns:
        The ``matplotlib.figure.Figure`` and its panels from left to right.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: the rectangle is empty or the frame unknown.
    """
    if frame not in ("ego", "lidar"):
        raise ValueError(f"panels: frame must be 'ego' or 'lidar', got {frame!r}")
    low, high = (float(lower[0]), float(lower[1])), (float(upper[0]), float(upper[1]))
    if not (low[0] < high[0] and low[1] < high[1]):
        raise ValueError(f"panels: upper must exceed lower on x and y, got lower={low} and upper={high}")
    extent_x, extent_y = high[0] - low[0], high[1] - low[1]
    across, up = (extent_y, extent_x) if frame == "ego" else (extent_x, extent_y)
    columns = len(titles)
    top = _MARGINS["title"] if any(titles) else _MARGINS["top"]
    pad_x, pad_y = _MARGINS["left"] + _MARGINS["right"], _MARGINS["bottom"] + top
    cell = width_px / INCH / columns
    inner = cell - pad_x
    height = inner * up / across + pad_y + footer_inches
    figure = require("matplotlib.figure", extra="viz").Figure(figsize=(cell * columns, height), dpi=INCH)
    made = []
    for column, title in enumerate(titles):
        left = (column * cell + _MARGINS["left"]) / (cell * columns)
        bottom = (_MARGINS["bottom"] + footer_inches) / height
        axes = figure.add_axes((left, bottom, inner / (cell * columns), inner * up / across / height))
        panel = Panel(axes, low, high, frame, inner * INCH / across)
        _dress(panel)
        axes.set_title(title, fontsize=9, color=colors.INK, pad=5)
        made.append(panel)
    return figure, made


def _dress(panel: Panel) -> None:
    axes, (x0, y0), (x1, y1) = panel.axes, panel.lower, panel.upper
    limit(panel)
    axes.set_aspect("equal")
    axes.set_facecolor("none")
    axes.tick_params(labelsize=8, colors=colors.INK, length=3, width=0.6)
    for spine in axes.spines.values():
        spine.set(color=colors.INK, linewidth=0.6)
    names = ("left  +y  ·  metres", "forward  +x") if panel.frame == "ego" else ("right  +x  ·  metres", "forward  +y")
    axes.set_xlabel(names[0], fontsize=8, color=colors.INK, labelpad=2)
    axes.set_ylabel(names[1], fontsize=8, color=colors.INK, labelpad=2)
    if x0 < 0 < x1 and y0 < 0 < y1:
        axes.plot([0], [0], marker="+", markersize=7, markeredgewidth=1.2, color=colors.INK, zorder=5)


def limit(panel: Panel) -> None:
    """Set the axes to the rectangle again, which drawing may have widened."""
    (x0, y0), (x1, y1) = panel.lower, panel.upper
    panel.axes.set(
        **({"xlim": (y1, y0), "ylim": (x0, x1)} if panel.frame == "ego" else {"xlim": (x0, x1), "ylim": (y0, y1)})
    )


def draw_points(
    panel: Panel, xyz: ArrayLike, *, size_px: float | None = None, height_range: tuple[float, float] | None = None
) -> tuple[float, float]:
    """Points coloured by height; of those on one pixel the highest is seen.

    Args:
        panel: Where to draw.
        xyz: (N, 3) metres, in the frame of the panel.
        size_px: Diameter of a dot; None chooses by the scale.
        height_range: z of the first and the last of ``colors.HEIGHT``; None takes the 2 % and 98 % quantiles.

    Returns:
        The height range used, metres.
    """
    cloud: NDArray[np.float64] = np.asarray(xyz, dtype=np.float64)
    cloud = cloud[np.isfinite(cloud).all(axis=1) & panel.inside(cloud)]
    if height_range is None:
        height_range = colors.quantile_range(cloud[:, 2])
    draw_colored(panel, cloud, colors.ramp(colors.HEIGHT, cloud[:, 2], height_range), size_px=size_px)
    return height_range


def draw_colored(panel: Panel, xyz: ArrayLike, rgb: ArrayLike, *, size_px: float | None = None) -> None:
    """Points in colours of their own; of those on one pixel the highest is seen.

    Args:
        panel: Where to draw.
        xyz: (N, 3) metres, in the frame of the panel.
        rgb: (N, 3) in [0, 1].
        size_px: Diameter of a dot; None chooses by the scale.
    """
    cloud, shades = np.asarray(xyz, dtype=np.float64), np.asarray(rgb, dtype=np.float64)
    kept = np.isfinite(cloud).all(axis=1) & panel.inside(cloud)
    cloud, shades = cloud[kept], shades[kept]
    size_px = min(4.5, max(1.8, 0.08 * panel.pixels_per_m)) if size_px is None else size_px
    pixel = np.floor(cloud[:, :2] * panel.pixels_per_m).astype(np.int64)
    order = np.lexsort((cloud[:, 2], pixel[:, 1], pixel[:, 0]))
    is_top = np.ones(len(order), dtype=bool)
    is_top[:-1] = (pixel[order[1:]] != pixel[order[:-1]]).any(axis=1)
    top = order[is_top]
    top = top[np.argsort(cloud[top, 2], kind="stable")]  # the higher one is drawn later
    _dots(panel, cloud[top], shades[top], size_px)


def draw_directions(panel: Panel, xyz: ArrayLike, normals: ArrayLike, size_m: float) -> None:
    """Dots coloured by the axis that a unit normal lies along, whatever its sign.

    Args:
        panel: Where to draw.
        xyz: (J, 3) metres.
        normals: (J, 3) unit vectors.
        size_m: Diameter of a dot on the ground.
    """
    weight = np.square(np.asarray(normals, dtype=np.float64))
    weight /= np.maximum(weight.sum(axis=1, keepdims=True), 1e-12)
    _dots(panel, xyz, weight @ colors.rgb(colors.AXES), size_m * panel.pixels_per_m)


def draw_values(
    panel: Panel, xyz: ArrayLike, values: ArrayLike, value_range: tuple[float, float], size_m: float
) -> None:
    """Dots coloured by a number that is best when low.

    Args:
        panel: Where to draw.
        xyz: (J, 3) metres.
        values: (J,) numbers.
        value_range: Numbers of the first and the last of ``colors.ERROR``.
        size_m: Diameter of a dot on the ground.
    """
    _dots(panel, xyz, colors.ramp(colors.ERROR, np.asarray(values), value_range), size_m * panel.pixels_per_m)


def draw_boxes(panel: Panel, boxes: Boxes) -> None:
    """Outlines of boxes, with a stroke from the centre to the front.

    Raises:
        ValueError: the boxes are in another frame than the panel.
    """
    if boxes.frame != panel.frame:
        raise ValueError(f"draw_boxes: boxes must be in frame {panel.frame!r} of the panel, got {boxes.frame!r}")
    draw_outlines(panel, boxes.geometry.numpy(), colors.BOX, 0.9)


def draw_outlines(panel: Panel, geometry: ArrayLike, color: Any, width: Any, *, dashed: bool = False) -> None:
    """Outlines of boxes, with a stroke from the centre to the front; later boxes lie above earlier ones.

    Args:
        panel: Where to draw.
        geometry: (K, 7 or more) x, y, z, length, width, height, yaw in the frame of the panel.
        color: One for all, or (K, 4) RGBA.
        width: Of the line in points, one for all or (K,).
        dashed: Draw the outline in dashes.
    """
    table: NDArray[np.float64] = np.asarray(geometry, dtype=np.float64)
    if not len(table):
        return
    x, y, _, length, breadth, _, yaw = table[:, :7].T
    ahead = np.stack([np.cos(yaw), np.sin(yaw)], axis=1) * length[:, None] / 2
    aside = np.stack([-np.sin(yaw), np.cos(yaw)], axis=1) * breadth[:, None] / 2
    center = np.stack([x, y], axis=1)
    corners = [center + ahead + aside, center - ahead + aside, center - ahead - aside, center + ahead - aside]
    outlines = zip(*(panel.flat(c) for c in (*corners, corners[0])))
    strokes = zip(panel.flat(center), panel.flat(center + ahead))
    rgba = np.broadcast_to(require("matplotlib.colors", extra="viz").to_rgba_array(color), (len(table), 4))
    widths = np.broadcast_to(np.asarray(width, dtype=np.float64), len(table))
    lines = require("matplotlib.collections", extra="viz").LineCollection(
        [line for pair in zip(outlines, strokes) for line in pair],
        colors=rgba.repeat(2, axis=0),
        linewidths=widths.repeat(2),
        linestyles=(0, (3, 1.5)) if dashed else "solid",
        zorder=4,
    )
    panel.axes.add_collection(lines, autolim=False)


def save_bev(
    path: Path,
    points: PointBatch | ArrayLike,
    *,
    lower: Sequence[float],
    upper: Sequence[float],
    boxes: Boxes | None = None,
    frame: str = "ego",
    width_px: int = 900,
) -> Path:
    """Write a PNG of one cloud, coloured by height, with its boxes.

    Args:
        path: Where the PNG shall lie.
        points: (N, 3 or more) metres, or a batch of one frame.
        lower: (x, y) of the rectangle to show, metres.
        upper: (x, y), metres.
        boxes: In the same frame.
        frame: ``ego`` or ``lidar``.
        width_px: Width of the picture.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: the rectangle is empty, the batch holds several frames, or the boxes are in another frame.
    """
    if isinstance(points, PointBatch):
        if points.batch_size != 1:
            raise ValueError(f"save_bev: points must be one frame, got a batch of {points.batch_size}")
        points = points.xyz.cpu()
    figure, (panel,) = panels(lower, upper, frame=frame, width_px=width_px)
    draw_points(panel, np.asarray(points)[:, :3])
    if boxes is not None:
        draw_boxes(panel, boxes)
    data = png(figure)
    files.replace(path, lambda temporary: temporary.write_bytes(data))
    return path


def png(figure: Any, palette: int = 128) -> bytes:
    """A figure as PNG with a palette, which is a third of the size; the same bytes for the same figure.

    Args:
        figure: ``matplotlib.figure.Figure``.
        palette: Number of colours.
    """
    canvas = require("matplotlib.backends.backend_agg", extra="viz").FigureCanvasAgg(figure)
    figure.patch.set_alpha(0)
    canvas.draw()
    image = require("PIL.Image", extra="viz")  # comes with matplotlib
    picture = image.fromarray(np.asarray(canvas.buffer_rgba()).copy())
    out = io.BytesIO()
    picture.quantize(palette, method=image.Quantize.FASTOCTREE, dither=image.Dither.NONE).save(out, "PNG")
    return out.getvalue()


def _dots(panel: Panel, xyz: ArrayLike, rgb: NDArray[np.float64], size_px: float) -> None:
    flat = panel.flat(xyz)
    points = max(1.5, size_px) * 72 / INCH
    panel.axes.scatter(flat[:, 0], flat[:, 1], s=points**2, c=rgb, linewidths=0, zorder=2)
    limit(panel)
