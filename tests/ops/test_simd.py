"""The level of instructions that kernels run at: who chooses it, and that no file's instructions leak into another."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from geopt import ops

LEVELS = ("base", "avx2", "avx512")
BUILD = Path(__file__).resolve().parents[2] / "build"


def import_at(level):
    environment = {**os.environ, "GEOPT_SIMD": level}
    code = "from geopt import ops; print(ops.build_info()['simd'])"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120)


def test_kernels_run_at_the_level_asked_for(simd):
    assert ops.build_info()["simd"] == simd


def test_the_environment_chooses_the_level():
    done = import_at("base")
    assert done.stdout.strip() == "base", done.stderr


@pytest.mark.parametrize("level", ["sse", "AVX2", ""])
def test_a_level_nobody_knows_is_an_error_at_import(level):
    done = import_at(level)
    assert done.returncode != 0
    assert f"ValueError: GEOPT_SIMD: must be base, avx2 or avx512, got '{level}'" in done.stderr


def test_a_level_that_the_processor_lacks_is_an_error():
    processor = torch.ops.geopt.processor_simd()
    if processor == "avx512":
        pytest.skip("this processor has every level")
    with pytest.raises(RuntimeError, match=f"this processor lacks it, got 'avx512'; this processor runs {processor}"):
        torch.ops.geopt.set_simd("avx512")
    assert import_at("avx512").returncode != 0


@pytest.mark.skipif(platform.machine() != "x86_64" or not shutil.which("nm"), reason="x86-64 objects and nm")
def test_files_for_wider_instructions_share_no_symbol_with_others():
    """A weak symbol is one the linker may take for all files: the base path would then run AVX on a processor without."""
    objects = [path for level in LEVELS[1:] for path in BUILD.glob(f"cpython-*/*_{level}.cpp.o")]
    if not objects:
        pytest.skip("no objects: the library was built elsewhere")
    for path in objects:
        symbols = subprocess.run(["nm", "-C", path], capture_output=True, text=True, check=True).stdout.splitlines()
        assert [line for line in symbols if line.split()[-2 if line[0] == " " else 1] in "WVu"] == [], path.name
