"""The Waymo detection metrics once more, slowly: polygons by shapely, matching by the textbook, one cutoff after another."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from shapely.affinity import rotate, translate
from shapely.geometry import box as rectangle

FIELDS_OF_VIEW = (0, 45, -45, 90, -90)
BY_TRUTH = ("VELOCITY", "CAMERA")


def overlap(a: np.ndarray, b: np.ndarray, box_type: str) -> float:
    """Intersection over union of two boxes of seven."""
    sides = slice(3, 6) if box_type == "TYPE_3D" else slice(3, 5)
    if min(*a[sides], *b[sides]) <= 1e-2 or max(*a[3:6], *b[3:6]) >= 1e6:
        return 0.0
    shapes = []
    for x, y, _, length, width, _, heading in (a, b):
        turned = 0.0 if box_type == "TYPE_AA_2D" else heading
        shape = rotate(rectangle(-length / 2, -width / 2, length / 2, width / 2), turned, use_radians=True)
        shapes.append(translate(shape, x, y))
    shared = shapes[0].intersection(shapes[1]).area
    sizes = [box[3] * box[4] for box in (a, b)]
    if box_type == "TYPE_3D":
        top, bottom = (min(a[2] + a[5] / 2, b[2] + b[5] / 2), max(a[2] - a[5] / 2, b[2] - b[5] / 2))
        shared *= max(top - bottom, 0.0)
        sizes = [size * box[5] for size, box in zip(sizes, (a, b))]
    return shared / (sizes[0] + sizes[1] - shared)


def aligned(prediction: np.ndarray, truth: np.ndarray, let: dict[str, Any]) -> tuple[np.ndarray, float]:
    """The prediction moved along its line of sight, and how well its range was."""
    sensor = np.array(let["sensor_location"])
    p, g = prediction[:3] - sensor, truth[:3] - sensor
    moved = prediction.copy()
    moved[:3] = sensor + p * (g @ p) / (p @ p)
    allowed = max(let["longitudinal_tolerance_percentage"] * np.linalg.norm(g), let["min_longitudinal_tolerance_meter"])
    error = abs((p @ g) / np.linalg.norm(g) - np.linalg.norm(g)) / allowed
    return moved, min(max(1 - error, 0.0), 1.0)


def official_assignment(weights: np.ndarray) -> list[int]:
    """Kuhn and Munkres' algorithm by its rules: columns reached in the order of rows, then of columns, first come first."""
    n = len(weights)
    row_label, column_label = [int(row.max()) for row in weights], [0] * n
    column_of: list[int | None] = [None] * n
    row_of: list[int | None] = [None] * n
    for root in range(n):
        rows, visited = [root], {}
        while True:
            reached: dict[int, int] = {}
            for place, i in enumerate(rows):
                for j in range(n):
                    if row_label[i] + column_label[j] == weights[i, j]:
                        reached.setdefault(j, place)
            j = next((j for j in reached if j not in visited), None)
            if j is None:
                others = [j for j in range(n) if j not in visited]
                least = min(row_label[i] + column_label[j] - int(weights[i, j]) for i in rows for j in others)
                for i in rows:
                    row_label[i] -= least
                for j in visited:
                    column_label[j] += least
                continue
            visited[j] = reached[j]
            if row_of[j] is not None:
                rows.append(row_of[j])
                continue
            while j is not None:
                i = rows[visited[j]]
                column_of[i], row_of[j], j = j, i, column_of[i]
            break
    return column_of  # type: ignore[return-value]


def parts(breakdown: str) -> int:
    return {"ONE_SHARD": 1, "ALL_BUT_SIGN": 2, "OBJECT_TYPE": 4, "RANGE": 12, "SIZE": 8}.get(breakdown, 20)


def cameras(box: np.ndarray) -> list[int]:
    direction = math.degrees(math.atan2(box[1], box[0]))
    return [k for k, axis in enumerate(FIELDS_OF_VIEW) if axis - 25.2 < direction < axis + 25.2]


def part_of(breakdown: str, box: np.ndarray, kind: int, speed: np.ndarray) -> int | None:
    if breakdown == "ONE_SHARD":
        return 0
    if breakdown == "ALL_BUT_SIGN":
        return int(kind == 3)
    if breakdown == "RANGE":
        return 3 * (kind - 1) + int(np.searchsorted([30, 50], np.linalg.norm(box[:3]), side="right"))
    if breakdown == "SIZE":
        return 2 * (kind - 1) + int(max(box[3:6]) >= 7)
    if breakdown == "VELOCITY":
        return 5 * (kind - 1) + int(np.searchsorted([np.float32(0.2), 1, 3, 10], np.hypot(*speed), side="right"))
    if breakdown == "CAMERA":
        seen = cameras(box)
        return 5 * (kind - 1) + seen[0] if seen else None
    return kind - 1


def takes_part(breakdown: str, part: int, box: np.ndarray, kind: int, speed: np.ndarray) -> bool:
    if breakdown == "VELOCITY":
        return part // 5 == kind - 1
    if breakdown == "CAMERA":
        return part // 5 == kind - 1 and part % 5 in cameras(box)
    return part_of(breakdown, box, kind, speed) == part


def matches(can: np.ndarray, weight: np.ndarray, like_official: bool) -> dict[int, int]:
    """Ground truth of each prediction that has one."""
    if 0 in can.shape:
        return {}
    table = np.where(can, weight, 0)
    if like_official:
        square = np.zeros((max(table.shape),) * 2, dtype=np.int64)
        square[: table.shape[0], : table.shape[1]] = table
        pairs = enumerate(official_assignment(square)[: table.shape[0]])
    else:
        pairs = zip(*linear_sum_assignment(table, maximize=True))
    return {int(p): int(g) for p, g in pairs if g < table.shape[1] and can[p, g]}


def heading_accuracy(a: float, b: float) -> float:
    return 1 - abs((a - b + math.pi) % (2 * math.pi) - math.pi) / math.pi


def evaluate(data: dict[str, np.ndarray], config: dict[str, Any], like_official: bool = False) -> dict[str, Any]:
    """(hits, false alarms, misses, summed heading accuracy, summed affinity) (B, S, 5), in the order of the official names."""
    p_box, g_box = (data[f"{side}_bbox"].astype(np.float64) for side in ("prediction", "ground_truth"))
    p_kind, g_kind = data["prediction_type"], data["ground_truth_type"]
    speeds = data["ground_truth_speed"]
    let = config["let"]
    cutoffs = np.array(config["score_cutoffs"], dtype=np.float32)
    levels = [found or [2] for found in config["difficulties"]]
    counts = {
        (b, part, level): np.zeros((len(cutoffs), 5))
        for b, name in enumerate(config["breakdowns"])
        for part in range(parts(name))
        for level in levels[b]
    }
    for frame in np.union1d(data["prediction_frame_id"], data["ground_truth_frame_id"]):
        mine = np.flatnonzero(data["prediction_frame_id"] == frame)
        true = np.flatnonzero(data["ground_truth_frame_id"] == frame)
        iou = np.zeros((len(mine), len(true)), dtype=np.float32)
        affinity = np.ones_like(iou)
        for i, p in enumerate(mine):
            for j, g in enumerate(true):
                moved = p_box[p]
                if let:
                    moved, affinity[i, j] = aligned(p_box[p], g_box[g], let)
                if p_kind[p] == g_kind[g] and math.dist(moved[:2], g_box[g][:2]) < 40:
                    iou[i, j] = overlap(moved, g_box[g], config["box_type"])
        thresholds = np.array(config["iou_thresholds"], dtype=np.float32)[p_kind[mine]]
        can = (iou >= thresholds[:, None]) & (affinity > 0)
        weight = np.round(iou * affinity * np.float32(1e6)).astype(np.int64)
        for b, name in enumerate(config["breakdowns"]):
            for part in range(parts(name)):
                rows = [i for i, p in enumerate(mine) if takes_part(name, part, p_box[p], p_kind[p], np.zeros(2))]
                columns = [j for j, g in enumerate(true) if takes_part(name, part, g_box[g], g_kind[g], speeds[g])]
                inside = [part_of(name, g_box[true[j]], g_kind[true[j]], speeds[true[j]]) == part for j in columns]
                for s, cutoff in enumerate(cutoffs):
                    kept = [i for i in rows if data["prediction_score"][mine[i]] >= cutoff]
                    grid = np.ix_(kept, columns)
                    pairs = matches(can[grid], weight[grid], like_official)
                    found = np.zeros(5)
                    for i, row in enumerate(kept):
                        if i in pairs:
                            if inside[pairs[i]]:
                                j = columns[pairs[i]]
                                found[0] += 1
                                found[3] += heading_accuracy(p_box[mine[row], 6], g_box[true[j], 6])
                                found[4] += affinity[row, j]
                            continue
                        elsewhere = False
                        if name in BY_TRUTH and columns:
                            largest = max(iou[row, columns])
                            last = max(k for k, j in enumerate(columns) if iou[row, j] == largest)
                            elsewhere = largest >= 0.01 and not inside[last]
                        found[1] += not data["prediction_overlap_nlz"][mine[row]] and not elsewhere
                    for level in levels[b]:
                        missed = sum(
                            j not in pairs.values() and inside[j] and data["ground_truth_difficulty"][true[g]] <= level
                            for j, g in enumerate(columns)
                        )
                        counts[b, part, level][s] += [*found[:2], missed, *found[3:]]
    return {"counts": np.array(list(counts.values())), "rows": list(counts)}


def curves(counts: np.ndarray) -> np.ndarray:
    """(precision, recall, the same weighed by heading, by affinity) (..., 4) from counts (..., 5)."""
    hits, alarms, misses, heading, affinity = np.moveaxis(counts, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = np.where(hits > 0, hits / (hits + misses), 0.0)
        found = [np.where(hits > 0, worth / (hits + alarms), 1.0) for worth in (hits, heading, affinity)]
    return np.stack([found[0], recall, found[1], found[2]], axis=-1)


def average_precision(precision: np.ndarray, recall: np.ndarray, delta: float) -> float:
    """Area below the highest precision at each recall or beyond, in steps where recalls are far apart."""
    known = sorted({0.0, *recall.tolist()}, reverse=True)
    best = {r: max(p for p, at in zip([1.0, *precision], [0.0, *recall]) if at == r) for r in known}
    points, highest = [], 0.0
    for above, r in zip([None, *known], known):
        if above is not None:
            at = above
            while at - r > delta + 1e-6:
                at -= delta
                points.append((at, highest))
        highest = max(highest, best[r])
        points.append((r, highest))
    if len(points) > 1:
        points[-1] = (0.0, points[-2][1])
    return sum((a[0] - b[0]) * (a[1] + b[1]) / 2 for a, b in zip(points, points[1:]))
