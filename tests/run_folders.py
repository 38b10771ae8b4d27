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


FINETUNING = """task: {task}
init: {init}
freeze: {freeze}
balance: true
seed: 7
data: {{kind: nuscenes, root: /data/nuScenes, version: v1.0-mini, train: mini_train, val: mini_val, num_sweeps: 2,
  frame: ego, label_fraction: frames-10-seed0}}
paste: {{objects: {{car: 2, traffic_cone: 0, bus: 4}}, min_points: 5, fade_out: 0.2}}
train: {{max_steps: 400, batch_size: 2, layer_decay: 0.8, device: cpu}}
"""
SCORES = {
    "detection": {
        "val/map": (0.1, 0.25, 0.05),
        "val/ap_car": (0.2, 0.5, 0.1),
        "val/ap_truck": (0.0, 0.0, 0.0),
        "val/ap_traffic_cone": (0.05, 0.004, 0.0),
        "val/ap_trailer": (None, None, None),
        "val/boxes_outside": (3.0, 3.0, None),
    },
    "segmentation": {
        "val/miou": (0.2, 0.3, 0.1),
        "val/iou_car": (0.4, 0.3, 0.0),
        "val/iou_bus": (None, 0.0, None),
        "val/iou_driveable_surface": (0.5, 0.6, 0.5),
        "val/iou_other_flat": (None, None, None),
        "val/accuracy": (0.6, 0.7, 0.5),
        "val/points_outside": (0.0, 0.0, None),
    },
}
"""By task: at step 200, at step 400, and of the constant predictor; classes without a number are absent."""


def finetuning_rows(task: str) -> list[dict[str, Any]]:
    rows = train_rows(range(10, 401, 10))
    for place, step in enumerate((200, 400)):
        row: dict[str, Any] = {"step": step, "val/loss": 1.0}
        row |= {key: numbers[place] for key, numbers in SCORES[task].items()}
        counts = ("val/boxes_outside", "val/points_outside")
        rows.append(row | {f"{key}_baseline": v[2] for key, v in SCORES[task].items() if key not in counts})
    return rows


def write_finetuning_run(path: Path, task: str, init: str = "runs/pretrained", freeze: bool = False) -> Path:
    write_run(path, finetuning_rows(task))
    (path / "config.yaml").write_text(FINETUNING.format(task=task, init=init, freeze=str(freeze).lower()))
    labels = {"list": "frames-10-seed0", "frames": 31, "frames_there": 323}
    (path / "labels.json").write_text(json.dumps(labels))
    return path
