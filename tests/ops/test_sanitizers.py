"""The kernels without torch: under sanitizers, and as the same bits on another processor."""

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "csrc"
ARM = "aarch64-linux-gnu-g++"
pytestmark = pytest.mark.skipif(not (SOURCES.is_dir() and shutil.which("make")), reason="needs a checkout and make")


def make(*arguments: str) -> str:
    """What a make of the repository prints; its failure is the test's."""
    done = subprocess.run(["make", "-s", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    return done.stdout


def run_kernels(**settings: str) -> str:
    return make("-j2", "-C", "csrc/tests", *(f"{name}={value}" for name, value in settings.items()))


def checks_hold(printed: str) -> bool:
    return re.search(r"^\d{2,} checks, 0 failed$", printed, re.MULTILINE) is not None


def test_the_kernels_are_compiled_as_the_library_is():
    """With each flag that decides results, and for the same oldest processor."""
    setup, tests = (ROOT / "setup.py").read_text(), (SOURCES / "tests" / "Makefile").read_text()
    flags = re.findall(r'"(-[^"]+)"', re.search(r"CXX_FLAGS = \[(.*?)\n\]", setup, re.DOTALL).group(1))
    assert {"-ffp-contract=off", "-std=c++17"} < set(flags)
    march = re.search(r'"(-march=[^"]+)"', setup).group(1)
    assert [flag for flag in {*flags, march} - {"-O3"} if flag not in tests] == []


def test_the_kernels_of_every_op_are_driven():
    included = "".join(path.read_text() for path in (SOURCES / "tests").glob("test_*.cpp"))
    ops = [path.name for path in (SOURCES / "ops").iterdir() if path.is_dir()]
    assert len(ops) >= 12
    assert [op for op in ops if f'#include "ops/{op}/{op}.h"' not in included] == []


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_addresses_and_behaviour_are_defined_at_every_level_of_instructions():
    printed = run_kernels()
    assert checks_hold(printed), printed
    assert "ran base, 1 thread(s)" in printed and "ran base, 3 thread(s)" in printed


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_threads_do_not_race():
    assert checks_hold(run_kernels(SANITIZE="thread", WHAT="threads"))


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not shutil.which(ARM), reason=f"no {ARM}: apt-get install g++-aarch64-linux-gnu")
def test_the_libraries_compile_for_64_bit_arm():
    """As far as that goes without a torch for it: symbols of torch and Python stay open."""
    make("-o", "setup", "cross-aarch64", f"PY={sys.executable}")
    built = sorted((ROOT / "build" / "aarch64" / "geopt").glob("*.so"))
    assert [path.name for path in built] == ["_C.abi3.so", "_host.aarch64-linux-gnu.so"]
    for path in built:
        header = subprocess.run(["readelf", "-h", path], capture_output=True, text=True, check=True).stdout
        assert re.search(r"Machine:\s+AArch64", header) and re.search(r"Type:\s+DYN", header), header


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.skipif(platform.machine() != "x86_64", reason="compares an x86-64 processor with an Arm one")
@pytest.mark.skipif(
    not (shutil.which(ARM) and shutil.which("qemu-aarch64")), reason=f"no {ARM} with qemu-aarch64 (qemu-user)"
)
def test_an_arm_processor_gives_the_same_bits():
    emulator = f"qemu-aarch64 -L {os.path.dirname(os.path.dirname(shutil.which(ARM)))}/aarch64-linux-gnu"
    here = run_kernels(SANITIZE="", WHAT="digests")
    there = run_kernels(SANITIZE="", WHAT="digests", CXX=ARM, EMULATOR=emulator)
    digests = [re.findall(r"^digest \w+ \w+$", printed, re.MULTILINE) for printed in (here, there)]
    assert len(digests[0]) >= 13 and digests[0] == digests[1]
