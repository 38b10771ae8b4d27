"""Pictures of official scores: curves over recall, bars and the confusion of classes. Needs no torch."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geopt import files
from geopt.optional import require
from geopt.visualize.colors import INK

LINES = ("#4d79c7", "#df6b3c", "#1f9d77", "#9a63d6", "#c9a227")
"""Of middle lightness, legible on white and on black."""
PALE = "#b9c4d6"
DPI = 120
ERRORS = {
    "trans_err": "translation (m)",
    "scale_err": "scale (1 - IoU)",
    "orient_err": "orientation (rad)",
    "vel_err": "velocity (m/s)",
    "attr_err": "attribute (1 - accuracy)",
}


class Line(NamedTuple):
    """A curve; broken where ``y`` is NaN."""

    name: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]


class Panel(NamedTuple):
    """The curves of one class."""

    title: str
    lines: tuple[Line, ...]


class Bars(NamedTuple):
    """A number from 0 to 1 for each class; NaN where there is none."""

    title: str
    names: tuple[str, ...]
    values: tuple[float, ...]


def write_plots(
    folder: str | os.PathLike[str],
    task: str,
    summary: Mapping[str, Any],
    details: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[Path]:
    """Draw the scores of a task.

    Args:
        folder: Where the PNG files go; it is made if it is missing.
        task: ``detection``, ``tracking``, ``lidarseg`` or ``panoptic``.
        summary: What the function of that task in :mod:`geopt.evaluation` returned, or what its JSON file holds.
        details: The curves, which ``details=True`` returns besides; detection and tracking need them.

    Returns:
        The paths of the pictures.

    Raises:
        ValueError: ``task`` is unknown, or ``details`` are missing.
        ImportError: matplotlib is not installed.
    """
    drawings = _DRAWINGS.get(task)
    if drawings is None:
        raise ValueError(f"write_plots: task must be one of {', '.join(_DRAWINGS)}, got {task!r}")
    if task in ("detection", "tracking") and details is None:
        raise ValueError(f"write_plots: {task} needs its curves; score with details=True")
    written = []
    for name, draw in drawings(summary, details or {}).items():
        figure = draw()
        path = Path(folder) / f"{task}_{name}.png"
        files.replace(path, lambda temporary, figure=figure: figure.savefig(temporary, format="png"))  # type: ignore[misc]
        written.append(path)
    return written


def precision_recall(summary: Mapping[str, Any], details: Mapping[str, Mapping[str, Any]]) -> list[Panel]:
    """Precision of a detector over recall: a panel for each class, a curve for each distance of a match."""
    panels: dict[str, list[Line]] = {}
    for key, curve in details.items():
        name, _, distance = key.rpartition(":")
        line = Line(f"within {float(distance):g} m", _numbers(curve["recall"]), _achieved(curve, "precision"))
        panels.setdefault(name, []).append(line)
    return [Panel(_title(name, "AP", summary["mean_dist_aps"][name]), tuple(lines)) for name, lines in panels.items()]


def detection_errors(summary: Mapping[str, Any], details: Mapping[str, Mapping[str, Any]]) -> list[Panel]:
    """Mean errors of the matches up to each recall: a panel for each class. Errors that a class has not are left out."""
    distance = summary["cfg"]["dist_th_tp"]
    panels = []
    for name, means in summary["label_tp_errors"].items():
        curve = details[f"{name}:{distance}"]
        defined = [error for error in ERRORS if math.isfinite(_numbers([means[error]])[0])]
        lines = (Line(ERRORS[error], _numbers(curve["recall"]), _achieved(curve, error)) for error in defined)
        panels.append(Panel(name, tuple(lines)))
    return panels


def tracking_quality(summary: Mapping[str, Any], details: Mapping[str, Mapping[str, Any]]) -> list[Panel]:
    """Precision, MOTAR and MOTA of a tracker over recall: a panel for each class."""
    panels = []
    for name, curve in details.items():
        found = _numbers(curve["tp"]) + _numbers(curve["ids"])
        with np.errstate(invalid="ignore", divide="ignore"):
            precision = found / (found + _numbers(curve["fp"]))
        lines = (
            _over_recall("precision", curve, precision),
            _over_recall("MOTAR", curve, curve["motar"]),
            _over_recall("MOTA", curve, curve["mota"]),
        )
        panels.append(Panel(_title(name, "AMOTA", summary["label_metrics"]["amota"][name]), lines))
    return panels


def tracking_errors(details: Mapping[str, Mapping[str, Any]]) -> list[Panel]:
    """How far, how late and how patchy tracks are, over recall: a panel for each class."""
    shown = {"motp": "distance, MOTP (m)", "tid": "time to the first match (s)", "lgd": "longest gap (s)"}
    return _tracking_panels(details, shown)


def tracking_counts(details: Mapping[str, Mapping[str, Any]]) -> list[Panel]:
    """Numbers of mistakes over recall: a panel for each class."""
    return _tracking_panels(details, {"fp": "false positives", "fn": "misses", "ids": "switches", "frag": "fragments"})


def _tracking_panels(details: Mapping[str, Mapping[str, Any]], shown: Mapping[str, str]) -> list[Panel]:
    return [
        Panel(name, tuple(_over_recall(title, curve, curve[metric]) for metric, title in shown.items()))
        for name, curve in details.items()
    ]


def _over_recall(name: str, curve: Mapping[str, Any], values: Any) -> Line:
    """A tracker that finds nothing has constants in place of scores, at no recall."""
    recall = _numbers(curve["recall_hypo"])
    return Line(name, recall, np.where(np.isfinite(recall), _numbers(values), np.nan))


def lidarseg_bars(summary: Mapping[str, Any]) -> list[Bars]:
    """IoU of each class that is scored."""
    scored = {name: iou for name, iou in summary["iou_per_class"].items() if name != "ignore"}
    title = f"IoU: mean {summary['miou']:.3f}, by frequency {summary['freq_weighted_iou']:.3f}"
    return [Bars(title, tuple(scored), tuple(_numbers(list(scored.values())).tolist()))]


def panoptic_bars(summary: Mapping[str, Any]) -> list[Bars]:
    """PQ, SQ and RQ of each class, and PTQ where tracking was scored."""
    bars = []
    for part, metrics in (("segmentation", ("PQ", "SQ", "RQ")), ("tracking", ("PTQ",))):
        classes = {name: row for name, row in summary.get(part, {}).items() if name not in ("all", "ignore")}
        for metric in metrics if classes else ():
            title = f"{metric}: mean {_numbers([summary[part]['all'][metric]])[0]:.3f}"
            bars.append(Bars(title, tuple(classes), tuple(_numbers([r[metric] for r in classes.values()]).tolist())))
    return bars


def _numbers(values: Any) -> NDArray[np.float64]:
    """Null of a JSON file is NaN."""
    return np.array(values, dtype=np.float64)


def _achieved(curve: Mapping[str, Any], name: str) -> NDArray[np.float64]:
    """A curve as far as the detections reach: beyond, they have no confidence."""
    return np.where(_numbers(curve["confidence"]) > 0, _numbers(curve[name]), np.nan)


def _title(name: str, metric: str, value: float | None) -> str:
    return (
        f"{name}: {metric} {value:.3f}" if value is not None and math.isfinite(value) else f"{name}: not in the truth"
    )


def _figure(width: float, height: float) -> Any:
    """A figure that draws without a screen, such as that of a server."""
    figure = require("matplotlib.figure", extra="viz").Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    require("matplotlib.backends.backend_agg", extra="viz").FigureCanvasAgg(figure)
    return figure


def _bare(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)


def _draw_panels(panels: Sequence[Panel], label: str, highest: float | None = None) -> Any:
    """Small multiples over recall with one legend.

    Args:
        highest: Upper end of every vertical axis; None fits each panel, from 0.
    """
    columns = min(5 if len(panels) > 8 else 4, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = _figure(2.5 * columns, 2.1 * rows + 0.5)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=highest is not None)
    names = list(dict.fromkeys(line.name for panel in panels for line in panel.lines))
    handles: dict[str, Any] = {}
    for axes, panel in zip(grid.flat, panels):
        axes.set_title(panel.title, fontsize=9, loc="left")
        axes.grid(color=INK, alpha=0.25, linewidth=0.5)
        drawn = [line for line in panel.lines if np.isfinite(line.y).any()]
        for line in drawn:
            place = names.index(line.name)
            (handle,) = axes.plot(
                *(line.x, line.y),
                color=LINES[place],
                linewidth=2.8 - 0.45 * place,  # where curves lie on each other, the wider one below is seen
                marker="." if np.isfinite(line.y).sum() < 3 else "",
            )
            handles[line.name] = handle
        if not drawn:
            axes.text(0.5, 0.5, "no match", color=INK, ha="center", va="center", transform=axes.transAxes)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, highest or 1.05 * max([float(np.nanmax(line.y)) for line in drawn], default=1.0) or 1.0)
        _bare(axes)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    figure.supxlabel("recall", fontsize=9)
    figure.supylabel(label, fontsize=9)
    if handles:
        known = [name for name in names if name in handles]
        figure.legend([handles[n] for n in known], known, loc="outside upper center", ncols=len(known), fontsize=8)
    return figure


def _draw_bars(all_bars: Sequence[Bars]) -> Any:
    figure = _figure(1.6 + 3.2 * len(all_bars), 0.6 + 0.24 * len(all_bars[0].names))
    for axes, bars in zip(np.ravel(figure.subplots(1, len(all_bars), sharey=True)), all_bars):
        places = np.arange(len(bars.names))
        axes.barh(places, 1.0, color=PALE, alpha=0.25, height=0.7)
        axes.barh(places, np.nan_to_num(bars.values), color=LINES[0], height=0.7)
        for place, value in zip(places, bars.values):
            text = f"{value:.3f}" if math.isfinite(value) else "in neither"
            axes.text(0.99, place, text, ha="right", va="center", fontsize=8)
        axes.set_yticks(places, bars.names)
        axes.set_ylim(len(places) - 0.4, -0.6)
        axes.set_xlim(0, 1)
        axes.set_title(bars.title, fontsize=9, loc="left")
        _bare(axes)
    return figure


def _draw_confusion(names: Sequence[str], counts: ArrayLike) -> Any:
    """Share of the points of each true class (row) that is called each class."""
    matrix = np.asarray(counts, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        share = matrix / matrix.sum(axis=1, keepdims=True)
    figure = _figure(8.2, 7.2)
    axes = figure.subplots()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), value in np.ndenumerate(share):
        if value >= 0.005:
            color = "white" if value > 0.5 else "black"
            axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", fontsize=7, color=color)
    axes.set_xticks(np.arange(len(names)), names, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(np.arange(len(names)), names)
    axes.set_xlabel("predicted class", fontsize=9)
    axes.set_ylabel("true class", fontsize=9)
    axes.set_title("Of the points of a true class, how many percent are called what", fontsize=9, loc="left")
    axes.tick_params(labelsize=8)
    return figure


def _detection(summary: Mapping[str, Any], details: Mapping[str, Any]) -> dict[str, Callable[[], Any]]:
    return {
        "precision_recall": lambda: _draw_panels(precision_recall(summary, details), "precision", highest=1.0),
        "errors": lambda: _draw_panels(detection_errors(summary, details), "mean error up to this recall"),
    }


def _tracking(summary: Mapping[str, Any], details: Mapping[str, Any]) -> dict[str, Callable[[], Any]]:
    return {
        "precision_recall": lambda: _draw_panels(tracking_quality(summary, details), "quality", highest=1.0),
        "errors": lambda: _draw_panels(tracking_errors(details), "error"),
        "counts": lambda: _draw_panels(tracking_counts(details), "number"),
    }


def _lidarseg(summary: Mapping[str, Any], details: Mapping[str, Any]) -> dict[str, Callable[[], Any]]:
    names = [name for name in summary["iou_per_class"] if name != "ignore"]
    matrix = np.array(summary["confusion_matrix_gt_rows_pred_cols"])[1:, 1:]
    return {
        "iou": lambda: _draw_bars(lidarseg_bars(summary)),
        "confusion": lambda: _draw_confusion(names, matrix),
    }


def _panoptic(summary: Mapping[str, Any], details: Mapping[str, Any]) -> dict[str, Callable[[], Any]]:
    return {"quality": lambda: _draw_bars(panoptic_bars(summary))}


_DRAWINGS: dict[str, Callable[[Mapping[str, Any], Mapping[str, Any]], dict[str, Callable[[], Any]]]] = {
    "detection": _detection,
    "tracking": _tracking,
    "lidarseg": _lidarseg,
    "panoptic": _panoptic,
}
