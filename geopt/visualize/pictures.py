"""What the pictures of a report show: one validation frame, as the model saw it and as it filled it in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from geopt import files
from geopt.visualize import bev, colors, squares
from geopt.visualize.views import Frame, Window

LARGEST_ERROR_DEG = 45.0
"""Where the colours of the normal error end."""


class Legend(NamedTuple):
    """Either names of colours, or a ramp of colours between two numbers."""

    swatches: tuple[tuple[str, str], ...] = ()
    """(colour, name)."""
    ramp: tuple[str, ...] = ()
    low: str = ""
    high: str = ""


class Picture(NamedTuple):
    """A PNG and the words around it."""

    title: str
    caption: str
    legend: Legend
    png: bytes


def of_frame(frame: Frame) -> tuple[list[Picture], list[Picture], Window | None]:
    """Pictures of the whole frame and of its detail window, with the window."""
    detail = frame.detail()
    return _overview(frame), _closer(frame, detail) if detail else [], detail


def _overview(frame: Frame) -> list[Picture]:
    made = []
    window = frame.overview
    if "points" in frame:
        made.append(_points(frame, window, f"{len(frame['points']):,} points of the frame and its past sweeps"))
    if "token_coords" in frame:
        figure, panel = _one(frame, window)
        _draw_tokens(frame, panel)
        total, hidden = len(frame["token_hidden"]), int(frame["token_hidden"].sum())
        x, y = frame["token_size"][:2]
        made.append(
            Picture(
                "Mask",
                f"{hidden:,} of {total:,} tokens ({x:.3g} m x {y:.3g} m) are hidden from the encoder",
                _swatches(colors.TOKENS, {"visible": "visible", "hidden": "hidden, to be predicted"}),
                bev.png(figure),
            )
        )
    if "cell_centers" in frame:
        made.append(_cells(frame, window))
    if "normals" in frame:
        error = frame.normal_error_deg
        figure, panel = _one(frame, window)
        bev.draw_values(panel, frame["normal_positions"], error, (0, LARGEST_ERROR_DEG), frame.normal_spacing_m)
        middle = (
            f"half of the {len(error):,} normals are within {np.median(error):.1f}°" if len(error) else "no normals"
        )
        made.append(
            Picture(
                "Normal error",
                f"Angle between predicted and true normal; {middle}",
                Legend(ramp=colors.ERROR, low="0°", high=f"{LARGEST_ERROR_DEG:.0f}° and more"),
                bev.png(figure),
            )
        )
    return made


def _closer(frame: Frame, window: Window) -> list[Picture]:
    made = []
    if "points" in frame and "token_coords" in frame:
        figure, panel = _one(frame, window)
        _draw_seen(frame, panel)
        legend = _swatches(colors.TOKENS, {"hidden": "hidden token"})
        made.append(
            Picture("What the encoder sees", "Points of visible tokens, coloured by height", legend, bev.png(figure))
        )
    made.append(_cells(frame, window))
    if "normals" in frame:
        legend = Legend(tuple(zip(colors.AXES, ("along x", "along y", "along z (flat ground)"))))
        for title, key in (("Normals, true", "normals"), ("Normals, predicted", "normals_predicted")):
            figure, panel = _one(frame, window)
            bev.draw_directions(panel, frame["normal_positions"], frame[key], 0.8 * frame.normal_spacing_m)
            made.append(
                Picture(title, "Direction of each normal; mixed colours lie between axes", legend, bev.png(figure))
            )
    return made


def _points(frame: Frame, window: Window, caption: str) -> Picture:
    figure, panel = _one(frame, window)
    low, high = bev.draw_points(panel, frame["points"])
    legend = Legend(ramp=colors.HEIGHT, low=f"{low:.1f} m", high=f"{high:.1f} m height")
    return Picture("Input", caption, legend, bev.png(figure))


def _cells(frame: Frame, window: Window) -> Picture:
    figure, panel = _one(frame, window)
    _draw_cells(frame, panel)
    chosen = panel.inside(frame["cell_centers"])
    truth, predicted = frame["cell_truth"][chosen], frame.predicted[chosen]
    union = int((truth | predicted).sum())
    iou = f"{(truth & predicted).sum() / union:.3f}" if union else "undefined"
    x, y, z = frame["cell_size"]
    return Picture(
        "Occupancy",
        f"Cells of predicted tokens ({x:.3g} m x {y:.3g} m x {z:.3g} m) from above, all heights in one; "
        f"IoU of the single cells shown is {iou}",
        _swatches(
            colors.CELLS,
            {"found": "occupied and predicted", "missed": "missed", "invented": "predicted, but empty"},
        ),
        bev.png(figure),
    )


def save_strip(path: Path, picture: Mapping[str, Any], *, frame: str = "ego", width_px: int = 1800) -> Path:
    """Write a PNG of a frame: input, visible part, and the predicted occupancy of the hidden part, side by side.

    Args:
        path: Where the PNG shall lie.
        picture: As for :class:`Frame`, with points, tokens and cells.
        frame: ``ego`` or ``lidar``.
        width_px: Width of the picture.

    Raises:
        ImportError: matplotlib is not installed.
        KeyError: one of the three is missing.
        ValueError: see :class:`Frame`.
    """
    views = Frame(picture, frame)
    titles = ("input", "what the encoder sees", "what it makes of the rest")
    figure, (left, middle, right) = bev.panels(*views.overview, frame=frame, titles=titles, width_px=width_px)
    bev.draw_points(left, views["points"])
    _draw_seen(views, middle)
    _draw_cells(views, right)
    data = bev.png(figure)
    files.replace(path, lambda temporary: temporary.write_bytes(data))
    return path


def _one(frame: Frame, window: Window) -> tuple[Any, bev.Panel]:
    figure, (panel,) = bev.panels(*window, frame=frame.frame)
    return figure, panel


def _draw_tokens(frame: Frame, panel: bev.Panel) -> None:
    squares.draw_tokens(panel, frame["token_coords"], frame["token_hidden"], frame["grid_lower"], frame["token_size"])


def _draw_seen(frame: Frame, panel: bev.Panel) -> None:
    hidden = frame["token_hidden"]
    coords = frame["token_coords"][hidden]
    squares.draw_tokens(panel, coords, hidden[hidden], frame["grid_lower"], frame["token_size"], opacity=0.35)
    heights = colors.quantile_range(frame["points"][:, 2])
    bev.draw_points(panel, frame["points"][frame.point_is_seen], height_range=heights)


def _draw_cells(frame: Frame, panel: bev.Panel) -> None:
    squares.draw_cells(
        panel, frame["cell_centers"], frame["cell_size"], frame["cell_truth"], frame.predicted, frame["grid_lower"]
    )


def _swatches(palette: Mapping[str, str], names: Mapping[str, str]) -> Legend:
    return Legend(tuple((palette[key], name) for key, name in names.items()))
