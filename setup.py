"""Builds the compiled ops with ninja: C++ always, CUDA where nvcc is found.

GEOPT_CUDA=auto|0|1     auto builds CUDA objects when nvcc is there, 1 insists on it, 0 leaves them out
GEOPT_CUDA_ARCHS=LIST   such as "80;90;120"; "+PTX" after the last one adds forward compatibility
MAX_JOBS=N              compilers at once
"""

import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
CXX = os.environ.get("CXX", "g++")
DEFAULT_ARCHS = "80;90;100;120+PTX"
TORCH_TARGET = "0x020a000000000000"  # stable ABI of torch 2.10: the library loads on every later torch
CXX_FLAGS = [
    "-O3",
    "-std=c++17",
    "-fPIC",
    "-fvisibility=hidden",
    "-fno-math-errno",
    "-fno-trapping-math",  # nobody reads floating-point exception flags; comparisons in loops may then be vectorised
    "-ffp-contract=off",  # a fused multiply-add would move ties and voxel borders
    "-fopenmp-simd",
    "-Wall",
    "-Wno-unknown-pragmas",
]


def say(message: str) -> None:
    print(f"geopt build: {message}", file=sys.stderr, flush=True)


def find_torch() -> Path:
    try:
        import torch
    except ImportError:
        sys.exit(
            "geopt build: torch is not installed in this environment. Install it first, then build without isolation:\n"
            "    pip install torch==2.13.0 'setuptools>=77' wheel ninja pybind11 numpy\n"
            "    pip install --no-build-isolation ."
        )
    version = tuple(int(part) for part in re.findall(r"\d+", torch.__version__)[:2])
    if version < (2, 10):
        sys.exit(f"geopt build: torch must be 2.10 or newer, got {torch.__version__}")
    return Path(torch.__file__).parent


def find_nvcc() -> Path | None:
    """nvcc as GEOPT_CUDA asks for it, or None for a CPU build."""
    wanted = os.environ.get("GEOPT_CUDA", "auto")
    if wanted not in ("auto", "0", "1"):
        sys.exit(f"geopt build: GEOPT_CUDA must be auto, 0 or 1, got {wanted!r}")
    if wanted == "0":
        say("GEOPT_CUDA=0: building for the CPU only")
        return None
    home = os.environ.get("CUDA_HOME")
    found = shutil.which(str(Path(home, "bin", "nvcc"))) if home else None
    found = found or shutil.which("nvcc") or shutil.which("/usr/local/cuda/bin/nvcc")
    if found:
        return Path(found)
    if wanted == "1":
        sys.exit("geopt build: GEOPT_CUDA=1, but nvcc was not found; put it on PATH or set CUDA_HOME")
    say("nvcc not found: building for the CPU only (set CUDA_HOME and build again for CUDA kernels)")
    return None


def toolkit_root(nvcc: Path) -> Path:
    """Folder with include/ and lib64/; nvcc on PATH may be a wrapper elsewhere, so nvcc itself is asked."""
    lines = subprocess.run([nvcc, "--dryrun", "-c", "none.cu"], capture_output=True, text=True, cwd=ROOT).stderr
    top = re.search(r"^#\$ TOP=(.*)$", lines, re.MULTILINE)
    roots = [Path(top.group(1)) if top else None, nvcc.resolve().parent.parent, Path("/usr/local/cuda")]
    for root in filter(None, roots):
        if (root / "include" / "cuda_runtime_api.h").is_file():
            return root.resolve()
    sys.exit(f"geopt build: no CUDA headers beside {nvcc}; set CUDA_HOME to the toolkit, or GEOPT_CUDA=0")


def gencode(archs: str) -> list[str]:
    flags = []
    for arch in filter(None, archs.split(";")):
        number, _, ptx = arch.partition("+")
        if not number.isdigit() or ptx not in ("", "PTX"):
            sys.exit(f"geopt build: GEOPT_CUDA_ARCHS must look like '80;90;120+PTX', got {archs!r}")
        flags.append(f"-gencode=arch=compute_{number},code=sm_{number}")
        if ptx:
            flags.append(f"-gencode=arch=compute_{number},code=compute_{number}")
    return flags


def quote(path: object) -> str:
    """For the shell that ninja calls; a dollar is ninja's own first."""
    return shlex.quote(str(path)).replace("$", "$$")


def escape(path: object) -> str:
    return str(path).replace("$", "$$").replace(":", "$:").replace(" ", "$ ")


class BuildWithNinja(build_ext):
    """The shared libraries from csrc/, incremental, with ninja."""

    def build_extension(self, ext: Extension) -> None:
        out = Path(self.get_ext_fullpath(ext.name)).resolve()
        out.parent.mkdir(parents=True, exist_ok=True)
        if ext.name == "geopt._host":
            build_host(out)
        else:
            build_ops(out)


def build_ops(out: Path) -> None:
    """The tensor ops: C++, and CUDA where nvcc is found, in one library on torch's stable ABI."""
    torch = find_torch()
    nvcc = find_nvcc()
    archs = os.environ.get("GEOPT_CUDA_ARCHS", DEFAULT_ARCHS)
    flags = [*CXX_FLAGS, f"-DTORCH_TARGET_VERSION={TORCH_TARGET}", f"-isystem {quote(torch / 'include')}"]
    libraries = [f"-L{quote(torch / 'lib')}", "-Wl,--no-as-needed -ltorch -Wl,--as-needed", "-lc10", "-ltorch_cpu"]
    sources = [*(ROOT / "csrc" / "common").glob("*.cpp"), *(ROOT / "csrc" / "ops").glob("*/*.cpp")]
    nvcc_rule, build_info = [], ""
    if nvcc:
        home = toolkit_root(nvcc)
        version = re.search(r"release ([\d.]+)", subprocess.check_output([nvcc, "--version"], text=True))
        flags += [
            "-DGEOPT_WITH_CUDA",
            "-DUSE_CUDA",  # shows the CUDA part of the stable ABI
            f"-isystem {quote(home / 'include')}",
        ]
        build_info = f"-DGEOPT_CUDA_ARCHS='\"{archs}\"' "
        build_info += f"-DGEOPT_NVCC_VERSION='\"{version.group(1) if version else 'unknown'}\"'"
        # cudart is static, so that one library serves machines with and without CUDA.
        libraries += [f"-L{quote(home / 'lib64')}", "-lcudart_static -ldl -lrt -lpthread"]
        nvcc_flags = [
            "-O3 -std=c++17 --fmad=false -DGEOPT_WITH_CUDA --threads 2",
            "-Xcompiler -fPIC,-fvisibility=hidden,-ffp-contract=off",
            f"-ccbin {CXX} -I{quote(ROOT / 'csrc')}",
            *gencode(archs),
        ]
        nvcc_rule = [
            "rule nvcc",
            f"  command = {quote(nvcc)} -MD -MF $out.d {' '.join(nvcc_flags)} -c $in -o $out",
            "  depfile = $out.d",
            "  deps = gcc",
            "  description = nvcc $name",
        ]
        sources += (ROOT / "csrc" / "ops").glob("*/*.cu")
        say(f"CUDA kernels for {archs} with {nvcc}")
    # To one file alone, so that other architectures do not compile all of them again.
    own_flags = {"csrc/common/module.cpp": build_info}
    run_ninja("cuda" if nvcc else "cpu", out, sources, flags, libraries, nvcc_rule, own_flags)


def build_host(out: Path) -> None:
    """The evaluators' hot loops: pybind11 and NumPy, no torch."""
    try:
        import pybind11
    except ImportError:
        sys.exit("geopt build: pybind11 is not installed in this environment; pip install pybind11")
    flags = [*CXX_FLAGS, f"-isystem {quote(pybind11.get_include())}"]
    run_ninja("host", out, [*(ROOT / "csrc" / "host").glob("*.cpp")], flags, ["-lpthread"], [], {})


def run_ninja(
    name: str,
    out: Path,
    sources: list[Path],
    flags: list[str],
    libraries: list[str],
    more_rules: list[str],
    own_flags: dict[str, str],
) -> None:
    """Compile and link one library; objects stay in build/, so that a second build compiles only what changed."""
    folder = ROOT / "build" / f"{sys.implementation.cache_tag}-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    flags = [*flags, quote(f"-ffile-prefix-map={ROOT}=geopt")]
    flags += [f"-I{quote(path)}" for path in (ROOT / "csrc", sysconfig.get_paths()["include"])]
    if platform.machine() == "x86_64":
        flags.append("-march=x86-64-v2")  # wider instructions are chosen at run time
    rules = [
        "ninja_required_version = 1.5",
        "rule cxx",
        f"  command = {CXX} -MMD -MF $out.d {' '.join(flags)} $own -c $in -o $out",
        "  depfile = $out.d",
        "  deps = gcc",
        "  description = c++ $name",
        "rule link",
        f"  command = {CXX} -shared -o $out $in {' '.join(libraries)} -s -Wl,--exclude-libs,ALL",
        "  description = link $out",
        *more_rules,
    ]
    objects = []
    for source in sorted(sources):
        shown = source.relative_to(ROOT).as_posix()
        objects.append(folder / (shown.replace("/", "_") + ".o"))
        rule = "nvcc" if source.suffix == ".cu" else "cxx"
        rules += [f"build {escape(objects[-1])}: {rule} {escape(source)}", f"  name = {shown}"]
        rules += [f"  own = {own_flags[shown]}"] if shown in own_flags else []
    rules.append(f"build {escape(out)}: link {' '.join(escape(o) for o in objects)}")
    (folder / "build.ninja").write_text("\n".join(rules) + "\n")
    ninja = shutil.which("ninja") or shutil.which("ninja", path=str(Path(sys.executable).parent))
    if ninja is None:
        sys.exit("geopt build: ninja was not found; pip install ninja")
    jobs = os.environ.get("MAX_JOBS")
    if subprocess.run([ninja, "-C", str(folder), *(["-j", jobs] if jobs else [])]).returncode:
        sys.exit("geopt build: compilation failed, see above")


class BuildWithResources(build_py):
    """Puts configs/ and datasets/ into the wheel, so that `geopt pretrain tiny` works from any folder."""

    def run(self) -> None:
        if self.editable_mode:
            super().run()
            return  # an editable install reads the checkout
        for left in Path(self.build_lib, "geopt").rglob("*.py*"):  # of an earlier build: it may be gone by now
            left.unlink()
        super().run()
        for kind in ("configs", "datasets"):
            target = Path(self.build_lib, "geopt", "_resources", kind)
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(ROOT / kind, target)


setup(
    ext_modules=[Extension("geopt._C", sources=[], py_limited_api=True), Extension("geopt._host", sources=[])],
    cmdclass={"build_ext": BuildWithNinja, "build_py": BuildWithResources},
)
