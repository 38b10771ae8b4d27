"""A comparison as Markdown for people and as JSON for programs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from geopt.visualize.compare.rows import BOX_CLASSES, Distance, Row, factor_per_range, mean
from geopt.visualize.compare.statistics import BOX_RANGE_M, CLASSES, HISTOGRAMS, SEGMENTS, WITHIN_M, Statistics

Names = tuple[str, str]


def markdown(rows: Sequence[Row], real: Statistics, simulated: Statistics, names: Names) -> str:
    """Tables of all quantities, of boxes by class, of points per box by range, and of classes of points where labelled."""
    both = real, simulated
    sizes = [f"{name}: {len(s.scene)} key frames, {len(np.unique(s.scene))} scenes" for name, s in zip(names, both)]
    parts = ["; ".join(sizes) + "."]
    header = ["quantity", *names, "moved", "variation", f"halves of {names[0]}", f"scenes of {names[1]}"]
    parts.append(_table(header, (_quantity(row) for row in rows)))
    means = [s.class_counts(within).mean(axis=0) for within in (np.inf, WITHIN_M) for s in both]
    header = ["boxes per key frame", *names, *(f"{name}, with a point within {WITHIN_M:g} m" for name in names)]
    parts.append(_table(header, ([name, *(f"{m[i]:.2f}" for m in means)] for i, name in enumerate(CLASSES))))
    for class_name in BOX_CLASSES:
        header = [f"points per {class_name}: mean (boxes)", *names, "factor"]
        parts.append(_table(header, _points_per_box(real, simulated, class_name)))
    labelled = {name: s.counts["lidarseg"].sum(axis=0) for name, s in zip(names, both) if "lidarseg" in s.counts}
    if labelled:
        shares = [100 * counts / counts.sum() for counts in labelled.values()]
        cells = ([name, *(f"{share[i]:.2f} %" for share in shares)] for i, name in enumerate(SEGMENTS))
        parts.append(_table(["share of points", *labelled], cells))
    return "\n\n".join(parts) + "\n"


def as_json(rows: Sequence[Row], real: Statistics, simulated: Statistics, names: Names) -> dict[str, Any]:
    """All numbers of the tables and all histograms, per key frame; null where there is none."""
    both = {"real": real, "simulated": simulated}
    quantities: dict[str, Any] = {}
    for row in rows:
        told: dict[str, Any] = {"title": row.title, "unit": row.unit}
        told |= {"real": _finite(row.real), "simulated": _finite(row.simulated)}
        for key in ("apart", "within_real", "between_scenes"):
            told[key] = {name: _finite(value) for name, value in getattr(row, key)._asdict().items()}
        quantities[row.name] = told
    histograms: dict[str, Any] = {
        name: {"edges": histogram.edges.tolist()} | {k: _per_frame(s.counts[name]) for k, s in both.items()}
        for name, histogram in HISTOGRAMS.items()
    }
    labelled = {k: _per_frame(s.counts["lidarseg"]) for k, s in both.items() if "lidarseg" in s.counts}
    return {
        "names": list(names),
        "num_key_frames": [len(real.scene), len(simulated.scene)],
        "quantities": quantities,
        "histograms": histograms | ({"lidarseg": {"classes": list(SEGMENTS)} | labelled} if labelled else {}),
        "boxes": {"classes": list(CLASSES)} | {k: _per_frame(s.class_counts()) for k, s in both.items()},
        "boxes_within": {"classes": list(CLASSES)} | {k: _per_frame(s.class_counts(WITHIN_M)) for k, s in both.items()},
        "points_per_box": {
            name: {"edges_m": BOX_RANGE_M.tolist()}
            | {k: [_finite(mean(points)) for points in s.points_by_range(name)] for k, s in both.items()}
            for name in BOX_CLASSES
        },
    }


def shown(value: float) -> str:
    """Three digits, or all of a large number."""
    if math.isnan(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _quantity(row: Row) -> list[str]:
    def told(apart: Distance) -> str:
        return shown(apart.moved if math.isnan(apart.variation) else apart.variation)

    unit = f" ({row.unit})" if row.unit else ""
    numbers = (row.real, row.simulated, row.apart.moved, row.apart.variation)
    return [row.title + unit, *map(shown, numbers), told(row.within_real), told(row.between_scenes)]


def _points_per_box(real: Statistics, simulated: Statistics, class_name: str) -> Iterable[list[str]]:
    factors = factor_per_range(real, simulated, class_name)
    pairs = zip(real.points_by_range(class_name), simulated.points_by_range(class_name))
    for low, high, pair, factor in zip(BOX_RANGE_M[:-1], BOX_RANGE_M[1:], pairs, factors.tolist()):
        yield [f"{low:g} to {high:g} m", *(f"{shown(mean(points))} ({len(points)})" for points in pair), shown(factor)]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _per_frame(counts: Any) -> list[float]:
    means: list[float] = np.asarray(counts).mean(axis=0).tolist()
    return means
