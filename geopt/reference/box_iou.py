"""Plain torch for :mod:`geopt.ops.box_iou`."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

Corner = tuple[float, float]


def box_iou(a: Tensor, b: Tensor, kind: Literal["bev", "3d"] = "bev") -> Tensor:
    iou = [[_iou(one, other, kind == "3d") for other in b[:, :7].tolist()] for one in a[:, :7].tolist()]
    return torch.tensor(iou, dtype=torch.float64).reshape(len(a), len(b)).to(a)


def _iou(a: list[float], b: list[float], volume: bool) -> float:
    used = [0, 1, 3, 4, 6] + volume * [2, 5]
    sizes = [3, 4] + volume * [5]
    if not all(math.isfinite(box[column]) for box in (a, b) for column in used):
        return math.nan
    if min(box[column] for box in (a, b) for column in sizes) <= 0:
        return 0.0
    shared, measures = _shared_area(a, b), [box[3] * box[4] for box in (a, b)]
    if volume:
        dz = b[2] - a[2]
        shared *= max(0.0, min(a[5] / 2, dz + b[5] / 2) - max(-a[5] / 2, dz - b[5] / 2))
        measures = [measure * box[5] for measure, box in zip(measures, (a, b))]
    shared = min(shared, *measures)  # rounding
    return shared / (measures[0] + measures[1] - shared)


def _shared_area(a: list[float], b: list[float]) -> float:
    """Cut the outline of b with the four sides of a, one after the other, in the axes of a."""
    outline = [_turned(x, y, b[6] - a[6]) for x, y in _corners(b[3], b[4])]
    dx, dy = _turned(b[0] - a[0], b[1] - a[1], -a[6])
    outline = [(x + dx, y + dy) for x, y in outline]
    for axis, half in ((0, a[3] / 2), (1, a[4] / 2)):
        for side in (1, -1):
            outline = _cut(outline, axis, side, half)
    crosses = [x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairwise([*outline, *outline[:1]])]
    return max(0.0, sum(crosses) / 2)


def _corners(length: float, width: float) -> list[Corner]:
    return [(sx * length / 2, sy * width / 2) for sx, sy in ((-1, -1), (1, -1), (1, 1), (-1, 1))]


def _turned(x: float, y: float, yaw: float) -> Corner:
    return math.cos(yaw) * x - math.sin(yaw) * y, math.sin(yaw) * x + math.cos(yaw) * y


def _cut(outline: list[Corner], axis: int, side: int, half: float) -> list[Corner]:
    """What of a convex outline has ``side * coordinate <= half``."""
    kept: list[Corner] = []
    for p, q in pairwise([*outline, *outline[:1]]):
        p_over, q_over = side * p[axis] - half, side * q[axis] - half
        if p_over <= 0:
            kept.append(p)
        if (p_over <= 0) != (q_over <= 0):
            t = p_over / (p_over - q_over)
            kept.append((p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])))
    return kept
