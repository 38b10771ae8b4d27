"""A benchmark in processes that own as many cores as they may have threads."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from geopt.bench.measure import Case, Timing

PEERS = ("numpy", "scipy", "pykdtree", "small_gicp", "open3d", "open3d_cpu", "fpsample", "spconv", "numba", "shapely")


class Run(NamedTuple):
    """What one process measured."""

    threads: int
    facts: dict[str, str]
    """Machine and versions."""
    missing: dict[str, str]
    """Peers that are not installed, and how to get them."""
    timings: list[Timing]


def run(threads: int, ops: Sequence[str], scans: Iterable[Path], peers: bool, repeats: int) -> Run:
    """Time ops in a process of its own.

    The process is bound to ``threads`` cores before it starts, so no library in it can use more, whatever it thinks of
    ``OMP_NUM_THREADS``.

    Args:
        threads: At least 1, and no more than the processors that this process may use.
        ops: Beginnings of names such as ``knn``; none means all.
        scans: Scan files or folders of them; none means streets that a formula draws.
        peers: Whether to time others too.
        repeats: Runs that count.

    Raises:
        ValueError: more threads than processors.
        RuntimeError: the process failed; has what it said.
    """
    free = sorted(os.sched_getaffinity(0))
    if threads > len(free):
        raise ValueError(f"bench: threads must be at most {len(free)}, the processors at hand, got {threads}")
    asked = {"ops": list(ops), "scans": [str(path) for path in scans], "peers": peers, "repeats": repeats}
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "passive"}
    environment["NUMBA_NUM_THREADS"] = str(threads)
    cores = free[:threads]
    done = subprocess.run(
        [sys.executable, "-m", "geopt.bench.worker", json.dumps(asked | {"threads": threads})],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    if done.returncode:
        raise RuntimeError(f"bench: timing with {threads} threads failed, see above")
    said = json.loads(done.stdout)
    timings = [Timing(Case(**case, copies=(), run=_nothing), wall, cpu) for case, wall, cpu in said["timings"]]
    return Run(threads, said["facts"], said["missing"], timings)


def packed(timings: Iterable[Timing]) -> list[Any]:
    """What a process says of its timings."""
    return [[timing.case.named(), timing.wall_ms, timing.cpu_ms] for timing in timings]


def facts() -> dict[str, str]:
    """Machine, versions and load of this process."""
    import torch

    from geopt import __version__, ops
    from geopt.bench import pcl

    build = ops.build_info()
    installed = {}
    for name in PEERS:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    if (pcl_version := pcl.version()) is not None:
        installed["PCL"] = pcl_version
    return {
        "date": str(datetime.date.today()),
        "processor": processor(),
        "load": f"{os.getloadavg()[0]:.1f}",
        "geopt": __version__,
        "SIMD": build["simd"],
        "compiler": build["compiler"],
        "Python": platform.python_version(),
        "torch": torch.__version__,
        **installed,
    }


def _nothing(_: Any) -> None:
    """In the place of what ran elsewhere."""


def processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]}, {len(names)} processors" if names else platform.processor() or platform.machine()
