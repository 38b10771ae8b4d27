"""What a run folder holds, as far as a report needs it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from geopt.visualize.curves import Curve

BASELINE = "_baseline"


class Time(NamedTuple):
    """Training without validation and checkpoints."""

    seconds: float
    frames: float
    seconds_waiting: float
    """For data."""


class Run(NamedTuple):
    """A run as read by :func:`read`."""

    path: Path
    config: dict[str, Any]
    config_text: str
    """``config.yaml`` as it stands."""
    versions: dict[str, Any]
    rows: list[dict[str, Any]]
    """Of ``metrics.jsonl``, in its order."""
    labels: dict[str, Any] = {}
    """Of a fine-tuning run, how many frames its label list keeps; see :meth:`geopt.train.run_folder.RunFolder.note_labels`."""

    @property
    def task(self) -> str | None:
        """What the run was fine-tuned for, ``detection`` or ``segmentation``; None for pre-training."""
        task = self.config.get("task")
        return str(task) if task else None

    def get(self, key: str, default: Any = None) -> Any:
        """A value of the config by its dotted key."""
        value: Any = self.config
        for part in key.split("."):
            if not isinstance(value, dict) or part not in value:
                return default
            value = value[part]
        return value

    @property
    def keys(self) -> list[str]:
        """Names of the numbers in the rows, in the order of their first appearance."""
        found = {k: None for row in self.rows for k, v in row.items() if k != "step" and (v is None or _is_number(v))}
        return list(found)

    @property
    def losses(self) -> dict[str, str]:
        """Names of the loss and its terms on training batches, and of the same on validation frames."""
        names = [key for key in self.keys if key == "loss" or key.startswith("loss/")]
        return {name: f"val/{name.replace('/', '_')}" for name in names}

    @property
    def metrics(self) -> list[str]:
        """Names of validation metrics, without losses and without the metrics of constant predictors."""
        losses = self.losses.values()
        return [k for k in self.keys if k.startswith("val/") and k not in losses and not k.endswith(BASELINE)]

    @property
    def last_step(self) -> int:
        return max((int(row["step"]) for row in self.rows), default=0)

    def curve(self, key: str) -> Curve:
        """A number over the steps; null becomes NaN, and of two rows of one step the later one counts."""
        by_step = {row["step"]: row[key] for row in self.rows if key in row}
        steps = sorted(by_step)
        return Curve.of(steps, [math.nan if by_step[step] is None else by_step[step] for step in steps])

    def training_time(self) -> Time | None:
        """What the training rows say about time; None if they do not tell."""
        seen, speed, share = (self.curve(key) for key in ("frames_seen", "frames_per_s", "data_wait_share"))
        if not len(seen.steps) or not np.array_equal(seen.steps, speed.steps) or len(share.steps) != len(seen.steps):
            return None
        usable = np.isfinite(seen.values) & (speed.values > 0) & np.isfinite(share.values)
        frames = np.diff(seen.values[usable], prepend=0.0)
        seconds = frames / speed.values[usable]
        if not seconds.sum() > 0:
            return None
        return Time(float(seconds.sum()), float(frames.sum()), float((seconds * share.values[usable]).sum()))


def read(path: Path) -> Run:
    """Read ``config.yaml``, ``versions.json``, ``labels.json`` and ``metrics.jsonl`` of a run folder.

    A last line of ``metrics.jsonl`` that a killed run left half written is left out; a run that has no metrics,
    labels or versions yet has empty ones.

    Raises:
        FileNotFoundError: the folder holds no ``config.yaml``.
        ValueError: a row is no JSON object with a ``step``; names the line.
    """
    config = path / "config.yaml"
    if not config.is_file():
        raise FileNotFoundError(
            f"{config}: there is no such file; a run folder holds config.yaml, versions.json and metrics.jsonl"
        )
    text = config.read_text(encoding="utf-8")
    metrics = path / "metrics.jsonl"
    return Run(
        path=path,
        config=yaml.safe_load(text) or {},
        config_text=text,
        versions=_facts(path / "versions.json"),
        rows=_rows(metrics) if metrics.is_file() else [],
        labels=_facts(path / "labels.json"),
    )


def _facts(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _rows(path: Path) -> list[dict[str, Any]]:
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(keepends=True), start=1):
        if not line.endswith("\n") or not line.strip():
            continue
        try:
            row = json.loads(line)
            is_row = isinstance(row, dict) and _is_number(row.get("step"))
        except json.JSONDecodeError:
            is_row = False
        if not is_row:
            raise ValueError(f"{path}: line {number} must be a JSON object with a step, got {line.strip()[:60]}")
        rows.append(row)
    return rows


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
