"""Plain torch for :mod:`geopt.ops.voxel_downsample`."""

from __future__ import annotations

import torch
from torch import Tensor

from geopt.reference.segment_reduce import segment_reduce
from geopt.reference.voxelize import voxelize
from geopt.structures import VoxelGrid


def voxel_downsample(xyz: Tensor, offsets: Tensor, grid: VoxelGrid) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """``coords_bxyz``, ``point_to_voxel``, ``means`` and ``num_points`` as :class:`geopt.ops.voxel_downsample.VoxelMeans` lists them."""
    coords, point_to_voxel = voxelize(xyz, offsets, grid)
    means = segment_reduce(xyz, point_to_voxel, coords.shape[0], "mean")
    return coords, point_to_voxel, means, torch.bincount(point_to_voxel[point_to_voxel >= 0], minlength=coords.shape[0])
