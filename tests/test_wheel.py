"""A wheel carries everything that it needs: it is installed elsewhere and used from the root folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the installed wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    build = [*pip, "wheel", "--no-build-isolation", "--no-deps", str(ROOT), "-w", str(folder)]
    subprocess.run(build, check=True, capture_output=True, env={"GEOPT_CUDA_ARCHS": "90", **os.environ})
    (wheel,) = folder.glob("geopt_lidar-*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", str(folder / "site"), str(wheel)], check=True)
    return folder / "site"


def run(site: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(site), "OMP_WAIT_POLICY": "passive"}
    done = subprocess.run([sys.executable, *arguments], cwd="/", env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_carries_types_configs_datasets_and_the_compiled_ops(site):
    for name in (
        "py.typed",
        "_C.abi3.so",
        "_resources/configs/pretrain/tiny.yaml",
        "_resources/datasets/nuscenes/splits.json",
    ):
        assert (site / "geopt" / name).is_file(), name
    (wheel,) = site.parent.glob("*.whl")
    assert not [name for name in zipfile.ZipFile(wheel).namelist() if name.startswith(("tests", "csrc", "benchmarks"))]


def test_it_pre_trains_from_the_root_folder(site, tmp_path):
    pytest.importorskip("embreex")
    assert str(site) in run(site, "-c", "import geopt; print(geopt.__file__)")
    run(site, "-m", "geopt.cli", "simulate", str(tmp_path / "city"), "--scenes", "3", "--keyframes", "2", "--sweeps", "1")
    out = tmp_path / "run"
    run(
        *(site, "-m", "geopt.cli", "pretrain", "tiny", f"data.root={tmp_path / 'city'}", "data.version=v1.0-mini"),
        *("data.train=mini_train", "data.val=mini_val", f"run.dir={out}", "train.max_steps=2", "data.workers=0"),
    )
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert "val/occupancy_iou" in rows[-1]
    for name in ("encoder.safetensors", "report.html", "preview.png"):
        assert (out / name).stat().st_size > 1000, name
