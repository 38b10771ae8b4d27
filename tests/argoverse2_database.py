"""Random boxes in the style of Argoverse 2, as arrays and as files of the dataset and of submissions."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

SIZES = {
    "REGULAR_VEHICLE": (4.6, 1.9, 1.7),
    "PEDESTRIAN": (0.7, 0.7, 1.7),
    "BOLLARD": (0.3, 0.3, 1.0),
    "BUS": (11.0, 2.9, 3.2),
    "BICYCLE": (1.8, 0.6, 1.2),
    "ANIMAL": (0.9, 0.4, 0.6),
}
COLUMNS = ("tx_m", "ty_m", "tz_m", "length_m", "width_m", "height_m", "qw", "qx", "qy", "qz")

Case = dict[str, np.ndarray]


def random_case(
    seed: int,
    *,
    num_logs: int = 2,
    num_sweeps: int = 4,
    num_boxes: int = 20,
    num_noise: int = 8,
    spread_m: float = 60.0,
    copies: float = 0.3,
    score_step: float = 0.0,
    never_true: tuple[str, ...] = ("BUS",),
    never_found: tuple[str, ...] = ("BICYCLE",),
) -> tuple[Case, Case]:
    """Predictions and ground truth: noisy, missed, doubled and invented, in any order of sweeps.

    Args:
        seed: Of all that is random.
        num_logs, num_sweeps: Logs, and sweeps of each; one sweep in five has no boxes, one in six no predictions.
        num_boxes, num_noise: A sweep: boxes, and predictions without one.
        spread_m: Standard deviation of places; some boxes are beyond 150 m.
        copies: Share of boxes with a second prediction.
        score_step: Scores are multiples of it; 0 for any.
        never_true, never_found: Categories that ground truth or predictions lack.
    """
    rng = np.random.default_rng(seed)
    predictions, truths = [], []
    sweeps = [
        (f"log-{9 - log}", 315_966_070_000_000_000 + 100_000_000 * s)
        for log in range(num_logs)
        for s in range(num_sweeps)
    ]
    for place, sweep in enumerate(sweeps):
        for _ in range(num_boxes):
            category = str(rng.choice(list(SIZES)))
            box = _box(rng, category, spread_m)
            num_points = int(rng.integers(0, 60) * (rng.random() < 0.9))
            if place % 5 != 3 and category not in never_true:
                truths.append((*sweep, category, box, num_points))
            for _ in range(int(rng.random() < 0.85) + int(rng.random() < copies)):
                near = box + rng.normal(0, 1, 10) * [0.6, 0.6, 0.1, 0.1, 0.05, 0.05, 0.05, 0.02, 0.02, 0.05]
                near[3:6] = np.abs(near[3:6]) + 0.05
                if rng.random() < 0.1:
                    near[6:] = near[[9, 8, 7, 6]]
                predictions.append((*sweep, category, near, rng.beta(3, 2)))
        for _ in range(num_noise):
            category = str(rng.choice(list(SIZES)))
            predictions.append((*sweep, category, _box(rng, category, spread_m), rng.beta(2, 3)))
        if place % 6 == 4:
            predictions = [row for row in predictions if row[:2] != sweep]
    predictions = [row for row in predictions if row[2] not in never_found]
    tables = []
    for rows in (predictions, truths):
        log_id, time, category, box, last = zip(*(rows[i] for i in rng.permutation(len(rows))))
        tables.append(
            dict(
                log_id=np.array(log_id),
                timestamp_ns=np.array(time),
                category=np.array(category),
                cuboids=np.array(box),
                last=np.array(last, dtype=float),
            )
        )
    if score_step:
        tables[0]["last"] = np.round(tables[0]["last"] / score_step) * score_step
    return tables[0], tables[1]


def _box(rng: np.random.Generator, category: str, spread_m: float) -> np.ndarray:
    yaw, size = rng.uniform(-math.pi, math.pi), np.array(SIZES[category]) * rng.uniform(0.8, 1.2, 3)
    place = [*rng.normal(0, spread_m, 2), rng.normal(0.5, 0.3)]
    return np.array([*place, *size, math.cos(yaw / 2), 0, 0, math.sin(yaw / 2)]) * (
        [1] * 6 + [rng.uniform(0.9, 1.1)] * 4
    )


def write_npz(folder: Path, case: tuple[Case, Case]) -> tuple[Path, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in zip(("dts", "gts"), case):
        np.savez(folder / f"{name}.npz", **table)
    return folder / "dts.npz", folder / "gts.npz"


def write_feather(path: Path, table: Case, last: str, **more: Any) -> Path:
    """One table in the columns of the dataset; ``more`` adds columns, or leaves one out with None."""
    import pyarrow
    from pyarrow import feather

    columns: dict[str, Any] = {name: table[name] for name in ("log_id", "timestamp_ns", "category")}
    columns |= dict(zip(COLUMNS, np.ascontiguousarray(table["cuboids"].T))) | {last: table["last"]} | more
    path.parent.mkdir(parents=True, exist_ok=True)
    feather.write_feather(pyarrow.table({name: value for name, value in columns.items() if value is not None}), path)
    return path


def write_split(folder: Path, truth: Case) -> Path:
    """Annotations as the dataset has them: a folder for each log, which the table does not name."""
    for log in sorted(set(truth["log_id"].tolist())):
        rows = truth["log_id"] == log
        table = {name: column[rows] for name, column in truth.items()}
        table["last"] = table["last"].astype(np.int64)
        uuids = np.array([f"track-{i}" for i in range(int(rows.sum()))])
        write_feather(folder / log / "annotations.feather", table, "num_interior_pts", log_id=None, track_uuid=uuids)
    return folder
