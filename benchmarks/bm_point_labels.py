"""What a sample costs in lidarseg and panoptic scores: `python benchmarks/bm_point_labels.py [SAMPLES]`.

Scores random labels of 34,700 points a sample. With GEOPT_DEVKIT_PYTHON, the Python of an environment with the official
devkit, the same labels are scored by it too, and the results are compared.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import label_oracle
from label_database import SPLIT, VERSION, write_database, write_predictions

from geopt.evaluation import nuscenes_lidarseg, nuscenes_panoptic

NUM_POINTS = 34_700  # of a nuScenes key frame
REPEATS = 3
CASES = [("lidarseg", "", 0), ("panoptic", "segmentation", 15), ("panoptic", "tracking", 15)]


def main(num_samples: int = 80) -> None:
    num_samples += 1 - num_samples % 2  # one of the two scenes has a key frame more
    with tempfile.TemporaryDirectory() as temporary:
        root = write_database(Path(temporary, "db"), 1, num_key_frames=num_samples // 2, num_points=NUM_POINTS)
        predictions = write_predictions(Path(temporary, "predictions"), root, seed=1, noise=0.1)
        cases = [(task, str(root), VERSION, SPLIT, str(predictions), *rest) for task, *rest in CASES]
        rows = [_ours(case, threads) for case in cases for threads in (1, 2)]
        peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        python = os.environ.get("GEOPT_DEVKIT_PYTHON")
        official = _official(python, cases) if python else [None] * len(cases)
    print(f"{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f};")
    print(
        f"Python {platform.python_version()}, NumPy {np.__version__}; {num_samples} samples of {NUM_POINTS:,} points,"
    )
    print(f"files in the page cache; median of {REPEATS} runs, the devkit ran once. Peak memory {peak_mib:.0f} MiB.\n")
    print("| task | threads | ms a sample | CPU ms a sample | devkit, CPU ms a sample | largest difference |")
    print("|---|---|---|---|---|---|")
    for number, (case, threads, wall, cpu, result) in enumerate(rows):
        devkit = official[number // 2]
        name = " ".join(word for word in (case[0], case[5]) if word)
        theirs = (
            "- | -" if devkit is None else f"{1e3 * devkit['seconds'] / num_samples:.1f} | {_apart(devkit, result):.0e}"
        )
        print(f"| {name} | {threads} | {1e3 * wall / num_samples:.2f} | {1e3 * cpu / num_samples:.2f} | {theirs} |")


def _ours(case: tuple, threads: int) -> tuple:
    task, root, version, split, predictions, *options = case
    wall, cpu, result = [], [], {}
    for _ in range(REPEATS):
        begin, begin_cpu = time.perf_counter(), time.process_time()
        if task == "lidarseg":
            result = nuscenes_lidarseg(predictions, root, version, split, num_threads=threads)
        else:
            result = nuscenes_panoptic(predictions, root, version, split, *options, num_threads=threads)
        wall.append(time.perf_counter() - begin)
        cpu.append(time.process_time() - begin_cpu)
    return case, threads, statistics.median(wall), statistics.median(cpu), result


def _official(python: str, cases: list[tuple]) -> list[dict]:
    done = subprocess.run(
        [python, label_oracle.__file__], input=json.dumps(cases), stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout)


def _apart(devkit: dict, result: dict) -> float:
    theirs, ours = (np.array(_numbers(tree), dtype=np.float64) for tree in (devkit["metrics"], result))
    return float(np.max(np.abs(np.nan_to_num(theirs, nan=-1.0) - np.nan_to_num(ours, nan=-1.0))))


def _numbers(tree: object) -> list[float]:
    if not isinstance(tree, dict | list):
        return [tree]  # type: ignore[list-item]
    children = [tree[key] for key in sorted(tree)] if isinstance(tree, dict) else tree
    return [number for child in children for number in _numbers(child)]


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
