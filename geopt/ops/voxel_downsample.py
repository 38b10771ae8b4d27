"""One point for each voxel: ``voxel_downsample``."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from geopt.ops import _check
from geopt.ops.voxelize import checked_grid
from geopt.structures import VoxelGrid


class VoxelMeans(NamedTuple):
    """Result of :func:`voxel_downsample`, voxels sorted by (batch, x, y, z)."""

    coords_bxyz: Tensor
    """(M, 4) int32 (batch, x, y, z), each once."""
    point_to_voxel: Tensor
    """(N,) int64 rows of ``coords_bxyz``, -1 for a point outside the grid or with a NaN."""
    means: Tensor
    """(M, 3) float32 mean of the points of the voxel, metres."""
    num_points: Tensor
    """(M,) int64."""


def voxel_downsample(xyz: Tensor, offsets: Tensor, grid: VoxelGrid) -> VoxelMeans:
    """Replace the points of each voxel by their mean.

    The voxels are those of :func:`geopt.ops.voxelize`, the means those of :func:`geopt.ops.segment_reduce`, to the bit;
    here one sort gives both, in less time than the two calls.

    Args:
        xyz: (N, 3) float32, metres, in the frame of ``grid``.
        offsets: (B + 1,) int64. Cloud b is rows ``offsets[b]`` up to ``offsets[b + 1]``.
        grid: Extent and voxel size.

    Raises:
        ValueError: ``xyz`` is not (N, 3), ``offsets`` does not rise from 0 to N, the tensors are on two devices, or the
            batch has too many voxels to number.
        TypeError: ``xyz`` is not float32, ``offsets`` not int64, or ``grid`` no VoxelGrid.

    Not differentiable; for gradients take the mean with :func:`geopt.ops.segment_reduce`. The same bits on every
    device and with any number of threads. On CUDA the sizes of the results are read back once.
    """
    op = "voxel_downsample"
    checked_grid(op, xyz, offsets, grid)
    _check.compiled(op, op, "xyz", xyz)
    kernel = torch.ops.geopt.voxel_downsample
    return VoxelMeans(
        *_check.sorted_into_voxels(op, kernel, xyz.detach(), offsets, *grid.lower, *grid.size, grid.shape)
    )


@torch.library.register_fake("geopt::voxel_downsample")
def _(xyz, offsets, lower_x, lower_y, lower_z, size_x, size_y, size_z, shape):  # type: ignore[no-untyped-def]
    num_voxels = torch.library.get_ctx().new_dynamic_size()
    int64 = {"dtype": torch.int64}
    return (
        xyz.new_empty(num_voxels, 4, dtype=torch.int32),
        xyz.new_empty(xyz.shape[0], **int64),
        xyz.new_empty(num_voxels, 3),
        xyz.new_empty(num_voxels, **int64),
    )
