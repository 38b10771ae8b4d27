"""What ``geopt score`` shows: the numbers of an evaluator as tables for the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

ERROR_COLUMNS = {
    "ATE m": "trans_err",
    "ASE": "scale_err",
    "AOE rad": "orient_err",
    "AVE m/s": "vel_err",
    "AAE": "attr_err",
}
METRIC_NAMES = {"ap": "AP", "iou": "IoU", "AP_3d_moderate": "AP in 3D, moderate, %,"}
KITTI_SPACES = {"detection": "2D", "detection_ground": "BEV", "detection_3d": "3D", "orientation": "AOS"}
KITTI_LEVELS = ("easy", "moderate", "hard")
TRACKING_QUALITY = ("amota", "amotp", "recall", "motar", "mota", "motp", "tid", "lgd")
TRACKING_COUNTS = ("gt", "tp", "fp", "fn", "ids", "frag", "mt", "ml", "faf")


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
    """The first metric of each class that is anywhere by range, and its mean over those that are in the band."""
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
    rows = [
        (name.lower(), *(values[name] for values in found.values()))
        for name, row in breakdown["by_class"].items()
        if row["num_true"]
    ]
    title = f"{METRIC_NAMES.get(metric, metric)} by range"
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
