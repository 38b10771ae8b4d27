"""The ops on a GPU beside the CPU back end and what torch offers: `python benchmarks/bm_gpu.py [--repeats N]`.

Times are medians between CUDA events around one call, its checks and read-backs counted in; four shifted copies of the
input take turns, so that no cache holds the answer. Real scans come from GEOPT_TEST_DATA, else a street is ray-cast.
Below the table stands, for each goal that is missed, where the time goes: kernel by kernel, and what the GPU idled.
"""

from __future__ import annotations

import argparse
import functools
import os
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from goals import GOALS, verdict
from targets_alone import all_targets, batch_of
from torch import Tensor

from geopt import ops, reference
from geopt.bench.clouds import street
from geopt.structures import VoxelGrid

GRID = VoxelGrid((-102.4, -102.4, -5.0), (102.4, 102.4, 11.4), (0.1, 0.1, 0.1))
TOKENS = VoxelGrid(GRID.lower, (102.4, 102.4, 11.0), (0.4,) * 3)
Call = Callable[[Any], object]


def clouds() -> dict[str, Tensor]:
    """Streets of 64 beams, and real sweeps where there are any."""
    found = {"160k": street(64, 2500), "1M": street(64, 15_625)}
    root = Path(os.environ.get("GEOPT_TEST_DATA", "none"))
    for pattern, columns in (("nuscenes/samples/LIDAR_TOP/*.bin", 5), ("semantickitti/sequences/00/velodyne/*.bin", 4)):
        for path in sorted(root.glob(pattern))[:1]:
            found[path.parts[len(root.parts)]] = torch.from_numpy(
                np.fromfile(path, np.float32).reshape(-1, columns)[:, :3].copy()
            )
    return found


def boxes(count: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    scale = torch.tensor([120.0, 120, 2, 4, 2, 1.5, 6.28])
    return torch.rand(count, 7, generator=generator) * scale + torch.tensor([-60.0, -60, 0, 1, 1, 1, 0])


@functools.cache
def ends_of(rows: int, device: torch.device) -> Tensor:
    """Kept, since a copy to the GPU would be waited for in every call."""
    return torch.tensor([0, rows], device=device)


@functools.cache
def segments_of(rows: int, device: torch.device) -> Tensor:
    return torch.arange(rows, device=device) * 20_000 // rows


def ends(x: Tensor) -> Tensor:
    return ends_of(len(x), x.device)


def segments(x: Tensor) -> Tensor:
    return segments_of(len(x), x.device)


def calls_on_points(xyz: Tensor) -> dict[str, tuple[Call, dict[str, Call]]]:
    """Operation -> ours, and others by name; only calls that finish soon."""
    n = len(xyz)

    def packed(x: Tensor) -> Tensor:
        cell = torch.floor((x - x.new_tensor(GRID.lower)) / GRID.size[0]).long()
        return torch.unique((cell[:, 0] * 4096 + cell[:, 1]) * 4096 + cell[:, 2], return_inverse=True)[1]

    def rows(x: Tensor) -> Tensor:
        return torch.unique(
            torch.floor((x - x.new_tensor(GRID.lower)) / GRID.size[0]).int(), dim=0, return_inverse=True
        )[1]

    def nearest(x: Tensor) -> object:
        return torch.cdist(x[:10_000], x).topk(16, largest=False)

    return {
        "voxelize 0.1 m": (
            lambda x: ops.voxelize(x, ends(x), GRID),
            {"torch.unique of packed keys": packed, "torch.unique(dim=0)": rows},
        ),
        "voxel_index 0.4 m / 0.1 m": (
            lambda x: ops.voxel_index(x, ends(x), TOKENS, ((4, 4, 4),)),
            {},
        ),
        "normals and curvature, k = 16": (lambda x: ops.local_pca(x, k=16), {}),
        "knn, k = 16": (
            lambda x: ops.knn(x, x, 16),
            {"torch.cdist + topk of 10,000 queries": nearest} if n < 200_000 else {},
        ),
        "radius_search 0.5 m, 16": (lambda x: ops.radius_search(x, x, 0.5, 16), {}),
        "farthest_point_sample 4096": (lambda x: ops.farthest_point_sample(x, ends(x), 4096), {}),
        "segment_reduce sum, 20,000 segments": (
            lambda x: ops.segment_reduce(x, segments(x), 20_000),
            {"Tensor.index_add_": lambda x: x.new_zeros(20_000, 3).index_add_(0, segments(x), x)},
        ),
    }


def gpu_ms(call: Call, inputs: list[Any], repeats: int) -> float:
    for given in inputs:
        call(given)
    times = []
    for i in range(repeats):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        begin.record()
        call(inputs[i % len(inputs)])
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end))
    return statistics.median(times)


def cpu_ms(call: Call, given: Any) -> float:
    call(given)
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        call(given)
        times.append(1e3 * (time.perf_counter() - begin))
    return statistics.median(times)


class Kernel(NamedTuple):
    """What ran on the GPU under one name, copies and fills too, in one call."""

    name: str
    runs: float
    microseconds: float


def kernels_of(events: Iterable[Any], calls: int) -> list[Kernel]:
    """From averages of torch's profiler over so many calls; the longest first."""
    on_gpu = [event for event in events if event.device_type == torch.autograd.DeviceType.CUDA]
    found = [Kernel(event.key, event.count / calls, event.self_device_time_total / calls) for event in on_gpu]
    return sorted(found, key=lambda kernel: -kernel.microseconds)


def profile(call: Call, inputs: list[Any]) -> list[Kernel]:
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as seen:
        for given in inputs:
            call(given)
        torch.cuda.synchronize()
    return kernels_of(seen.key_averages(), len(inputs))


def where_the_time_goes(operation: str, cloud: str, milliseconds: float, kernels: list[Kernel], most: int = 8) -> str:
    busy, runs = sum(kernel.microseconds for kernel in kernels) / 1e3, sum(kernel.runs for kernel in kernels)
    lines = [
        f"{operation}, {cloud}: {milliseconds:.3f} ms. {runs:.0f} kernels, copies and fills take {busy:.3f} ms of it; in "
        f"the rest the GPU waits for the host.\n",
        "| microseconds | runs | kernel |\n|---|---|---|",
    ]
    lines += [f"| {k.microseconds:.1f} | {k.runs:g} | `{k.name[:110]}` |" for k in kernels[:most]]
    return "\n".join(lines)


class Table:
    """Rows as they are measured, and where the time of the missed goals goes."""

    def __init__(self, repeats: int):
        self.repeats, self.missed, self.num_goals = repeats, list[str](), 0
        print("| operation | cloud | rows | GPU ms | goal ms | | CPU ms |\n|---|---|---|---|---|---|---|")

    def row(
        self,
        operation: str,
        cloud: str,
        ours: Call,
        others: dict[str, Call],
        given: Tensor,
        prepare: Callable[[Tensor], Any] = lambda x: x,
    ) -> None:
        """``prepare`` makes what the calls take of a tensor; its time is not counted."""
        shifted = [prepare(given.cuda() + 0.001 * i) for i in range(4)]
        goal = GOALS.get((operation, cloud))
        on_gpu, on_cpu = gpu_ms(ours, shifted, self.repeats), cpu_ms(ours, prepare(given))
        said = verdict(on_gpu, goal)
        row = [operation, cloud, f"{len(given):,}", f"{on_gpu:.3f}", f"{goal or ''}", said, f"{on_cpu:.1f}"]
        print(f"| {' | '.join(row)} |", flush=True)
        for name, other in others.items():
            of_other = gpu_ms(other, shifted, max(3, self.repeats // 5))
            print(f"| {name} | {cloud} | {len(given):,} | {of_other:.3f} | | | |", flush=True)
        self.num_goals += goal is not None
        if goal is not None and on_gpu > goal:
            self.missed.append(where_the_time_goes(operation, cloud, on_gpu, profile(ours, shifted)))

    def end(self) -> None:
        print(f"\nGoals held: {self.num_goals - len(self.missed)} of {self.num_goals}.")
        print("".join(f"\n{part}\n" for part in self.missed), end="")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=50)
    repeats = parser.parse_args().repeats
    if not torch.cuda.is_available():
        raise SystemExit("bm_gpu: no GPU here")
    slow = [name for name, runs in ops.backends().items() if runs["cuda"] != "CUDA"]
    if slow:
        raise SystemExit(f"bm_gpu: this build has no CUDA kernel for {', '.join(slow)}; build with GEOPT_CUDA=1")
    table = Table(repeats)
    for cloud, xyz in clouds().items():
        for operation, (ours, others) in calls_on_points(xyz).items():
            table.row(operation, cloud, ours, others, xyz)
    table.row("box_iou 1000 x 1000", "boxes", lambda b: ops.box_iou(b, b), {}, boxes(1000))
    table.row("nms of 10,000", "boxes", lambda b: ops.nms(b, b[:, 2], 0.2), {}, boxes(10_000))
    few = {device: boxes(100).to(device) for device in ("cpu", "cuda")}
    table.row(
        "points_in_boxes, 100 boxes", "160k", lambda x: ops.points_in_boxes(x, few[x.device.type]), {}, street(64, 2500)
    )
    ten = torch.cat([street(32, 1090, i, 0.5 * i) for i in range(10)])
    table.row("index and targets", "ten sweeps", all_targets, {}, ten, batch_of)
    table.end()
    got, expected = (
        reference.voxelize(ten.to(d), torch.tensor([0, len(ten)], device=d), GRID)[1] for d in ("cuda", "cpu")
    )
    assert torch.equal(got.cpu(), expected)


if __name__ == "__main__":
    main()
