"""The CUDA kernels themselves, run on the host thread by thread: every op that has one gives the bits of the CPU's.

What a GPU alone shows is not in here: its scheduling, its memory and its speed.
"""

import shutil

import pytest
import torch
from clouds import ALL, by_name
from cuda_on_host import OnHost, build, with_launches
from op_rows import ROWS, assert_same_bits, tensors

from geopt import ops
from geopt.ops._library import KERNELS, WITH_CUDA_KERNEL
from geopt.structures import VoxelGrid

pytestmark = [
    pytest.mark.long,  # a minute of compiling
    pytest.mark.skipif(shutil.which("g++") is None, reason="no compiler"),
]
WITH_KERNEL = {name: row for name, row in ROWS.items() if KERNELS[row.op] in WITH_CUDA_KERNEL}
ORDERS = {"ascending": 0, "descending": 1, "shuffled": 12345}


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    torch.ops.load_library(build(tmp_path_factory.mktemp("on_host")))


@pytest.fixture(params=ORDERS)
def order(request, library):
    """In which order the threads of a block come to their turns."""
    torch.ops.geopt_on_host.set_thread_order(ORDERS[request.param])
    yield request.param
    torch.ops.geopt_on_host.set_thread_order(0)


@pytest.fixture(autouse=True)
def filled_memory():
    """Whoever reads memory that nobody has written finds what cannot be right."""
    torch.use_deterministic_algorithms(True)
    assert torch.utils.deterministic.fill_uninitialized_memory
    yield
    torch.use_deterministic_algorithms(False)


def assert_same_on_both(run, kernel):
    expected = run()
    with OnHost() as mode:
        got = run()
    assert {kernel, f"{kernel}_ragged"} & mode.ran
    assert_same_bits(got, expected)


@pytest.mark.parametrize("row", WITH_KERNEL.values(), ids=WITH_KERNEL)
@pytest.mark.parametrize("cloud", ALL, ids=str)
def test_kernel_gives_the_bits_of_the_cpu(row, cloud, library):
    if not row.fits(cloud.xyz, cloud.offsets):
        pytest.skip("the op refuses such a cloud")
    if row.op == "radius_search" and len(cloud.xyz) > 3000:
        pytest.skip("many pairs")
    assert_same_on_both(lambda: row.run(ops, cloud.xyz, cloud.offsets), KERNELS[row.op])


@pytest.mark.parametrize("row", WITH_KERNEL.values(), ids=WITH_KERNEL)
def test_the_order_of_threads_does_not_matter(row, order):
    rings = by_name("rings")
    assert_same_on_both(lambda: row.run(ops, rings.xyz, rings.offsets), KERNELS[row.op])


def test_farthest_points_of_a_cloud_with_many_blocks_and_ties(order):
    """Points on a lattice, each three times: most picks are ties. 8,000 points are 125 blocks."""
    lattice = torch.cartesian_prod(*(torch.arange(14.0),) * 3)[:2700].repeat(3, 1)
    lattice = lattice[torch.randperm(len(lattice), generator=torch.Generator().manual_seed(0))]
    offsets = torch.tensor([0, 100, len(lattice)])
    assert_same_on_both(lambda: ops.farthest_point_sample(lattice, offsets, 60, 7), "farthest_point_sample")


@pytest.mark.parametrize("num_points", [131_073, 262_145 + 77])
def test_farthest_points_where_blocks_hold_more_than_64(num_points, library):
    """More than 2,048 blocks of 64: they hold 128 points, or 256, and the last one a part of that."""
    xyz = torch.rand(num_points, 3, generator=torch.Generator().manual_seed(3)) * torch.tensor([80, 80, 4.0])
    assert_same_on_both(
        lambda: ops.farthest_point_sample(xyz, torch.tensor([0, num_points]), 12), "farthest_point_sample"
    )


@pytest.mark.parametrize("shape", [(1, 300), (300, 1), (9, 129), (130, 257)], ids=str)
def test_overlaps_over_many_tiles(shape, library):
    """A tile is 8 boxes of one by 128 of the other."""
    generator = torch.Generator().manual_seed(5)
    one, other = (torch.rand(n, 7, generator=generator) * torch.tensor([9, 9, 1, 5, 3, 2, 6.0]) for n in shape)
    for kind in ("bev", "3d"):
        assert_same_on_both(lambda kind=kind: ops.box_iou(one, other, kind), "box_iou")


def test_a_stray_return_changes_no_pick(library):
    xyz = by_name("rings").xyz.clone()
    xyz[17] = torch.tensor([3e7, -1e6, 4e5])
    xyz[18] = torch.tensor([3.0e38, 0, 0])
    ends = torch.tensor([0, len(xyz)])
    assert_same_on_both(lambda: ops.farthest_point_sample(xyz, ends, 80), "farthest_point_sample")


@pytest.mark.parametrize("size_m", [1.0, 1e-3])
def test_voxel_index_with_keys_of_32_and_of_64_bits(size_m, order):
    """Two levels below the tokens; 1 mm cells need keys of more than 32 bits."""
    rings = by_name("rings")
    grid = VoxelGrid((-8, -8, -4), (8, 8, 4), (4 * size_m,) * 3)
    assert_same_on_both(lambda: ops.voxel_index(rings.xyz, rings.offsets, grid, ((2, 2, 2), (2, 1, 1))), "voxel_index")


def test_voxel_index_over_many_tiles(library):
    xyz = torch.rand(300_001, 3, generator=torch.Generator().manual_seed(1)) * 20 - 10
    offsets = torch.tensor([0, 0, 120_000, 300_001, 300_001])
    grid = VoxelGrid((-8, -8, -4), (8, 8, 4), (2, 2, 2))
    assert_same_on_both(lambda: ops.voxel_index(xyz, offsets, grid, ((2, 2, 2),)), "voxel_index")


WRONG = [[0, 9, 5, 20], [1, 20], [0, 19], [0, 2**40, 20], [-3, 20], [20], [0, 0, 7]]


@pytest.mark.parametrize("offsets", WRONG, ids=str)
@pytest.mark.parametrize("rows", [0, 20])
@pytest.mark.parametrize("op", ["voxel_index", "voxel_downsample"])
def test_wrong_offsets_come_back_with_the_sizes_of_voxels(op, rows, offsets, library):
    grid = VoxelGrid((-8, -8, -4), (8, 8, 4), (2, 2, 2))
    arguments = torch.rand(rows, 3), torch.tensor(offsets), *grid.lower, *grid.size, grid.shape
    with pytest.raises(RuntimeError, match=f"offsets must rise from 0 to {rows}"):
        getattr(torch.ops.geopt_on_host, op)(*arguments, *([[]] if op == "voxel_index" else []))


@pytest.mark.parametrize("max_kept", [None, 30])
def test_nms_of_more_than_one_chunk(max_kept, order):
    """2,048 candidates are a chunk."""
    generator = torch.Generator().manual_seed(2)
    boxes = torch.rand(2500, 7, generator=generator) * torch.tensor([40, 40, 1, 5, 3, 2, 3.0])
    scores = torch.rand(2500, generator=generator)
    group = torch.randint(3, (2500,), generator=generator)
    assert_same_on_both(lambda: ops.nms(boxes, scores, 0.2, group, max_kept=max_kept), "nms_kept")


def test_gradients_of_segment_reduce(library):
    values, segment = by_name("rings").xyz, torch.arange(len(by_name("rings").xyz)) % 17 - 1

    for reduce in ("sum", "mean", "max"):

        def gradient(reduce=reduce):
            leaf = values.clone().requires_grad_()
            ops.segment_reduce(leaf, segment, 16, reduce).square().sum().backward()
            return leaf.grad

        assert_same_on_both(gradient, "segment_reduce_backward")


def test_every_cuda_kernel_runs_here(library):
    rings = by_name("rings")
    with OnHost() as mode:
        for row in WITH_KERNEL.values():
            assert tensors(row.run(ops, rings.xyz, rings.offsets))
    assert set(WITH_CUDA_KERNEL) <= mode.ran


def test_launches_are_found_in_the_text():
    text = "f<T><<<g(n, 2), 32, 0, s>>>(\n  {a, b}, h(c));"
    assert with_launches(text) == "cuda_on_host::launch(g(n, 2), 32, [&] { f<T>(\n  {a, b}, h(c)); });"
    with pytest.raises(AssertionError, match="no dynamic memory"):
        with_launches("f<<<1, 32, bytes, s>>>(a);")
