"""What the pictures of a report show: one validation frame, as the model saw it and as it filled it in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from geopt import files
from geopt.visualize import bev, colors

OVERVIEW_QUANTILE = 0.98
DETAIL_SHARE = 6
"""The detail window is the smaller side of the overview over this."""
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


class Window(NamedTuple):
    """A rectangle of ground, metres."""

    lower: tuple[float, float]
    upper: tuple[float, float]

    def __str__(self) -> str:
        (x0, y0), (x1, y1) = self
        x, y = (round((low + high) / 2, 1) + 0.0 for low, high in ((x0, x1), (y0, y1)))  # + 0.0: no minus zero
        return f"{x1 - x0:.3g} m x {y1 - y0:.3g} m around x = {x} m, y = {y} m"


class Frame:
    """NumPy views of what ``model.picture`` gave; ``key in frame`` tells which parts are there.

    Args:
        picture: Tensors of one frame on the CPU: ``grid_lower`` (3,), ``grid_upper`` (3,); and, each group optional,
            ``points`` (N, 3); ``token_coords`` (T, 3) int, ``token_size`` (3,), ``token_hidden`` (T,) bool;
            ``cell_centers`` (K, 3) of the finest cells of predicted tokens that are occupied or predicted so,
            ``cell_size`` (3,), ``cell_truth`` (K,) bool, ``cell_probability`` (K,); ``normal_positions`` (J, 3),
            ``normals`` (J, 3), ``normals_predicted`` (J, 3). Metres. ``frame`` is the name of the frame.
        frame: ``ego`` or ``lidar``.

    Raises:
        ValueError: the extent of the grid is missing, or a group is there in part.
    """

    groups = (
        ("token_coords", "token_size", "token_hidden"),
        ("cell_centers", "cell_size", "cell_truth", "cell_probability"),
        ("normal_positions", "normals", "normals_predicted"),
    )

    def __init__(self, picture: Mapping[str, Any], frame: str = "ego") -> None:
        for group in (("grid_lower", "grid_upper"), *self.groups):
            missing = [key for key in group if key not in picture]
            if missing and (group[0] == "grid_lower" or len(missing) < len(group)):
                raise ValueError(f"picture: {', '.join(group)} must come together, got no {', '.join(missing)}")
        self.frame = frame
        self.name = str(picture.get("frame", ""))
        self._values = {
            key: (value.float() if value.is_floating_point() else value).numpy()  # NumPy has no bfloat16
            for key, value in picture.items()
            if isinstance(value, Tensor)
        }

    def __getitem__(self, key: str) -> NDArray[Any]:
        return self._values[key]

    def __contains__(self, key: str) -> bool:
        return key in self._values

    @property
    def overview(self) -> Window:
        """The part of the grid within the distance, along x or y, that nearly all points keep from the origin."""
        low, high = self["grid_lower"][:2].astype(float), self["grid_upper"][:2].astype(float)
        if "points" in self and len(self["points"]):
            reach = np.quantile(np.abs(self["points"][:, :2]).max(axis=1), OVERVIEW_QUANTILE)
            reach = 5 * np.ceil(reach / 5)
            nearer_low, nearer_high = np.maximum(low, -reach), np.minimum(high, reach)
            if (nearer_low < nearer_high).all():  # else the grid lies far from the origin
                low, high = nearer_low, nearer_high
        return Window((float(low[0]), float(low[1])), (float(high[0]), float(high[1])))

    def detail(self) -> Window | None:
        """The square that holds most columns with several occupied cells: walls and cars rather than road."""
        if "cell_centers" not in self or not self["cell_truth"].any():
            return None
        (x0, y0), (x1, y1) = self.overview
        side = min(x1 - x0, y1 - y0) / DETAIL_SHARE
        step = side / 4
        occupied = self["cell_centers"][self["cell_truth"]]
        columns, row = bev.columns_of(np.floor((occupied - self["grid_lower"]) / self["cell_size"]))
        centers = (columns + 0.5) * self["cell_size"][:2] + self["grid_lower"][:2]
        weights = np.minimum(np.bincount(row) - 1, 3) + 0.01
        edges = [np.arange(a, b + step, step) for a, b in ((x0, x1), (y0, y1))]
        found, *_ = np.histogram2d(centers[:, 0], centers[:, 1], bins=edges, weights=weights)
        if min(found.shape) < 4:
            return None
        sums = np.lib.stride_tricks.sliding_window_view(found, (4, 4)).sum(axis=(2, 3))
        i, j = np.unravel_index(int(sums.argmax()), sums.shape)
        x, y = float(edges[0][i]), float(edges[1][j])
        return Window((x, y), (x + side, y + side))

    @property
    def predicted(self) -> NDArray[np.bool_]:
        return self["cell_probability"] > 0.5

    @property
    def normal_error_deg(self) -> NDArray[np.float64]:
        """(J,) angles between predicted and true normal, signs ignored."""
        a, b = self["normals"].astype(np.float64), self["normals_predicted"].astype(np.float64)
        lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        return np.degrees(np.arccos(np.clip(np.abs((a * b).sum(axis=1)) / np.maximum(lengths, 1e-12), 0, 1)))

    @property
    def normal_spacing_m(self) -> float:
        """How far normals are from each other on the ground, at most a token: the size to draw them in."""
        largest = float(self["token_size"][:2].min()) if "token_size" in self else 1.0
        columns = np.unique(np.round(self["normal_positions"][:, :2].astype(np.float64), 3), axis=0)
        if len(columns) < 2:
            return largest
        distance, _ = cKDTree(columns).query(columns, k=2)
        return min(largest, float(np.median(distance[:, 1])))

    @property
    def point_is_seen(self) -> NDArray[np.bool_]:
        """(N,) whether a point lies in a visible token."""
        visible = self["token_coords"][~self["token_hidden"]].astype(np.int64)
        index = np.floor((self["points"] - self["grid_lower"]) / self["token_size"]).astype(np.int64)
        return np.isin(_key(index), _key(visible))


def _key(index: NDArray[np.int64]) -> NDArray[np.int64]:
    """One number for each (x, y, z) index below a million."""
    return (index[:, 0] << 40) + (index[:, 1] << 20) + index[:, 2]


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
    bev.draw_tokens(panel, frame["token_coords"], frame["token_hidden"], frame["grid_lower"], frame["token_size"])


def _draw_seen(frame: Frame, panel: bev.Panel) -> None:
    hidden = frame["token_hidden"]
    coords = frame["token_coords"][hidden]
    bev.draw_tokens(panel, coords, hidden[hidden], frame["grid_lower"], frame["token_size"], opacity=0.35)
    heights = colors.quantile_range(frame["points"][:, 2])
    bev.draw_points(panel, frame["points"][frame.point_is_seen], height_range=heights)


def _draw_cells(frame: Frame, panel: bev.Panel) -> None:
    bev.draw_cells(
        panel, frame["cell_centers"], frame["cell_size"], frame["cell_truth"], frame.predicted, frame["grid_lower"]
    )


def _swatches(palette: Mapping[str, str], names: Mapping[str, str]) -> Legend:
    return Legend(tuple((palette[key], name) for key, name in names.items()))
