"""voxel_downsample against the two ops that it stands for, and against NumPy."""

import numpy as np
import pytest
import torch
from clouds import ALL

from geopt import ops
from geopt.structures import VoxelGrid

GRID = VoxelGrid((-8, -8, -4), (8, 8, 4), (1, 1, 2))


def assert_is_the_mean_of_voxelize(xyz, offsets, grid):
    got = ops.voxel_downsample(xyz, offsets, grid)
    coords, point_to_voxel = ops.voxelize(xyz, offsets, grid)
    assert torch.equal(got.coords_bxyz, coords)
    assert torch.equal(got.point_to_voxel, point_to_voxel)
    assert torch.equal(got.means, ops.segment_reduce(xyz, point_to_voxel, len(coords), "mean"))
    assert torch.equal(got.num_points, torch.bincount(point_to_voxel[point_to_voxel >= 0], minlength=len(coords)))


@pytest.mark.parametrize("cloud", ALL, ids=str)
def test_is_the_mean_of_voxelize_to_the_bit(cloud, simd, device):
    assert_is_the_mean_of_voxelize(*cloud.to(device), GRID)


def test_is_the_mean_of_voxelize_on_a_real_batch(scan, threads):
    """Several chunks of SemanticKITTI's points, voxels that end at their borders, points outside the grid."""
    offsets = torch.tensor([0, len(scan) // 3, len(scan)])
    for count in (1, 3):
        with threads(count):
            assert_is_the_mean_of_voxelize(scan, offsets, VoxelGrid((-40, -40, -2), (40, 40, 2), (0.5, 0.5, 0.5)))


def test_more_cells_than_a_32_bit_key_holds(scan):
    """4e15 voxels: neither tables nor keys in one word with their row."""
    assert_is_the_mean_of_voxelize(scan, torch.tensor([0, len(scan)]), VoxelGrid((-64,) * 3, (64,) * 3, (2**-10,) * 3))


def test_means_of_a_real_scan_are_those_of_numpy(scan):
    got = ops.voxel_downsample(
        scan, torch.tensor([0, len(scan)]), VoxelGrid((-64, -64, -4), (64, 64, 4), (0.5, 0.5, 1))
    )
    rows, points = got.point_to_voxel.numpy(), scan.numpy().astype(np.float64)
    sums = [np.bincount(rows[rows >= 0], points[rows >= 0, axis]) for axis in range(3)]
    assert np.abs(got.means.numpy() - np.stack(sums, axis=1) / got.num_points.numpy()[:, None]).max() < 1e-3
