"""Does one wheel work beside every torch? Builds it with the torch of this environment, installs it into a fresh
environment for each other one, and runs the tests of the ops there.

    python benchmarks/many_torches.py                            # 2.11.0 and 2.15.0; some 5 GB of download each
    python benchmarks/many_torches.py 2.12.1 --environments DIR  # environments are kept in DIR, and used again
    python benchmarks/many_torches.py 2.13.0 --python python3.12

A wheel belongs to one Python, since the loops of the evaluators (`_host`) are bound to it. The ops (`_C`) are not: beside
another Python the wheel is unpacked, not installed, and the ops are imported all the same. Real scans are found as by all
tests (GEOPT_TEST_DATA). Prints a table.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import torch

from geopt.bench.run import processor

ROOT = Path(__file__).resolve().parents[1]
TEST_NEEDS = ["numpy", "scipy", "pytest", "pytest-timeout", "hypothesis", "shapely"]
VERSIONS = """
import importlib.metadata, json, platform, torch
from geopt import ops
names = ("torch", "numpy", "hypothesis")
print(json.dumps({"python": platform.python_version(), "simd": ops.build_info()["simd"],
                  **{name: importlib.metadata.version(name) for name in names}, "torch": torch.__version__}))
"""


def say(message: str) -> None:
    print(f"many_torches: {message}", file=sys.stderr, flush=True)


def build_wheel(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-build-isolation", "--no-deps", str(ROOT), "-w", folder]
    subprocess.run(command, check=True)
    (wheel,) = folder.glob("geopt_lidar-*.whl")
    return wheel


def make_environment(folder: Path, python: str, torch: str) -> Path:
    """A Python beside which this torch is installed."""
    inside = folder / "bin" / "python"
    if not inside.exists():
        subprocess.run([python, "-m", "venv", folder], check=True)
    # Without the cache: it would hold another copy of some gigabytes.
    install = [inside, "-m", "pip", "install", "-q", "--no-cache-dir", f"torch=={torch}", *TEST_NEEDS]
    subprocess.run(install, check=True)
    return inside


def interpreter_tag(python: Path) -> str:
    code = "import sys; print('cp%d%d' % sys.version_info[:2])"
    return subprocess.check_output([python, "-c", code], text=True).strip()


def test(inside: Path, wheel: Path, work: Path) -> dict[str, str]:
    """Install the wheel and run a copy of the tests, far from the checkout."""
    site = work / "site"
    if wheel.name.split("-")[2] == interpreter_tag(inside):
        subprocess.run([inside, "-m", "pip", "install", "-q", "--no-deps", "--force-reinstall", wheel], check=True)
    else:
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(site)
    shutil.copytree(ROOT / "tests", work / "tests")
    shutil.copy(ROOT / "pyproject.toml", work)
    environment = {**os.environ, "PYTHONPATH": str(site), "OMP_WAIT_POLICY": "passive"}
    options = {"cwd": work, "env": environment, "capture_output": True, "text": True}
    versions = subprocess.run([inside, "-c", VERSIONS], check=True, **options)
    command = [inside, "-P", "-m", "pytest", "-q", "-m", "not long", "tests/ops"]
    done = subprocess.run(command, **options)
    lines = done.stdout.strip().splitlines()
    for line in lines:
        if line.startswith(("FAILED", "ERROR")):
            say(line)
    if done.returncode:
        say(done.stdout[-4000:] + done.stderr[-2000:])
    counted = re.sub(r" in [\d.]+s.*", "", lines[-1]) if lines else "did not run"
    return {**json.loads(versions.stdout), "result": counted}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("versions", nargs="*", default=["2.11.0", "2.15.0"], help="of torch")
    parser.add_argument("--python", default=sys.executable, help="what the environments are made with")
    parser.add_argument("--environments", type=Path, help="keep them here; otherwise each is deleted after its tests")
    chosen = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        wheel = build_wheel(Path(folder))
        print(f"Wheel `{wheel.name}`, built with torch {torch.__version__}; {processor()}, {datetime.date.today()}.\n")
        print("| torch | Python | NumPy | instructions | tests of ops |\n|---|---|---|---|---|", flush=True)
        for version in chosen.versions:
            name = f"torch{version}-{Path(chosen.python).name}"
            kept = chosen.environments and chosen.environments / name
            with tempfile.TemporaryDirectory() as work:
                inside = make_environment(kept or Path(work, "environment"), chosen.python, version)
                got = test(inside, wheel, Path(work))
            print(
                f"| {got['torch']} | {got['python']} | {got['numpy']} | {got['simd']} | {got['result']} |", flush=True
            )


if __name__ == "__main__":
    main()
