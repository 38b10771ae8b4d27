"""Clouds, clocks and tables that the benchmarks of ops share."""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from geopt import ops


def arguments(about: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument(
        "--scan", nargs="*", default=[], type=Path, help=".bin files of float32 rows that begin x, y, z"
    )
    parser.add_argument("--columns", type=int, default=5, help="numbers per row: 5 for nuScenes, 4 for KITTI")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=7)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    return given


def clouds(given: argparse.Namespace) -> dict[str, Tensor]:
    """The scans asked for, else a street as a 32-beam sensor sees it."""
    if not given.scan:
        return {"synthetic street": street()}
    return {
        path.stem[:32]: torch.from_numpy(np.fromfile(path, np.float32).reshape(-1, given.columns)[:, :3].copy())
        for path in given.scan
    }


def street(num_steps: int = 1090) -> Tensor:
    """Ground, two walls and range noise from 1.8 m above the ground, about 35,000 points, beam by beam."""
    generator = torch.Generator().manual_seed(0)
    elevation = torch.deg2rad(torch.linspace(-30, 10, 32))[:, None]
    azimuth = torch.linspace(-torch.pi, torch.pi, num_steps + 1)[None, :-1]
    x, y, z = elevation.cos() * azimuth.cos(), elevation.cos() * azimuth.sin(), elevation.sin().expand(-1, num_steps)
    to_ground = torch.where(z < 0, -1.8 / z, torch.inf)
    reach = torch.minimum(to_ground, 9.0 / y.abs()).clamp(max=80)
    reach = reach + 0.02 * torch.randn(reach.shape, generator=generator)
    return torch.stack([reach * x, reach * y, reach * z], dim=-1).reshape(-1, 3).contiguous()


def installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def table(
    title: str,
    given: argparse.Namespace,
    rows: list[tuple[str, str, int, Callable[[], object]]],
    of: str = "cloud",
    unit: str = "point",
) -> list[float]:
    """Times (cloud, what runs, number of points, call) and prints a table with what one must know to repeat it; returns
    the CPU times in ms."""
    print(f"### {title}\n")
    print(f"{datetime.date.today()}, {processor()}, {given.threads} thread(s), load {os.getloadavg()[0]:.1f};")
    print(f"Python {platform.python_version()}, torch {torch.__version__}, g++ {ops.build_info()['compiler']};")
    print(f"median of {given.repeats} runs, CPU time beside it.\n")
    print(f"| {of} | {unit}s | what | ms | CPU ms | CPU ns a {unit} |\n|---|---|---|---|---|---|")
    medians = []
    for cloud, what, num_points, call in rows:
        call()
        wall, cpu = [], []
        for _ in range(given.repeats):
            begin, begin_cpu = time.perf_counter(), time.process_time()
            call()
            wall.append(1e3 * (time.perf_counter() - begin))
            cpu.append(1e3 * (time.process_time() - begin_cpu))
        mid = statistics.median(cpu)
        medians.append(mid)
        print(
            f"| {cloud} | {num_points:,} | {what} | {statistics.median(wall):.2f} | {mid:.2f} "
            f"| {1e6 * mid / max(num_points, 1):.0f} |",
            flush=True,
        )
    print()
    return medians


def ratios(rows: list[tuple[str, str, int, Callable[[], object]]], medians: list[float]) -> None:
    """Prints how many times as long as the first row of its input each other row took, in CPU time."""
    first: dict[str, float] = {}
    for (cloud, what, _, _), mid in zip(rows, medians):
        if cloud in first:
            print(f"- {cloud}: {what} takes {mid / first[cloud]:.1f} times as long as geopt")
        first.setdefault(cloud, mid)
    print()


def processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]}, {len(names)} cores" if names else platform.processor() or platform.machine()
