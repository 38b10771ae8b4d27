"""Builds the compiled ops: C++ always, CUDA where nvcc is found; with ninja, which compiles only what changed, where it is.

GEOPT_CUDA=auto|0|1     auto builds CUDA objects when nvcc is there, 1 insists on it, 0 leaves them out
GEOPT_CUDA_ARCHS=LIST   such as "80;90;120"; "+PTX" after the last one adds forward compatibility
GEOPT_HOST=1|0          0 leaves out evaluators and range images, which need pybind11; ops, geometry and targets do not
CXX=COMPILER            one for another processor (aarch64-linux-gnu-g++) builds libraries for that processor
MAX_JOBS=N              compilers at once
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

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


def machine(compiler: str) -> str:
    """The processor that a compiler compiles for, as ``x86_64``."""
    return subprocess.check_output([*shlex.split(compiler), "-dumpmachine"], text=True).partition("-")[0]


def is_cross_build() -> bool:
    return machine(CXX) != os.uname().machine


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


def cuda_command(nvcc: Path, archs: str) -> str:
    return " ".join(
        [
            f"{quote(nvcc)} -MD -MF $out.d -O3 -std=c++17 --fmad=false -DGEOPT_WITH_CUDA --threads 2",
            "-Xcompiler -fPIC,-fvisibility=hidden,-ffp-contract=off",
            f"-ccbin {CXX} -I{quote(ROOT / 'csrc')}",
            *gencode(archs),
            "-c $in -o $out",
        ]
    )


def quote(path: object) -> str:
    return shlex.quote(str(path))


def escape(path: object) -> str:
    return str(path).replace("$", "$$").replace(":", "$:").replace(" ", "$ ")


class BuildLibraries(build_ext):
    """The shared libraries from csrc/."""

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
    if is_cross_build():
        libraries = []  # torch here is for another processor: its symbols stay open until the library is loaded
    sources = [*(ROOT / "csrc" / "common").glob("*.cpp"), *(ROOT / "csrc" / "ops").glob("*/*.cpp")]
    nvcc_command, build_info = None, ""
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
        nvcc_command = cuda_command(nvcc, archs)
        sources += [*(ROOT / "csrc" / "common").glob("*.cu"), *(ROOT / "csrc" / "ops").glob("*/*.cu")]
        say(f"CUDA kernels for {archs} with {nvcc}")
    # To one file alone, so that other architectures do not compile all of them again.
    own_flags = {"csrc/common/module.cpp": build_info}
    compile_and_link("cuda" if nvcc else "cpu", out, sources, flags, libraries, nvcc_command, own_flags)


def build_host(out: Path) -> None:
    """The evaluators' hot loops: pybind11 and NumPy, no torch."""
    try:
        import pybind11
    except ImportError:
        sys.exit("geopt build: pybind11 is not installed in this environment; pip install pybind11")
    flags = [*CXX_FLAGS, f"-isystem {quote(pybind11.get_include())}"]
    compile_and_link("host", out, [*(ROOT / "csrc" / "host").glob("*.cpp")], flags, ["-lpthread"], None, {})


def compile_and_link(
    name: str,
    out: Path,
    sources: list[Path],
    flags: list[str],
    libraries: list[str],
    nvcc_command: str | None,
    own_flags: dict[str, str],
) -> None:
    """Compile and link one library; objects stay in build/, so that with ninja a second build compiles what changed."""
    processor = machine(CXX)
    folder = ROOT / "build" / (f"{processor}-" * is_cross_build() + f"{sys.implementation.cache_tag}-{name}")
    folder.mkdir(parents=True, exist_ok=True)
    flags = [*flags, quote(f"-ffile-prefix-map={ROOT}=geopt")]
    flags += [f"-I{quote(path)}" for path in (ROOT / "csrc", sysconfig.get_paths()["include"])]
    if processor == "x86_64":
        flags.append("-march=x86-64-v2")  # wider instructions are chosen at run time
    commands = {
        "cxx": f"{CXX} -MMD -MF $out.d {' '.join(flags)} $own -c $in -o $out",
        "link": f"{CXX} -shared -o $out $in {' '.join(libraries)} -s -Wl,--exclude-libs,ALL",
    }
    if nvcc_command:
        commands["nvcc"] = nvcc_command
    steps = []
    for source in sorted(sources):
        shown = source.relative_to(ROOT).as_posix()
        target = folder / (shown.replace("/", "_") + ".o")
        rule = "nvcc" if source.suffix == ".cu" else "cxx"
        steps.append(Step(rule, [source], target, shown, own_flags.get(shown, "")))
    steps.append(Step("link", [step.target for step in steps], out, out.name, ""))
    jobs = int(os.environ.get("MAX_JOBS", 0))
    ninja = shutil.which("ninja") or shutil.which("ninja", path=str(Path(sys.executable).parent))
    if ninja:
        (folder / "build.ninja").write_text(ninja_file(commands, steps))
        done = subprocess.run([ninja, "-C", str(folder), *(["-j", str(jobs)] if jobs else [])]).returncode == 0
    else:
        say("ninja not found: compiling every file (pip install ninja compiles only what changed)")
        done = run_all(commands, steps, jobs or os.cpu_count() or 1)
    if not done:
        sys.exit("geopt build: compilation failed, see above")


class Step(NamedTuple):
    """One call of a compiler."""

    rule: str
    inputs: list[Path]
    target: Path
    name: str
    own: str  # flags for this file alone


def ninja_file(commands: dict[str, str], steps: list[Step]) -> str:
    """A dollar or colon in a path is ninja's own, unless escaped; $in, $out and $own are ninja's variables."""
    lines = ["ninja_required_version = 1.5"]
    for rule, command in commands.items():
        variables = re.sub(r"\$(?!(in|out|own)\b)", "$$", command)
        lines += [f"rule {rule}", f"  command = {variables}", f"  description = {rule} $name"]
        lines += [] if rule == "link" else ["  depfile = $out.d", "  deps = gcc"]
    for step in steps:
        lines += [f"build {escape(step.target)}: {step.rule} {' '.join(map(escape, step.inputs))}"]
        lines += [f"  name = {step.name}", f"  own = {step.own.replace('$', '$$')}"]
    return "\n".join(lines) + "\n"


def run_all(commands: dict[str, str], steps: list[Step], jobs: int) -> bool:
    """Compile side by side, CUDA first since it takes longest, then link."""

    def run(step: Step) -> bool:
        values = {"in": " ".join(quote(path) for path in step.inputs), "out": quote(step.target)}
        values["own"] = step.own
        command = re.sub(r"\$(in|out|own)\b", lambda match: values[match.group(1)], commands[step.rule])
        print(f"{step.rule} {step.name}", flush=True)
        return subprocess.run(command, shell=True).returncode == 0

    with ThreadPoolExecutor(jobs) as pool:
        compiled = all(pool.map(run, sorted(steps[:-1], key=lambda step: step.rule != "nvcc")))
    return compiled and run(steps[-1])


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


def extensions() -> list[Extension]:
    ops = Extension("geopt._C", sources=[], py_limited_api=True)
    if os.environ.get("GEOPT_HOST", "1") == "0":
        say("GEOPT_HOST=0: evaluators and range images are left out")
        return [ops]
    return [ops, Extension("geopt._host", sources=[])]


if __name__ == "__main__":  # benchmarks/cuda_compile.py reads the flags from here
    setup(
        ext_modules=extensions(),
        cmdclass={"build_ext": BuildLibraries, "build_py": BuildWithResources},
    )
