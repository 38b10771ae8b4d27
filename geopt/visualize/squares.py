"""Squares of a grid from above: tokens and occupied cells."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geopt.visualize import colors
from geopt.visualize.bev import Panel, limit


def draw_tokens(
    panel: Panel, coords: ArrayLike, hidden: ArrayLike, grid_lower: ArrayLike, size: ArrayLike, *, opacity: float = 1.0
) -> None:
    """Tokens as filled squares; a column that holds a hidden token is drawn as hidden.

    Args:
        panel: Where to draw.
        coords: (T, 3) int, x, y, z index in the token grid.
        hidden: (T,) bool.
        grid_lower: (3,) lowest corner of the grid, metres.
        size: (3,) edge lengths of a token, metres.
        opacity: From 0 to 1.
    """
    coords, hidden = np.asarray(coords, dtype=np.int64), np.asarray(hidden, dtype=bool)
    columns, row = columns_of(coords)
    kind = np.zeros(len(columns), dtype=np.int64)
    np.maximum.at(kind, row, hidden)
    _squares(panel, columns, kind, [colors.TOKENS[n] for n in ("visible", "hidden")], grid_lower, size, opacity)


def draw_cells(
    panel: Panel, centers: ArrayLike, size: ArrayLike, truth: ArrayLike, predicted: ArrayLike, grid_lower: ArrayLike
) -> None:
    """Columns of occupied cells by whether the prediction has them: found, missed or invented.

    Args:
        panel: Where to draw.
        centers: (K, 3) centres of cells, metres.
        size: (3,) edge lengths of a cell, metres.
        truth: (K,) bool, occupied.
        predicted: (K,) bool, predicted to be occupied.
        grid_lower: (3,) lowest corner of the grid, metres.
    """
    lower, size = np.asarray(grid_lower, dtype=np.float64), np.asarray(size, dtype=np.float64)
    columns, row = columns_of(np.floor((np.asarray(centers, dtype=np.float64)[:, :2] - lower[:2]) / size[:2]))
    in_truth, in_prediction = np.zeros(len(columns), dtype=bool), np.zeros(len(columns), dtype=bool)
    np.logical_or.at(in_truth, row, np.asarray(truth, dtype=bool))
    np.logical_or.at(in_prediction, row, np.asarray(predicted, dtype=bool))
    shown = in_truth | in_prediction
    kind = np.where(in_truth & in_prediction, 0, np.where(in_truth, 1, 2))
    names = ("found", "missed", "invented")
    _squares(panel, columns[shown], kind[shown], [colors.CELLS[n] for n in names], lower, size)


def columns_of(index: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The (C, 2) different x, y of whole-number indices (M, 2 or more), and the row in it of each of the M."""
    index = np.asarray(index).astype(np.int64)
    keys, row = np.unique((index[:, 0] << 32) + index[:, 1], return_inverse=True)
    y = (keys + 2**31) % 2**32 - 2**31  # indices below the grid are negative
    return np.stack([(keys - y) >> 32, y], axis=1), row


def _squares(
    panel: Panel,
    index: NDArray[np.int64],
    kind: NDArray[np.int64],
    palette: Sequence[str],
    grid_lower: ArrayLike,
    size: ArrayLike,
    opacity: float = 1.0,
) -> None:
    """Squares of a grid, (M, 2) x, y indices; small ones are merged into squares that show the most frequent kind."""
    lower, size = np.asarray(grid_lower, dtype=np.float64)[:2], np.asarray(size, dtype=np.float64)[:2]
    merge = max(1, math.ceil(1.6 / (size.min() * panel.pixels_per_m)))  # 1.6 pixels: smaller squares fade away
    first = np.floor((np.asarray(panel.lower) - lower) / size / merge).astype(np.int64)
    last = np.ceil((np.asarray(panel.upper) - lower) / size / merge).astype(np.int64)
    index = index // merge - first
    keep = ((index >= 0) & (index < last - first)).all(axis=1)
    index, kind = index[keep], kind[keep]
    counts = np.zeros((*(last - first), len(palette)), dtype=np.int64)
    np.add.at(counts, (index[:, 0], index[:, 1], kind), 1)
    image = np.zeros((*counts.shape[:2], 4))
    used = counts.any(axis=2)
    image[used, :3] = colors.rgb(palette)[counts.argmax(axis=2)[used]]
    image[used, 3] = opacity
    (x0, y0), (x1, y1) = lower + first * merge * size, lower + last * merge * size
    if panel.frame == "ego":  # rows of an image go up, columns to the side
        extent = (y0, y1, x0, x1)
    else:
        image, extent = image.transpose(1, 0, 2), (x0, x1, y0, y1)
    panel.axes.imshow(image, origin="lower", extent=extent, interpolation="nearest", aspect="equal", zorder=1)
    limit(panel)
