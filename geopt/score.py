"""What ``geopt score`` does: run an official evaluator and write its numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from geopt import files
from geopt.optional import require


class Scored(NamedTuple):
    """What became of one call of :func:`score`."""

    summary: dict[str, Any]
    written: list[Path]
    """The metrics, then the details, then the pictures."""
    breakdown: Mapping[str, Any] | None = None
    """The scores by class and by range, where details are asked for and the benchmark has them."""


def score(
    task: str,
    predictions: Path,
    data: Path,
    version: str,
    split: str,
    out: Path,
    *,
    details: bool = False,
    plots: Path | None = None,
    options: dict[str, Any] | None = None,
) -> Scored:
    """Score predictions and write ``out``, and beside it the details and the pictures that are asked for.

    Args:
        task: ``detection``, ``tracking``, ``lidarseg`` or ``panoptic``.
        predictions: A submission: a JSON file for boxes, a folder for labels of points.
        data: nuScenes folder.
        version: Its version folder, such as ``v1.0-trainval``.
        split: Split to score.
        out: JSON file of the metrics; null stands for NaN.
        details: Write the curves of detection or tracking, and the breakdown by class and range of detection or lidarseg,
            to ``NAME_details.json`` beside ``NAME.json``.
        plots: Folder of PNG files.
        options: More arguments of the evaluator.

    Raises:
        SubmissionError: the official evaluator refuses the predictions.
        FileNotFoundError, ValueError: as the evaluator says.
        ImportError: ``plots`` needs matplotlib; said before anything is scored.
    """
    from geopt import evaluation

    if plots is not None:
        require("matplotlib.figure", extra="viz")
    evaluate: Callable[..., Any] = getattr(evaluation, f"nuscenes_{task}")
    curves: dict[str, Any] | None = None
    if task in ("detection", "tracking") and (details or plots is not None):
        summary, curves = evaluate(predictions, data, version, split, details=True, **(options or {}))
    else:
        summary = evaluate(predictions, data, version, split, **(options or {}))
    breakdown = None
    if details and task in ("detection", "lidarseg"):
        breakdown = getattr(evaluation, f"nuscenes_{task}_breakdown")(predictions, data, version, split)
    written = _write(out, summary, curves if details else None, breakdown)
    if plots is not None:
        from geopt.visualize.evaluation import write_plots

        written += write_plots(plots, task, summary, curves)
    return Scored(summary, written, breakdown)


def score_semantickitti(predictions: Path, data: Path, split: str, out: Path, *, details: bool = False) -> Scored:
    """Score labels of single scans of SemanticKITTI and write ``out``.

    Args:
        predictions: Folder of ``sequences/XX/predictions/NNNNNN.label``.
        data: SemanticKITTI folder.
        split: ``train``, ``val``, or sequences with commas between them, such as ``00,05``.
        out: JSON file of the metrics.
        details: Write the breakdown by class and range to ``NAME_details.json`` beside ``NAME.json``.

    Raises:
        SubmissionError, ValueError, FileNotFoundError: as the evaluator says.
    """
    from geopt import evaluation, official

    part = split if split in official.splits("semantickitti") else split.split(",")
    summary = evaluation.semantickitti_segmentation(data, predictions, part)
    breakdown = evaluation.semantickitti_breakdown(data, predictions, part) if details else None
    return Scored(summary, _write(out, summary, None, breakdown), breakdown)


def score_kitti(
    predictions: Path, ground_truth: Path, out: Path, *, frames: Path | None = None, details: bool = False
) -> Scored:
    """Score files of the KITTI object benchmark and write ``out``.

    Args:
        predictions: Folder of the submission.
        ground_truth: KITTI's ``label_2``.
        out: JSON file of the metrics.
        frames: File with a frame in each line; None scores every label file.
        details: Write the breakdown by class and depth to ``NAME_details.json`` beside ``NAME.json``.

    Raises:
        SubmissionError, ValueError, FileNotFoundError: as the evaluator says.
    """
    from geopt import evaluation

    summary = evaluation.kitti_detection(ground_truth, predictions, frames=frames)
    breakdown = evaluation.kitti_breakdown(ground_truth, predictions, frames=frames) if details else None
    return Scored(summary, _write(out, summary, None, breakdown), breakdown)


def score_argoverse2(predictions: Path, ground_truth: Path, out: Path, *, details: bool = False) -> Scored:
    """Score detections of Argoverse 2 and write ``out``.

    Args:
        predictions: Submission.
        ground_truth: Folder of a split, or a file of labels.
        out: JSON file of the metrics.
        details: Write the breakdown by category and range to ``NAME_details.json`` beside ``NAME.json``.

    Raises:
        SubmissionError, ValueError, FileNotFoundError, ImportError: as the evaluator says.
    """
    from geopt import evaluation

    summary = evaluation.argoverse2_detection(predictions, ground_truth)
    breakdown = evaluation.argoverse2_breakdown(predictions, ground_truth) if details else None
    return Scored(summary, _write(out, summary, None, breakdown), breakdown)


def _write(out: Path, summary: dict[str, Any], curves: Any = None, breakdown: Any = None) -> list[Path]:
    """Write the metrics, and the curves and the breakdown that there are into one file beside them."""
    written = [out]
    files.replace_text(out, to_json(summary))
    if curves is not None or breakdown is not None:
        written.append(out.with_name(f"{out.stem}_details.json"))
        files.replace_text(written[-1], to_json({**(curves or {}), **(breakdown or {})}))
    return written


def score_waymo(
    task: str,
    predictions: Path,
    ground_truth: Path,
    out: Path,
    *,
    details: bool = False,
    options: dict[str, Any] | None = None,
) -> Scored:
    """Score files of Waymo's own tools and write ``out``, and beside it the curves that are asked for.

    Args:
        task: ``detection`` or ``segmentation``.
        predictions: ``Objects`` or ``SegmentationFrameList`` file.
        ground_truth: Likewise.
        out: JSON file of the metrics. Those of detection have ``ALL_NS``, the mean of the leaderboard, besides.
        details: Write the curves and the breakdown by class and range of detection to ``NAME_details.json`` beside
            ``NAME.json``.
        options: More arguments of the evaluator.

    Raises:
        SubmissionError, ValueError, FileNotFoundError: as the evaluator says.
    """
    from geopt import evaluation

    options = options or {}
    curves = breakdown = None
    if task == "segmentation":
        summary: dict[str, Any] = evaluation.waymo_segmentation_files(predictions, ground_truth, **options)
    else:
        summary, curves = evaluation.waymo_detection_files(predictions, ground_truth, details=True, **options)
        summary = summary | evaluation.waymo_all_ns(summary)
    if details and curves is not None:
        breakdown = evaluation.waymo_breakdown(summary, curves)
        curves = _waymo_curves(curves)
    return Scored(summary, _write(out, summary, curves if details else None, breakdown), breakdown)


def _waymo_curves(curves: dict[str, Any]) -> dict[str, Any]:
    """The curves by breakdown, each a list over the score cutoffs."""
    found = {}
    for row, name in enumerate(curves["breakdown_names"].tolist()):
        names = ("precision", "recall", "tp", "fp", "fn")
        found[name] = dict(zip(names, curves["precision_recall_tp_fp_fn"][row].T.tolist()))
        for weight in ("ha", "la"):
            found[name][f"precision_{weight}"] = curves[f"precision_recall_{weight}"][row, :, 0].tolist()
    return found


def to_json(metrics: Any) -> str:
    """JSON that every reader takes: numbers that are not finite become null."""
    return json.dumps(_finite(metrics), indent=2, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
