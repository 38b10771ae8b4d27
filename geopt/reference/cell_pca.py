"""Plain torch for :mod:`geopt.ops.cell_pca`."""

from __future__ import annotations

import itertools

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
    size = torch.tensor(shape, device=device)
    coords = coords_bxyz.to(torch.int64)
    keys, by_key = torch.sort(
        ((coords[:, 0] * shape[0] + coords[:, 1]) * shape[1] + coords[:, 2]) * shape[2] + coords[:, 3]
    )
    member_counts = member_starts.diff()

    # (row, point) pairs of every neighbourhood.
    pair_rows, pair_points = [], []
    for step in itertools.product(*(range(-(w // 2), w // 2 + 1) for w in window)):
        near = coords[rows, 1:] + torch.tensor(step, device=device)
        inside = ((near >= 0) & (near < size)).all(dim=1)
        key = ((coords[rows, 0] * shape[0] + near[:, 0]) * shape[1] + near[:, 1]) * shape[2] + near[:, 2]
        at = torch.searchsorted(keys, key).clamp(max=max(keys.shape[0] - 1, 0))
        found = inside & (keys[at] == key) if keys.numel() else inside & False
        asked, cells = torch.nonzero(found)[:, 0], by_key[at[found]]
        counts = member_counts[cells]
        first = torch.repeat_interleave(member_starts[cells] - torch.cumsum(counts, 0) + counts, counts)
        pair_rows.append(torch.repeat_interleave(asked, counts))
        pair_points.append(first + torch.arange(first.shape[0], device=device))
    row, point = torch.cat(pair_rows), torch.cat(pair_points)

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
