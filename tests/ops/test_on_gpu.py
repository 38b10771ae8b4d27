"""Every op on CUDA tensors: what the CPU gives, on any stream, and no wait for the GPU but those that are documented."""

import warnings

import pytest
import torch
from clouds import ALL, by_name
from op_rows import ROWS, tensors

from geopt import ops
from geopt.ops._library import KERNELS, WITH_CUDA_KERNEL

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")]
every_row = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
# Kernels whose results have a size that only their work tells, and how often each reads one back.
READ_BACKS = {"voxel_index": 1, "voxel_downsample": 1, "radius_search_ragged": 1}


def moved(value, device):
    """Tensors in tuples, on another device."""
    if isinstance(value, torch.Tensor):
        return value.to(device)
    return type(value)(moved(part, device) for part in value) if isinstance(value, tuple) else value


def run_on(device, row, cloud):
    arguments = tuple(moved(value, device) for value in row.arguments(cloud.xyz, cloud.offsets))
    return moved(tuple(tensors(getattr(ops, row.op)(*arguments))), "cpu")


@every_row
@pytest.mark.parametrize("cloud", ALL, ids=str)
def test_gives_what_the_cpu_gives(row, cloud):
    if not row.fits(cloud.xyz, cloud.offsets):
        pytest.skip("the op refuses such a cloud")
    row.assert_equal(run_on("cuda", row, cloud), run_on("cpu", row, cloud))


@every_row
def test_runs_on_the_current_stream(row):
    """The stream is kept busy first: a kernel on another one would read its input too early."""
    rings = by_name("rings")
    arguments = row.arguments(rings.xyz, rings.offsets)
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        on_gpu = []
        for value in arguments:
            if isinstance(value, torch.Tensor):
                late = torch.zeros_like(value, device="cuda")
                torch.cuda._sleep(5_000_000)
                value = late.copy_(value.pin_memory() if value.numel() else value, non_blocking=True)
            on_gpu.append(value)
        got = tensors(getattr(ops, row.op)(*on_gpu))
    torch.cuda.current_stream().wait_stream(stream)
    expected = tensors(getattr(ops, row.op)(*arguments))
    row.assert_equal(moved(tuple(got), "cpu"), tuple(expected))


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if KERNELS[row.op] in WITH_CUDA_KERNEL])
def test_kernels_wait_for_the_gpu_only_for_the_sizes_of_results(name, recorded_calls):
    rings = by_name("rings")
    arguments = tuple(moved(value, "cuda") for value in ROWS[name].arguments(rings.xyz, rings.offsets))
    with recorded_calls() as calls:
        getattr(ops, ROWS[name].op)(*arguments)
    assert calls
    for func, args, kwargs in calls:
        torch.cuda.synchronize()
        before = torch.cuda.get_sync_debug_mode()
        with warnings.catch_warnings(record=True) as waits:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                func(*args, **kwargs)
            finally:
                torch.cuda.set_sync_debug_mode(before)
        # Torch also says once that its check is a prototype that does not see all synchronizing operations.
        called = [str(wait.message) for wait in waits if "called a synchronizing" in str(wait.message)]
        assert len(called) == READ_BACKS.get(func._schema.name.removeprefix("geopt::"), 0), called


@pytest.fixture
def recorded_calls():
    """A context that lists the calls of registered kernels of geopt."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Recorder(TorchDispatchMode):
        def __enter__(self):
            self.calls = []
            super().__enter__()
            return self.calls

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            if func._schema.name.startswith("geopt::"):
                self.calls.append((func, args, kwargs or {}))
            return func(*args, **(kwargs or {}))

    return Recorder


@pytest.mark.parametrize("offsets", [[0, 9, 5, 20], [1, 20], [0, 19], [0, 2**40, 20]], ids=str)
def test_voxelize_refuses_wrong_offsets_and_goes_on(offsets):
    xyz, ends, grid = torch.rand(20, 3).cuda(), torch.tensor([0, 20]).cuda(), ROWS["voxelize"].arguments(*[None] * 2)[2]
    for op in (ops.voxelize, ops.voxel_downsample):
        with pytest.raises(ValueError, match=r"offsets must rise from 0 to 20 \(the rows of xyz\), got"):
            op(xyz, torch.tensor(offsets).cuda(), grid)
        assert len(op(xyz, ends, grid)[0]) > 0


def test_a_million_points_and_many_clouds_give_what_the_cpu_gives():
    generator = torch.Generator().manual_seed(0)
    xyz = torch.rand(1_000_000, 3, generator=generator) * torch.tensor([100, 100, 6.0]) - torch.tensor([50, 50, 3.0])
    ends = torch.tensor([0, 1, 300_000, 300_000, 1_000_000])
    grid = ROWS["voxel_index"].arguments(xyz, ends)[2]
    on_gpu = ops.voxel_index(xyz.cuda(), ends.cuda(), grid, ((4, 4, 4),))
    for got, expected in zip(tensors(on_gpu), tensors(ops.voxel_index(xyz, ends, grid, ((4, 4, 4),)))):
        assert torch.equal(got.cpu(), expected)
    some = torch.tensor([0, 300_000, 1_000_000])
    got = ops.farthest_point_sample(xyz.cuda(), some.cuda(), 500)
    assert torch.equal(got.cpu(), ops.farthest_point_sample(xyz, some, 500))
