"""local_pca against its reference, float64 numpy.linalg.eigh, and shapes whose normals are known."""

import math

import numpy as np
import pytest
import torch
from clouds import ALL, by_name

from geopt import ops, reference


def angle_deg(a, b):
    """Between lines, float64 arrays (..., 3); exact for small angles too."""
    return np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), np.abs((a * b).sum(axis=-1))))


def brute_force(points, neighbors):
    """Ascending eigenvalues and first eigenvectors of the covariance over n, in float64."""
    members = points[neighbors].astype(np.float64)
    centred = members - members.mean(axis=-2, keepdims=True)
    values, vectors = np.linalg.eigh(np.swapaxes(centred, -1, -2) @ centred / members.shape[-2])
    return values, vectors[..., 0]


def assert_eigenvalues_equal(got, expected):
    """To the rounding of the float32 result, and of float64 sums relative to the largest."""
    assert (np.abs(got - expected) <= 6e-8 * expected + 1e-14 * expected[..., 2:] + 1e-45).all()


@pytest.mark.parametrize("k", [1, 2, 3, 16, 200])
@pytest.mark.parametrize("cloud", ALL, ids=str)
def test_equals_reference(cloud, k, device, simd):
    got = [t.cpu() for t in ops.local_pca(*cloud.to(device), k)]
    normals, eigenvalues, num_neighbors = reference.local_pca(cloud.xyz, cloud.offsets, k)
    assert torch.equal(got[2], num_neighbors)
    wide, largest = eigenvalues.double(), eigenvalues[:, 2:].double()
    assert ((got[1] - wide).abs() <= 2.4e-7 * wide + 1e-14 * largest + 1e-45).all()
    assert torch.equal((got[0] != 0).any(dim=1), (normals != 0).any(dim=1))
    gap = (wide[:, 1] - wide[:, 0]) > 1e-6 * wide[:, 2]
    error = angle_deg(got[0][gap].double().numpy(), normals[gap].double().numpy())
    assert (error < 1e-4).all()


@pytest.mark.parametrize("scale", [1e-15, 1e-4, 1.0, 1e4, 1e17])
@pytest.mark.parametrize("flatness", [1.0, 1e-2, 1e-5, 0.0])
def test_eigenvalues_and_normals_equal_numpy_eigh_at_any_scale(scale, flatness, simd):
    """A thousand clouds of 12 points, each point's neighbourhood the whole cloud."""
    generator = np.random.default_rng(0)
    points = generator.normal(size=(1000, 12, 3)) * [1.0, 0.7, flatness]
    turns = np.linalg.qr(generator.normal(size=(1000, 3, 3)))[0]
    turns[::3] = np.eye(3)  # and planes along the axes, where zeros are exact
    points = (points @ turns * scale).astype(np.float32)
    offsets = torch.arange(0, 12_001, 12)
    got = ops.local_pca(torch.from_numpy(points.reshape(-1, 3)), offsets, k=12)
    values, normals = brute_force(points, np.s_[:])
    values, normals = values.repeat(12, axis=0), normals.repeat(12, axis=0)
    assert_eigenvalues_equal(got.eigenvalues.double().numpy(), values)
    gap = (values[:, 1] - values[:, 0]) > 1e-3 * values[:, 2]
    assert gap.mean() > 0.9
    assert angle_deg(got.normals.double().numpy()[gap], normals[gap]).max() < 1e-5
    lengths = got.normals.double().norm(dim=1)
    assert ((lengths - 1).abs() < 1e-6).all()


def test_real_scan_equals_float64_numpy(scan, simd):
    got = ops.local_pca(scan)
    rows = np.random.default_rng(1).choice(len(scan), 5000, replace=False)
    neighbors = ops.knn(scan[rows], scan, 16).indices.numpy()
    values, normals = brute_force(scan.numpy(), neighbors)
    assert (got.num_neighbors == 16).all()
    assert_eigenvalues_equal(got.eigenvalues.double().numpy()[rows], values)
    gap = (values[:, 1] - values[:, 0]) > 1e-3 * values[:, 2]
    assert angle_deg(got.normals.double().numpy()[rows][gap], normals[gap]).max() < 0.001


def test_nothing_is_lost_100_km_away(simd):
    """The plane through float32 coordinates as given, where one step of them is 8 mm."""
    generator = np.random.default_rng(2)
    points = (generator.normal(size=(500, 3)) * [5, 5, 0.05] + [1e5, -1e5, 30]).astype(np.float32)
    got = ops.local_pca(torch.from_numpy(points), k=20)
    neighbors = ops.knn(torch.from_numpy(points), torch.from_numpy(points), 20).indices.numpy()
    values, normals = brute_force(points.astype(np.float64) - [1e5, -1e5, 30], neighbors)
    assert_eigenvalues_equal(got.eigenvalues.double().numpy(), values)
    assert angle_deg(got.normals.double().numpy(), normals).max() < 1e-3


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_plane_gives_its_normal_and_no_thickness(axis, device):
    xyz = by_name("random").xyz.clone()
    xyz[:, axis] = 3.25
    got = ops.local_pca(xyz.to(device))
    assert got.normals.tolist() == [torch.eye(3)[axis].tolist()] * len(xyz)
    assert (got.eigenvalues[:, 0] == 0).all() and (got.eigenvalues[:, 1] > 0).all()


@pytest.mark.parametrize("name", ["line", "skew_line", "all_equal", "one_point", "two_points"])
def test_points_on_a_line_leave_the_normal_0(name, device):
    got = ops.local_pca(*by_name(name).to(device))
    assert (got.normals == 0).all()


def test_fewer_than_3_neighbours_leave_the_normal_0(device):
    got = ops.local_pca(by_name("random").xyz.to(device), k=2)
    assert (got.normals == 0).all() and (got.num_neighbors == 2).all()
    assert (got.eigenvalues[:, 2] > 0).all()


def test_points_that_are_not_finite_have_no_neighbours(device):
    cloud = by_name("nan_and_inf")
    got = ops.local_pca(*cloud.to(device), 8)
    finite = cloud.xyz.isfinite().all(dim=1).to(device)
    assert (got.num_neighbors == torch.where(finite, 8, 0)).all()
    assert (got.normals[~finite] == 0).all() and (got.eigenvalues[~finite] == 0).all()
    assert got.normals.isfinite().all() and got.eigenvalues.isfinite().all()


def test_the_largest_component_is_positive_without_a_viewpoint(scan):
    normals = ops.local_pca(scan).normals
    normals = normals[(normals != 0).any(dim=1)]
    largest = normals.abs().max(dim=1, keepdim=True).values
    first = (normals.abs() == largest).to(torch.int8).argmax(dim=1, keepdim=True)
    assert (normals.gather(1, first) > 0).all()


def test_normals_of_a_sphere_turn_to_the_viewpoint(device):
    generator = torch.Generator().manual_seed(0)
    outwards = torch.nn.functional.normalize(torch.randn(4000, 3, generator=generator), dim=1).to(device)
    xyz = outwards * 10
    inside = ops.local_pca(xyz, viewpoint=torch.zeros(3, device=device)).normals
    assert (inside * outwards).sum(dim=1).max() < -0.95
    each = ops.local_pca(xyz, viewpoint=xyz * 2).normals  # (N, 3): one above each point
    assert torch.equal(each, -inside + 0.0)


def test_each_cloud_turns_to_its_own_viewpoint(device):
    ground = torch.cat([torch.rand(60, 2, generator=torch.Generator().manual_seed(1)), torch.zeros(60, 1)], dim=1)
    offsets = torch.tensor([0, 20, 20, 60], device=device)
    viewpoint = torch.tensor([[0.0, 0, 5], [0, 0, 0], [0, 0, -5]], device=device)
    got = ops.local_pca(ground.to(device), offsets, 8, viewpoint).normals
    assert got[:20].tolist() == [[0, 0, 1]] * 20
    assert got[20:].tolist() == [[0, 0, -1]] * 40


def test_normals_turn_with_the_cloud(device):
    """A quarter turn about z permutes coordinates and keeps every bit of a distance."""
    xyz = by_name("rings").xyz
    quarter = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    before, after = ops.local_pca(xyz.to(device)), ops.local_pca((xyz @ quarter.T).to(device))
    assert torch.allclose(before.eigenvalues, after.eigenvalues, rtol=1e-6, atol=0)
    values = before.eigenvalues.double()
    gap = ((values[:, 1] - values[:, 0]) > 1e-3 * values[:, 2]).cpu().numpy()
    turned = before.normals.cpu().double().numpy() @ quarter.numpy().T
    assert angle_deg(turned[gap], after.normals.cpu().double().numpy()[gap]).max() < 1e-4
    assert gap.mean() > 0.9


def test_a_permutation_of_the_points_permutes_the_results(device, simd):
    xyz = by_name("random").xyz.to(device)
    order = torch.randperm(len(xyz), generator=torch.Generator().manual_seed(0)).to(device)
    expected, got = ops.local_pca(xyz), ops.local_pca(xyz[order])
    assert torch.equal(got.eigenvalues, expected.eigenvalues[order])
    assert torch.equal(got.normals, expected.normals[order])


def test_clouds_together_equal_clouds_alone(device):
    xyz = by_name("rings").xyz.to(device)
    offsets = torch.tensor([0, 500, 505, 505, 1700, len(xyz)], device=device)
    together = ops.local_pca(xyz, offsets)
    for first, last in zip(offsets.tolist(), offsets.tolist()[1:]):
        for a, b in zip(together, ops.local_pca(xyz[first:last]), strict=True):
            assert torch.equal(a[first:last], b)


def test_no_gradient_is_promised():
    xyz = by_name("random").xyz.clone().requires_grad_()
    assert not any(t.requires_grad for t in ops.local_pca(xyz, viewpoint=torch.zeros(3, requires_grad=True)))


def test_the_roof_of_a_cube_is_flat_and_its_edge_is_not(device):
    """Surface variation tells an edge from a face."""
    steps = torch.linspace(0, 2, 21)
    face = torch.cartesian_prod(steps, steps)
    top = torch.cat([face, torch.full((441, 1), 2.0)], dim=1)
    side = torch.cat([torch.full((441, 1), 2.0), face], dim=1)
    xyz = torch.cat([top, side])
    got = ops.local_pca(xyz.to(device), k=25)
    variation = (got.eigenvalues[:, 0] / got.eigenvalues.sum(dim=1)).cpu()
    on_edge = ((xyz[:, 0] == 2) & (xyz[:, 2] == 2)).nonzero()[5:-5, 0]
    middle = (xyz - torch.tensor([1.0, 1, 2])).norm(dim=1) < 0.5
    assert variation[middle].max() < 1e-6
    assert variation[on_edge].min() > 0.02
    assert math.isclose(got.normals[middle.to(device)][:, 2].min().item(), 1.0, abs_tol=1e-6)
