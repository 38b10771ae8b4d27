"""The KITTI object metrics once more, slowly: polygons by shapely, one frame and one threshold after another."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

from shapely.geometry import Polygon
from shapely.geometry import box as rectangle

LEVELS = {"easy": (40, 0, 0.15), "moderate": (25, 1, 0.3), "hard": (25, 2, 0.5)}
NEEDED = {"car": 0.7, "pedestrian": 0.5, "cyclist": 0.5}
RELATED = {"van": "car", "person_sitting": "pedestrian"}
STEPS = 41


class Thing(NamedTuple):
    kind: str
    cut: float
    hidden: float
    alpha: float
    box: tuple[float, ...]
    hwl: tuple[float, ...]
    xyz: tuple[float, ...]
    yaw: float
    score: float


def read(path: Path) -> list[Thing]:
    found = []
    for line in path.read_text().splitlines():
        kind, *words = line.split()
        n = [float(word) for word in words]
        score = n[14] if len(n) > 14 else 0.0
        found.append(Thing(kind.lower(), *n[:3], tuple(n[3:7]), tuple(n[7:10]), tuple(n[10:13]), n[13], score))
    return found


def footprint(thing: Thing) -> Polygon:
    _, width, length = thing.hwl
    x, _, z = thing.xyz
    corners = []
    for i, j in ((1, 1), (1, -1), (-1, -1), (-1, 1)):
        a, b = i * length / 2, j * width / 2
        corners.append(
            (
                x + a * math.cos(thing.yaw) + b * math.sin(thing.yaw),
                z - a * math.sin(thing.yaw) + b * math.cos(thing.yaw),
            )
        )
    return Polygon(corners)


def extent(thing: Thing, space: str) -> float:
    left, top, right, bottom = thing.box
    height, width, length = thing.hwl
    return {"image": (right - left) * (bottom - top), "ground": width * length, "3d": height * width * length}[space]


def common(a: Thing, b: Thing, space: str) -> float:
    if space == "image":
        if a.box[0] >= a.box[2] or a.box[1] >= a.box[3]:
            return 0.0
        return rectangle(*a.box).intersection(rectangle(*b.box)).area
    if math.dist((a.xyz[0], a.xyz[2]), (b.xyz[0], b.xyz[2])) > 30:
        return 0.0
    area = footprint(a).intersection(footprint(b)).area
    if space == "ground":
        return area
    return area * max(0.0, min(a.xyz[1], b.xyz[1]) - max(a.xyz[1] - a.hwl[0], b.xyz[1] - b.hwl[0]))


class Frame:
    """One frame in one space; overlaps are worked out once."""

    def __init__(self, labels: list[Thing], predictions: list[Thing], space: str) -> None:
        self.labels, self.predictions = labels, predictions
        self.share, self.own = {}, {}
        for j, p in enumerate(predictions):
            for i, t in enumerate(labels):
                shared = common(p, t, space)
                both = extent(p, space) + extent(t, space) - shared
                self.share[i, j] = shared / both if shared > 0 else 0.0
                self.own[i, j] = shared / extent(p, space) if shared > 0 else 0.0

    def judge(self, name: str, level: tuple[int, int, float]) -> tuple[list[str], list[str]]:
        """``counts``, ``ignored`` or ``no`` for each label and each prediction."""
        least, most_hidden, most_cut = level
        truths = []
        for t in self.labels:
            hard = t.hidden > most_hidden or t.cut > most_cut or t.box[3] - t.box[1] < least
            own, related = t.kind == name, RELATED.get(t.kind) == name
            truths.append("counts" if own and not hard else "ignored" if own or related else "no")
        seen = []
        for p in self.predictions:
            tall = int(abs(p.box[1] - p.box[3])) >= least
            seen.append("ignored" if not tall else "counts" if p.kind == name else "no")
        return truths, seen

    def best_scores(self, name: str, level: tuple[int, int, float]) -> tuple[list[float], int]:
        """Scores of matches when each label takes the surest prediction, and the labels that count."""
        truths, seen = self.judge(name, level)
        left, scores = set(range(len(seen))), []
        for i, state in enumerate(truths):
            if state == "no":
                continue
            near = [j for j in sorted(left) if seen[j] != "no" and self.share[i, j] > NEEDED[name]]
            if near:
                j = max(near, key=lambda j: self.predictions[j].score)  # the first of equals
                left.remove(j)
                if state == seen[j] == "counts":
                    scores.append(self.predictions[j].score)
        return scores, truths.count("counts")

    def count(self, name: str, level: tuple[int, int, float], threshold: float) -> tuple[int, int, float]:
        """Hits, false alarms and summed similarity of headings."""
        truths, seen = self.judge(name, level)
        left = {j for j, p in enumerate(self.predictions) if p.score >= threshold}
        hits, similarity = 0, 0.0
        for i, state in enumerate(truths):
            if state == "no":
                continue
            near = [j for j in sorted(left) if self.share[i, j] > NEEDED[name]]
            tall = [j for j in near if seen[j] == "counts"]
            small = [j for j in near if seen[j] == "ignored"]
            if not tall and not small:
                continue
            j = max(tall, key=lambda j: self.share[i, j]) if tall else small[0]
            left.remove(j)
            if state == seen[j] == "counts":
                hits += 1
                similarity += (1 + math.cos(self.labels[i].alpha - self.predictions[j].alpha)) / 2
        regions = [i for i, t in enumerate(self.labels) if t.kind == "dontcare"]
        alarms = [j for j in left if seen[j] == "counts" and all(self.own[i, j] <= NEEDED[name] for i in regions)]
        return hits, len(alarms), similarity


def steps(scores: list[float], num_labels: int) -> list[float]:
    kept, at = [], 0.0
    scores = sorted(scores, reverse=True)
    for k in range(len(scores)):
        last = k == len(scores) - 1
        if last or not ((k + 2) / num_labels - at < at - (k + 1) / num_labels):
            kept.append(scores[k])
            at += 1 / 40
    return kept


def best_later(ratios: list[float]) -> list[float]:
    ratios = ratios + [0.0] * (STEPS - len(ratios))
    return [r if math.isnan(r) else max(x for x in ratios[k:] if not math.isnan(x)) for k, r in enumerate(ratios)]


def summary(ratios: list[float]) -> dict[str, Any]:
    curve = best_later(ratios)
    written = [float(f"{value:.6f}") for value in curve]
    return {"curve41": curve, "AP_R11": 100 * sum(written[::4]) / 11, "AP_R40": 100 * sum(written[1:]) / 40}


def evaluate(labels_dir: Path, predictions_dir: Path) -> dict[str, dict[str, Any]]:
    names = sorted(path.name for path in labels_dir.iterdir())
    pairs = [(read(labels_dir / name), read(predictions_dir / name)) for name in names]
    everything = [p for _, predictions in pairs for p in predictions]
    with_alpha = all(p.alpha != -10 for p in everything)
    result: dict[str, dict[str, Any]] = {}
    for space, ending in (("image", ""), ("ground", "_ground"), ("3d", "_3d")):
        frames = [Frame(*pair, space) for pair in pairs]
        for name in NEEDED:
            mine = [p for p in everything if p.kind == name]
            has = {
                "image": lambda p: p.box[0] >= 0,
                "ground": lambda p: p.xyz[0] != -1000,
                "3d": lambda p: p.xyz[1] != -1000,
            }
            if not any(has[space](p) for p in mine):
                continue
            for difficulty, level in LEVELS.items():
                found = [frame.best_scores(name, level) for frame in frames]
                thresholds = steps([s for scores, _ in found for s in scores], sum(n for _, n in found))
                precision, similarity = [], []
                for threshold in thresholds:
                    hits, alarms, alike = map(sum, zip(*(frame.count(name, level, threshold) for frame in frames)))
                    precision.append(hits / (hits + alarms) if hits + alarms else math.nan)
                    similarity.append(alike / (hits + alarms) if hits + alarms else math.nan)
                result.setdefault(f"{name}_detection{ending}", {})[difficulty] = summary(precision)
                if space == "image" and with_alpha:
                    result.setdefault(f"{name}_orientation", {})[difficulty] = summary(similarity)
    return result
