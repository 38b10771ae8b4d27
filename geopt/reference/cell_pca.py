"""Plain torch for :mod:`geopt.ops.cell_pca`."""

from __future__ import annotations

import torch
from torch import Tensor

from geopt.reference.eigh3 import eigh3


def cell_pca(
    points: Tensor,
    member_starts: Tensor,
    coords_bxyz: Tensor,
    shape: tuple[int, int, int],
    window: tuple[int, int, int],
    rows: Tensor,
    centers: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    device = points.device
    coords = coords_bxyz.to(torch.int64)
    keys, by_key = torch.sort(
        ((coords[:, 0] * shape[0] + coords[:, 1]) * shape[1] + coords[:, 2]) * shape[2] + coords[:, 3]
    )

    # Occupied cells in the window of each row. All steps of the window at once: each search of its own waits for a GPU.
    steps = torch.cartesian_prod(*(torch.arange(-(w // 2), w // 2 + 1, device=device) for w in window)).view(-1, 3)
    x, y, z = (coords[rows, None, 1:] + steps).unbind(2)
    inside = (x >= 0) & (x < shape[0]) & (y >= 0) & (y < shape[1]) & (z >= 0) & (z < shape[2])
    key = ((coords[rows, :1] * shape[0] + x) * shape[1] + y) * shape[2] + z
    at = torch.searchsorted(keys, key).clamp(max=keys.shape[0] - 1)
    asked, step = torch.nonzero(inside & (keys[at] == key), as_tuple=True)
    cells = by_key[at[asked, step]]

    # (row, point) pairs: the points of those cells.
    counts = member_starts.diff()[cells]
    pair = torch.repeat_interleave(torch.arange(cells.shape[0], device=device), counts)
    row = asked[pair]
    within = torch.arange(pair.shape[0], device=device) - (torch.cumsum(counts, 0) - counts)[pair]
    point = member_starts[cells][pair] + within

    num_points = torch.bincount(row, minlength=rows.shape[0])
    members = points[point]
    if centers is None:
        total = points.new_zeros(rows.shape[0], 3).index_add_(0, row, members)
        center, divisor = total / num_points.clamp(min=1)[:, None], num_points.clamp(min=1)
    else:
        center, divisor = centers[rows], torch.ones_like(num_points)
    offset = members - center[row]
    outer = (offset[:, :, None] * offset[:, None, :]).flatten(1)
    covariance = points.new_zeros(rows.shape[0], 9).index_add_(0, row, outer) / divisor[:, None]
    values, vectors = eigh3(covariance.view(-1, 3, 3))
    return vectors[:, 0].float(), values.clamp(min=0).float(), num_points
