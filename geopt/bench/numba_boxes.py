"""What detection repositories usually run on a CPU, compiled by numba: overlap of two turned boxes by collecting and
sorting corners, and non-maximum suppression with it. For comparison only: float32, and not exact when edges coincide.
"""

from __future__ import annotations

import math

import numba
import numpy as np


@numba.njit
def _corners(box, out):  # type: ignore[no-untyped-def]
    c, s = math.cos(box[6]), math.sin(box[6])
    for k in range(4):
        x = box[3] / 2 if k == 1 or k == 2 else -box[3] / 2
        y = box[4] / 2 if k >= 2 else -box[4] / 2
        out[k, 0], out[k, 1] = box[0] + c * x - s * y, box[1] + s * x + c * y


@numba.njit
def _holds(corners, x, y):  # type: ignore[no-untyped-def]
    ax, ay = corners[1, 0] - corners[0, 0], corners[1, 1] - corners[0, 1]
    bx, by = corners[3, 0] - corners[0, 0], corners[3, 1] - corners[0, 1]
    px, py = x - corners[0, 0], y - corners[0, 1]
    along, across = ax * px + ay * py, bx * px + by * py
    return 0 <= along <= ax * ax + ay * ay and 0 <= across <= bx * bx + by * by


@numba.njit
def _shared_area(a, b, points, angles):  # type: ignore[no-untyped-def]
    count = 0
    for k in range(4):
        if _holds(b, a[k, 0], a[k, 1]):
            points[count, 0], points[count, 1] = a[k, 0], a[k, 1]
            count += 1
        if _holds(a, b[k, 0], b[k, 1]):
            points[count, 0], points[count, 1] = b[k, 0], b[k, 1]
            count += 1
    for i in range(4):
        px, py, rx, ry = a[i, 0], a[i, 1], a[(i + 1) % 4, 0] - a[i, 0], a[(i + 1) % 4, 1] - a[i, 1]
        for j in range(4):
            sx, sy = b[(j + 1) % 4, 0] - b[j, 0], b[(j + 1) % 4, 1] - b[j, 1]
            cross = rx * sy - ry * sx
            if cross == 0:
                continue
            qx, qy = b[j, 0] - px, b[j, 1] - py
            t, u = (qx * sy - qy * sx) / cross, (qx * ry - qy * rx) / cross
            if 0 < t < 1 and 0 < u < 1:
                points[count, 0], points[count, 1] = px + t * rx, py + t * ry
                count += 1
    if count < 3:
        return np.float32(0)
    cx, cy = points[:count, 0].mean(), points[:count, 1].mean()
    for k in range(count):  # a number that rises with the angle, without its arc tangent
        x, y = points[k, 0] - cx, points[k, 1] - cy
        length = math.sqrt(x * x + y * y)
        ratio = x / length if length > 0 else np.float32(0)
        angles[k] = -2 - ratio if y < 0 else ratio
    for i in range(1, count):
        angle, x, y, j = angles[i], points[i, 0], points[i, 1], i
        while j > 0 and angles[j - 1] > angle:
            angles[j], points[j, 0], points[j, 1] = angles[j - 1], points[j - 1, 0], points[j - 1, 1]
            j -= 1
        angles[j], points[j, 0], points[j, 1] = angle, x, y
    area = np.float32(0)
    for k in range(1, count - 1):
        ax, ay = points[k, 0] - points[0, 0], points[k, 1] - points[0, 1]
        bx, by = points[k + 1, 0] - points[0, 0], points[k + 1, 1] - points[0, 1]
        area += abs(ax * by - ay * bx) / 2
    return area


@numba.njit
def box_iou(a, b, cull):  # type: ignore[no-untyped-def]
    out = np.zeros((len(a), len(b)), np.float32)
    corners_a, corners_b = np.empty((len(a), 4, 2), np.float32), np.empty((len(b), 4, 2), np.float32)
    points, angles = np.empty((24, 2), np.float32), np.empty(24, np.float32)
    for i in range(len(a)):
        _corners(a[i], corners_a[i])
    for j in range(len(b)):
        _corners(b[j], corners_b[j])
    for i in range(len(a)):
        for j in range(len(b)):
            if cull:
                dx, dy = a[i, 0] - b[j, 0], a[i, 1] - b[j, 1]
                reach = (math.sqrt(a[i, 3] ** 2 + a[i, 4] ** 2) + math.sqrt(b[j, 3] ** 2 + b[j, 4] ** 2)) / 2
                if dx * dx + dy * dy > reach * reach:
                    continue
            shared = _shared_area(corners_a[i], corners_b[j], points, angles)
            out[i, j] = shared / (a[i, 3] * a[i, 4] + b[j, 3] * b[j, 4] - shared)
    return out


@numba.njit
def nms(boxes, order, iou_threshold):  # type: ignore[no-untyped-def]
    n = len(order)
    corners, reach = np.empty((n, 4, 2), np.float32), np.empty(n, np.float32)
    points, angles = np.empty((24, 2), np.float32), np.empty(24, np.float32)
    for i in range(n):
        box = boxes[order[i]]
        _corners(box, corners[i])
        reach[i] = math.sqrt(box[3] ** 2 + box[4] ** 2) / 2
    gone, kept = np.zeros(n, np.bool_), np.empty(n, np.int64)
    count = 0
    for i in range(n):
        if gone[i]:
            continue
        a = boxes[order[i]]
        kept[count] = order[i]
        count += 1
        for j in range(i + 1, n):
            if gone[j]:
                continue
            b = boxes[order[j]]
            dx, dy, sum_ = a[0] - b[0], a[1] - b[1], reach[i] + reach[j]
            if dx * dx + dy * dy > sum_ * sum_:
                continue
            shared = _shared_area(corners[i], corners[j], points, angles)
            gone[j] = shared / (a[3] * a[4] + b[3] * b[4] - shared) > iou_threshold
    return kept[:count]
