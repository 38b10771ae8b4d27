"""What KITTI and Argoverse 2 scores cost: `python benchmarks/bm_object_scores.py [FRAMES] [SWEEPS]`.

Scores random KITTI files, 3,769 frames like the usual validation part, and random Argoverse 2 arrays, 22,950 sweeps of 150
predictions and 75 ground truths like the validation split with all its sweeps.
"""

from __future__ import annotations

import datetime
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from bm_waymo import processor
from kitti_database import write_case

from geopt.evaluation import argoverse2_detection, kitti_detection
from geopt.evaluation.argoverse2_detection import CATEGORIES

SWEEPS_OF_A_LOG = 153
NUM_TRUE, NUM_PREDICTED = 75, 150
COMMON = ("REGULAR_VEHICLE", "PEDESTRIAN", "BOLLARD", "CONSTRUCTION_CONE", "BICYCLE")


def main(num_frames: int = 3769, num_sweeps: int = 22_950) -> None:
    with tempfile.TemporaryDirectory() as folder:
        labels, predictions = write_case(Path(folder), 1, num_frames=num_frames, num_labels=7, num_noise=4)
        num_boxes = [
            sum(len(path.read_text().splitlines()) for path in place.iterdir()) for place in (predictions, labels)
        ]
        rows = [("KITTI", num_frames, *num_boxes, *timed(lambda: kitti_detection(labels, predictions)))]
    predicted, true = sweeps(num_sweeps)
    num_boxes = [len(predicted["last"]), len(true["last"])]
    rows.append(("Argoverse 2", num_sweeps, *num_boxes, *timed(lambda: argoverse2_detection(predicted, true))))
    print(f"{datetime.date.today()}, {processor()}, load {os.getloadavg()[0]:.1f};")
    print(f"Python {platform.python_version()}, NumPy {np.__version__}; one run each, one thread.")
    print(f"Peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB.\n")
    print("| what | frames | predictions | labels | s | CPU s |\n|---|---|---|---|---|---|")
    for name, frames, num_predicted, num_true, wall, cpu in rows:
        print(f"| {name} | {frames:,} | {num_predicted:,} | {num_true:,} | {wall:.1f} | {cpu:.1f} |")


def sweeps(num_sweeps: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Predictions around ground truths, half of them close; common categories are half of all boxes."""
    rng = np.random.default_rng(0)
    names = np.array([*CATEGORIES, *COMMON * 5], dtype=object)
    logs = np.array([f"log-{i:032d}" for i in range(num_sweeps // SWEEPS_OF_A_LOG + 1)], dtype=object)

    def table(sweep: np.ndarray, category: np.ndarray, cuboids: np.ndarray, last: np.ndarray) -> dict[str, np.ndarray]:
        time_ns = 315_966_070_000_000_000 + 100_000_000 * (sweep % SWEEPS_OF_A_LOG)
        columns = (logs[sweep // SWEEPS_OF_A_LOG], time_ns, names[category], cuboids, last)
        return dict(zip(("log_id", "timestamp_ns", "category", "cuboids", "last"), columns))

    sweep = np.repeat(np.arange(num_sweeps), NUM_TRUE)
    category, half = rng.integers(len(names), size=len(sweep)), rng.uniform(-np.pi / 2, np.pi / 2, len(sweep))
    none = np.zeros(len(sweep))
    place = rng.normal(0, [45, 45, 0.3], (len(sweep), 3))
    cuboids = np.column_stack([place, none + 4, none + 2, none + 1.6, np.cos(half), none, none, np.sin(half)])
    true = table(sweep, category, cuboids, rng.integers(0, 50, len(sweep)))
    rows = np.sort(
        np.concatenate([np.arange(len(sweep)), rng.integers(len(sweep), size=num_sweeps * (NUM_PREDICTED - NUM_TRUE))])
    )
    near = cuboids[rows]
    near[:, :3] += rng.normal(0, 0.7, (len(rows), 3)) * rng.choice([1, 15], (len(rows), 1))
    return table(sweep[rows], category[rows], near, rng.random(len(rows))), true


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock and of the processor."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - cpu


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
