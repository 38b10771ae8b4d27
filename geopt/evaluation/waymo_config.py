"""What the Waymo detection evaluator can be asked to do, and the official choice."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

TYPES = ("TYPE_VEHICLE", "TYPE_PEDESTRIAN", "TYPE_SIGN", "TYPE_CYCLIST")
"""Of labels 1 to 4; 0 is unknown."""

OFFICIAL: dict[str, Any] = {
    "breakdowns": ["OBJECT_TYPE", "RANGE"],
    "difficulties": [[1, 2], [1, 2]],
    "matcher": "TYPE_HUNGARIAN",
    "iou_thresholds": [0.0, 0.7, 0.5, 0.5, 0.5],
    "box_type": "TYPE_3D",
    "score_cutoffs": [i * 0.01 for i in range(100)] + [1.0],
    "num_desired_score_cutoffs": None,
    "desired_recall_delta": 0.05,
    "let": None,
}

# Numbers as in breakdown.proto, label.proto and metrics.proto.
BREAKDOWNS = {
    "ONE_SHARD": 1,
    "OBJECT_TYPE": 2,
    "RANGE": 3,
    "VELOCITY": 7,
    "ALL_BUT_SIGN": 8,
    "SIZE": 9,
    "CAMERA": 10,
}
PARTS = {
    "RANGE": ("[0, 30)", "[30, 50)", "[50, +inf)"),
    "SIZE": ("small", "large"),
    "VELOCITY": ("STATIONARY", "SLOW", "MEDIUM", "FAST", "VERY_FAST"),
    "CAMERA": ("FRONT", "FRONT-LEFT", "FRONT-RIGHT", "SIDE-LEFT", "SIDE-RIGHT"),
}
BOX_TYPES = {"TYPE_3D": 1, "TYPE_2D": 2, "TYPE_AA_2D": 3}
MATCHERS = {"TYPE_HUNGARIAN": 1, "TYPE_SCORE_FIRST": 2}
ALIGNMENTS = {
    "TYPE_NOT_ALIGNED": 1,
    "TYPE_RANGE_ALIGNED": 2,
    "TYPE_CENTER_ALIGNED": 3,
    "TYPE_FURTHER_ONLY_RANGE_ALIGNED": 4,
    "TYPE_ANY_CLOSER_ONLY_RANGE_ALIGNED": 5,
    "TYPE_BETWEEN_ORIGIN_AND_GT_ONLY_RANGE_ALIGNED": 6,
}
LET_KEYS = (
    "enabled",
    "sensor_location",
    "longitudinal_tolerance_percentage",
    "min_longitudinal_tolerance_meter",
    "align_type",
)


class Config(NamedTuple):
    """A checked config in the terms of the compiled evaluator."""

    breakdowns: list[str]
    levels: list[list[int]]
    matcher: int
    iou_thresholds: list[float]
    box_type: str
    score_cutoffs: list[float] | None
    """None: to be decided by the scores of all predictions."""
    num_desired_score_cutoffs: int
    recall_delta: float
    tolerance: list[float]
    """Sensor x, y, z, share of the range, least tolerance (m) and alignment; empty where errors along the line of sight
    count as any other."""

    @property
    def names(self) -> list[str]:
        """Official names, a row of results each."""
        return [
            f"{shard}_LEVEL_{level}"
            for breakdown, levels in zip(self.breakdowns, self.levels)
            for shard in shard_names(breakdown)
            for level in levels
        ]


def shard_names(breakdown: str) -> list[str]:
    """Official names of the parts of a breakdown, in their order."""
    if breakdown == "ONE_SHARD":
        return ["ONE_SHARD"]
    if breakdown == "ALL_BUT_SIGN":
        return ["ALL_BUT_SIGN", "SIGN"]
    ends = [f"_{part}" for part in PARTS.get(breakdown, ())] or [""]
    return [f"{breakdown}_{name}{end}" for name in TYPES for end in ends]


def checked(config: Mapping[str, Any] | None) -> Config:
    """The official config with the given keys in place of its own.

    Raises:
        ValueError: a key is unknown or its value is not one that the official evaluator takes.
    """
    given = dict(config or {})
    for key in given:
        if key not in OFFICIAL:
            raise ValueError(f"waymo_detection: config has no key {key!r}; it knows {', '.join(OFFICIAL)}")
    full = {**OFFICIAL, **given}
    if "breakdowns" in given and "difficulties" not in given:
        full["difficulties"] = [[1, 2]] * len(_list("breakdowns", full["breakdowns"]))
    breakdowns = [_one_of("breakdowns", name, BREAKDOWNS) for name in _list("breakdowns", full["breakdowns"])]
    if not breakdowns or len(set(breakdowns)) < len(breakdowns):
        raise ValueError(f"waymo_detection: config breakdowns must name each once and at least one, got {breakdowns}")
    difficulties = _list("difficulties", full["difficulties"])
    if len(difficulties) != len(breakdowns):
        raise ValueError(
            f"waymo_detection: config difficulties must hold a list for each of the {len(breakdowns)} breakdowns, got "
            f"{len(difficulties)}"
        )
    cutoffs = full["score_cutoffs"]
    return Config(
        breakdowns,
        [_levels(levels) for levels in difficulties],
        MATCHERS[_one_of("matcher", full["matcher"], MATCHERS)],
        _numbers("iou_thresholds", full["iou_thresholds"], 0.0, 1.0, count=len(TYPES) + 1),
        _one_of("box_type", full["box_type"], BOX_TYPES),
        _numbers("score_cutoffs", cutoffs) if cutoffs is not None and len(cutoffs) else None,
        _num_cutoffs(full["num_desired_score_cutoffs"]) if cutoffs is None or not len(cutoffs) else 0,
        _recall_delta(full["desired_recall_delta"]),
        _tolerance(full["let"], str(full["box_type"])),
    )


def decide_score_cutoffs(scores: NDArray[np.float32], num_cutoffs: int) -> NDArray[np.float32]:
    """Cutoffs that part the scores into equally many, as officially where a config has none of its own.

    Args:
        scores: (N,) of all predictions.
        num_cutoffs: How many are wanted; with fewer scores they lie evenly between 0 and 1.

    Returns:
        Ascending, the last one 1. Where evenly spaced, float32 sums may give one more or less than wanted.
    """
    if num_cutoffs == 1:
        return np.zeros(1, dtype=np.float32)
    if num_cutoffs >= len(scores):
        return _evenly(np.float32(1.0 / (num_cutoffs - 1)))
    ordered = np.sort(scores)
    num_buckets, place, left = num_cutoffs - 1, 0, len(scores)
    cutoffs = [ordered[0]]
    for bucket in range(num_buckets - 1):
        size = left // (num_buckets - bucket)
        left -= size
        place += size
        cutoffs.append(min(max(ordered[place], np.float32(0)), np.float32(1)))
    return np.array([*cutoffs, 1.0], dtype=np.float32)


def _evenly(step: np.float32) -> NDArray[np.float32]:
    cutoffs, at, one = [], np.float32(0), np.float32(1)
    while at < one:
        cutoffs.append(at)
        at = at + step  # float32, as officially: the errors add up
    if float(one - cutoffs[-1]) > 0.5 * float(step):
        cutoffs.append(one)
    return np.array(cutoffs, dtype=np.float32)


def _list(key: str, value: Any) -> list[Any]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ValueError(f"waymo_detection: config {key} must be a list, got {value!r}")
    return list(value)


def _one_of(key: str, value: Any, known: Mapping[str, int]) -> str:
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"waymo_detection: config {key} must be one of {', '.join(known)}, got {value!r}")
    return value


def _numbers(
    key: str, values: Any, least: float = -math.inf, most: float = math.inf, count: int | None = None
) -> list[float]:
    numbers = np.asarray(values)
    wanted = f"{count} numbers" if count else "numbers"
    if numbers.dtype.kind not in "fiu" or numbers.ndim != 1 or (count is not None and len(numbers) != count):
        raise ValueError(f"waymo_detection: config {key} must be a list of {wanted}, got {values!r}")
    if not np.all((numbers >= least) & (numbers <= most) & np.isfinite(numbers)):
        raise ValueError(f"waymo_detection: config {key} must be finite and from {least:g} to {most:g}, got {values!r}")
    return [float(number) for number in numbers]


def _levels(levels: Any) -> list[int]:
    found = _list("difficulties", levels)
    if any(level not in (1, 2) for level in found) or len(set(found)) < len(found):
        raise ValueError(f"waymo_detection: levels of config difficulties must be 1 and 2, each once, got {levels!r}")
    return [int(level) for level in found] or [2]


def _num_cutoffs(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(
            "waymo_detection: config num_desired_score_cutoffs must be a whole number from 1 on where there are no "
            f"score_cutoffs, got {value!r}"
        )
    return int(value)


def _recall_delta(value: Any) -> float:
    (delta,) = _numbers("desired_recall_delta", [value], 0.0, 1.0)
    if delta == 0:
        raise ValueError("waymo_detection: config desired_recall_delta must be greater than 0")
    return delta


def _tolerance(let: Any, box_type: str) -> list[float]:
    if let is None:
        return []
    if not isinstance(let, Mapping) or not set(LET_KEYS[:4]) <= set(let) <= set(LET_KEYS):
        raise ValueError(
            f"waymo_detection: config let must be None or have the keys {', '.join(LET_KEYS)}, got {let!r}"
        )
    if not let["enabled"]:
        return []
    if box_type == "TYPE_AA_2D":
        raise ValueError("waymo_detection: config let needs boxes of TYPE_3D or TYPE_2D, box_type is TYPE_AA_2D")
    align = _one_of("let.align_type", let.get("align_type", "TYPE_RANGE_ALIGNED"), ALIGNMENTS)
    keys = LET_KEYS[2:4]
    return [
        *_numbers("let.sensor_location", let["sensor_location"], count=3),
        *(_numbers(f"let.{key}", [let[key]], 0.0)[0] for key in keys),
        float(ALIGNMENTS[align]),
    ]
