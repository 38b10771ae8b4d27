"""What a frame costs in Waymo scores: `python benchmarks/bm_waymo.py [FRAMES]`.

Scores random frames of 149 predictions and 55 labelled boxes with the official config: overlaps, and matching at each of
101 cutoffs in 16 parts. The crowd stands within 20 m. The same boxes are scored from the files of Waymo's tools, and point
labels of both returns of the TOP lidar, 339,200 pixels a frame, besides.
"""

from __future__ import annotations

import datetime
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from waymo_database import label_objects, prediction_objects, random_case, write_objects

from geopt.evaluation import waymo_detection, waymo_detection_files, waymo_segmentation

NUM_PREDICTIONS, NUM_TRUTHS = 149, 55
NUM_PIXELS = 2 * 64 * 2650  # of both returns
REPEATS = 5
OFFICIAL_MS = 20.5  # CPU time of the official op on frames of this size, on two cores of an EPYC machine


def main(num_frames: int = 200) -> None:
    rows = []
    for name, spread_m in (("street", 75.0), ("crowd", 20.0)):
        case = frames(num_frames, spread_m)
        for threads in (1, 2):
            rows.append((f"detection, {name}", threads, timed(lambda: waymo_detection(**case, num_threads=threads))))  # noqa: B023
        if name == "street":
            rows.append(("detection, street, from files", 1, timed_files(case)))
    rng = np.random.default_rng(0)
    labels = {side: rng.integers(0, 23, 10 * NUM_PIXELS).astype(np.uint8) for side in ("ground_truth", "prediction")}
    wall, cpu = timed(lambda: waymo_segmentation(**labels))
    rows.append(("segmentation", 1, (wall * num_frames / 10, cpu * num_frames / 10)))
    print(f"{datetime.date.today()}, {processor()}, load {os.getloadavg()[0]:.1f};")
    print(f"Python {platform.python_version()}, NumPy {np.__version__}; {num_frames} frames of {NUM_PREDICTIONS}")
    print(f"predictions and {NUM_TRUTHS} ground truths; median of {REPEATS} runs.")
    print(f"Peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB.\n")
    print("| what | threads | ms a frame | CPU ms a frame | official op, CPU ms |\n|---|---|---|---|---|")
    for name, threads, (wall, cpu) in rows:
        theirs = f"{OFFICIAL_MS}" if name == "detection, street" and threads == 1 else "-"
        print(f"| {name} | {threads} | {1e3 * wall / num_frames:.2f} | {1e3 * cpu / num_frames:.2f} | {theirs} |")


def frames(num_frames: int, spread_m: float) -> dict[str, np.ndarray]:
    """Random frames, each with the wanted numbers of boxes."""
    case = random_case(1, num_frames=num_frames, num_truths=NUM_TRUTHS, num_noise=120, spread_m=spread_m)
    found: dict[str, np.ndarray] = {}
    for side, count in (("prediction", NUM_PREDICTIONS), ("ground_truth", NUM_TRUTHS)):
        columns = {name: value for name, value in case.items() if name.startswith(side)}
        frame = columns[f"{side}_frame_id"]
        # The two frames that lack a side borrow that of the first.
        rows = [
            np.flatnonzero(frame == (number if (frame == number).any() else 0))[:count] for number in range(num_frames)
        ]
        assert all(len(chosen) == count for chosen in rows)
        found |= {name: value[np.concatenate(rows)] for name, value in columns.items()}
        found[f"{side}_frame_id"] = np.repeat(np.arange(num_frames), count)
    return found


def timed_files(case: dict[str, np.ndarray]) -> tuple[float, float]:
    labels = {name: case[f"ground_truth_{name}"] for name in ("bbox", "type", "frame_id", "difficulty", "speed")}
    labels["num_lidar_points"] = np.full(len(labels["type"]), 10)
    with tempfile.TemporaryDirectory() as folder:
        predictions = write_objects(Path(folder, "p.bin"), prediction_objects(case))
        truth = write_objects(Path(folder, "g.bin"), label_objects(labels))
        return timed(lambda: waymo_detection_files(predictions, truth, num_threads=1))


def timed(call: Callable[[], Any]) -> tuple[float, float]:
    """Median wall and CPU seconds."""
    call()
    wall, cpu = [], []
    for _ in range(REPEATS):
        begin, begin_cpu = time.perf_counter(), time.process_time()
        call()
        wall.append(time.perf_counter() - begin)
        cpu.append(time.process_time() - begin_cpu)
    return statistics.median(wall), statistics.median(cpu)


def processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]}, {len(names)} cores" if names else platform.machine()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
