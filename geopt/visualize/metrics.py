"""How a number of a run is called, in which unit it is shown, and whether it beats its constant predictor."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

import numpy as np

from geopt.visualize.curves import Curve, number
from geopt.visualize.runs import BASELINE, Run

NOTES = {
    "val/map": "mean of the AP of the classes that occur",
    "val/miou": "mean of the IoU of the classes that occur or are predicted",
    "val/accuracy": "share of labelled points with the right class",
    "val/occupancy_iou": "finest cells of hidden tokens, predicted occupied where p > 0.5",
    "val/centroid_error_m": "mean distance from the true centroid, occupied cells of hidden tokens",
    "val/normal_error_deg": "mean angle to the true normal, sign ignored",
    "val/curvature_error": "mean L1 distance of the three eigenvalue ratios",
}
"""The numbers that every run of a kind is judged by, the main one first."""
COUNTS = {
    "val/boxes_outside": "labelled boxes lie outside the grid",
    "val/boxes_too_few_points": "labelled boxes hold too few points",
    "val/points_outside": "labelled points lie outside the grid",
}
"""Facts about the validation frames, which no model changes."""
NAMES = {
    "loss": "loss, weighted sum",
    "lr": "learning rate",
    "grad_norm": "gradient norm",
    "frames_per_s": "frames per second",
    "val/map": "mAP",
    "val/miou": "mIoU",
}
_OF_CLASS = re.compile(r"val/(ap|iou)_(.+)")
_OF_DATASET = re.compile(r"val/([^/]+)/(.+)")


class Metric(NamedTuple):
    """How a validation metric is doing."""

    key: str
    curve: Curve
    baseline: Curve
    sign: int
    """1 if higher is better, -1 if lower is, 0 if nobody knows."""

    @classmethod
    def of(cls, run: Run, key: str) -> Metric:
        higher = "iou" in key or key in ("val/map", "val/accuracy") or class_of(key) is not None
        sign = 1 if higher else -1 if "error" in key else 0
        return cls(key, run.curve(key), run.curve(key + BASELINE), sign)

    @property
    def last(self) -> float:
        return float(self.curve.values[-1])

    @property
    def constant(self) -> float:
        return float(self.baseline.values[-1]) if len(self.baseline.values) else math.nan

    @property
    def best(self) -> tuple[float, float] | None:
        """(step, value), the first one if several are equal."""
        finite = self.curve.finite
        if not self.sign or not len(finite.steps):
            return None
        i = int(np.argmax(self.sign * finite.values))
        return float(finite.steps[i]), float(finite.values[i])

    @property
    def is_better(self) -> bool | None:
        """Whether the last value beats the constant predictor; None if undefined."""
        if not self.sign or not math.isfinite(self.last) or not math.isfinite(self.constant):
            return None
        return self.sign * (self.last - self.constant) > 0

    @property
    def improvement(self) -> float | None:
        """Of the last value over the constant predictor, as a share of the latter; None if undefined."""
        if self.is_better is None or self.constant <= 0:
            return None
        return self.sign * (self.last - self.constant) / self.constant

    @property
    def is_absent(self) -> bool:
        """Whether this is a metric of a class that the validation frames do not hold."""
        return class_of(self.key) is not None and not math.isfinite(self.constant) and len(self.baseline.steps) > 0


def class_of(key: str) -> str | None:
    """The class of ``val/ap_<class>`` and ``val/iou_<class>``; None for a metric of all classes."""
    found = _OF_CLASS.fullmatch(key)
    return found[2].replace("_", " ") if found else None


def title(key: str) -> str:
    """``val/centroid_error_m_level1`` as ``Centroid error, level 1``."""
    if of_dataset := _OF_DATASET.fullmatch(key):
        return f"{title('val/' + of_dataset[2])}, {of_dataset[1]}"
    name, level = _without_level(key)
    if name in NAMES and name.startswith("val/"):
        return NAMES[name]
    if of_class := _OF_CLASS.fullmatch(name):
        return f"{'AP' if of_class[1] == 'ap' else 'IoU'}, {class_of(name)}"
    words = NAMES.get(name) or re.sub(r"_(m|deg|mb)$", "", name.rpartition("/")[2]).replace("_", " ").replace(
        "+", " + "
    )
    words = words[:1].upper() + words[1:].replace("iou", "IoU")
    return words + (f", level\N{NO-BREAK SPACE}{level}" if level else "")


def scale(key: str) -> tuple[float, str]:
    """Factor and unit in which a number is shown."""
    name, _ = _without_level(key)
    if is_percentage(name):
        return 100.0, " %"
    units = {"error_m": (100.0, " cm"), "_deg": (1.0, "°"), "_share": (100.0, " %"), "_mb": (1.0, " MiB")}
    return next((unit for end, unit in units.items() if name.endswith(end)), (1.0, ""))


def is_percentage(key: str) -> bool:
    """Whether a metric is a share that papers give in percent."""
    return key in ("val/map", "val/miou", "val/accuracy") or class_of(key) is not None


def _without_level(key: str) -> tuple[str, str]:
    name, _, level = key.rpartition("_level")
    return (name, level) if name and level.isdigit() else (key, "")


def shown(key: str, value: float) -> str:
    """A number with its unit."""
    factor, unit = scale(key)
    return number(value * factor) + unit if math.isfinite(value) else "undefined"


def verdict(metric: Metric) -> tuple[str, str]:
    """Whether a metric beats the constant predictor, in words, and its class in the style sheet."""
    if metric.is_absent and math.isfinite(metric.last):
        return "absent, yet predicted", "bad"
    if metric.is_better is None:
        return "cannot be compared" if len(metric.baseline.steps) else "no constant predictor", "soft"
    if not metric.is_better:
        return "not better than constant", "bad"
    if is_percentage(metric.key):
        points = 100 * (metric.last - metric.constant)
        return f"better than constant by {points:.{1 if points >= 1 else 2}f} points", "good"
    gain = metric.improvement
    if gain is None:
        return "better than constant", "good"
    percent = f"{100 * gain:.0f}" if gain >= 0.1 else f"{100 * gain:.1f}"
    return f"better than constant by {percent} %", "good"
