"""metrics.jsonl, TensorBoard, and the stopwatch behind frames per second."""

from __future__ import annotations

import json
import math
import os
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from geopt import files
from geopt.optional import require


class MetricsLog:
    """One JSON object a line; a run that goes on first drops the rows after its checkpoint.

    Args:
        path: The ``metrics.jsonl`` of the run.
        step: Rows of later steps are removed, and so is a line that a killed run left half written.
        tensorboard: Folder for TensorBoard, or None.

    Raises:
        ImportError: TensorBoard is asked for and not installed.
    """

    def __init__(self, path: Path, step: int, tensorboard: Path | None = None) -> None:
        self._writer: Any = None
        if tensorboard is not None:
            require("tensorboard", extra="track")  # first, so that a message does not call it torch
            module = require("torch.utils.tensorboard", extra="track")
            self._writer = module.SummaryWriter(str(tensorboard), purge_step=step + 1)
        truncate(path, step)
        self._file = path.open("a", encoding="utf-8")

    def write(self, row: Mapping[str, Any]) -> None:
        """Append a row with a ``step``; numbers that are not finite become null."""
        clean = {key: None if _is_undefined(value) else value for key, value in row.items()}
        self._file.write(json.dumps(clean, allow_nan=False) + "\n")
        self._file.flush()  # a killed process loses nothing that was flushed
        if self._writer is not None:
            for key, value in clean.items():
                if key != "step" and isinstance(value, (int, float)):
                    self._writer.add_scalar(key, value, row["step"])

    def sync(self) -> None:
        """Bring the rows to the disk, before a checkpoint says that they are there."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()
        if self._writer is not None:
            self._writer.close()


def read(path: str | Path) -> Iterator[dict[str, Any]]:
    """The rows of a ``metrics.jsonl``; a last line that a killed run left half written is left out."""
    for line in Path(path).read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            yield json.loads(line)


def truncate(path: Path, step: int) -> None:
    """Keep the rows up to ``step``; a missing file becomes an empty one."""
    kept = [row for row in read(path) if row["step"] <= step] if path.exists() else []
    files.replace_text(path, "".join(json.dumps(row) + "\n" for row in kept))


def _is_undefined(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


class Stopwatch:
    """Time since the last reading, and the part of it spent waiting for data."""

    def __init__(self) -> None:
        self._since = time.perf_counter()
        self._waited = 0.0
        self._excluded = 0.0
        self._frames = 0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Time in here counts as waiting for data."""
        start = time.perf_counter()
        yield
        self._waited += time.perf_counter() - start

    @contextmanager
    def excluded(self) -> Iterator[None]:
        """Time in here (validation, checkpoints) is not training time."""
        start = time.perf_counter()
        yield
        self._excluded += time.perf_counter() - start

    def count(self, frames: int) -> None:
        """Note that so many frames were trained on, over all ranks."""
        self._frames += frames

    def read(self) -> dict[str, float]:
        """``frames_per_s`` and ``data_wait_share`` since the last reading, and start anew."""
        seconds = max(time.perf_counter() - self._since - self._excluded, 1e-9)
        numbers = {"frames_per_s": self._frames / seconds, "data_wait_share": self._waited / seconds}
        self.__init__()  # type: ignore[misc]
        return numbers


def peak_memory_mb(device: torch.device) -> float:
    """Most memory that tensors took on the GPU so far, or this process in RAM, in units of 2**20 bytes."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
