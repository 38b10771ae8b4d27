"""The geometry index against brute force, and what it must not depend on."""

import math

import numpy as np
import pytest
import torch
from batches import batch_of, dyadic, street
from clouds import ALL
from oracle import angle_deg, nested_cells, plane

from geopt.geometry import GeometryIndex, Pyramid
from geopt.structures import PointBatch, VoxelGrid

PYRAMIDS = {
    "pillars": Pyramid(VoxelGrid((-8, -8, -4), (8, 8, 4), (1.0, 1.0, 8.0)), ((2, 2, 4), (2, 2, 2))),
    "not_square": Pyramid(VoxelGrid((-6, -9, -3), (6, 9, 3), (2.0, 1.5, 2.0)), ((3, 1, 2),)),
    "tokens_only": Pyramid(VoxelGrid((-8, -8, -4), (8, 8, 4), (0.5, 2.0, 1.0)), ()),
}


def as_batch(cloud) -> PointBatch:
    parts = [cloud.xyz[a:b] for a, b in zip(cloud.offsets, cloud.offsets[1:])]
    return batch_of(*parts)


@pytest.mark.parametrize("pyramid", PYRAMIDS.values(), ids=PYRAMIDS)
@pytest.mark.parametrize("cloud", ALL, ids=str)
def test_cells_and_centroids_equal_brute_force(cloud, pyramid):
    batch = as_batch(cloud)
    index = GeometryIndex(batch, pyramid)
    xyz, offsets = batch.xyz.numpy(), batch.offsets.tolist()
    expected = nested_cells(xyz, offsets, pyramid.grid.lower, pyramid.grid.size, pyramid.grid.shape, pyramid.ratios)
    for level, cells in zip(index.levels, expected, strict=True):
        got = {tuple(c): i for i, c in enumerate(level.coords_bxyz.tolist())}
        assert got.keys() == cells.keys()
        lower, size = np.array(pyramid.grid.lower), np.array(level.grid.size)
        tokens = index.levels[0].coords_bxyz.tolist()
        for cell, rows in cells.items():
            i = got[cell]
            assert sorted(index.order[level.starts[i] : level.starts[i + 1]].tolist()) == rows
            assert level.num_points[i] == len(rows)
            mean = xyz[rows].astype(np.float64).mean(axis=0) - lower - np.array(cell[1:]) * size
            assert np.abs(level.centroid_offsets[i].numpy() - mean).max() <= 1e-6
            token = np.array(tokens[level.token[i]])
            inside = pyramid.slot_coords(level.number)[level.slot[i]].numpy()
            assert (token[1:] * pyramid.subdivision(level.number) + inside == cell[1:]).all()


def test_points_know_their_token():
    batch = batch_of(street(0), street(1))
    index = GeometryIndex(batch, PYRAMIDS["pillars"])
    for row, token in enumerate(index.point_to_token.tolist()[:500]):
        in_token = index.order[index.levels[0].starts[token] : index.levels[0].starts[token + 1]]
        assert token == -1 or row in in_token


@pytest.mark.parametrize("pyramid", PYRAMIDS.values(), ids=PYRAMIDS)
def test_order_of_points_changes_no_bit(pyramid):
    cloud = street(2)
    shuffled = cloud[torch.randperm(cloud.shape[0], generator=torch.Generator().manual_seed(0))]
    a, b = (GeometryIndex(batch_of(c, street(3)), pyramid) for c in (cloud, shuffled))
    for one, other in zip(a.levels, b.levels):
        assert torch.equal(one.keys, other.keys)
        assert torch.equal(one.sums, other.sums)
        assert torch.equal(one.centroid_offsets, other.centroid_offsets)
    rows = torch.arange(len(a.levels[0]))
    for one, other in zip(a.planes(0, (3, 3, 1), False, rows), b.planes(0, (3, 3, 1), False, rows)):
        assert torch.equal(one, other)


def test_number_of_threads_changes_no_bit():
    batch = batch_of(*(street(s, n=20_000) for s in range(3)))
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            index = GeometryIndex(batch, PYRAMIDS["pillars"])
            planes = index.planes(1, (3, 3, 3), False, torch.arange(len(index.levels[1])))
            results.append([index.order, index.point_to_token, *(l.sums for l in index.levels), *planes])
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other))


def test_clouds_together_equal_clouds_alone():
    clouds = [street(0), torch.zeros(0, 3), street(1), street(2, n=50)]
    together = GeometryIndex(batch_of(*clouds), PYRAMIDS["pillars"])
    assert together.token_offsets.tolist()[0] == 0
    for b, cloud in enumerate(clouds):
        alone = GeometryIndex(batch_of(cloud), PYRAMIDS["pillars"])
        for whole, part in zip(together.levels, alone.levels):
            mine = whole.coords_bxyz[:, 0] == b
            assert torch.equal(whole.coords_bxyz[mine, 1:], part.coords_bxyz[:, 1:])
            assert torch.equal(whole.sums[mine], part.sums)
        assert together.token_offsets[b + 1] - together.token_offsets[b] == len(alone.levels[0])


TURNS = {
    "flip_x": torch.tensor([[-1.0, 0, 0], [0, 1, 0], [0, 0, 1]]),
    "flip_y": torch.tensor([[1.0, 0, 0], [0, -1, 0], [0, 0, 1]]),
    "quarter_turn": torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]),
}


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
def test_centroids_and_planes_turn_with_the_cloud(turn):
    pyramid = PYRAMIDS["pillars"]
    cloud = dyadic(street(4))
    plain, turned = (GeometryIndex(batch_of(c), pyramid) for c in (cloud, cloud @ turn.T))
    for a, b in zip(plain.levels, turned.levels):
        shape = torch.tensor(a.grid.shape).double()
        center = (a.coords_bxyz[:, 1:] + 0.5 - shape / 2) @ turn.double().T + shape / 2 - 0.5
        moved = {tuple(c): i for i, c in enumerate(center.round().int().tolist())}
        rows = torch.tensor([moved[tuple(c)] for c in b.coords_bxyz[:, 1:].tolist()])
        assert len(a) == len(b)
        lower = torch.tensor(pyramid.grid.lower).double()
        expected = (a.centroids + lower) @ turn.double().T - lower
        assert torch.allclose(b.centroids, expected[rows], atol=1e-6)
        if a.number == 1:
            everything = torch.arange(len(a))
            before = plain.planes(1, (3, 3, 3), False, everything)
            after = turned.planes(1, (3, 3, 3), False, everything)
            assert torch.equal(after.num_points, before.num_points[rows])
            assert torch.allclose(after.eigenvalues, before.eigenvalues[rows], atol=1e-7)
            gap = after.eigenvalues[:, 1] - after.eigenvalues[:, 0] > 1e-3 * after.eigenvalues[:, 2]
            turned_normals = (before.normals @ turn.T)[rows].double()
            sine = torch.linalg.cross(after.normals.double(), turned_normals).norm(dim=1)[gap]
            assert sine.max() < math.sin(math.radians(0.01))


@pytest.mark.parametrize("about_own", [False, True])
@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("seed", range(3))
def test_planes_equal_brute_force(seed, level, about_own):
    pyramid, window = PYRAMIDS["pillars"], ((3, 3, 1) if level == 0 else (3, 3, 3))
    batch = batch_of(street(seed, n=600), torch.zeros(0, 3), street(seed + 10, n=300))
    index = GeometryIndex(batch, pyramid)
    got = index.planes(level, window, about_own, torch.arange(len(index.levels[level])))
    xyz = batch.xyz.numpy().astype(np.float64)
    cells = nested_cells(
        batch.xyz.numpy(),
        batch.offsets.tolist(),
        pyramid.grid.lower,
        pyramid.grid.size,
        pyramid.grid.shape,
        pyramid.ratios,
    )
    means = [{cell: xyz[rows].mean(axis=0) for cell, rows in of_level.items()} for of_level in cells]
    children = {}
    for cell in cells[1]:
        children.setdefault((cell[0], *(np.array(cell[1:]) // (2, 2, 4))), []).append(cell)
    for i, cell in enumerate(index.levels[level].coords_bxyz.tolist()):
        own = means[level][tuple(cell)] if about_own else None
        values, normal, count = plane(means[1], tuple(cell), window, children if level == 0 else None, own)
        assert got.num_points[i] == count
        assert np.abs(got.eigenvalues[i].numpy() - values).max() <= 1e-6 * max(values[2], 1e-3)
        if values[1] - values[0] > 1e-3 * values[2] and values[2] > 0:
            assert angle_deg(normal, got.normals[i].numpy().astype(np.float64)) <= 0.01


def test_pyramid_refuses_a_ratio_below_one():
    with pytest.raises(ValueError, match=r"ratio must be three whole numbers >= 1, got \(2, 0, 2\)"):
        Pyramid(VoxelGrid((0, 0, 0), (4, 4, 4), (1, 1, 1)), ((2, 0, 2),))


def test_pyramid_with_more_cells_than_coordinates_can_count_is_refused():
    pyramid = Pyramid(VoxelGrid((0, 0, 0), (2.0**20, 1, 1), (1, 1, 1)), ((4096, 1, 1),))
    with pytest.raises(ValueError, match=r"fewer than 2\*\*31 voxels along each axis, got \(4294967296, 1, 1\)"):
        GeometryIndex(batch_of(torch.zeros(1, 3)), pyramid)
