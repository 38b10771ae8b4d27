"""The folder of a run: what it was told, with which versions, and where its files lie."""

from __future__ import annotations

import fcntl
import json
import logging
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
import yaml

import geopt
from geopt import files
from geopt.config import flatten
from geopt.config_errors import ConfigError
from geopt.train import checkpoint

log = logging.getLogger(__name__)

FREE_KEYS = (
    "run",
    "data.workers",
    "train.checkpoint_every",
    "train.device",
    "train.keep_checkpoints",
    "train.log_every",
    "train.num_threads",
    "train.tensorboard",
    "train.validate_every",
)
"""Keys (or parents of keys) that may change when a run goes on: they decide where and how it runs, not what it learns.
Another device or number of threads may change the last bits."""


class RunFolder:
    """Paths of a run; made by :meth:`open`, which decides whether the run may start or go on here."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.versions = path / "versions.json"
        self.labels = path / "labels.json"
        self.datasets = path / "datasets.json"
        self.metrics = path / "metrics.jsonl"
        self.checkpoints = path / "checkpoints"
        self.baseline = path / "baseline.safetensors"
        self.encoder = path / "encoder.safetensors"
        self.model = path / "model.safetensors"
        self.report = path / "report.html"
        self.preview = path / "preview.png"
        self.tensorboard = path / "tensorboard"
        self._lock: IO[str] | None = None

    def open(self, config: Mapping[str, Any], text: str, resume: str) -> None:
        """Check that a run with this config may go on here, and write down its config and versions.

        Args:
            config: The whole config as nested mappings of plain values.
            text: The same as YAML, to be written to ``config.yaml``.
            resume: ``auto``, ``never`` or ``force``, see :class:`geopt.train.config.RunConfig`.

        Raises:
            ConfigError: the folder holds a run with another config, or may not hold one, is in use, or cannot be
                written to.
        """
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
            self._take_lock()
        except OSError as error:
            raise ConfigError([f"run.dir: cannot write to {self.path} ({error}); give another folder"]) from None
        for folder in (self.path, self.checkpoints):
            files.remove_leftovers(folder)
        if checkpoint.has_any(self.checkpoints):
            if resume == "never":
                raise ConfigError([f"run.dir: {self.path} already holds a run and run.resume is 'never'"])
            self._compare(config, force=resume == "force")
        else:  # nothing was learned here yet, so nothing is at stake
            self.baseline.unlink(missing_ok=True)
        files.replace_text(self.config, text)
        self._note_versions()

    def note_labels(self, name: str, frames: int, frames_there: int) -> None:
        """Write down which label list a fine-tuning run uses, how many training frames it keeps, and of how many."""
        content = {"list": name, "frames": frames, "frames_there": frames_there}
        files.replace_text(self.labels, json.dumps(content, indent=2) + "\n")

    def note_datasets(self, datasets: Sequence[Mapping[str, Any]]) -> None:
        """Write down which datasets a run learns from, measured by which sensors, as its encoder file says too."""
        files.replace_text(self.datasets, json.dumps(list(datasets), indent=2) + "\n")

    def close(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _take_lock(self) -> None:
        # POSIX record locks: forked data workers do not inherit them, so a killed run frees its folder at once
        self._lock = (self.path / ".lock").open("w")
        try:
            fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            self.close()
            raise ConfigError([f"run.dir: {self.path} is in use by another process; give another folder"]) from None

    def _compare(self, config: Mapping[str, Any], force: bool) -> None:
        before = yaml.safe_load(self.config.read_text(encoding="utf-8"))
        changed = differences(before, config)
        if not changed:
            return
        if not force:
            raise ConfigError(
                [
                    f"run.dir: {self.path} holds a run with another config; give another run.dir, "
                    "the same config, or run.resume=force",
                    *changed,
                ]
            )
        self.baseline.unlink(missing_ok=True)
        log.warning("%s goes on with another config, as run.resume=force asks:\n%s", self.path, "\n".join(changed))

    def _note_versions(self) -> None:
        now = versions()
        if self.versions.exists():
            before = json.loads(self.versions.read_text(encoding="utf-8"))
            changed = [f"{k}: was {before.get(k)}, is {v}" for k, v in now.items() if before.get(k) != v]
            if changed and checkpoint.has_any(self.checkpoints):
                log.warning("going on with other versions; the last bits may differ\n%s", "\n".join(changed))
        files.replace_text(self.versions, json.dumps(now, indent=2) + "\n")


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Keys whose values differ and that decide the result, one line each."""
    old, new = flatten(before), flatten(now)
    lines = []
    for key in sorted(old.keys() | new.keys()):
        if any(key == free or key.startswith(free + ".") for free in FREE_KEYS):
            continue
        if key not in old or key not in new or old[key] != new[key]:
            lines.append(f"{key}: was {old.get(key, 'absent')}, is {new.get(key, 'absent')}")
    return lines


def versions() -> dict[str, str | None]:
    """What computes here; other values may change the last bits of a result."""
    on_gpu = torch.cuda.is_available()
    return {
        "geopt": geopt.__version__,
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "numpy": np.__version__,
        "cuda": torch.version.cuda,
        "gpu": torch.cuda.get_device_name() if on_gpu else None,
        "machine": f"{platform.system()} {platform.machine()}",
        "simd": torch.backends.cpu.get_cpu_capability(),
    }
