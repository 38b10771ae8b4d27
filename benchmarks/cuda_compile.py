"""What the compiler makes of every CUDA file, without a GPU: `python benchmarks/cuda_compile.py [--archs "80;90;100;120"]`.

A table of seconds, registers, shared memory and registers spilled to memory, with the flags of setup.py, one architecture
after the other. A kernel of more registers runs fewer threads at once; one that spills reads and writes memory for them.
"""

from __future__ import annotations

import argparse
import datetime
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]


class Kernel(NamedTuple):
    name: str
    registers: int
    shared_bytes: int
    spilled_bytes: int  # written and read


def kernels_in(log: str) -> list[Kernel]:
    """From what ptxas says with -v."""
    found = []
    for part in log.split("Compiling entry function ")[1:]:
        spilled = re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", part)
        used = re.search(r"Used (\d+) registers", part)
        if not spilled or not used:
            raise ValueError(f"cuda_compile: ptxas says nothing of registers in {part[:200]!r}")
        shared = re.search(r"(\d+) bytes smem", part)
        name = part.split("'")[1]
        found.append(Kernel(name, int(used[1]), int(shared[1]) if shared else 0, int(spilled[1]) + int(spilled[2])))
    return found


def plain(name: str) -> str:
    """A mangled name as its author wrote it, without arguments and namespaces; as it is where no tool can tell."""
    if not shutil.which("c++filt"):
        return name
    text = subprocess.run(["c++filt", name], capture_output=True, text=True, check=True).stdout.strip()
    if text.partition("<")[0].find("cub::") >= 0:
        return "cub::" + text.partition("<")[0].rpartition("::")[2]
    return re.sub(r"\(anonymous namespace\)::|geopt::|warp::|^void ", "", text).partition("(")[0]


def compiled(command: str, source: Path, target: Path) -> tuple[float, list[Kernel]]:
    command = command.replace("$in", shlex.quote(str(source))).replace("$out", shlex.quote(str(target)))
    begin = time.perf_counter()
    done = subprocess.run(f"{command} -Xptxas -v", shell=True, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"cuda_compile: {source}: {done.stderr[-2000:]}")
    return time.perf_counter() - begin, kernels_in(done.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--archs", default="80;90;100;120")
    archs = parser.parse_args().archs.split(";")
    build = runpy.run_path(str(ROOT / "setup.py"), run_name="flags")
    nvcc = build["find_nvcc"]() or sys.exit("cuda_compile: nvcc was not found; put it on PATH or set CUDA_HOME")
    said = subprocess.run([nvcc, "--version"], capture_output=True, text=True).stdout
    version = re.search(r"release [\d.]+", said)
    print(
        f"# CUDA kernels as compiled\n\n{datetime.date.today()}, nvcc {version[0] if version else 'unknown'},", end=" "
    )
    print(f"{os.cpu_count()} cores. By `python benchmarks/cuda_compile.py`.\n")
    print(f"Of several numbers one is for each of sm_{', sm_'.join(archs)}: that of the kernel with most.\n")
    print("| file | kernels | seconds | registers | shared, bytes | spilled, bytes |\n|---|---|---|---|---|---|")
    spilling: dict[str, list[str]] = {}
    for source in sorted((ROOT / "csrc").glob("**/*.cu")):
        with tempfile.TemporaryDirectory() as folder:
            each = [compiled(build["cuda_command"](nvcc, arch), source, Path(folder, "out.o")) for arch in archs]
        row = [source.name, str(len(each[0][1])), " ".join(f"{seconds:.1f}" for seconds, _ in each)]
        for of in ("registers", "shared_bytes", "spilled_bytes"):
            row.append(" ".join(str(max(getattr(k, of) for k in kernels)) for _, kernels in each))
        print(f"| {' | '.join(row)} |", flush=True)
        for arch, (_, kernels) in zip(archs, each):
            for kernel in (kernel for kernel in kernels if kernel.spilled_bytes):
                spilling.setdefault(f"{source.name}: `{plain(kernel.name)}`", []).append(
                    f"{kernel.spilled_bytes} on sm_{arch}"
                )
    print("\nBytes spilled, written and read, by kernel:\n")
    print("\n".join(f"- {name}: {', '.join(where)}" for name, where in spilling.items()) or "none")


if __name__ == "__main__":
    main()
