"""Builds the CUDA kernels, with the code that calls them from torch, for the host: see csrc/tests/cuda_on_host."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch.utils._python_dispatch import TorchDispatchMode

ROOT = Path(__file__).resolve().parents[1]
TORCH = Path(torch.__file__).parent
SHIM = ROOT / "csrc" / "tests" / "cuda_on_host"
FLAGS = ["-O1", "-g", "-std=c++17", "-fPIC", "-fvisibility=hidden", "-ffp-contract=off", "-DGEOPT_WITH_CUDA", "-w"]


def build(folder: Path) -> Path:
    """Compile every kernel and its glue into ``folder``; returns a library that registers them as geopt_on_host ops."""
    sources = []
    for path in sorted((ROOT / "csrc").rglob("*")):
        part = path.relative_to(ROOT / "csrc")
        if path.suffix not in (".h", ".inl", ".cuh", ".cu", ".cpp") or part.parts[0] not in ("common", "ops"):
            continue
        target = folder / "csrc" / part
        text = path.read_text()
        if path.suffix in (".cu", ".cuh"):
            text = with_launches(text)
        if path.suffix == ".cu":
            target = target.with_suffix(".cu.cpp")
        if path.name.endswith("_torch.cpp"):
            text = with_registrations(text)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        has_kernel = any(path.parent.glob("*.cu"))
        if path.suffix == ".cu" or (path.name.endswith("_torch.cpp") and has_kernel and part.parts[0] == "ops"):
            sources.append(target)
    sources.append(SHIM / "glue.cpp")
    includes = [f"-I{SHIM}", f"-I{folder / 'csrc'}", "-isystem", str(TORCH / "include")]
    target_version = re.search(r'TORCH_TARGET = "(\w+)"', (ROOT / "setup.py").read_text())
    assert target_version, "setup.py names the stable ABI"
    includes.append(f"-DTORCH_TARGET_VERSION={target_version.group(1)}")

    def compile_one(source: Path) -> Path:
        target = folder / (source.name + ".o")
        shim = ["-include", str(SHIM / "cuda_on_host.h")] if source.name.endswith(".cu.cpp") else []
        command = [os.environ.get("CXX", "g++"), *FLAGS, *includes, *shim, "-c", str(source), "-o", str(target)]
        subprocess.run(command, check=True)
        return target

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compile_one, sources))
    library = folder / "on_host.so"
    link = [
        os.environ.get("CXX", "g++"),
        "-shared",
        "-o",
        library,
        *objects,
        f"-L{TORCH / 'lib'}",
        "-ltorch_cpu",
        "-lc10",
    ]
    subprocess.run(list(map(str, link)), check=True)
    return library


def with_launches(text: str) -> str:
    """``kernel<<<blocks, threads, bytes, stream>>>(arguments)`` as a call of launch(); dynamic shared memory is refused."""
    while "<<<" in text:
        open_at = text.index("<<<")
        close_at = text.index(">>>", open_at)
        name = re.search(r"[\w:]+(?:<[^<>;{}]*>)?$", text[:open_at])
        assert name, text[open_at - 80 : open_at]
        parts = split_arguments(text[open_at + 3 : close_at])
        assert len(parts) == 4 and parts[2] == "0", f"a launch must have four parts and no dynamic memory: {parts}"
        end = end_of_call(text, close_at + 3)
        call = f"{name.group()}{text[close_at + 3 : end]}"
        text = f"{text[: name.start()]}cuda_on_host::launch({parts[0]}, {parts[1]}, [&] {{ {call}; }}){text[end:]}"
    return text


def end_of_call(text: str, at: int) -> int:
    """Behind the parenthesis that closes the one at ``at``."""
    depth = 0
    for i in range(at, len(text)):
        depth += {"(": 1, ")": -1}.get(text[i], 0)
        if depth == 0:
            return i + 1
    raise AssertionError("no end of a launch")


def split_arguments(text: str) -> list[str]:
    parts, depth = [""], 0
    for letter in text:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def with_registrations(text: str) -> str:
    """What is registered for CUDA tensors, for CPU tensors of the namespace geopt_on_host, and nothing else."""
    text = re.sub(r"const torch::stable::accelerator::DeviceGuard guard\(.*?\);\n", "", text)
    text = re.sub(r"STABLE_TORCH_LIBRARY_IMPL\(geopt, (?!CUDA)\w+, m\) \{.*?\}\n", "", text, flags=re.DOTALL)
    text = text.replace("LIBRARY_IMPL(geopt, CUDA, m)", "LIBRARY_IMPL(geopt_on_host, CPU, m)")
    return text.replace("LIBRARY_FRAGMENT(geopt, m)", "LIBRARY_FRAGMENT(geopt_on_host, m)")


class OnHost(TorchDispatchMode):
    """Ops of geopt that have a CUDA kernel run it on the host; ``ran`` holds their names."""

    def __init__(self) -> None:
        super().__init__()
        self.ran: set[str] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        name = func._schema.name
        if name.startswith("geopt::") and is_registered(name.removeprefix("geopt::")):
            self.ran.add(name.removeprefix("geopt::"))
            func = getattr(torch.ops.geopt_on_host, name.removeprefix("geopt::"))
        return func(*args, **(kwargs or {}))


def is_registered(kernel: str) -> bool:
    if not hasattr(torch.ops.geopt_on_host, kernel):  # a kernel for the CPU alone, with glue that is not built here
        return False
    return torch._C._dispatch_has_kernel_for_dispatch_key(f"geopt_on_host::{kernel}", "CPU")


if __name__ == "__main__":
    print(build(Path(sys.argv[1])))
