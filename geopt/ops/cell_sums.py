"""Exact sums of the points of each cell of a voxel index."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from geopt.ops import _check
from geopt.reference.cell_sums import FIXED_POINT_PER_METRE

__all__ = ["FIXED_POINT_PER_METRE", "CellSums", "cell_sums"]


class CellSums(NamedTuple):
    """Result of :func:`cell_sums`, rows in the order of the cells."""

    sums: Tensor
    """(M, 3) int64: the sum of (p - lower) over the points of the cell, in units of 2**-24 metres."""
    lowest_sweep: Tensor
    """(M,) int64 lowest sweep row among the points of the cell; empty if no rows were given."""


def cell_sums(
    xyz: Tensor, order: Tensor, starts: Tensor, lower: tuple[float, float, float], sweep_rows: Tensor | None = None
) -> CellSums:
    """Sum the points of each cell in fixed point: the same integers in any order of the points, on any device.

    Args:
        xyz: (N, 3) float32, metres.
        order: (K,) int64 rows of ``xyz``, as in :class:`geopt.ops.voxelize.VoxelIndex`.
        starts: (M + 1,) int64 ranges of ``order``, from 0 to K.
        lower: Origin of the sums, metres; the grid's lower corner.
        sweep_rows: (N,) int64, optional.

    Raises:
        ValueError: a shape does not fit, ``order`` names a row that is not there, ``starts`` does not rise from 0 to K,
            or the tensors are on two devices.
        TypeError: a dtype does not fit.

    Not differentiable. A point is rounded to 0.06 micrometres.
    """
    op = "cell_sums"
    _check.points(op, "xyz", xyz)
    _check.tensor(op, "order", order, "(K)", (torch.int64,))
    _check.offsets(op, "starts", starts, order.shape[0], "order")
    _check.rows_below(op, "order", order, xyz.shape[0])
    _check.same_device(op, "order", order, "xyz", xyz)
    _check.same_device(op, "starts", starts, "xyz", xyz)
    if sweep_rows is not None:
        _check.tensor(op, "sweep_rows", sweep_rows, "(N)", (torch.int64,))
        if sweep_rows.shape[0] != xyz.shape[0]:
            raise ValueError(
                f"{op}: sweep_rows must have one entry per point ({xyz.shape[0]}), got {sweep_rows.shape[0]}"
            )
        _check.same_device(op, "sweep_rows", sweep_rows, "xyz", xyz)
    _check.compiled(op, op, "xyz", xyz)
    return sums_of_cells(xyz, order, starts, lower, sweep_rows)


def sums_of_cells(
    xyz: Tensor, order: Tensor, starts: Tensor, lower: tuple[float, float, float], sweep_rows: Tensor | None
) -> CellSums:
    """:func:`cell_sums` for a caller that has ``order`` and ``starts`` from ``voxel_index``: their checks wait for the GPU."""
    return CellSums(*torch.ops.geopt.cell_sums(xyz, order, starts, *lower, sweep_rows))


@torch.library.register_fake("geopt::cell_sums")
def _(xyz, order, starts, lower_x, lower_y, lower_z, sweep_rows):  # type: ignore[no-untyped-def]
    num_cells = starts.shape[0] - 1
    return order.new_empty(num_cells, 3), order.new_empty(num_cells if sweep_rows is not None else 0)
