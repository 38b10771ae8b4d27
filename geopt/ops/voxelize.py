"""Which voxel holds each point: ``voxelize`` for one grid, ``voxel_index`` for nested grids."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from geopt.ops import _check, _library  # noqa: F401
from geopt.ops.cell_coords import cell_coords
from geopt.structures import VoxelGrid, Voxels

MAX_LEVELS = 6


class VoxelIndex(NamedTuple):
    """One sort of a batch by nested voxel key. Level 0 is the token level, the last the finest."""

    order: Tensor
    """(K,) int64 rows of the points inside the grid, by key, equal keys by row."""
    point_to_token: Tensor
    """(N,) int64 rows of level 0, -1 for a point outside or with a NaN."""
    keys: tuple[Tensor, ...]
    """Per level (M_l,) int64, ascending: batch, token (row-major), then the row-major slot of each level in its
    parent."""
    starts: tuple[Tensor, ...]
    """Per level (M_l + 1,) int64: the points of cell i are ``order[starts[i]:starts[i + 1]]``."""


def voxelize(xyz: Tensor, offsets: Tensor, grid: VoxelGrid) -> Voxels:
    """Find the voxel that holds each point.

    A voxel owns the half-open box [lower, upper): a point on a shared face belongs to the voxel above. A point
    outside the grid, or with a NaN in it, gets voxel -1. The index is floor((p - lower) / size) in float32.

    Args:
        xyz: (N, 3) float32, metres, in the frame of ``grid``.
        offsets: (B + 1,) int64. Cloud b is rows ``offsets[b]`` up to ``offsets[b + 1]``.
        grid: Extent and voxel size.

    Returns:
        ``coords_bxyz`` (M, 4) int32 as (batch, x, y, z), sorted, each once; and ``point_to_voxel`` (N,) int64, a row
        of ``coords_bxyz`` or -1.

    Raises:
        ValueError: ``xyz`` is not (N, 3), ``offsets`` does not rise from 0 to N, or the tensors are on two devices.
        TypeError: ``xyz`` is not float32, ``offsets`` not int64, or ``grid`` no VoxelGrid.

    Not differentiable. The same integers on every device and with any number of threads. On CUDA the sizes of the
    results are read back once.
    Source: dynamic voxelization, Zhou et al., MVF, CoRL 2019, arXiv:1910.06528.
    """
    index = _voxel_index("voxelize", xyz, offsets, grid, ())
    return Voxels(cell_coords(index.keys[0], grid.shape), index.point_to_token)


def voxel_index(xyz: Tensor, offsets: Tensor, grid: VoxelGrid, ratios: Sequence[tuple[int, int, int]]) -> VoxelIndex:
    """Sort points once into nested voxels, so that the cells of every level are contiguous ranges.

    A point's cell is found on the finest grid alone; coarser cells follow by whole division, so levels always nest.

    Args:
        xyz: (N, 3) float32, metres, in the frame of ``grid``.
        offsets: (B + 1,) int64, clouds of the batch.
        grid: The token grid, level 0.
        ratios: For each finer level, cells per parent cell along x, y, z.

    Raises:
        ValueError: as :func:`voxelize`; a ratio below 1; more than 2**62 cells in the batch.

    Not differentiable; the same integers on every device and with any number of threads.
    """
    for ratio in ratios:
        if len(ratio) != 3 or any(int(r) != r or r < 1 for r in ratio):
            raise ValueError(f"voxel_index: each of ratios must be three whole numbers >= 1, got {ratio}")
    return _voxel_index("voxel_index", xyz, offsets, grid, tuple((int(x), int(y), int(z)) for x, y, z in ratios))


def finest_grid(grid: VoxelGrid, ratios: Sequence[tuple[int, int, int]]) -> VoxelGrid:
    """The grid of the last level."""
    for ratio in ratios:
        grid = grid.divided(ratio)
    return grid


def checked_grid(
    op: str, xyz: Tensor, offsets: Tensor, grid: VoxelGrid, ratios: Sequence[tuple[int, int, int]] = ()
) -> VoxelGrid:
    """The finest grid, after a check of all that sorting points into it needs."""
    _check.points(op, "xyz", xyz)
    _check.offsets(op, "offsets", offsets, xyz.shape[0], "xyz")
    _check.same_device(op, "offsets", offsets, "xyz", xyz)
    if not isinstance(grid, VoxelGrid):
        raise TypeError(f"{op}: grid must be a VoxelGrid, got {type(grid).__name__}")
    finest = finest_grid(grid, ratios)
    shape, num_clouds = finest.shape, offsets.shape[0] - 1
    if math.prod(shape) * max(int(num_clouds), 1) >= 2**62:
        raise ValueError(
            f"{op}: grid must have fewer than 2**62 finest voxels in the batch, got {num_clouds} x {shape}"
        )
    if max(shape) >= 2**31:  # coordinates of every level are int32
        raise ValueError(f"{op}: grid must have fewer than 2**31 voxels along each axis, got {shape}")
    return finest


def _voxel_index(
    op: str, xyz: Tensor, offsets: Tensor, grid: VoxelGrid, ratios: tuple[tuple[int, int, int], ...]
) -> VoxelIndex:
    if len(ratios) >= MAX_LEVELS:
        raise ValueError(f"{op}: ratios must name at most {MAX_LEVELS - 1} finer levels, got {len(ratios)}")
    finest = checked_grid(op, xyz, offsets, grid, ratios)
    _check.compiled(op, "voxel_index", "xyz", xyz)
    order, point_to_token, keys, starts, sizes = _check.sorted_into_voxels(
        op,
        torch.ops.geopt.voxel_index,
        xyz,
        offsets,
        *finest.lower,
        *finest.size,
        finest.shape,
        [r for ratio in ratios for r in ratio],
    )
    if not ratios:
        return VoxelIndex(order, point_to_token, (keys,), (starts,))
    counts = sizes.tolist()
    return VoxelIndex(order, point_to_token, keys.split(counts), starts.split([c + 1 for c in counts]))


@torch.library.register_fake("geopt::voxel_index")
def _(xyz, offsets, lower_x, lower_y, lower_z, size_x, size_y, size_z, shape, ratios):  # type: ignore[no-untyped-def]
    context = torch.library.get_ctx()
    num_kept, num_cells = context.new_dynamic_size(), context.new_dynamic_size()
    levels = 1 + len(ratios) // 3
    int64 = {"dtype": torch.int64}
    return (
        xyz.new_empty(num_kept, **int64),
        xyz.new_empty(xyz.shape[0], **int64),
        xyz.new_empty(num_cells, **int64),
        xyz.new_empty(num_cells + levels, **int64),
        torch.empty(levels, dtype=torch.int64),
    )


def slots_per_token(ratios: Sequence[tuple[int, int, int]]) -> tuple[int, ...]:
    """For each level, cells in one token: 1 for level 0."""
    counts = [1]
    for ratio in ratios:
        counts.append(counts[-1] * math.prod(ratio))
    return tuple(counts)
