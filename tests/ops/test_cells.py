"""cell_sums and cell_pca against their references and against definitions."""

import numpy as np
import pytest
import torch
from clouds import ALL

from geopt import ops, reference
from geopt.structures import VoxelGrid

GRID = VoxelGrid((-8, -8, -4), (8, 8, 4), (1.0, 1.0, 2.0))


def cells_of(cloud, device):
    xyz, offsets = cloud.to(device)
    index = ops.voxel_index(xyz, offsets, GRID, ((2, 2, 2),))
    return xyz, index


@pytest.mark.parametrize("cloud", ALL, ids=str)
def test_cell_sums_equal_the_reference(cloud, device):
    xyz, index = cells_of(cloud, device)
    rows = torch.arange(xyz.shape[0], device=device) % 7
    got = ops.cell_sums(xyz, index.order, index.starts[1], GRID.lower, rows)
    expected = reference.cell_sums(xyz, index.order, index.starts[1], GRID.lower, rows)
    assert torch.equal(got.sums, expected[0])
    assert torch.equal(got.lowest_sweep, expected[1])
    assert ops.cell_sums(xyz, index.order, index.starts[1], GRID.lower).lowest_sweep.numel() == 0


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("window", [(1, 1, 1), (3, 3, 1), (3, 5, 3)])
@pytest.mark.parametrize("cloud", ALL, ids=str)
def test_cell_pca_equals_the_reference(cloud, window, own, device):
    xyz, index = cells_of(cloud, device)
    sums = ops.cell_sums(xyz, index.order, index.starts[1], GRID.lower).sums
    points = sums.double() / index.starts[1].diff()[:, None] / 2**24
    coords = ops.voxelize(xyz, cloud.to(device)[1], GRID).coords_bxyz
    children = torch.searchsorted(index.starts[1], index.starts[0])
    rows = torch.arange(coords.shape[0], device=device).flip(0)
    centers = points.new_zeros(coords.shape[0], 3) if own else None
    arguments = (points, children, coords, GRID.shape, window, rows, centers)
    got, expected = ops.cell_pca(*arguments), reference.cell_pca(*arguments)
    assert torch.equal(got.num_points, expected[2])
    scale = expected[1][:, 2:].clamp(min=1e-6)
    assert ((got.eigenvalues - expected[1]).abs() / scale).max() <= 1e-6 if rows.numel() else True
    values = expected[1]
    gap = (values[:, 1] - values[:, 0]) > 1e-3 * values[:, 2]
    cross = torch.linalg.cross(got.normals.double(), expected[0].double()).norm(dim=1)[gap]
    assert cross.max() < np.sin(np.radians(0.01)) if cross.numel() else True
    assert torch.allclose(got.normals.norm(dim=1), torch.ones_like(scale[:, 0]), atol=1e-6)


def test_a_single_place_gives_the_x_axis():
    """The released model's normal of a neighbourhood without extent: its third axis in z, y, x order."""
    points = torch.tensor([[1.5, 1.5, 1.5]], dtype=torch.float64)
    coords = torch.tensor([[0, 1, 1, 1]], dtype=torch.int32)
    got = ops.cell_pca(points, torch.tensor([0, 1]), coords, (4, 4, 4), (3, 3, 3), torch.tensor([0]), points)
    assert got.normals.tolist() == [[1.0, 0.0, 0.0]]
    assert got.eigenvalues.tolist() == [[0.0, 0.0, 0.0]]


def test_ops_follow_the_rules_of_torch():
    xyz, index = cells_of(ALL[-2], torch.device("cpu"))
    torch.library.opcheck(
        torch.ops.geopt.cell_sums.default, (xyz, index.order, index.starts[1], *GRID.lower, index.point_to_token)
    )
    points = torch.rand(6, 3, dtype=torch.float64)
    coords = torch.tensor([[0, x, 1, 1] for x in range(6)], dtype=torch.int32)
    torch.library.opcheck(
        torch.ops.geopt.cell_pca.default,
        (points, torch.arange(7), coords, points, [8, 8, 8], [3, 3, 1], True, torch.arange(6)),
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"window": (3, 2, 3)}, r"cell_pca: window must be odd on every axis, got \(3, 2, 3\)"),
        ({"rows": torch.tensor([2])}, r"cell_pca: rows must lie in \[0, 2\), got values from 2 to 2"),
        ({"member_starts": torch.tensor([0, 2])}, "cell_pca: member_starts must have 3 entries, got 2"),
        ({"centers": torch.zeros(1, 3, dtype=torch.float64)}, "cell_pca: centers must have 2 rows, got 1"),
        ({"shape": (2, 2)}, r"cell_pca: shape must be three numbers >= 1, got \(2, 2\)"),
        ({"window": (3, 3)}, r"cell_pca: window must be odd on every axis, got \(3, 3\)"),
    ],
)
def test_bad_input_of_cell_pca_is_named(changes, message):
    good = {
        "points": torch.zeros(2, 3, dtype=torch.float64),
        "member_starts": torch.tensor([0, 1, 2]),
        "coords_bxyz": torch.tensor([[0, 0, 0, 0], [0, 1, 0, 0]], dtype=torch.int32),
        "shape": (2, 2, 2),
        "window": (3, 3, 3),
        "rows": torch.tensor([0]),
    }
    with pytest.raises(ValueError, match=message):
        ops.cell_pca(**{**good, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"order": torch.tensor([0, 1 << 40])},
            r"cell_sums: order must lie in \[0, 3\), got values from 0 to 1099511627776",
        ),
        ({"order": torch.tensor([-1, 0])}, r"cell_sums: order must lie in \[0, 3\), got values from -1 to 0"),
        (
            {"starts": torch.tensor([0, 9])},
            r"cell_sums: starts must rise from 0 to 2 \(the rows of order\), got \[0, 9\]",
        ),
        ({"starts": torch.arange(200)}, r"cell_sums: starts must rise from 0 to 2 .*, 4, '\.\.\.', 196, .*199\]"),
        (
            {"sweep_rows": torch.zeros(2, dtype=torch.int64)},
            r"cell_sums: sweep_rows must have one entry per point \(3\)",
        ),
    ],
)
def test_bad_input_of_cell_sums_is_named(changes, message):
    good = {"xyz": torch.zeros(3, 3), "order": torch.tensor([2, 0]), "starts": torch.tensor([0, 2]), "lower": (0, 0, 0)}
    with pytest.raises(ValueError, match=message):
        ops.cell_sums(**{**good, **changes})


def test_kernels_refuse_rows_out_of_range_in_a_compiled_graph():
    """There the wrappers know no values, and the kernels would read out of bounds."""
    points = torch.zeros(2, 3, dtype=torch.float64)
    coords, starts, far = torch.zeros(2, 4, dtype=torch.int32), torch.tensor([0, 1, 2]), torch.tensor([1 << 40])
    with pytest.raises(RuntimeError, match="order must lie in"):
        torch.ops.geopt.cell_sums(torch.zeros(2, 3), far, torch.tensor([0, 1]), 0, 0, 0, None)
    with pytest.raises(RuntimeError, match="starts must rise from 0 to 1"):
        torch.ops.geopt.cell_sums(torch.zeros(2, 3), torch.tensor([0]), far, 0, 0, 0, None)
    with pytest.raises(RuntimeError, match="rows must lie in"):
        torch.ops.geopt.cell_pca(points, starts, coords, points, (4, 4, 4), (3, 3, 3), False, far)
    with pytest.raises(RuntimeError, match="member_starts must rise from 0 to 2"):
        torch.ops.geopt.cell_pca(points, far, coords, points, (4, 4, 4), (3, 3, 3), False, torch.tensor([0]))


@pytest.mark.parametrize("ratios", [(), ((2, 2, 2),), ((2, 1, 4), (1, 3, 2))], ids=str)
@pytest.mark.parametrize("cloud", ALL, ids=str)
def test_cell_coords_are_the_voxels_of_the_points(cloud, ratios, device):
    """A key is decoded to the very cell that its points are found in on the grid of that level alone."""
    xyz, offsets = cloud.to(device)
    index = ops.voxel_index(xyz, offsets, GRID, ratios)
    finest = GRID
    for ratio in ratios:
        finest = finest.divided(ratio)
    coords = ops.cell_coords(index.keys[-1], GRID.shape, ratios)
    of_points = torch.repeat_interleave(coords, index.starts[-1].diff(), dim=0)
    voxels = ops.voxelize(xyz, offsets, finest)
    assert torch.equal(of_points, voxels.coords_bxyz[voxels.point_to_voxel[index.order]])


@pytest.mark.parametrize("shape", [(1, 1, 1), (7, 5, 3), (2**29, 1, 1), (3, 2**29, 2)], ids=str)
@pytest.mark.parametrize("ratios", [(), ((1, 1, 1), (3, 2, 5))], ids=str)
def test_cell_coords_equal_the_reference(shape, ratios, device):
    """Keys beyond 2**32 too, and more slots in a token than there are keys."""
    most = min(2**61, 10**6 * np.prod([*shape, *np.ravel(ratios)], dtype=np.float64))
    keys = torch.cat([torch.arange(70), (torch.rand(300) * most).to(torch.int64), torch.tensor([2**32 - 1, 2**32])])
    keys = keys[keys < most].to(device)
    assert torch.equal(ops.cell_coords(keys, shape, ratios), reference.cell_coords(keys, shape, ratios))
