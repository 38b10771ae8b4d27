"""The ops on a GPU beside the CPU back end and what torch offers: `python benchmarks/bm_gpu.py [--repeats N]`.

Times are medians between CUDA events around one call, its checks and read-backs counted in; four shifted copies of the
input take turns, so that no cache holds the answer. Real scans come from GEOPT_TEST_DATA, else a street is ray-cast.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from targets_alone import all_targets
from torch import Tensor

from geopt import ops, reference
from geopt.bench.clouds import street
from geopt.structures import VoxelGrid

GRID = VoxelGrid((-102.4, -102.4, -5.0), (102.4, 102.4, 11.4), (0.1, 0.1, 0.1))
Call = Callable[[Tensor], object]
# Milliseconds on an H100 that are aimed at, by operation and cloud.
GOALS = {
    ("normals and curvature, k = 16", "160k"): 0.3,
    ("normals and curvature, k = 16", "1M"): 1.2,
    ("knn, k = 16", "160k"): 0.35,
    ("knn, k = 16", "1M"): 1.4,
    ("voxelize 0.1 m", "160k"): 0.05,
    ("voxelize 0.1 m", "1M"): 0.15,
    ("farthest_point_sample 4096", "160k"): 6.0,
    ("box_iou 1000 x 1000", "boxes"): 0.03,
    ("nms of 10,000", "boxes"): 0.5,
    ("index and targets", "ten sweeps"): 1.0,
}


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


def calls_on_points(xyz: Tensor) -> dict[str, tuple[Call, dict[str, Call]]]:
    """Operation -> ours, and others by name; only calls that finish soon."""
    n = len(xyz)

    def ends(x: Tensor) -> Tensor:
        return torch.tensor([0, len(x)], device=x.device)

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
            lambda x: ops.voxel_index(
                x, ends(x), VoxelGrid(GRID.lower, (102.4, 102.4, 11.0), (0.4,) * 3), ((4, 4, 4),)
            ),
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


def segments(x: Tensor) -> Tensor:
    return torch.arange(len(x), device=x.device) * 20_000 // len(x)


def gpu_ms(call: Call, inputs: list[Tensor], repeats: int) -> float:
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


def cpu_ms(call: Call, given: Tensor) -> float:
    call(given)
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        call(given)
        times.append(1e3 * (time.perf_counter() - begin))
    return statistics.median(times)


def show(operation: str, cloud: str, ours: Call, others: dict[str, Call], given: Tensor, repeats: int) -> None:
    shifted = [given.cuda() + 0.001 * i for i in range(4)]
    goal = GOALS.get((operation, cloud))
    on_gpu, on_cpu = gpu_ms(ours, shifted, repeats), cpu_ms(ours, given)
    print(f"| {operation} | {cloud} | {len(given):,} | {on_gpu:.3f} | {goal or ''} | {on_cpu:.1f} |", flush=True)
    for name, other in others.items():
        print(
            f"| {name} | {cloud} | {len(given):,} | {gpu_ms(other, shifted, max(3, repeats // 5)):.3f} | | |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=50)
    repeats = parser.parse_args().repeats
    if not torch.cuda.is_available():
        raise SystemExit("bm_gpu: no GPU here")
    backends = ops.backends()
    slow = [name for name, runs in backends.items() if runs["cuda"] != "CUDA"]
    print("Ops without a CUDA kernel: " + (", ".join(slow) or "none") + "\n")
    print("| operation | cloud | rows | GPU ms | goal ms | CPU ms |\n|---|---|---|---|---|---|")
    needs = {
        "normals and curvature, k = 16": "local_pca",
        "knn, k = 16": "knn",
        "radius_search 0.5 m, 16": "radius_search",
    }
    for cloud, xyz in clouds().items():
        for operation, (ours, others) in calls_on_points(xyz).items():
            if needs.get(operation) in slow:
                print(f"| {operation} | {cloud} | {len(xyz):,} | no CUDA kernel | | |")
                continue
            show(operation, cloud, ours, others, xyz, repeats)
    show("box_iou 1000 x 1000", "boxes", lambda b: ops.box_iou(b, b), {}, boxes(1000), repeats)
    show("nms of 10,000", "boxes", lambda b: ops.nms(b, b[:, 2], 0.2), {}, boxes(10_000), repeats)
    few = boxes(100)
    show(
        "points_in_boxes, 100 boxes",
        "160k",
        lambda x: ops.points_in_boxes(x, few.to(x.device)),
        {},
        street(64, 2500),
        repeats,
    )
    ten = torch.cat([street(32, 1090, i, 0.5 * i) for i in range(10)])
    show("index and targets", "ten sweeps", all_targets, {}, ten, repeats)
    got, expected = (
        reference.voxelize(ten.to(d), torch.tensor([0, len(ten)], device=d), GRID)[1] for d in ("cuda", "cpu")
    )
    assert torch.equal(got.cpu(), expected)


if __name__ == "__main__":
    main()
