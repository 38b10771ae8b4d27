"""Precision and errors of detections as functions of recall.

Source: nuscenes-devkit 1.2.0, ``eval/detection/algo.py``.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

ERRORS = ("trans_err", "scale_err", "orient_err", "vel_err", "attr_err")
RECALL = np.linspace(0, 1, 101)
MIN_PRECISION = 0.1
FIRST = 11  # the recall after 0.1; what lies below is noise


@dataclasses.dataclass(frozen=True)
class Curves:
    """Values at the 101 recalls of ``RECALL``, each (101,) float64."""

    precision: NDArray[np.float64]
    confidence: NDArray[np.float64]
    """Score at which the recall is reached, 0 where it never is."""
    errors: dict[str, NDArray[np.float64]]
    """Mean error of all matches down to that score, by the names of ``ERRORS``."""

    def to_lists(self) -> dict[str, list[float]]:
        """The curves with the keys of the official ``metrics_details.json``."""
        named = {"recall": RECALL, "precision": self.precision, "confidence": self.confidence}
        named |= {name: self.errors[name] for name in ("trans_err", "vel_err", "scale_err", "orient_err", "attr_err")}
        return {name: values.tolist() for name, values in named.items()}


def curves(
    hit: NDArray[np.bool_], confidence: NDArray[np.float64], errors: dict[str, NDArray[np.float64]], num_positive: int
) -> Curves:
    """The curves of one class at one threshold.

    Args:
        hit: (P,) whether each prediction is matched, best score first.
        confidence: (P,) their scores.
        errors: (M,) of the matched ones, in the same order, by the names of ``ERRORS``; NaN where unknown.
        num_positive: Number of annotated boxes.
    """
    if not hit.any():
        nothing, worst = np.zeros(len(RECALL)), np.ones(len(RECALL))
        return Curves(nothing, nothing, dict.fromkeys(ERRORS, worst))
    true = np.cumsum(hit).astype(np.float64)
    precision, recall = true / np.arange(1, len(hit) + 1), true / num_positive
    reached = np.interp(RECALL, recall, confidence, right=0)
    score = confidence[hit][::-1]
    return Curves(
        precision=np.interp(RECALL, recall, precision, right=0),
        confidence=reached,
        errors={
            name: np.interp(reached[::-1], score, running_mean(values)[::-1])[::-1] for name, values in errors.items()
        },
    )


def running_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) mean of the values up to each that are not NaN; 0 before the first of them, all 1 if there is none."""
    known = ~np.isnan(values)
    if not known.any():
        return np.ones(len(values))
    count = np.cumsum(known)
    total = np.nancumsum(values)
    return np.divide(total, count, out=np.zeros_like(total), where=count != 0)


def average_precision(curve: Curves) -> float:
    """Mean precision above 0.1 over the recalls above 0.1, as a share of what is possible."""
    above = np.maximum(curve.precision[FIRST:] - MIN_PRECISION, 0)
    return float(np.mean(above)) / (1.0 - MIN_PRECISION)


def error_at_recalls(curve: Curves, name: str) -> float:
    """Mean of an error over the recalls above 0.1 that are reached; 1 if none is."""
    reached = np.flatnonzero(curve.confidence)
    last = reached[-1] if len(reached) else 0
    return 1.0 if last < FIRST else float(np.mean(curve.errors[name][FIRST : last + 1]))
