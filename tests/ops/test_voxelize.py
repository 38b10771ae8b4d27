"""voxelize and voxel_index against their references, NumPy and real scans."""

import numpy as np
import pytest
import torch
from clouds import ALL, by_name

from geopt import ops, reference
from geopt.structures import VoxelGrid

GRID = VoxelGrid((-8, -8, -4), (8, 8, 4), (1, 1, 2))
RATIOS = [(), ((2, 2, 2),), ((2, 1, 4), (1, 3, 2)), ((3, 2, 1), (1, 1, 1), (2, 2, 5))]


def assert_same_index(got, expected):
    order, point_to_token, keys, starts = expected
    assert torch.equal(got.order.cpu(), order)
    assert torch.equal(got.point_to_token.cpu(), point_to_token)
    assert len(got.keys) == len(keys) and len(got.starts) == len(starts)
    for a, b in zip((*got.keys, *got.starts), (*keys, *starts), strict=True):
        assert torch.equal(a.cpu(), b)


@pytest.mark.parametrize("cloud", ALL, ids=str)
def test_voxelize_equals_reference(cloud, device):
    got = ops.voxelize(*cloud.to(device), GRID)
    expected = reference.voxelize(cloud.xyz, cloud.offsets, GRID)
    assert torch.equal(got.coords_bxyz.cpu(), expected.coords_bxyz)
    assert torch.equal(got.point_to_voxel.cpu(), expected.point_to_voxel)
    assert got.coords_bxyz.dtype == torch.int32


@pytest.mark.parametrize("ratios", RATIOS, ids=str)
@pytest.mark.parametrize("cloud", ALL, ids=str)
def test_voxel_index_equals_reference(cloud, ratios, device):
    expected = reference.voxel_index(cloud.xyz, cloud.offsets, GRID, ratios)
    assert_same_index(ops.voxel_index(*cloud.to(device), GRID, ratios), expected)


@pytest.mark.parametrize("ratios", [(), ((4, 4, 4), (2, 2, 2))], ids=str)
def test_voxel_index_of_a_real_batch_equals_reference(scan, ratios):
    """Two clouds, more points than one chunk of the sort."""
    offsets = torch.tensor([0, len(scan) // 3, len(scan)])
    grid = VoxelGrid((-64, -64, -4), (64, 64, 8), (0.5, 0.5, 12))
    assert_same_index(ops.voxel_index(scan, offsets, grid, ratios), reference.voxel_index(scan, offsets, grid, ratios))


@pytest.mark.parametrize("ratios", RATIOS[:3], ids=str)
@pytest.mark.parametrize("cloud", ALL, ids=str)
def test_voxel_index_at_every_level_of_instructions(cloud, ratios, simd):
    expected = reference.voxel_index(cloud.xyz, cloud.offsets, GRID, ratios)
    assert_same_index(ops.voxel_index(cloud.xyz, cloud.offsets, GRID, ratios), expected)


def test_voxelize_of_a_real_scan_equals_numpy(scan, simd):
    grid = VoxelGrid((-51.2, -51.2, -5), (51.2, 51.2, 3), (0.1, 0.1, 0.2))
    lower, size = (np.array(v, np.float32) for v in (grid.lower, grid.size))
    cell = np.floor((scan.numpy() - lower) / size)
    inside = ((cell >= 0) & (cell < grid.shape)).all(axis=1)
    unique, inverse = np.unique(cell[inside].astype(np.int32), axis=0, return_inverse=True)
    got = ops.voxelize(scan, torch.tensor([0, len(scan)]), grid)
    assert np.array_equal(got.coords_bxyz.numpy()[:, 1:], unique)
    assert (got.coords_bxyz[:, 0] == 0).all()
    assert np.array_equal(got.point_to_voxel.numpy()[inside], inverse.reshape(-1))
    assert (got.point_to_voxel.numpy()[~inside] == -1).all()


def test_a_point_on_a_face_belongs_to_the_voxel_above_and_none_at_the_top(device):
    xyz = torch.tensor([[-8.0, -8, -4], [0, 0, 0], [7.999999, 7, 3], [8, 0, 0], [0, 8, 0], [0, 0, 4]], device=device)
    got = ops.voxelize(xyz, torch.tensor([0, 6], device=device), GRID)
    assert got.coords_bxyz.tolist() == [[0, 0, 0, 0], [0, 8, 8, 2], [0, 15, 15, 3]]
    assert got.point_to_voxel.tolist() == [0, 1, 2, -1, -1, -1]


def test_the_rounded_index_decides_and_nothing_is_clamped(device):
    """7.9999995 + 8 rounds to 16 in float32, an index outside the grid."""
    xyz = torch.tensor([[7.9999995, 0, 0]], device=device)
    assert ops.voxelize(xyz, torch.tensor([0, 1], device=device), GRID).point_to_voxel.tolist() == [-1]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 3e38, -3e38])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_point_that_is_not_finite_or_far_away_has_no_voxel(axis, value, device):
    xyz = torch.zeros(3, 3, device=device)
    xyz[1, axis] = value
    assert ops.voxelize(xyz, torch.tensor([0, 3], device=device), GRID).point_to_voxel.tolist() == [0, -1, 0]


def test_eight_clouds_together_equal_eight_alone(device):
    xyz = by_name("rings").xyz.to(device)
    offsets = torch.tensor([0, 100, 100, 350, 351, 700, 1400, 1400, len(xyz)], device=device)
    together = ops.voxelize(xyz, offsets, GRID)
    before = 0
    for b, (first, last) in enumerate(zip(offsets.tolist(), offsets.tolist()[1:])):
        alone = ops.voxelize(xyz[first:last], torch.tensor([0, last - first], device=device), GRID)
        own = together.coords_bxyz[together.coords_bxyz[:, 0] == b]
        assert torch.equal(own[:, 1:], alone.coords_bxyz[:, 1:])
        rows = together.point_to_voxel[first:last]
        assert torch.equal(torch.where(rows >= 0, rows - before, -1), alone.point_to_voxel)
        before += len(own)


def test_a_permutation_of_the_points_keeps_the_voxels(device):
    xyz = by_name("rings").xyz.to(device)
    ends = torch.tensor([0, len(xyz)], device=device)
    order = torch.randperm(len(xyz), generator=torch.Generator().manual_seed(0)).to(device)
    expected, got = ops.voxelize(xyz, ends, GRID), ops.voxelize(xyz[order], ends, GRID)
    assert torch.equal(got.coords_bxyz, expected.coords_bxyz)
    assert torch.equal(got.point_to_voxel, expected.point_to_voxel[order])


@pytest.mark.parametrize(
    "grid",
    [
        VoxelGrid((-(2.0**20),) * 3, (2.0**20,) * 3, (2.0, 2.0, 2.0)),  # keys of 60 bits: a row no longer fits beside
        VoxelGrid((-1e6, -1, -1), (1e6, 1, 1), (0.001, 2, 2)),  # two thousand million cells along one axis
        VoxelGrid((0, 0, 0), (1, 1, 1), (1, 1, 1)),  # one cell: a key of no bits
    ],
    ids=["60_bits", "long_axis", "one_cell"],
)
@pytest.mark.parametrize("num_points", [50, 20_000])
def test_grids_of_any_size_equal_the_reference(grid, num_points, device):
    xyz = torch.randn(num_points, 3, generator=torch.Generator().manual_seed(0)) * 300
    xyz[: num_points // 2] *= 1e-3
    offsets = torch.tensor([0, num_points // 3, num_points])
    got = ops.voxelize(xyz.to(device), offsets.to(device), grid)
    expected = reference.voxelize(xyz, offsets, grid)
    assert torch.equal(got.coords_bxyz.cpu(), expected.coords_bxyz)
    assert torch.equal(got.point_to_voxel.cpu(), expected.point_to_voxel)
    assert len(got.coords_bxyz) > 0


def test_levels_nest_and_cells_are_ranges_of_the_order(device):
    cloud = by_name("rings")
    index = ops.voxel_index(*cloud.to(device), GRID, ((2, 2, 1), (2, 2, 4)))
    assert [int(starts[-1]) for starts in index.starts] == [len(index.order)] * 3
    for level, slots in ((1, 4), (2, 16)):
        parents = torch.searchsorted(index.keys[level - 1], index.keys[level] // slots)
        assert torch.equal(index.keys[level - 1][parents], index.keys[level] // slots)
        assert torch.isin(index.starts[level - 1], index.starts[level]).all()
    tokens = index.point_to_token[index.order]
    counts = torch.bincount(tokens, minlength=len(index.keys[0]))
    assert torch.equal(counts, index.starts[0].diff())
    assert torch.equal(tokens, tokens.sort().values)


def test_nothing_at_all(device):
    nothing, none = torch.zeros(0, 3, device=device), torch.tensor([0], device=device)
    got = ops.voxelize(nothing, none, GRID)
    assert got.coords_bxyz.shape == (0, 4) and got.point_to_voxel.shape == (0,)
    index = ops.voxel_index(nothing, none, GRID, ((2, 2, 2),))
    assert [starts.tolist() for starts in index.starts] == [[0], [0]]
    outside = ops.voxelize(torch.full((5, 3), 100.0, device=device), torch.tensor([0, 5], device=device), GRID)
    assert outside.coords_bxyz.shape == (0, 4) and outside.point_to_voxel.tolist() == [-1] * 5
