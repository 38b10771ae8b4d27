"""radius_search against its reference, brute force, scipy and real scans."""

import numpy as np
import pytest
import torch
from clouds import ALL, by_name
from scipy.spatial import cKDTree

from geopt import ops, reference


def rows_of(ragged, i):
    return slice(int(ragged.row_splits[i]), int(ragged.row_splits[i + 1]))


@pytest.mark.parametrize("max_neighbors", [None, 1, 7])
@pytest.mark.parametrize("radius", [0.0, 1.0, 4.5, 1e30])
@pytest.mark.parametrize("cloud", ALL, ids=str)
def test_equals_reference(cloud, radius, max_neighbors, device, simd):
    xyz, offsets = cloud.to(device)
    got = ops.radius_search(xyz, xyz, radius, max_neighbors, offsets, offsets)
    expected = reference.radius_search(cloud.xyz, cloud.xyz, radius, max_neighbors, cloud.offsets, cloud.offsets)
    assert type(got) is type(expected)
    for a, b in zip(got, expected, strict=True):
        assert torch.equal(a.cpu(), b)


def test_real_scan_equals_brute_force(scan, simd):
    radius = 0.3
    query = scan[::301]
    got = ops.radius_search(query, scan, radius)
    key = scan.numpy()
    for i, point in enumerate(query.numpy()):
        x, y, z = (point - key).T
        squared = (x * x + y * y) + z * z
        inside = np.flatnonzero(squared <= np.float32(radius) * np.float32(radius))
        inside = inside[np.argsort(squared[inside], kind="stable")]
        assert np.array_equal(got.indices[rows_of(got, i)], inside)
        assert np.array_equal(got.squared_distances[rows_of(got, i)], squared[inside])


def test_real_scan_counts_agree_with_scipy(scan):
    """A float64 tree counts the same, up to points on the sphere itself."""
    query = scan[::11]
    counts = ops.radius_search(query, scan, 0.5).row_splits.diff().numpy()
    tree = cKDTree(scan.numpy())
    least, most = (tree.query_ball_point(query.numpy(), r, return_length=True) for r in (0.5 - 1e-5, 0.5 + 1e-5))
    assert ((least <= counts) & (counts <= most)).all()
    assert (least == most).mean() > 0.9


def test_capped_is_the_beginning_of_all(scan):
    query = scan[::97]
    every, capped = ops.radius_search(query, scan, 0.4), ops.radius_search(query, scan, 0.4, 20)
    for i in range(len(query)):
        rows = every.indices[rows_of(every, i)][:20]
        assert torch.equal(capped.indices[i, : len(rows)], rows)
        assert (capped.indices[i, len(rows) :] == -1).all()
        assert torch.equal(capped.squared_distances[i, : len(rows)], every.squared_distances[rows_of(every, i)][:20])


def test_a_wide_cap_equals_knn_within_the_radius(scan):
    query = scan[::53]
    near, capped = ops.knn(query, scan, 8), ops.radius_search(query, scan, 0.7, 8)
    inside = near.squared_distances <= torch.tensor(0.7) * torch.tensor(0.7)
    assert torch.equal(capped.indices, torch.where(inside, near.indices, -1))


def test_a_point_on_the_sphere_is_inside(device):
    key = torch.tensor([[0.5, 0, 0], [0.75, 0, 0], [0.50000006, 0, 0]], device=device)
    query = torch.zeros(1, 3, device=device)
    assert ops.radius_search(query, key, 0.5).indices.tolist() == [0]
    assert ops.radius_search(query, key, 0.75, 5).indices.tolist() == [[0, 2, 1, -1, -1]]


def test_radius_0_finds_the_point_and_its_duplicates(device):
    xyz = torch.tensor([[1.0, 2, 3], [4, 5, 6], [1, 2, 3]], device=device)
    got = ops.radius_search(xyz, xyz, 0)
    assert got.row_splits.tolist() == [0, 2, 3, 5]
    assert got.indices.tolist() == [0, 2, 1, 0, 2]


def test_points_that_are_not_finite_find_nothing_and_are_not_found(device):
    xyz = torch.tensor([[0.0, 0, 0], [torch.nan, 0, 0], [0, torch.inf, 0]], device=device)
    got = ops.radius_search(xyz, xyz, 1e30)
    assert got.row_splits.tolist() == [0, 1, 1, 1]
    assert got.indices.tolist() == [0]


def test_clouds_do_not_see_each_other(device):
    xyz = by_name("random").xyz.to(device)
    offsets = torch.tensor([0, 200, 200, len(xyz)], device=device)
    together = ops.radius_search(xyz, xyz, 3.0, None, offsets, offsets)
    first, second = ops.radius_search(xyz[:200], xyz[:200], 3.0), ops.radius_search(xyz[200:], xyz[200:], 3.0)
    assert torch.equal(together.indices, torch.cat([first.indices, second.indices + 200]))
    assert torch.equal(together.squared_distances, torch.cat([first.squared_distances, second.squared_distances]))


@pytest.mark.parametrize("max_neighbors", [None, 6])
def test_gradient_equals_that_of_the_reference(max_neighbors, device):
    cloud = by_name("nan_and_inf")
    leaves = [(cloud.xyz[:20] + 0.2).to(device).requires_grad_(), cloud.xyz.clone().to(device).requires_grad_()]
    gradients = []
    for search in (ops.radius_search, reference.radius_search):
        distances = search(*leaves, 8.0, max_neighbors).squared_distances
        weight = torch.linspace(1, 2, distances.numel(), device=device).view(distances.shape)
        loss = (torch.where(distances.isfinite(), distances, 0) * weight).sum()
        gradients.append(torch.autograd.grad(loss, leaves))
    for got, expected in zip(*gradients, strict=True):
        assert got.isfinite().all() and got.abs().sum() > 0
        torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-5)
