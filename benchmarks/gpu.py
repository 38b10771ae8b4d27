"""Everything that needs a GPU, in one run and one report: `make gpu`, or `python benchmarks/gpu.py [--minutes 9]`.

Builds the ops in place for the GPU at hand, runs the CUDA tests, compute-sanitizer on every op, the ops beside the CPU and
torch, and the split of a pre-training step, and writes benchmarks/results/DATE_gpu_NAME.md after each part. It needs a
GPU, nvcc, a C++ compiler, torch (CUDA), numpy, scipy, numba and pytest; ninja and pybind11 help and are not needed, nor is
a network. Real scans are taken from GEOPT_TEST_DATA.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
TESTS = ["tests/ops", "tests/geometry", "tests/targets"]
TESTS += ["tests/models/test_attention.py", "tests/models/test_partition.py", "tests/models/test_position.py"]
# Of compute-sanitizer's tools, which kernels to leave out: torch's own (at::native, as the linker names it) take the time.
# initcheck must watch them too, or what they wrote looks as if nobody had written it. Nor may memory come from torch's
# pool there: it looks written once any tensor used it.
SANITIZERS = {
    "memcheck": ["--kernel-name-exclude", "kns=_ZN2at6native"],
    "racecheck": ["--kernel-name-exclude", "kns=_ZN2at6native"],
    "initcheck": [],
    "synccheck": ["--kernel-name-exclude", "kns=_ZN2at6native"],
}


class Report:
    """Parts of the run, written to one file as they come, so that a run that is cut short leaves what it knows."""

    def __init__(self, path: Path, minutes: float):
        self.path, self.ends, self.failed = path, time.monotonic() + 60 * minutes, []
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(head())

    def add(self, title: str, text: str) -> None:
        print(f"== {title}\n{text}", flush=True)
        with self.path.open("a") as file:
            file.write(f"\n## {title}\n\n{text.strip()}\n")

    def run(self, title: str, command: list[str], limit_s: float, tail: int = 60, **env: str) -> bool:
        """Run a command within its limit and the time that is left; its last lines go into the report."""
        left = min(limit_s, self.ends - time.monotonic())
        if left < 5:
            self.failed.append(title)
            self.add(title, "Not run: no time was left.")
            return False
        begin = time.monotonic()
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "passive", **env}
        try:
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=environment,
                timeout=left,
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            status, output = done.returncode, done.stdout
        except subprocess.TimeoutExpired as error:
            status, output = -1, error.stdout or ""
            output = output.decode(errors="replace") if isinstance(output, bytes) else output
        fine = status == 0
        if not fine:
            self.failed.append(title)
        said = "ok" if fine else f"cut off after {left:.0f} s" if status == -1 else f"FAILED with status {status}"
        lines = output.strip().splitlines()[-tail:]
        shown = [] if not lines else lines if lines[0].startswith("|") else ["```", *lines, "```"]
        self.add(title, "\n".join([f"{said}, {time.monotonic() - begin:.0f} s", "", *shown]))
        return fine


def head() -> str:
    properties = torch.cuda.get_device_properties(0)
    driver = said_by(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"])
    commit = said_by(["git", "-C", str(ROOT), "describe", "--always", "--dirty"])
    return (
        f"# {properties.name}\n\n"
        f"{datetime.date.today()}, commit {commit}; compute capability {properties.major}.{properties.minor}, "
        f"{properties.multi_processor_count} multiprocessors, {properties.total_memory / 2**30:.0f} GiB, driver {driver}; "
        f"torch {torch.__version__}, CUDA {torch.version.cuda}, nvcc {nvcc_version()}, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores. Written by `make gpu`.\n"
    )


def said_by(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=30).stdout.strip().splitlines()[0]
    except (OSError, IndexError, subprocess.TimeoutExpired):
        return "unknown"


def nvcc_version() -> str:
    try:
        text = subprocess.run(["nvcc", "--version"], capture_output=True, text=True).stdout
    except OSError:
        return "unknown"
    found = re.search(r"release ([\d.]+)", text)
    return found.group(1) if found else "unknown"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=8.7, help="parts that do not fit are left out and named")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("make gpu: torch finds no GPU (torch.cuda.is_available() is false); run it on a machine with one")
    name = re.sub(r"[^a-z0-9]+", "-", torch.cuda.get_device_name().lower()).strip("-")
    report = Report(ROOT / "benchmarks" / "results" / f"{datetime.date.today()}_gpu_{name}.md", options.minutes)
    major, minor = torch.cuda.get_device_capability()
    python = sys.executable
    built = report.run(
        "Build",
        [python, "setup.py", "-q", "build_ext", "--inplace"],
        300,
        15,
        GEOPT_CUDA="1",
        GEOPT_CUDA_ARCHS=f"{major}{minor}",
        GEOPT_HOST="0",
    )
    if not built:
        sys.exit("make gpu: the build failed, see above")
    each_op = [python, "benchmarks/each_op.py"]
    report.run("Each op once", each_op, 60, 25)
    report.run("CUDA tests", [python, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider", *TESTS], 200, 40)
    report.run("Ops", [python, "benchmarks/bm_gpu.py"], 150, 160)
    if importlib.util.find_spec("pydantic") and importlib.util.find_spec("msgspec"):
        report.run("Pre-training step", [python, "benchmarks/bm_pretrain_step.py"], 90)
    else:
        report.add(
            "Pre-training step", "Not run: it needs pydantic and msgspec. Index and targets alone stand under Ops."
        )
    sanitizer = shutil.which("compute-sanitizer") or shutil.which("/usr/local/cuda/bin/compute-sanitizer")
    for tool, left_out in SANITIZERS.items():
        if sanitizer is None:
            report.failed.append(tool)
            report.add(f"compute-sanitizer {tool}", "Not run: compute-sanitizer was not found.")
            continue
        command = [sanitizer, "--tool", tool, "--error-exitcode", "9", *left_out, *each_op]
        report.run(f"compute-sanitizer {tool}", command, 100, 25, PYTORCH_NO_CUDA_MEMORY_CACHING="1")
    report.add(
        "In short", "All parts passed." if not report.failed else "Not passed: " + ", ".join(report.failed) + "."
    )
    print(f"written to {report.path}")
    sys.exit(bool(report.failed))


if __name__ == "__main__":
    main()
