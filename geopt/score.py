"""What ``geopt score`` does: run an official evaluator, write its numbers, show them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from geopt import files
from geopt.optional import require

if TYPE_CHECKING:
    from rich.table import Table

ERROR_COLUMNS = {
    "ATE m": "trans_err",
    "ASE": "scale_err",
    "AOE rad": "orient_err",
    "AVE m/s": "vel_err",
    "AAE": "attr_err",
}
METRIC_NAMES = {"ap": "AP", "iou": "IoU"}
KITTI_SPACES = {"detection": "2D", "detection_ground": "BEV", "detection_3d": "3D", "orientation": "AOS"}
KITTI_LEVELS = ("easy", "moderate", "hard")
TRACKING_QUALITY = ("amota", "amotp", "recall", "motar", "mota", "motp", "tid", "lgd")
TRACKING_COUNTS = ("gt", "tp", "fp", "fn", "ids", "frag", "mt", "ml", "faf")


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


def score_kitti(predictions: Path, ground_truth: Path, out: Path, *, frames: Path | None = None) -> Scored:
    """Score files of the KITTI object benchmark and write ``out``.

    Args:
        predictions: Folder of the submission.
        ground_truth: KITTI's ``label_2``.
        out: JSON file of the metrics.
        frames: File with a frame in each line; None scores every label file.

    Raises:
        SubmissionError, ValueError, FileNotFoundError: as the evaluator says.
    """
    from geopt import evaluation

    summary = evaluation.kitti_detection(ground_truth, predictions, frames=frames)
    return Scored(summary, _write(out, summary))


def score_argoverse2(predictions: Path, ground_truth: Path, out: Path) -> Scored:
    """Score detections of Argoverse 2 and write ``out``.

    Args:
        predictions: Submission.
        ground_truth: Folder of a split, or a file of labels.
        out: JSON file of the metrics.

    Raises:
        SubmissionError, ValueError, FileNotFoundError, ImportError: as the evaluator says.
    """
    from geopt import evaluation

    summary = evaluation.argoverse2_detection(predictions, ground_truth)
    return Scored(summary, _write(out, summary))


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


def tables(task: str, summary: dict[str, Any]) -> list[Table]:
    """The numbers of a summary as tables for the terminal, a row for each class and the mean in the end."""
    shown = {
        "detection": _detection,
        "tracking": _tracking,
        "lidarseg": _lidarseg,
        "panoptic": _panoptic,
        "waymo-detection": _waymo_detection,
        "waymo-segmentation": _waymo_segmentation,
        "semantickitti-segmentation": _semantickitti_segmentation,
        "kitti-detection": _kitti_detection,
        "argoverse2-detection": _argoverse2_detection,
    }
    return shown[task](summary)


def breakdown_table(breakdown: Mapping[str, Any]) -> Table:
    """The first metric of each class by range, and its mean over the classes that are there."""
    columns = {"all": breakdown["by_class"], **breakdown.get("by_range", {})}
    metric = next(iter(next(iter(breakdown["by_class"].values()))))
    found = {
        column: {name: row[metric] if row["num_true"] else math.nan for name, row in rows.items()}
        for column, rows in columns.items()
    }
    means = []
    for values in found.values():
        known = [value for value in values.values() if not math.isnan(value)]
        means.append(sum(known) / len(known) if known else math.nan)
    rows = [(name, *(values[name] for values in found.values())) for name in breakdown["by_class"]]
    title = f"{metric if '/' in metric else METRIC_NAMES[metric]} by range"
    return _table(title, ("class", *columns), rows, ("mean (present)", *means))


def _detection(summary: dict[str, Any]) -> list[Table]:
    title = f"mAP {summary['mean_ap']:.4f}, NDS {summary['nd_score']:.4f}"
    rows = [
        (name, ap, *(summary["label_tp_errors"][name][error] for error in ERROR_COLUMNS.values()))
        for name, ap in summary["mean_dist_aps"].items()
    ]
    mean = ("mean", summary["mean_ap"], *(summary["tp_errors"][error] for error in ERROR_COLUMNS.values()))
    return [_table(title, ("class", "AP", *ERROR_COLUMNS), rows, mean)]


def _tracking(summary: dict[str, Any]) -> list[Table]:
    title = f"AMOTA {summary['amota']:.4f}, AMOTP {summary['amotp']:.4f} m"
    by_metric = summary["label_metrics"]
    found = []
    for name, metrics in ((title, TRACKING_QUALITY), ("at the highest MOTA", TRACKING_COUNTS)):
        rows = [(row, *(by_metric[metric][row] for metric in metrics)) for row in by_metric["amota"]]
        total = ("all", *(summary[metric] for metric in metrics))
        columns = ("class", *(metric.upper() for metric in metrics))
        found.append(_table(name, columns, rows, total, digits=3 if metrics is TRACKING_QUALITY else 0))
    return found


def _lidarseg(summary: dict[str, Any]) -> list[Table]:
    title = f"mIoU {summary['miou']:.4f}, fwIoU {summary['freq_weighted_iou']:.4f}"
    rows = [(name, iou) for name, iou in summary["iou_per_class"].items() if name != "ignore"]
    return [_table(title, ("class", "IoU"), rows, ("mean", summary["miou"]))]


def _panoptic(summary: dict[str, Any]) -> list[Table]:
    found = []
    for part, metrics in summary.items():
        overall = metrics["all"]
        classes = {name: row for name, row in metrics.items() if name not in ("all", "ignore")}
        shared = [metric for metric in overall if all(metric in row for row in classes.values())]
        title = ", ".join(f"{metric} {value:.4f}" for metric, value in overall.items() if not math.isnan(value))
        rows = [(name, *(row[metric] for metric in shared)) for name, row in classes.items()]
        found.append(_table(f"{part}: {title}", ("class", *shared), rows, ("all", *(overall[m] for m in shared))))
    return found


def _waymo_detection(summary: dict[str, Any]) -> list[Table]:
    columns = [f"{metric}/{level}" for level in ("L1", "L2") for metric in ("AP", "APH")]
    parts: dict[str, dict[str, float]] = {}
    for name, metrics in summary.items():
        part, _, level = name.rpartition("_LEVEL_")
        parts.setdefault(part, {}).update({f"{metric}/L{level}": value for metric, value in metrics.items()})
    rows = {
        part.replace("OBJECT_TYPE_", "").replace("RANGE_", "").replace("TYPE_", "").replace("_", " ").lower(): [
            metrics.get(column, math.nan) for column in columns
        ]
        for part, metrics in parts.items()
    }
    last = rows.pop("all ns")
    title = ", ".join(f"{column} {value:.4f}" for column, value in zip(columns, last))
    return [_table(title, ("class", *columns), [(name, *row) for name, row in rows.items()], ("ALL_NS", *last))]


def _waymo_segmentation(summary: dict[str, Any]) -> list[Table]:
    rows = [
        (name.removeprefix("TYPE_").replace("_", " ").lower(), iou) for name, iou in summary["iou_per_class"].items()
    ]
    return [_table(f"mIoU {summary['miou']:.4f}", ("class", "IoU"), rows, ("mean", summary["miou"]))]


def _semantickitti_segmentation(summary: dict[str, Any]) -> list[Table]:
    title = f"mIoU {summary['miou']:.4f}, accuracy {summary['accuracy']:.4f}"
    return [_table(title, ("class", "IoU"), list(summary["iou_per_class"].items()), ("mean", summary["miou"]))]


def _kitti_detection(summary: dict[str, Any]) -> list[Table]:
    found = []
    for steps in ("40", "11"):
        rows = []
        for key, levels in summary.items():
            name, _, what = key.partition("_")
            rows.append((f"{name} {KITTI_SPACES[what]}", *(levels[level][f"AP_R{steps}"] for level in KITTI_LEVELS)))
        in_space = [row[1:] for row in rows if row[0].endswith(" 3D")]
        mean = [sum(column) / len(in_space) for column in zip(*in_space)] or [math.nan] * len(KITTI_LEVELS)
        title = f"AP at {steps} steps of recall, %"
        found.append(_table(title, ("class", *KITTI_LEVELS), rows, ("mean 3D", *mean), digits=2))
    return found


def _argoverse2_detection(summary: dict[str, Any]) -> list[Table]:
    from geopt.evaluation.argoverse2_detection import mean_over_categories

    mean = mean_over_categories(summary["per_category"])
    columns = ("class", "AP", "ATE m", "ASE", "AOE rad", "CDS")
    rows = [(name.lower(), *row.values()) for name, row in summary["per_category"].items()]
    return [_table(f"mAP {mean['AP']:.4f}, CDS {mean['CDS']:.4f}", columns, rows, ("mean", *mean.values()))]


def _table(title: str, columns: tuple[str, ...], rows: list[tuple], last: tuple, digits: int = 3) -> Table:
    """Right-aligned numbers; those with no digits behind the point get one where they are no whole numbers."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column, justify="left" if column == "class" else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(_shown(value, digits) for value in row))
    table.add_section()
    table.add_row(*(_shown(value, digits) for value in last), style="bold")
    return table


def _shown(value: Any, digits: int) -> str:
    if not isinstance(value, float):
        return str(value)
    if math.isnan(value):
        return "-"
    return f"{value:.{digits or (0 if value.is_integer() else 1)}f}"
