"""farthest_point_sample against its reference, a NumPy loop and real scans."""

import numpy as np
import pytest
import torch
from clouds import ALL, by_name

from geopt import ops, reference


def finite_counts(cloud):
    finite = cloud.xyz.isfinite().all(dim=1)
    return [int(finite[a:b].sum()) for a, b in zip(cloud.offsets.tolist(), cloud.offsets.tolist()[1:])]


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("cloud", [c for c in ALL if min(finite_counts(c), default=1) > 1], ids=str)
def test_equals_reference_to_the_last_point(cloud, start, device, simd):
    """Every finite point is asked for, so that distances of 0 and all ties take part."""
    num_samples = min([300, *finite_counts(cloud)])
    got = ops.farthest_point_sample(*cloud.to(device), num_samples, start)
    assert torch.equal(got.cpu(), reference.farthest_point_sample(cloud.xyz, cloud.offsets, num_samples, start))


@pytest.mark.parametrize("cloud", [c for c in ALL if min(finite_counts(c), default=2) <= 1], ids=str)
def test_a_cloud_with_too_few_points_is_refused(cloud, device):
    with pytest.raises(ValueError, match=r"cloud \d+ has [01]; ask for fewer"):
        ops.farthest_point_sample(*cloud.to(device), 2)


def test_real_scan_equals_a_plain_loop(scan, simd):
    points = scan[::3].numpy()
    nearest = np.full(len(points), np.inf, np.float32)
    pick, picks = 5, []
    for _ in range(400):
        picks.append(pick)
        x, y, z = (points - points[pick]).T
        nearest = np.minimum(nearest, (x * x + y * y) + z * z)
        nearest[pick] = -1
        pick = int(nearest.argmax())
    got = ops.farthest_point_sample(scan[::3].contiguous(), torch.tensor([0, len(points)]), 400, start=5)
    assert got[0].tolist() == picks


def test_the_cover_shrinks_as_farthest_points_are_added(scan):
    """Each pick lies at least as far from the earlier ones as the next: the definition of the order."""
    picks = scan[ops.farthest_point_sample(scan, torch.tensor([0, len(scan)]), 200)[0]].double()
    gaps = torch.tensor([torch.cdist(picks[i : i + 1], picks[:i]).min() for i in range(1, len(picks))])
    assert (gaps.diff() <= 1e-5).all()
    cover = torch.cdist(scan[::50].double(), picks).min(dim=1).values.max()
    assert cover <= gaps[-1] + 1e-5


def test_duplicates_are_picked_once_each(device):
    xyz = by_name("duplicates").xyz.to(device)
    picks = ops.farthest_point_sample(xyz, torch.tensor([0, len(xyz)], device=device), len(xyz))[0]
    assert picks.sort().values.tolist() == list(range(len(xyz)))
    last = picks[len(xyz.unique(dim=0)) :]
    assert last.tolist() == sorted(last.tolist())  # at distance 0 the lower row comes first


def test_equal_distances_go_to_the_lower_row(device):
    xyz = torch.tensor([[0.0, 0, 0], [0, -1, 0], [1, 0, 0], [0, 1, 0], [-1, 0, 0]], device=device)
    got = ops.farthest_point_sample(xyz, torch.tensor([0, 5], device=device), 5)
    assert got.tolist() == [[0, 1, 2, 3, 4]]


def test_points_that_are_not_finite_are_never_picked(device):
    xyz = torch.tensor([[torch.nan, 0, 0], [1, 0, 0], [2, 0, 0], [0, torch.inf, 0]], device=device)
    ends = torch.tensor([0, 4], device=device)
    assert ops.farthest_point_sample(xyz, ends, 2, start=0).tolist() == [[1, 2]]  # the next finite row
    assert ops.farthest_point_sample(xyz, ends, 2, start=3).tolist() == [[1, 2]]  # round the end
    with pytest.raises(ValueError, match="cloud 0 has 2"):
        ops.farthest_point_sample(xyz, ends, 3)


def test_clouds_together_equal_clouds_alone(device):
    xyz = by_name("random").xyz.to(device)
    offsets = torch.tensor([0, 130, 131 + 99, len(xyz)], device=device)
    together = ops.farthest_point_sample(xyz, offsets, 40, start=3)
    for cloud, (first, last) in enumerate(zip(offsets.tolist(), offsets.tolist()[1:])):
        alone = ops.farthest_point_sample(xyz[first:last], torch.tensor([0, last - first], device=device), 40, start=3)
        assert torch.equal(together[cloud], alone[0] + first)


def test_a_permutation_of_the_points_permutes_the_picks(device):
    """Without ties the same points are picked, whatever their rows."""
    xyz = by_name("random").xyz.to(device)
    order = torch.randperm(len(xyz), generator=torch.Generator().manual_seed(0)).to(device)
    ends = torch.tensor([0, len(xyz)], device=device)
    start = int((order == 7).nonzero())
    expected = ops.farthest_point_sample(xyz, ends, 100, start=7)
    assert torch.equal(order[ops.farthest_point_sample(xyz[order], ends, 100, start=start)], expected)


def test_no_clouds_give_no_picks(device):
    got = ops.farthest_point_sample(torch.zeros(0, 3, device=device), torch.tensor([0], device=device), 4)
    assert got.shape == (0, 4)
