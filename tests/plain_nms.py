"""Rotated overlap and suppression in plain Python, by clipping polygons: the oracle of decoding."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def corners(box: list[float]) -> list[tuple[float, float]]:
    x, y, length, width, yaw = box[0], box[1], box[3], box[4], box[6]
    c, s = math.cos(yaw), math.sin(yaw)
    signs = ((1, 1), (-1, 1), (-1, -1), (1, -1))
    return [(x + a * length / 2 * c - b * width / 2 * s, y + a * length / 2 * s + b * width / 2 * c) for a, b in signs]


def area(polygon: list[tuple[float, float]]) -> float:
    return sum(p[0] * q[1] - q[0] * p[1] for p, q in zip(polygon, polygon[1:] + polygon[:1])) / 2


def clip(polygon: list[tuple[float, float]], a: tuple[float, float], b: tuple[float, float]) -> list:
    """What lies to the left of the line from a to b (Sutherland-Hodgman)."""

    def side(p: tuple[float, float]) -> float:
        return (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])

    kept = []
    for p, q in zip(polygon, polygon[1:] + polygon[:1]):
        if side(p) >= 0:
            kept.append(p)
        if side(p) * side(q) < 0:
            t = side(p) / (side(p) - side(q))
            kept.append((p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])))
    return kept


def bev_iou(one: list[float], other: list[float]) -> float:
    first, second = corners(one), corners(other)
    common = first
    for a, b in zip(second, second[1:] + second[:1]):
        common = clip(common, a, b)
    shared = area(common) if len(common) > 2 else 0.0
    return shared / (area(first) + area(second) - shared)


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, groups: Tensor) -> Tensor:
    """Kept rows, best first; of equal scores the lower row."""
    kept: list[int] = []
    for row in torch.argsort(scores, descending=True, stable=True).tolist():
        rivals = [other for other in kept if groups[other] == groups[row]]
        if all(bev_iou(boxes[row].tolist(), boxes[other].tolist()) <= iou_threshold for other in rivals):
            kept.append(row)
    return torch.tensor(kept, dtype=torch.int64)
