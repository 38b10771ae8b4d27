"""`make gpu` without a GPU, what its parts import, and the list in the README of what has not run on one."""

import re
import subprocess
import sys
from pathlib import Path

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


def test_cuda_tests_are_collected_on_a_bare_machine():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        from gpu import TESTS
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))
    code = (
        f"import sys, pytest; sys.modules.update(dict.fromkeys({BLOCKED!r}));"
        f"sys.exit(pytest.main(['-q', '--collect-only', '-m', 'gpu', '-p', 'no:cacheprovider', *{TESTS!r}]))"
    )
    done = run(sys.executable, "-c", code)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "error" not in done.stdout.lower().splitlines()[-1]
    assert len(re.findall("::", done.stdout)) > 1000


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
