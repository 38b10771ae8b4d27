"""A run folder as training leaves it."""

import json
import math
from pathlib import Path
from typing import Any

CONFIG = """seed: 7
data: {kind: nuscenes, root: /data/<nuScenes>, version: v1.0-mini, train: 'scene-0523[:30]', val: 'scene-0523[30:]',
  num_sweeps: 10, frame: ego}
train: {max_steps: 400, batch_size: 4, device: auto}
"""
METRICS = {
    "val/occupancy_iou": (0.25, 0.40, 0.20),
    "val/centroid_error_m": (0.20, 0.15, 0.16),
    "val/normal_error_deg": (30.0, 24.0, 40.0),
    "val/curvature_error": (0.30, 0.26, 0.25),
}
"""At step 200, at step 400, and of the constant predictor."""


def train_rows(steps: range) -> list[dict[str, Any]]:
    return [
        {
            "step": step,
            "loss": 3 * math.exp(-step / 100) + 1,
            "loss_hex": (1.0).hex(),
            "loss/occupancy_1": math.exp(-step / 100),
            "loss/normal": 0.5,
            "lr": 1e-3,
            "grad_norm": 2.0,
            "frames_seen": 4 * step,
            "frames_per_s": 8.0,
            "data_wait_share": 0.25,
            "peak_memory_mb": 1500.0 + step,
        }
        for step in steps
    ]


def validation_rows() -> list[dict[str, Any]]:
    rows = []
    for place, step in enumerate((200, 400)):
        values = {key: numbers[place] for key, numbers in METRICS.items()}
        rows.append({"step": step, **values, **{f"{key}_baseline": v[2] for key, v in METRICS.items()}})
    return rows


def write_run(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.mkdir(exist_ok=True)
    (path / "config.yaml").write_text(CONFIG)
    versions = {"geopt": "0.1.0", "torch": "2.13.0", "gpu": None, "machine": "Linux x86_64"}
    (path / "versions.json").write_text(json.dumps(versions))
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
