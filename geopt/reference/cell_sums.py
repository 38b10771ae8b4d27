"""Plain torch for :mod:`geopt.ops.cell_sums`."""

from __future__ import annotations

import torch
from torch import Tensor

FIXED_POINT_PER_METRE = 2.0**24


def cell_sums(
    xyz: Tensor, order: Tensor, starts: Tensor, lower: tuple[float, float, float], sweep_rows: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    num_cells = starts.shape[0] - 1
    cell = torch.repeat_interleave(
        torch.arange(num_cells, device=xyz.device), starts.diff(), output_size=order.shape[0]
    )
    offset = xyz[order].double() - torch.tensor(lower, dtype=torch.float64, device=xyz.device)
    fixed = torch.round(offset * FIXED_POINT_PER_METRE).to(torch.int64)
    sums = fixed.new_zeros(num_cells, 3).index_add_(0, cell, fixed)  # integers: exact in any order
    if sweep_rows is None:
        return sums, order.new_empty(0)
    highest = torch.iinfo(torch.int64).max
    lowest = torch.full((num_cells,), highest, dtype=torch.int64, device=xyz.device)
    return sums, lowest.scatter_reduce_(0, cell, sweep_rows[order], "amin")
