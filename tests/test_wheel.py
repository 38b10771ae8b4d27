"""A wheel carries everything that it needs: it is installed elsewhere and used from the root folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the installed wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    built = ROOT / "build" / f"lib.{sysconfig.get_platform()}-{sys.implementation.cache_tag}" / "geopt"
    built.mkdir(parents=True, exist_ok=True)
    (built / "left_over.py").write_text("")  # as a module that was deleted since the last build
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
        "bench/pcl_normals.cpp",
    ):
        assert (site / "geopt" / name).is_file(), name
    (wheel,) = site.parent.glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".py")}
    assert packed == {path.relative_to(ROOT).as_posix() for path in (ROOT / "geopt").rglob("*.py")}
    assert not [name for name in zipfile.ZipFile(wheel).namelist() if name.startswith(("tests", "csrc", "benchmarks"))]


def test_it_pre_trains_from_the_root_folder(site, tmp_path):
    pytest.importorskip("embreex")
    assert str(site) in run(site, "-c", "import geopt; print(geopt.__file__)")
    run(
        site,
        "-m",
        "geopt.cli",
        "simulate",
        str(tmp_path / "city"),
        "--scenes",
        "3",
        "--keyframes",
        "2",
        "--sweeps",
        "1",
    )
    out = tmp_path / "run"
    run(
        *(site, "-m", "geopt.cli", "pretrain", "tiny", f"data.root={tmp_path / 'city'}", "data.version=v1.0-mini"),
        *("data.train=mini_train", "data.val=mini_val", f"run.dir={out}", "train.max_steps=2", "data.workers=0"),
    )
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert "val/occupancy_iou" in rows[-1]
    for name in ("encoder.safetensors", "report.html", "preview.png"):
        assert (out / name).stat().st_size > 1000, name


@pytest.mark.long
@pytest.mark.parametrize("hidden", [False, True], ids=["GEOPT_CUDA=0", "no_nvcc"])
def test_a_build_without_cuda_says_so_and_works(hidden, tmp_path):
    """``GEOPT_CUDA=0`` or no nvcc: the build goes on, and ops refuse CUDA tensors instead of running elsewhere."""
    code = "import sys; sys.argv[1:] = ['-q', 'build_ext', '--build-lib', sys.argv[1]];"
    if hidden:
        code += (
            "import shutil; which = shutil.which; shutil.which = lambda n, **k: None if 'nvcc' in n else which(n, **k);"
        )
    code += "import runpy; runpy.run_path('setup.py', run_name='__main__')"
    environment = {**os.environ, "GEOPT_CUDA": "auto" if hidden else "0"}
    build = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert ("nvcc not found" if hidden else "GEOPT_CUDA=0") in done.stderr and "for the CPU only" in done.stderr
    (library,) = tmp_path.rglob("_C.abi3.so")
    said = run(
        tmp_path,
        "-c",
        f"import torch; torch.ops.load_library({str(library)!r}); print(torch.ops.geopt.build_info());"
        "print(torch._C._dispatch_has_kernel_for_dispatch_key('geopt::voxel_index', 'CUDA'))",
    )
    assert "cuda_archs=;nvcc=;" in said and "False" in said
