"""The Argoverse 2 detection metrics once more, slowly: one prediction, one threshold and one step of recall after another."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

RANGE_M, AT_MOST = 150.0, 100


def evaluate(
    predictions: dict[str, np.ndarray], truth: dict[str, np.ndarray], names: tuple[str, ...]
) -> dict[str, Any]:
    return {name: category(predictions, truth, name) for name in names}


def by_sweep(table: dict[str, np.ndarray], name: str) -> dict[tuple[str, int], list[int]]:
    found = defaultdict(list)
    for row, (log, time, category) in enumerate(
        zip(*(table[key].tolist() for key in ("log_id", "timestamp_ns", "category")))
    ):
        if category == name and math.dist(table["cuboids"][row, :3], (0, 0, 0)) < RANGE_M:
            found[log, time].append(row)
    return found


def category(predictions: dict[str, np.ndarray], truth: dict[str, np.ndarray], name: str) -> dict[str, float]:
    true_rows = {key: [r for r in rows if truth["last"][r] >= 1] for key, rows in by_sweep(truth, name).items()}
    num_true = sum(map(len, true_rows.values()))
    if not num_true:
        return {"AP": 0.0, "ATE": 2.0, "ASE": 1.0, "AOE": math.pi, "CDS": 0.0}
    judged = []  # (score, distance or inf, errors)
    for key, rows in sorted(by_sweep(predictions, name).items()):
        taken = set()
        for row in sorted(rows, key=lambda r: -predictions["last"][r])[:AT_MOST]:
            box, distance, errors = predictions["cuboids"][row], math.inf, None
            near = [(math.dist(box[:3], truth["cuboids"][r, :3]), r) for r in true_rows.get(key, [])]
            if near and min(near)[1] not in taken:
                distance, mine = min(near)
                taken.add(mine)
                errors = compare(box, truth["cuboids"][mine])
            judged.append((float(predictions["last"][row]), distance, errors))
    judged.sort(key=lambda found: -found[0])
    ap = sum(average_precision([d < th for _, d, _ in judged], num_true) for th in (0.5, 1.0, 2.0, 4.0)) / 4
    hits = [errors for _, d, errors in judged if d < 2.0]
    mean = [sum(column) / len(hits) for column in zip(*hits)] if hits else [2.0, 1.0, math.pi]
    cds = ap * sum(1 - error / worst for error, worst in zip(mean, (2.0, 1.0, math.pi))) / 3
    return dict(zip(("AP", "ATE", "ASE", "AOE", "CDS"), (ap, *mean, cds)))


def compare(a: np.ndarray, b: np.ndarray) -> tuple[float, float, float]:
    ratio = math.prod(min(x, y) / max(x, y) for x, y in zip(a[3:6], b[3:6]))
    yaws = [Rotation.from_quat(box[[7, 8, 9, 6]]).as_euler("xyz")[2] for box in (a, b)]
    turn = abs(yaws[0] - yaws[1])
    return math.dist(a[:3], b[:3]), 1 - ratio, min(turn, 2 * math.pi - turn)


def average_precision(hits: list[bool], num_true: int) -> float:
    points, num_hits = [], 0
    for rank, hit in enumerate(hits, 1):
        num_hits += hit
        points.append((num_hits / num_true, num_hits / rank))
    best = [(recall, max(p for _, p in points[k:])) for k, (recall, _) in enumerate(points)]
    # the official steps: 0.01 * 35 is a bit more than 0.35, which a recall of 7 / 20 does not reach
    return sum(at(step, best) for step in np.linspace(0, 1, 101).tolist()) / 101


def at(recall: float, points: list[tuple[float, float]]) -> float:
    """Straight lines between points, level before the first one, 0 behind the last one."""
    if not points or recall > points[-1][0]:
        return 0.0
    behind = [k for k, (r, _) in enumerate(points) if r <= recall]
    if not behind:
        return points[0][1]
    (r0, p0), (r1, p1) = points[behind[-1]], points[min(behind[-1] + 1, len(points) - 1)]
    return p0 if r1 == r0 else p0 + (p1 - p0) * (recall - r0) / (r1 - r0)
