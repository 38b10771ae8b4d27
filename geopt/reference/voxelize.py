"""Plain torch for :mod:`geopt.ops.voxelize`."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from geopt.structures import VoxelGrid, Voxels


def voxelize(xyz: Tensor, offsets: Tensor, grid: VoxelGrid) -> Voxels:
    cell, inside = _cells(xyz, grid)
    batch = torch.bucketize(torch.arange(xyz.shape[0], device=xyz.device), offsets[1:], right=True)
    bxyz = torch.cat([batch[:, None], cell], dim=1)
    key = _row_major(bxyz, (offsets.numel() - 1, *grid.shape))
    unique = torch.unique(key[inside])
    point_to_voxel = torch.where(inside, torch.searchsorted(unique, key), -1)
    coords = torch.stack(torch.unravel_index(unique, (max(offsets.numel() - 1, 1), *grid.shape)), dim=1)
    return Voxels(coords.to(torch.int32), point_to_voxel)


def voxel_index(
    xyz: Tensor, offsets: Tensor, grid: VoxelGrid, ratios: Sequence[tuple[int, int, int]]
) -> tuple[Tensor, Tensor, tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Order, point_to_token, keys and starts as :class:`geopt.ops.voxelize.VoxelIndex` lists them."""
    finest = grid
    for ratio in ratios:
        finest = finest.divided(ratio)
    cell, inside = _cells(xyz, finest)
    batch = torch.bucketize(torch.arange(xyz.shape[0], device=xyz.device), offsets[1:], right=True)
    # The key of each level: the token, then one row-major slot per level.
    below = [torch.tensor([math.prod(r[a] for r in ratios[l:]) for a in range(3)]) for l in range(len(ratios) + 1)]
    token = cell // below[0].to(xyz.device)
    key = _row_major(torch.cat([batch[:, None], token], dim=1), (offsets.numel() - 1, *grid.shape))
    level_keys = [key]
    for level, ratio in enumerate(ratios, start=1):
        slot = cell // below[level].to(xyz.device) % torch.tensor(ratio, device=xyz.device)
        key = key * math.prod(ratio) + _row_major(slot, ratio)
        level_keys.append(key)
    rows = torch.nonzero(inside)[:, 0]
    order = rows[torch.argsort(level_keys[-1][rows], stable=True)]
    keys, starts = [], []
    for key in level_keys:
        unique, counts = torch.unique_consecutive(key[order], return_counts=True)
        keys.append(unique)
        starts.append(torch.cat([counts.new_zeros(1), torch.cumsum(counts, 0)]))
    point_to_token = torch.where(inside, torch.searchsorted(keys[0], level_keys[0]), -1)
    return order, point_to_token, tuple(keys), tuple(starts)


def _cells(xyz: Tensor, grid: VoxelGrid) -> tuple[Tensor, Tensor]:
    """(N, 3) int64 cell of each point, and (N,) whether it is in the grid; cells of points outside mean nothing."""
    lower, size = (xyz.new_tensor(value) for value in (grid.lower, grid.size))
    cell = torch.floor((xyz - lower) / size)
    inside = ((cell >= 0) & (cell < xyz.new_tensor(grid.shape))).all(dim=1)
    return torch.where(inside[:, None], cell, 0.0).to(torch.int64), inside


def _row_major(cell: Tensor, shape: Sequence[int]) -> Tensor:
    key = cell[:, 0]
    for axis in range(1, cell.shape[1]):
        key = key * shape[axis] + cell[:, axis]
    return key
