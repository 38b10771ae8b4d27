"""What it costs to read Waymo: `python benchmarks/bm_waymo_reader.py [FRAMES]`.

Frames of full size are made up: five lidars, both returns, a pose for each pixel of the top lidar, 5 MB of camera images in the
TFRecord. Ranges are those of smooth surfaces with noise of 2 cm, intensities have 16 bits as in the dataset, which decides
how fast zlib is. One core; medians over the frames, files in the page cache.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import waymo_files

from geopt import _host
from geopt.bench.run import processor
from geopt.data import Waymo, WaymoConfig
from geopt.data.waymo import laser_points

SIZES = {1: (64, 2650)} | {number: (200, 600) for number in (2, 3, 4, 5)}
SHARES = {1: (0.87, 0.10)} | {number: (0.12, 0.02) for number in (2, 3, 4, 5)}
"""Pixels with a first and a second return."""
WANTED = {"range images to points": 40, "TFRecord to points": 8}
"""Frames a second."""


def drive(num_frames: int) -> waymo_files.Drive:
    made = waymo_files.make_drive(num_frames=num_frames, sizes=SIZES)
    rng = np.random.default_rng(0)
    for frame in made.frames:
        for (lidar, which), one in frame.returns.items():
            height, width = SIZES[lidar]
            row, column = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
            range_m = 20 + 12 * np.sin(column / width * 25) + 15 * row / height + rng.normal(scale=0.02, size=row.shape)
            bright = rng.exponential(0.2, row.shape).astype(np.float32).view(np.uint32) & 0xFFFF0000
            one.image[..., 0], one.image[..., 1] = range_m, bright.view(np.float32)
            one.image[..., 2], one.image[..., 3] = np.round(rng.exponential(0.1, row.shape), 2), -1
            # whole runs are missing: sky above, ground too near below
            one.image[(row / height + 0.1 * np.sin(column / 40)) % 1 > SHARES[lidar][which]] = -1
    return made


def measure(name: str, calls: list[Callable[[], object]], points: int) -> None:
    for call in calls[:1]:
        call()
    wall, cpu = [], []
    for call in calls * 3:
        begin, begin_cpu = time.perf_counter(), time.process_time()
        call()
        wall.append(time.perf_counter() - begin)
        cpu.append(time.process_time() - begin_cpu)
    mid = statistics.median(cpu)
    wanted = f"{WANTED[name]}" if name in WANTED else "-"
    print(f"| {name} | {points:,} | {1e3 * statistics.median(wall):.1f} | {1e3 * mid:.1f} | {1 / mid:.1f} | {wanted} |")


def main(num_frames: int = 4) -> None:
    made = drive(num_frames)
    print(
        f"{time.strftime('%Y-%m-%d')}, {processor()}, load {os.getloadavg()[0]:.1f}, NumPy {np.__version__}, one thread\n"
    )
    print("| what | points | ms | CPU ms | frames a CPU second | wanted |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        waymo_files.write_v1(made, Path(folder) / "v1" / "a.tfrecord", crc=_host.masked_crc32c, image_bytes=5_000_000)
        v1 = Waymo(Path(folder) / "v1")
        rows = range(num_frames)
        points = len(v1.points(0).xyz)
        images, index = [v1.images(row) for row in rows], v1._indices[0]
        poses = index.world_from_vehicle
        decoded = [lambda r=row: laser_points(images[r], index.calibrations, poses[r]) for row in rows]
        measure("range images to points", decoded, points)
        measure("TFRecord to points", [lambda r=row: v1.points(r) for row in rows], points)
        top = Waymo(v1.root, WaymoConfig(lidars="top", returns="first"))
        measure("TFRecord to points, top lidar", [lambda r=row: top.points(r) for row in rows], len(top.points(0).xyz))
        measure(f"TFRecord, index of {num_frames} frames", [lambda: Waymo(v1.root)], 0)
        for compression, size in (("snappy", 5), ("zstd", 5), ("snappy", 1000)):
            waymo_files.write_v2(
                made, Path(folder) / f"{compression}{size}", compression=compression, row_group_size=size
            )
            v2 = Waymo(Path(folder) / f"{compression}{size}")
            name = f"parquet ({compression}, {'a row group a frame' if size == 5 else 'one row group'}) to points"
            measure(name, [lambda v2=v2, r=row: v2.points(r) for row in rows], points)
    print()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
