"""The whole way in one call: a simulated city, pre-training on it, numbers on scenes that training never saw."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from geopt import pretraining
from geopt.simulate import default_workers, simulate

SCENES, KEYFRAMES, SWEEPS = 6, 10, 3
NEEDED = {"occupancy_iou": 0.10, "normal_error_deg": 0.10, "centroid_error_m": 0.05, "curvature_error": 0.05}
"""How much better than a constant predictor each metric must be to count as learned."""


def simulate_city(out: Path, progress: Callable[[int, int], None] | None = None) -> Path:
    """Write the data set ``out/city``, or what is missing of it.

    Args:
        out: Folder of the demo.
        progress: Called with scans done and in all.
    """
    return simulate(out / "city", SCENES, KEYFRAMES, SWEEPS, seed=0, progress=progress, workers=default_workers())


def pretrain_on(city: Path, out: Path) -> dict[str, tuple[float, float]]:
    """Pre-train the ``tiny`` preset in ``out/run``, validating on the two scenes that it does not train on.

    Returns:
        For each metric of :data:`NEEDED` its last value and that of the constant predictor.
    """
    data = [f"data.root={city}", "data.version=v1.0-mini", "data.train=train", "data.val=val"]
    run = pretraining.pretrain(pretraining.load("tiny", [*data, f"run.dir={out / 'run'}"]))
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    last = next(row for row in reversed(rows) if "val/loss" in row)
    return {name: (last[f"val/{name}"], last[f"val/{name}_baseline"]) for name in NEEDED}


def improvement(name: str, value: float, constant: float) -> float:
    """Relative gain over the constant predictor; more is better for a score, less for an error."""
    return value / constant - 1 if name.endswith("iou") else 1 - value / constant
