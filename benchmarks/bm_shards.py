"""Reading shards beside reading the dataset itself: `python benchmarks/bm_shards.py data.root=NUSCENES data.version=v1.0-mini ...`.

Also for frames of Waymo of full size, made up as in bm_waymo_reader.py. One core; median of three passes over all sweeps, files
in the page cache. Clouds at random are the key frame with its past sweeps, as a run reads them.
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
from bm_waymo_reader import drive

from geopt import packing
from geopt.bench.run import processor
from geopt.data import NuScenes
from geopt.data.formats import open_source
from geopt.data.source import Source


def per_second(calls: list[Callable[[], object]]) -> float:
    """Calls a CPU second, median of three passes."""
    for call in calls:
        call()
    passes = []
    for _ in range(3):
        begin = time.process_time()
        for call in calls:
            call()
        passes.append(len(calls) / (time.process_time() - begin))
    return statistics.median(passes)


def measure(name: str, source: Source, megabytes: float, num_sweeps: int) -> None:
    rows = [int(row) for row in np.arange(len(source.order.scene))]
    mixed = np.random.default_rng(0).permutation(rows).tolist()
    speeds = [per_second([lambda r=row: source.read(r) for row in order]) for order in (rows, mixed)]
    speeds.append(per_second([lambda r=row: source.cloud(r, source.past(r, num_sweeps - 1)) for row in mixed]))
    points = np.mean([len(source.read(row).xyz) for row in rows])
    columns = " | ".join(f"{speed:,.0f}" if speed >= 10 else f"{speed:.1f}" for speed in speeds)
    size = f"{1e6 * megabytes / (points * len(rows)):.1f}"
    print(f"| {name} | {points:,.0f} | {megabytes:,.1f} | {size} | {columns} |", flush=True)


def compare(name: str, overrides: list[str], num_sweeps: int, where: Path) -> None:
    raw = open_source(packing.load(overrides).data)
    measure(f"{name}, as downloaded", raw, megabytes_of(raw), num_sweeps)
    for precision in ("float32", "int16"):
        out = where / f"{name}-{precision}".replace(" ", "-")
        packing.pack(out, packing.load([*overrides, f"precision={precision}"]))
        packed = open_source(packing.load([*overrides, f"data.root={out}"]).data)
        size = sum(path.stat().st_size for path in out.iterdir()) / 1e6
        measure(f"{name}, shards {precision}", packed, size, num_sweeps)


def megabytes_of(source: Source) -> float:
    """Of the files that hold points."""
    if isinstance(source, NuScenes):
        return sum(source.path(row).stat().st_size for row in range(len(source.order.scene))) / 1e6
    return sum(path.stat().st_size for path in source.folder.rglob("*.parquet")) / 1e6


def main(overrides: list[str]) -> None:
    print(
        f"{time.strftime('%Y-%m-%d')}, {processor()}, load {os.getloadavg()[0]:.1f}, NumPy {np.__version__}, one core\n"
    )
    print(
        "| what | points a sweep | MB | bytes a point | sweeps/s in order | sweeps/s at random | clouds/s at random |"
    )
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        if overrides:
            compare("the dataset", overrides, 10, Path(folder))
        made = Path(folder) / "waymo"
        waymo_files.write_v2(drive(5), made, compression="snappy", row_group_size=5)
        compare("Waymo v2", ["data.kind=waymo", f"data.root={made}", "data.train=all", "data.val="], 1, Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
