"""`make gpu` without a GPU, what its parts import, and the list in the README of what has not run on one."""

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from geopt.ops._library import KERNELS, WITH_CUDA_KERNEL

ROOT = Path(__file__).resolve().parents[1]
BLOCKED = ("pydantic", "omegaconf", "typer", "rich", "msgspec", "safetensors", "matplotlib", "shapely")


def run(*command, cwd=ROOT):
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=200)


@pytest.mark.skipif(torch.cuda.is_available(), reason="here is a GPU")
def test_make_gpu_says_that_there_is_none():
    before = set((ROOT / "benchmarks" / "results").iterdir())
    done = run("make", "gpu", f"PYTHON={sys.executable}")
    assert done.returncode != 0
    assert "make gpu: torch finds no GPU" in done.stderr
    assert set((ROOT / "benchmarks" / "results").iterdir()) == before


@pytest.fixture
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


def test_cuda_tests_are_collected_on_a_bare_machine(benchmarks):
    from gpu import TESTS

    code = (
        f"import sys, pytest; sys.modules.update(dict.fromkeys({BLOCKED!r}));"
        f"sys.exit(pytest.main(['-q', '--collect-only', '-m', 'gpu', '-p', 'no:cacheprovider', *{TESTS!r}]))"
    )
    done = run(sys.executable, "-c", code)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "error" not in done.stdout.lower().splitlines()[-1]
    assert len(re.findall("::", done.stdout)) > 1000


def test_benchmarks_of_ops_import_on_a_bare_machine(benchmarks):
    code = f"import sys; sys.modules.update(dict.fromkeys({BLOCKED!r})); import bm_gpu, each_op"
    done = run(sys.executable, "-c", code, cwd=ROOT / "benchmarks")
    assert done.returncode == 0, done.stderr[-2000:]


def test_kernels_are_left_out_by_a_key_that_compute_sanitizer_knows(benchmarks):
    """By their mangled names. Another tool of NVIDIA writes ``regex:name``, which this one refuses."""
    from gpu import SANITIZERS

    assert list(SANITIZERS) == ["memcheck", "racecheck", "initcheck", "synccheck"]
    for left_out in SANITIZERS.values():
        for option, value in zip(left_out[::2], left_out[1::2], strict=True):
            assert option == "--kernel-name-exclude" and re.fullmatch(r"(kns|kne|regex)=\w+", value)
            assert "_ZN5geopt4warp9run_warps".find(value.partition("=")[2]) < 0
    assert not SANITIZERS["initcheck"]  # what an unwatched kernel writes looks as if nobody had written it


def test_a_figure_is_held_or_missed_and_a_missed_one_has_its_kernels(benchmarks):
    from bm_gpu import kernels_of, where_the_time_goes
    from goals import GOALS, verdict

    assert verdict(0.29, 0.3) == "held" and verdict(0.3, 0.3) == "held" and verdict(1.0, None) == ""
    assert verdict(0.6, 0.3) == "missed, 2.0 times as long"
    assert GOALS["knn, k = 16", "1M"] == 1.4 and GOALS["box_iou 1000 x 1000", "boxes"] == 0.03
    cpu, cuda = torch.autograd.DeviceType.CPU, torch.autograd.DeviceType.CUDA
    events = [
        SimpleNamespace(device_type=cpu, key="aten::empty", count=90, self_device_time_total=0.0),
        SimpleNamespace(device_type=cuda, key="sort", count=8, self_device_time_total=100.0),
        SimpleNamespace(device_type=cuda, key="walk", count=4, self_device_time_total=300.0),
    ]
    kernels = kernels_of(events, 4)
    assert kernels == [("walk", 1, 75.0), ("sort", 2, 25.0)]
    text = where_the_time_goes("knn", "1M", 1.7, kernels)
    assert "1.700 ms. 3 kernels, copies and fills take 0.100 ms" in text
    assert text.endswith("| 75.0 | 1 | `walk` |\n| 25.0 | 2 | `sort` |")


def test_every_goal_is_measured(benchmarks):
    """A goal whose operation is spelled otherwise in the table would be forgotten in silence."""
    from goals import GOALS

    text = (ROOT / "benchmarks" / "bm_gpu.py").read_text()
    for operation, cloud in GOALS:
        assert f'"{operation}"' in text and f'"{cloud}"' in text


def test_what_the_compiler_says_of_kernels_is_read(benchmarks):
    from cuda_compile import kernels_in

    log = """ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '_Z4walkv' for 'sm_90'
ptxas info    : Function properties for _Z4walkv
    8 bytes stack frame, 16 bytes spill stores, 40 bytes spill loads
ptxas info    : Used 168 registers, used 1 barriers, 8 bytes cumulative stack size, 37376 bytes smem
ptxas info    : Compile time = 414.622 ms
ptxas info    : Compiling entry function '_Z4fillv' for 'sm_90'
ptxas info    : Function properties for _Z4fillv
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 29 registers, used 0 barriers, 360 bytes cmem[0]
"""
    assert kernels_in(log) == [("_Z4walkv", 168, 37376, 56), ("_Z4fillv", 29, 0, 0)]


def test_the_readme_lists_exactly_the_kernels_that_have_not_run_on_a_gpu():
    """A kernel leaves the list when benchmarks/results/ holds a report of `make gpu` in which its tests passed."""
    text = (ROOT / "README.md").read_text()
    found = re.search(r"No kernel has run on a GPU.*?\n- ", text, re.DOTALL)
    reports = [
        path for path in (ROOT / "benchmarks" / "results").glob("*_gpu_*.md") if "All parts passed." in path.read_text()
    ]
    if reports:
        assert not found, (
            f"the README says that no kernel has run on a GPU, and {reports[0].name} says that they passed"
        )
        return
    assert found
    with_kernel, without = found.group().split("have CUDA kernels")
    assert set(re.findall(r"`(\w+)`", with_kernel)) == {
        op for op, kernel in KERNELS.items() if kernel in WITH_CUDA_KERNEL
    }
    named = {op for op in re.findall(r"`(\w+)`", without) if op in KERNELS}
    assert named == {op for op, kernel in KERNELS.items() if kernel not in WITH_CUDA_KERNEL}
