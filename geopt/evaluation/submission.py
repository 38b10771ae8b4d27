"""Predictions in the nuScenes submission format, checked as the official code checks them.

A submission of the validation split has hundreds of megabytes of JSON. It is read sample by sample into columns and
never decoded as a whole.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from geopt import _host
from geopt.evaluation import threads
from geopt.evaluation.boxes import ATTRIBUTES, BoxTable
from geopt.evaluation.errors import SubmissionError
from geopt.evaluation.ground_truth import GroundTruth

MAX_BOXES_PER_SAMPLE = 500
Predictions = str | os.PathLike[str] | Mapping[str, Any]


def load(
    predictions: Predictions, ground_truth: GroundTruth, task: str, *, num_threads: int | None = None
) -> tuple[BoxTable, Any]:
    """Read and check predictions.

    The official rules: JSON with ``meta`` and ``results``; the samples are those of the split, each once (of a custom
    split others are left out); at most 500 boxes in a sample; every box has all its keys, of the right length and
    without NaN but in the velocity; known class and attribute names.

    Args:
        predictions: Path of a submission, or its content as a dict (NumPy values and tuples are welcome).
        ground_truth: What they are to be compared with.
        task: ``detection`` or ``tracking``.
        num_threads: See :func:`geopt.evaluation.threads.count`.

    Returns:
        The boxes, in the order in which the official code takes them: that of the file, or of the samples table for
        a custom split; and ``meta`` as it is in the file.

    Raises:
        FileNotFoundError: there is no such file.
        SubmissionError: the official code refuses them. The message names the first bad sample and box.
    """
    name = name_of(predictions)
    if isinstance(predictions, Mapping):
        source: str | bytes = _encode(predictions)
    elif Path(predictions).is_file():
        source = str(predictions)
    else:
        raise FileNotFoundError(f"{name}: no such file; a submission is one JSON file with 'meta' and 'results'")
    try:
        columns = _host.read_submission(
            source=source,
            tracking=task == "tracking",
            classes=list(ground_truth.classes),
            attributes=list(ATTRIBUTES),
            samples=ground_truth.samples,
            skip_other_samples=ground_truth.is_custom_split,
            max_boxes=MAX_BOXES_PER_SAMPLE,
            num_threads=threads.count(num_threads),
        )
    except ValueError as error:
        raise SubmissionError(f"{name}: {error}") from None
    meta = json.loads(columns.pop("meta"))
    if not isinstance(meta, dict | list):
        raise SubmissionError(f"{name}: 'meta' must be an object that says which sensors were used, got {meta!r}")
    boxes = BoxTable(**columns, order=np.arange(len(columns["sample"]), dtype=np.int64))
    if len(boxes) == 0:
        raise SubmissionError(f"{name}: has no box in any sample; the official evaluator does not score that")
    return boxes, meta


def name_of(predictions: Predictions) -> str:
    """What messages call the predictions: their path, or that they are an argument."""
    return "predictions" if isinstance(predictions, Mapping) else str(predictions)


def _encode(predictions: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(dict(predictions), default=_plain).encode()
    except (TypeError, ValueError) as error:
        raise SubmissionError(f"predictions: must be what JSON can hold ({error})") from None


def _plain(value: Any) -> Any:
    """NumPy arrays and numbers, and mappings that are no dict, as JSON has them."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} is among them")
