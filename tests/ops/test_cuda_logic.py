"""What CUDA kernels compute, by the same functions on the host, against the CPU back end: the same bits."""

import subprocess
import sys

import pytest
import torch
from clouds import ALL, by_name

from geopt import ops

KERNELS = torch.ops.geopt
# On both sides of 4, 16 and 32: how many neighbours are kept at once. More than 32 take several walks.
COUNTS = [1, 4, 5, 16, 17, 32, 33, 100]


def assert_same_bits(got, expected):
    for a, b in zip(got, expected, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        # The distances of padding are infinite, nothing is NaN: equal numbers are equal bits but for the sign of 0.
        assert torch.equal(a, b)
        if a.is_floating_point():
            assert torch.equal(a.signbit(), b.signbit())


@pytest.mark.parametrize("k", COUNTS)
@pytest.mark.parametrize("cloud", ALL, ids=str)
def test_knn_of_a_cloud_among_itself(cloud, k):
    xyz, offsets = cloud.xyz, cloud.offsets
    expected = KERNELS.knn(xyz, xyz, k, offsets, offsets)
    assert_same_bits(KERNELS.knn_emulated(xyz, xyz, k, offsets, offsets), expected)
    # Offsets elsewhere in memory: queries are sorted for themselves.
    assert_same_bits(KERNELS.knn_emulated(xyz, xyz, k, offsets.clone(), offsets), expected)


def other_queries(cloud):
    """More or fewer points than the cloud has, some far outside, some not finite."""
    generator = torch.Generator().manual_seed(1)
    parts = [torch.randn(n, 3, generator=generator) * 12 for n in (cloud.offsets.diff() // 2 + 40).tolist()]
    query = torch.cat([torch.zeros(0, 3), *parts])
    query[::7, 0] = torch.nan
    query[1::9] += 1e6
    query[2::31] = torch.inf
    return query, torch.tensor([0, *torch.tensor([len(part) for part in parts], dtype=torch.int64).cumsum(0)])


@pytest.mark.parametrize("k", [1, 5, 16, 40])
@pytest.mark.parametrize("cloud", ALL, ids=str)
def test_knn_of_other_points(cloud, k):
    query, ends = other_queries(cloud)
    arguments = query, cloud.xyz, k, ends, cloud.offsets
    assert_same_bits(KERNELS.knn_emulated(*arguments), KERNELS.knn(*arguments))


@pytest.mark.parametrize("radius", [0.0, 0.7, 6.0, 1e30])
@pytest.mark.parametrize("cloud", ALL, ids=str)
def test_radius_search(cloud, radius):
    for query, ends in ((cloud.xyz, cloud.offsets), other_queries(cloud)):
        clouds = ends, cloud.offsets
        for most in (1, 12, 50):
            expected = KERNELS.radius_search(query, cloud.xyz, radius, most, *clouds)
            assert_same_bits(KERNELS.radius_search_emulated(query, cloud.xyz, radius, most, *clouds), expected)
        expected = KERNELS.radius_search_ragged(query, cloud.xyz, radius, *clouds)
        assert_same_bits(KERNELS.radius_search_ragged_emulated(query, cloud.xyz, radius, *clouds), expected)


@pytest.mark.parametrize("k", [1, 2, 3, 12, 16, 30, 40])
@pytest.mark.parametrize("cloud", ALL, ids=str)
def test_local_pca(cloud, k):
    arguments = cloud.xyz, cloud.offsets, k
    assert_same_bits(KERNELS.local_pca_emulated(*arguments), KERNELS.local_pca(*arguments))


def test_real_scan(scan):
    """Duplicates, ties at the last place, and densities from centimetres to metres."""
    xyz = scan[: len(scan) // 2]
    ends = torch.tensor([0, len(xyz)])
    assert_same_bits(KERNELS.knn_emulated(xyz, xyz, 16, ends, ends), KERNELS.knn(xyz, xyz, 16, ends, ends))
    assert_same_bits(KERNELS.local_pca_emulated(xyz, ends, 16), KERNELS.local_pca(xyz, ends, 16))
    query = scan[::5] + torch.tensor([0.3, -0.2, 0.05])
    clouds = torch.tensor([0, len(query)]), ends
    assert_same_bits(KERNELS.knn_emulated(query, xyz, 1, *clouds), KERNELS.knn(query, xyz, 1, *clouds))
    few = query[::10].clone(), xyz, 0.5, torch.tensor([0, len(query[::10])]), ends
    assert_same_bits(KERNELS.radius_search_ragged_emulated(*few), KERNELS.radius_search_ragged(*few))


def test_a_thousand_clouds_and_one_large_among_them():
    """Items of a level begin at a place computed from rows and clouds alone: no two clouds may share one."""
    generator = torch.Generator().manual_seed(4)
    sizes = torch.randint(0, 70, (1000,), generator=generator)
    sizes[500] = 5000
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), sizes.cumsum(0)])
    xyz = torch.randn(int(offsets[-1]), 3, generator=generator)
    assert_same_bits(KERNELS.knn_emulated(xyz, xyz, 8, offsets, offsets), KERNELS.knn(xyz, xyz, 8, offsets, offsets))
    assert_same_bits(KERNELS.local_pca_emulated(xyz, offsets, 8), KERNELS.local_pca(xyz, offsets, 8))


def test_stray_returns_and_thousands_of_duplicates():
    generator = torch.Generator().manual_seed(0)
    xyz = torch.randn(6000, 3, generator=generator) * torch.tensor([20.0, 20.0, 1.0]) + torch.tensor([1e5, -1e5, 0])
    xyz[17] = torch.tensor([1e30, 0, 0])
    xyz[18] = torch.tensor([-3e38, 3e38, 0])  # its distances overflow to infinity
    xyz[3000:] = xyz[3000]
    ends = torch.tensor([0, len(xyz)])
    assert_same_bits(KERNELS.knn_emulated(xyz, xyz, 12, ends, ends), KERNELS.knn(xyz, xyz, 12, ends, ends))


@pytest.mark.parametrize("num_points", [0, 1, 31, 32, 33, 1023, 1024, 1025, 32_768, 32_769])
def test_levels_begin_and_end_with_the_right_number_of_points(num_points):
    """One point fewer or more than fills leaves, their parents and their grandparents."""
    xyz = torch.rand(num_points, 3, generator=torch.Generator().manual_seed(num_points)) * 30
    ends = torch.tensor([0, num_points])
    assert_same_bits(KERNELS.knn_emulated(xyz, xyz, 3, ends, ends), KERNELS.knn(xyz, xyz, 3, ends, ends))


def test_emulation_differs_where_the_answer_does():
    """The comparison would notice: another k-th neighbour, another radius."""
    cloud = by_name("random")
    got = KERNELS.radius_search_emulated(cloud.xyz, cloud.xyz, 5.0, 4, cloud.offsets, cloud.offsets)
    with pytest.raises(AssertionError):
        assert_same_bits(got, KERNELS.radius_search(cloud.xyz, cloud.xyz, 4.0, 4, cloud.offsets, cloud.offsets))


needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("with_offsets", [False, True])
def test_no_call_waits_for_the_gpu(with_offsets):
    cloud = by_name("rings")
    xyz, ends = cloud.xyz.cuda(), cloud.offsets.cuda() if with_offsets else None
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = [
            ops.knn(xyz, xyz, 8, ends, ends).indices,
            ops.knn(xyz.flip(0), xyz, 40, ends, ends).indices,
            ops.radius_search(xyz, xyz, 0.8, 8, ends, ends).indices,
            ops.local_pca(xyz, ends, 8).normals,
        ]  # a wait is an error
    finally:
        torch.cuda.set_sync_debug_mode(before)
    assert [tuple(one.shape) for one in found] == [(len(xyz), columns) for columns in (8, 40, 8, 3)]


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("offsets", [[0, 9, 5, 20], [1, 20], [0, 19], [0, 2**40, 20]], ids=str)
def test_wrong_offsets_fail_an_assertion_on_the_gpu(offsets):
    """In a process of its own: the assertion ends all work of a process on that GPU."""
    code = (
        "import torch; from geopt import ops;"
        f"ops.local_pca(torch.rand(20, 3).cuda(), torch.tensor({offsets}).cuda(), 4); torch.cuda.synchronize()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    assert "must rise from 0 to the number of rows" in done.stdout + done.stderr
