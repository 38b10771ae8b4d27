"""chamfer_distance against its reference and scipy in float64."""

import numpy as np
import pytest
import torch
from clouds import ALL, by_name
from scipy.spatial import cKDTree

from geopt import ops, reference

A = by_name("rings").xyz
B = A[::3] + torch.tensor([0.2, -0.1, 0.05])


def by_scipy(a, b):
    """Mean squared distance to the nearest point, both ways, in float64."""
    a, b = a.double().numpy(), b.double().numpy()
    return np.square(cKDTree(b).query(a)[0]).mean() + np.square(cKDTree(a).query(b)[0]).mean()


@pytest.mark.parametrize("cloud", ALL, ids=str)
def test_equals_reference(cloud, device, simd):
    a, offsets = cloud.to(device)
    b = a.flip(0) * 1.01
    b_offsets = len(b) - offsets.flip(0)  # as many clouds, of other sizes
    got = ops.chamfer_distance(a, b, offsets, b_offsets)
    expected = reference.chamfer_distance(cloud.xyz, b.cpu(), cloud.offsets, b_offsets.cpu())
    torch.testing.assert_close(got.cpu(), expected, rtol=2e-7, atol=0, equal_nan=True)


def test_real_scan_equals_scipy(scan, simd):
    moved = scan[::2] + torch.tensor([0.1, 0.05, 0.0])
    got = ops.chamfer_distance(scan, moved)
    assert got.item() == pytest.approx(by_scipy(scan, moved), rel=1e-5)


def test_the_two_clouds_may_be_exchanged(device):
    one, other = ops.chamfer_distance(A.to(device), B.to(device)), ops.chamfer_distance(B.to(device), A.to(device))
    assert torch.equal(one, other)


def test_a_cloud_is_at_distance_0_from_itself_in_any_order(device):
    order = torch.randperm(len(A), generator=torch.Generator().manual_seed(0))
    assert ops.chamfer_distance(A.to(device), A[order].to(device)).tolist() == [0.0]


def test_two_points_by_hand(device):
    a, b = torch.zeros(1, 3, device=device), torch.tensor([[3.0, 0, 0], [0, 4, 0]], device=device)
    assert ops.chamfer_distance(a, b).tolist() == [9 + (9 + 16) / 2]


def test_clouds_together_equal_clouds_alone(device):
    a_ends, b_ends = [0, 500, 600, len(A)], [0, 40, 333, len(B)]
    together = ops.chamfer_distance(
        A.to(device), B.to(device), torch.tensor(a_ends, device=device), torch.tensor(b_ends, device=device)
    )
    for c in range(3):
        alone = ops.chamfer_distance(A[a_ends[c] : a_ends[c + 1]].to(device), B[b_ends[c] : b_ends[c + 1]].to(device))
        assert torch.equal(together[c], alone[0])


def test_a_cloud_without_finite_points_gives_nan_and_leaves_the_others_alone(device):
    a, ends = A[:10].to(device), torch.tensor([0, 5, 10], device=device)
    got = ops.chamfer_distance(a, a[:5], ends, torch.tensor([0, 5, 5], device=device))
    assert got[0] == 0 and got[1].isnan()


def test_gradient_equals_the_formula_in_float64(device, simd):
    a, b = (t.to(device).requires_grad_() for t in (A[:400], B[:150]))
    got = ops.chamfer_distance(a, b)
    to_a, to_b = torch.autograd.grad(got.sum(), (a, b))
    wide_a, wide_b = (t.detach().double().requires_grad_() for t in (a, b))
    nearest_b, nearest_a = (torch.cdist(wide_a, wide_b).argmin(dim=dim) for dim in (1, 0))
    mean_ab = (wide_a - wide_b[nearest_b]).square().sum(dim=1).mean()
    mean_ba = (wide_b - wide_a[nearest_a]).square().sum(dim=1).mean()
    expected = torch.autograd.grad(mean_ab + mean_ba, (wide_a, wide_b))
    for one, other in zip((to_a, to_b), expected, strict=True):
        assert other.abs().sum() > 0
        torch.testing.assert_close(one.double(), other, rtol=1e-5, atol=1e-7)


def test_descending_the_gradient_brings_the_clouds_together():
    b = B[:200].clone().requires_grad_()
    first = ops.chamfer_distance(A[:600], b).item()
    for _ in range(20):
        b.grad = None
        ops.chamfer_distance(A[:600], b).backward()
        b = (b.detach() - 20 * b.grad).requires_grad_()
    assert ops.chamfer_distance(A[:600], b).item() < first / 2
