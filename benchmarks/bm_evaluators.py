"""What it costs to score boxes: `python benchmarks/bm_evaluators.py --samples 80 320 1280 6000 --out FOLDER`.

Writes random databases with 200 detections, or 22 tracked boxes, a sample, and scores them, each in a process of its own:
seconds, CPU seconds and peak memory with everything, from the import to the last number. With GEOPT_DEVKIT_PYTHON, the
Python of an environment with nuscenes-devkit 1.2.0, the official evaluators run beside it up to `--devkit-samples`, and
the largest difference of a number is shown.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1] / "tests"  # the random databases are those of the tests
sys.path.insert(0, str(TESTS))

VERSION, SPLIT, KEY_FRAMES = "v1.0-trainval", "val", 40
OURS = """
import time
begin, begin_cpu = time.perf_counter(), time.process_time()
import json, resource, sys
from geopt import evaluation
task, *where, predictions = sys.argv[1:]
summary = getattr(evaluation, f"nuscenes_{task}")(predictions, *where)
print(json.dumps({
    "seconds": time.perf_counter() - begin, "cpu_seconds": time.process_time() - begin_cpu,
    "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, "summary": summary,
}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", nargs="*", type=int, default=[80, 320, 1280, 6000], help="multiples of 40")
    parser.add_argument("--tasks", nargs="*", default=["detection", "tracking"], choices=["detection", "tracking"])
    parser.add_argument("--devkit-samples", type=int, default=6000, help="sets up to this size are given to the devkit")
    parser.add_argument("--out", type=Path, help="folder to keep the sets in; those that are there are used again")
    parser.add_argument("--write", nargs=3, help=argparse.SUPPRESS)  # in a process of its own
    given = parser.parse_args()
    if given.write:
        task, num_samples, folder = given.write
        return write(task, int(num_samples), Path(folder))
    with tempfile.TemporaryDirectory() as temporary:
        run(given, given.out or Path(temporary))


def run(given: argparse.Namespace, folder: Path) -> None:
    devkit = os.environ.get("GEOPT_DEVKIT_PYTHON", "")
    print(
        f"{datetime.date.today()}, {processor()}, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}\n"
    )
    print(
        "| task | samples | boxes | MB | geopt s | CPU s | GiB | devkit s | CPU s | GiB | times faster | difference |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for task in given.tasks:
        for num_samples in given.samples:
            root = folder / f"{task}-{num_samples}"
            predictions = root / "predictions.json"
            if not predictions.is_file():
                subprocess.run([sys.executable, __file__, "--write", task, str(num_samples), str(root)], check=True)
            arguments = [task, str(root), VERSION, SPLIT, str(predictions)]
            ours = cost([sys.executable, "-c", OURS, *arguments])
            boxes = int((root / "num_boxes").read_text())
            cells = [task, f"{num_samples:,}", f"{boxes:,}", f"{predictions.stat().st_size / 1e6:.0f}", *shown(ours)]
            if devkit and num_samples <= given.devkit_samples:
                theirs = cost([devkit, str(TESTS / "box_oracle.py"), "--cost", *arguments])
                faster = f"{theirs['seconds'] / ours['seconds']:.0f}"
                cells += [*shown(theirs), faster, f"{difference(ours['summary'], theirs['summary']):.0e}"]
            print(f"| {' | '.join(cells)} |", flush=True)


def write(task: str, num_samples: int, root: Path) -> None:
    """Write a database and predictions; ``num_boxes`` beside them says how many."""
    num_scenes = num_samples // KEY_FRAMES
    predictions = root / "predictions.json"
    if task == "detection":
        from box_database import write_database, write_detections

        write_database(root, 0, VERSION, SPLIT, KEY_FRAMES, num_objects=40, num_scenes=num_scenes)
        write_detections(predictions, root, 0, VERSION, SPLIT, num_boxes=200, awkward=False)
        num_boxes = 200 * num_samples
    else:
        from track_database import track_results, write_track_database

        write_track_database(root, 0, SPLIT, num_scenes=num_scenes, num_frames=KEY_FRAMES)
        results = track_results(root, 0, SPLIT)
        predictions.write_text(json.dumps(results))
        num_boxes = sum(map(len, results["results"].values()))
    (root / "num_boxes").write_text(str(num_boxes))


def cost(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command[:2])} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def shown(found: dict[str, Any]) -> list[str]:
    return [f"{found['seconds']:.2f}", f"{found['cpu_seconds']:.2f}", f"{found['peak_gib']:.2f}"]


def difference(ours: Any, theirs: Any) -> float:
    """Largest difference of two numbers of a summary; infinite where only one of them is NaN."""
    if isinstance(theirs, dict):
        return max((difference(ours[key], value) for key, value in theirs.items() if key != "eval_time"), default=0.0)
    if isinstance(theirs, list):
        return max(map(difference, ours, theirs), default=0.0)
    if not isinstance(theirs, float):
        return 0.0 if ours == theirs else math.inf
    if math.isnan(theirs) or math.isnan(ours):
        return 0.0 if math.isnan(theirs) and math.isnan(ours) else math.inf
    return abs(ours - theirs)


def processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]}, {len(names)} cores" if names else platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
