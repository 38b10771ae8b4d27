"""Principal axes of the cell centroids in a window around a cell."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from geopt.ops import _check


class CellPCA(NamedTuple):
    """Result of :func:`cell_pca`, rows in the order of ``rows``."""

    normals: Tensor
    """(R, 3) float32 unit eigenvector of the smallest eigenvalue, sign as it falls."""
    eigenvalues: Tensor
    """(R, 3) float32 ascending, square metres."""
    num_points: Tensor
    """(R,) int64 centroids in the window."""


def cell_pca(
    points: Tensor,
    member_starts: Tensor,
    coords_bxyz: Tensor,
    shape: tuple[int, int, int],
    window: tuple[int, int, int],
    rows: Tensor,
    centers: Tensor | None = None,
) -> CellPCA:
    """Fit a plane to the centroids of the cells around each asked cell.

    Args:
        points: (P, 3) float64, metres: centroids of occupied (sub-)cells.
        member_starts: (M + 1,) int64: the points of cell i are rows ``member_starts[i]:member_starts[i + 1]``.
        coords_bxyz: (M, 4) int32 (batch, x, y, z) of the cells, each once.
        shape: Cells of the grid along x, y, z; windows end at its faces.
        window: Cells along x, y, z that count as neighbours, odd.
        rows: (R,) int64 cells to answer for.
        centers: (M, 3) float64 or None. None: covariance about the mean of the neighbours, divided by their number.
            Given: the sum of squares about the cell's own centre, not divided.

    Raises:
        ValueError: a shape does not fit, a row is out of range, ``member_starts`` does not rise from 0 to P, a window is
            even, or the tensors are on two devices.
        TypeError: a dtype does not fit.

    Not differentiable. Float64 inside; the same bits on every device and with any number of threads.
    """
    op = "cell_pca"
    _check.tensor(op, "points", points, "(P, 3)", (torch.float64,))
    _check.tensor(op, "coords_bxyz", coords_bxyz, "(M, 4)", (torch.int32,))
    _check.tensor(op, "rows", rows, "(R)", (torch.int64,))
    _check.offsets(op, "member_starts", member_starts, points.shape[0], "points")
    if member_starts.shape[0] != coords_bxyz.shape[0] + 1:
        raise ValueError(
            f"{op}: member_starts must have {coords_bxyz.shape[0] + 1} entries, got {member_starts.shape[0]}"
        )
    if len(shape) != 3 or any(s < 1 for s in shape):
        raise ValueError(f"{op}: shape must be three numbers >= 1, got {shape}")
    if len(window) != 3 or any(w < 1 or w % 2 == 0 for w in window):
        raise ValueError(f"{op}: window must be odd on every axis, got {window}")
    if centers is not None:
        _check.tensor(op, "centers", centers, "(M, 3)", (torch.float64,))
        if centers.shape[0] != coords_bxyz.shape[0]:
            raise ValueError(f"{op}: centers must have {coords_bxyz.shape[0]} rows, got {centers.shape[0]}")
        _check.same_device(op, "centers", centers, "points", points)
    _check.rows_below(op, "rows", rows, coords_bxyz.shape[0])
    for name, value in (("member_starts", member_starts), ("coords_bxyz", coords_bxyz), ("rows", rows)):
        _check.same_device(op, name, value, "points", points)
    points, centers = points.detach(), None if centers is None else centers.detach()
    _check.compiled(op, op, "points", points)
    return planes_of_cells(points, member_starts, coords_bxyz, shape, window, rows, centers)


def planes_of_cells(
    points: Tensor,
    member_starts: Tensor,
    coords_bxyz: Tensor,
    shape: tuple[int, int, int],
    window: tuple[int, int, int],
    rows: Tensor,
    centers: Tensor | None,
) -> CellPCA:
    """:func:`cell_pca` for a caller that made ``member_starts`` and ``rows`` itself: their checks wait for the GPU."""
    about = points.new_empty(0, 3) if centers is None else centers
    return CellPCA(
        *torch.ops.geopt.cell_pca(points, member_starts, coords_bxyz, about, shape, window, centers is not None, rows)
    )


@torch.library.register_fake("geopt::cell_pca")
def _(points, member_starts, coords, centers, shape, window, about_own, rows):  # type: ignore[no-untyped-def]
    num_rows = rows.shape[0]
    float32 = {"dtype": torch.float32}
    return points.new_empty(num_rows, 3, **float32), points.new_empty(num_rows, 3, **float32), rows.new_empty(num_rows)
