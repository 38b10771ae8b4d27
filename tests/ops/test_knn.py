"""knn against brute force, its reference, scipy and real scans."""

import numpy as np
import pytest
import torch
from clouds import ALL, by_name
from scipy.spatial import cKDTree

from geopt import ops, reference


def brute_force(query: np.ndarray, key: np.ndarray, k: int):
    """Rows and squared distances from the definition, in NumPy: float32, ties to the lower row."""
    indices = np.empty((len(query), k), np.int64)
    distances = np.empty((len(query), k), np.float32)
    for i, point in enumerate(query):
        x, y, z = (point - key).T
        squared = (x * x + y * y) + z * z
        near = np.flatnonzero(squared <= np.partition(squared, k - 1)[k - 1])  # all ties of the last place
        indices[i] = near[np.argsort(squared[near], kind="stable")][:k]
        distances[i] = squared[indices[i]]
    return indices, distances


@pytest.mark.parametrize("k", [1, 3, 16, 100])
@pytest.mark.parametrize("cloud", ALL, ids=str)
def test_equals_reference(cloud, k, device, simd):
    xyz, offsets = cloud.to(device)
    got = ops.knn(xyz, xyz, k, offsets, offsets)
    expected = reference.knn(cloud.xyz, cloud.xyz, k, cloud.offsets, cloud.offsets)
    assert torch.equal(got.indices.cpu(), expected.indices)
    assert torch.equal(got.squared_distances.cpu(), expected.squared_distances)


@pytest.mark.parametrize("cloud", ALL, ids=str)
def test_queries_that_are_no_keys_equal_the_reference(cloud, device, simd):
    generator = torch.Generator().manual_seed(1)
    queries = [torch.randn(n, 3, generator=generator) * 12 for n in (cloud.offsets.diff() // 2 + 3).tolist()]
    query = torch.cat([torch.zeros(0, 3), *queries])
    query_offsets = torch.tensor([0, *np.cumsum([len(q) for q in queries])])
    query[::7] = torch.nan
    query[1::9] += 1e6  # far outside the box of the keys
    got = ops.knn(query.to(device), cloud.xyz.to(device), 5, query_offsets.to(device), cloud.offsets.to(device))
    expected = reference.knn(query, cloud.xyz, 5, query_offsets, cloud.offsets)
    assert torch.equal(got.indices.cpu(), expected.indices)
    assert torch.equal(got.squared_distances.cpu(), expected.squared_distances)


@pytest.mark.parametrize("k", [1, 16])
def test_real_scan_equals_brute_force(scan, k, simd):
    """Duplicate points and ties at the last place included: not one row or distance may differ."""
    got = ops.knn(scan, scan, k)
    rows = np.random.default_rng(0).choice(len(scan), 400, replace=False)
    indices, distances = brute_force(scan.numpy()[rows], scan.numpy(), k)
    assert np.array_equal(got.indices.numpy()[rows], indices)
    assert np.array_equal(got.squared_distances.numpy()[rows], distances)


def test_real_scan_agrees_with_scipy(scan):
    """Against a float64 k-d tree: the distance at every place is the same to float32 rounding."""
    query = scan[::5]
    got = ops.knn(query, scan, 16)
    expected = cKDTree(scan.numpy()).query(query.numpy(), 16)[0] ** 2
    np.testing.assert_allclose(got.squared_distances, expected, rtol=1e-5, atol=1e-9)


def test_another_sweep_equals_brute_force(scan, simd):
    query = scan[::117] + torch.tensor([0.3, -0.2, 0.05])
    got = ops.knn(query, scan, 4)
    indices, distances = brute_force(query.numpy(), scan.numpy(), 4)
    assert np.array_equal(got.indices.numpy(), indices)
    assert np.array_equal(got.squared_distances.numpy(), distances)


def test_100_km_away_and_stray_returns_equal_brute_force(simd):
    """Steps of 8 mm in float32 make ties everywhere, and one return at 1e30 m must not spoil the tree."""
    generator = torch.Generator().manual_seed(0)
    xyz = torch.randn(3000, 3, generator=generator) * torch.tensor([20.0, 20.0, 1.0]) + torch.tensor([1e5, -1e5, 0])
    xyz[17] = torch.tensor([1e30, 0, 0])
    xyz[18] = torch.tensor([-3e38, 3e38, 0])
    got = ops.knn(xyz, xyz, 12)
    with np.errstate(over="ignore"):
        indices, distances = brute_force(xyz.numpy(), xyz.numpy(), 12)
    assert np.array_equal(got.indices.numpy(), indices)
    assert np.array_equal(got.squared_distances.numpy(), distances)
    assert np.isinf(distances[17, 1]) and indices[17, 1] == 0  # a finite point whose distance overflows still counts


def test_ties_go_to_the_lower_row_among_thousands_of_duplicates(simd):
    xyz = torch.zeros(20_000, 3)
    xyz[::2] = 1.0
    got = ops.knn(xyz, xyz, 3)  # minutes if equal distances could not be ruled out by row
    assert torch.equal(got.indices[::2], torch.tensor([0, 2, 4]).expand(10_000, 3))
    assert torch.equal(got.indices[1::2], torch.tensor([1, 3, 5]).expand(10_000, 3))


def test_the_first_neighbour_of_a_point_is_itself_or_a_lower_duplicate(scan):
    got = ops.knn(scan, scan, 1)
    assert torch.equal(scan[got.indices[:, 0]], scan)
    assert (got.indices[:, 0] <= torch.arange(len(scan))).all()
    assert (got.squared_distances == 0).all()


def test_too_few_keys_are_padded(device):
    xyz = torch.tensor([[0.0, 0, 0], [1, 0, 0], [torch.nan, 0, 0]], device=device)
    got = ops.knn(xyz, xyz, 4)
    assert got.indices.tolist() == [[0, 1, -1, -1], [1, 0, -1, -1], [-1] * 4]
    inf = float("inf")
    assert got.squared_distances.tolist() == [[0, 1, inf, inf], [0, 1, inf, inf], [inf] * 4]


def test_no_keys_and_no_queries(device):
    some, none = torch.ones(3, 3, device=device), torch.zeros(0, 3, device=device)
    assert ops.knn(some, none, 2).indices.tolist() == [[-1, -1]] * 3
    assert ops.knn(none, some, 2).indices.shape == (0, 2)


def test_eight_clouds_together_equal_eight_alone(device):
    clouds = [by_name("rings").xyz[i * 200 : (i + 1) * 200 - 7 * i].to(device) for i in range(8)]
    xyz = torch.cat(clouds)
    offsets = torch.tensor([0, *np.cumsum([len(c) for c in clouds])], device=device)
    together = ops.knn(xyz, xyz, 9, offsets, offsets)
    for cloud, first, last in zip(clouds, offsets.tolist(), offsets.tolist()[1:]):
        alone = ops.knn(cloud, cloud, 9)
        assert torch.equal(together.indices[first:last], alone.indices + first)
        assert torch.equal(together.squared_distances[first:last], alone.squared_distances)


def test_a_permutation_of_the_keys_permutes_the_neighbours(device):
    xyz = by_name("random").xyz.to(device)
    order = torch.randperm(len(xyz), generator=torch.Generator().manual_seed(3)).to(device)
    expected = ops.knn(xyz, xyz, 6)
    got = ops.knn(xyz, xyz[order], 6)
    assert torch.equal(order[got.indices], expected.indices)
    assert torch.equal(got.squared_distances, expected.squared_distances)


def test_many_small_clouds(simd):
    """More clouds than the bits of a curve leave room for at full resolution."""
    generator = torch.Generator().manual_seed(5)
    num_clouds = 70_000
    xyz = torch.randn(3 * num_clouds, 3, generator=generator)
    offsets = torch.arange(0, 3 * num_clouds + 1, 3)
    got = ops.knn(xyz, xyz, 3, offsets, offsets)
    own = torch.arange(num_clouds)[:, None] * 3 + torch.arange(3)
    assert torch.equal(got.indices.sort(dim=1).values, own.repeat_interleave(3, dim=0))
    pairs = xyz.view(-1, 3, 3)
    distances = reference.knn(pairs[41_234], pairs[41_234], 3).squared_distances
    assert torch.equal(got.squared_distances.view(-1, 3, 3)[41_234], distances)


def test_gradient_equals_that_of_the_reference(device):
    clouds = [by_name(name) for name in ("random", "duplicates", "nan_and_inf", "two_points")]
    for cloud in clouds:
        xyz, offsets = cloud.to(device)
        leaves = [(xyz[:31] + 0.1).requires_grad_(), xyz.clone().requires_grad_()]
        ends = torch.tensor([0, leaves[0].shape[0]], device=device)
        got = ops.knn(*leaves, 5, ends, offsets[[0, -1]]).squared_distances
        expected = reference.knn(*leaves, 5, ends, offsets[[0, -1]]).squared_distances
        weight = torch.linspace(-1, 2, got.numel(), device=device).view(got.shape)

        def gradients(distances, leaves=leaves, weight=weight):
            finite = torch.where(distances.isfinite(), distances, 0)
            return torch.autograd.grad((finite * weight).sum(), leaves, create_graph=True)

        for a, b in zip(gradients(got), gradients(expected), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-5)
            assert a.isfinite().all()
        # Once more through the gradient itself.
        second = torch.autograd.grad(sum(g.square().sum() for g in gradients(got)), leaves)
        expected_second = torch.autograd.grad(sum(g.square().sum() for g in gradients(expected)), leaves)
        for a, b in zip(second, expected_second, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-3)


def test_a_padded_neighbour_gets_no_gradient():
    query, key = torch.zeros(2, 3, requires_grad=True), torch.ones(1, 3, requires_grad=True)
    ops.knn(query, key, 3).squared_distances.sum().backward()  # infinity at two of three places
    assert query.grad.tolist() == [[-2.0, -2.0, -2.0]] * 2
    assert key.grad.tolist() == [[4.0, 4.0, 4.0]]
    nothing = torch.zeros(0, 3, requires_grad=True)
    ops.knn(query, nothing, 3).squared_distances.sum().backward()
    assert nothing.grad.shape == (0, 3)
