"""What the pictures of a fine-tuning report show: boxes and labels of one validation frame, true ones and predicted ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from geopt import files
from geopt.official import class_map
from geopt.visualize import bev, colors, labelled, squares
from geopt.visualize.labelled import DrawnBoxes
from geopt.visualize.pictures import Legend, Picture
from geopt.visualize.views import Frame, Window, densest

DETAIL_SIDE_M = 20.0
"""Side of the detail window, more where a quarter of the overview is more."""
FOUND_WITHIN_M = 2.0
"""Between the centres of a true box and of one that finds it: the distance of nuScenes' true positives."""
PALETTE = 256


class _View(NamedTuple):
    """One of the panels of a frame."""

    title: str
    draw: Callable[[Frame, bev.Panel], None]
    caption: Callable[[Frame, Window], str]
    classes: Callable[[Frame, Window], tuple[str, ...]]
    extra: tuple[tuple[str, str], ...] = ()
    """(colour, name) of what the legend holds besides classes."""


def are_in(frame: Frame | Mapping[str, Any]) -> bool:
    """Whether a picture has boxes or labels."""
    return "boxes_true" in frame or "labels_true" in frame


def of_frame(frame: Frame) -> tuple[list[Picture], list[Picture], Window | None]:
    """Pictures of the whole frame and of its detail window, with the window: where most objects are."""
    window = detail(frame)
    closer = [] if window is None else [_picture(frame, view, window) for view in _views(frame)]
    return [_picture(frame, view, frame.overview) for view in _views(frame)], closer, window


def detail(frame: Frame) -> Window | None:
    """The square that holds most true boxes, or most square metres with points of objects; None without any, or where
    it would be nearly all of the frame."""
    overview = frame.overview
    extent = min(high - low for low, high in zip(*overview))
    side = max(DETAIL_SIDE_M, extent / 4)
    if "boxes_true" in frame:
        places: NDArray[Any] = frame["boxes_true"][:, :2].astype(np.float64)
    else:
        is_object = np.isin(frame.classes, class_map("detection").classes)[frame["labels_true"]]
        columns, _ = squares.columns_of(np.floor(frame["points"][is_object]))
        places = columns + 0.5
    if 2 * side > extent + 1e-6 or not len(places):
        return None
    return densest(overview, places, np.ones(len(places)), side)


def save_strip(path: Path, picture: Mapping[str, Any], *, frame: str = "ego", width_px: int = 1800) -> Path:
    """Write a PNG of a frame: true and predicted boxes, or true labels, predicted labels and where they differ.

    Args:
        path: Where the PNG shall lie.
        picture: As for :class:`geopt.visualize.views.Frame`, with boxes or labels.
        frame: ``ego`` or ``lidar``.
        width_px: Width of the picture.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: see :class:`geopt.visualize.views.Frame`.
    """
    whole = Frame(picture, frame)
    views, window = _views(whole), whole.overview
    names = {name for view in views for name in view.classes(whole, window)}
    figure, panels = labelled.with_legend(
        *window,
        labelled.in_order(names),
        [entry for view in views for entry in view.extra],
        frame=frame,
        titles=[view.title.lower() for view in views],
        width_px=width_px,
    )
    for view, panel in zip(views, panels):
        view.draw(whole, panel)
    files.replace_bytes(Path(path), bev.png(figure, PALETTE))
    return Path(path)


def _views(frame: Frame) -> list[_View]:
    views = []
    if "boxes_true" in frame:
        views += [
            _View("Boxes, true", _draw_true_boxes, _about_true_boxes, _classes_of_boxes("true")),
            _View(
                "Boxes, predicted",
                _draw_predicted_boxes,
                _about_predicted_boxes,
                _classes_of_boxes("predicted"),
                ((colors.INK, "true box, dashed"),),
            ),
        ]
    if "labels_true" in frame:
        views += [
            _View("Labels, true", _draw_true_labels, _about_true_labels, _classes_of_labels("true")),
            _View(
                "Labels, predicted", _draw_predicted_labels, _about_predicted_labels, _classes_of_labels("predicted")
            ),
            _View(
                "Labels, right and wrong",
                _draw_verdicts,
                _about_verdicts,
                lambda frame, window: (),
                tuple((color, name) for name, color in colors.VERDICTS.items()),
            ),
        ]
    return views


def _picture(frame: Frame, view: _View, window: Window) -> Picture:
    figure, (panel,) = bev.panels(*window, frame=frame.frame)
    view.draw(frame, panel)
    names = view.classes(frame, window)
    named = zip(labelled.colors_of(names), (name.replace("_", " ") for name in names))
    legend = Legend((*named, *view.extra))
    return Picture(view.title, view.caption(frame, window), legend, bev.png(figure, PALETTE))


# Boxes.


def _boxes(frame: Frame, which: str) -> DrawnBoxes:
    names = tuple(frame.classes[row] for row in frame[f"box_classes_{which}"])
    scores = frame["box_scores"] if which == "predicted" else None
    return DrawnBoxes(frame[f"boxes_{which}"].astype(np.float64), names, scores)


def _classes_of_boxes(which: str) -> Callable[[Frame, Window], tuple[str, ...]]:
    def classes(frame: Frame, window: Window) -> tuple[str, ...]:
        boxes = _boxes(frame, which)
        return labelled.in_order(np.array(boxes.names)[window.holds(boxes.geometry)].tolist())

    return classes


def _draw_true_boxes(frame: Frame, panel: bev.Panel) -> None:
    boxes = _boxes(frame, "true")
    labelled.draw_points(panel, frame["points"], labelled.point_colors(frame["points"], None, boxes))
    labelled.draw_boxes(panel, boxes)


def _draw_predicted_boxes(frame: Frame, panel: bev.Panel) -> None:
    labelled.draw_points(panel, frame["points"], labelled.greys(frame["points"][:, 2]))
    labelled.draw_truth(panel, frame["boxes_true"])
    labelled.draw_boxes(panel, _boxes(frame, "predicted"))


def _about_true_boxes(frame: Frame, window: Window) -> str:
    count = int(window.holds(frame["boxes_true"]).sum())
    return f"{_counted(count, 'labelled box', 'labelled boxes')}; points in a box have its colour"


def _about_predicted_boxes(frame: Frame, window: Window) -> str:
    kept = window.holds(frame["boxes_predicted"])
    scores = frame["box_scores"][kept]
    true = window.holds(frame["boxes_true"])
    found = int((_is_found(frame) & true).sum())
    text = _counted(len(scores), "predicted box", "predicted boxes")
    if len(scores):
        text += f", scores {scores.min():.2f} to {scores.max():.2f}, the higher the stronger"
    within = f"a predicted one of its class within {FOUND_WITHIN_M:g} m"
    return text + (f"; {found} of {int(true.sum())} true boxes have {within}" if true.any() else "")


def _is_found(frame: Frame) -> NDArray[np.bool_]:
    """(K,) true boxes with a predicted one of their class near them."""
    found = np.zeros(len(frame["boxes_true"]), dtype=bool)
    for name in np.intersect1d(frame["box_classes_true"], frame["box_classes_predicted"]):
        rows = frame["box_classes_true"] == name
        predicted = frame["boxes_predicted"][frame["box_classes_predicted"] == name]
        distance, _ = cKDTree(predicted[:, :2]).query(frame["boxes_true"][rows, :2])
        found[rows] = distance < FOUND_WITHIN_M
    return found


# Labels.


def _classes_of_labels(which: str) -> Callable[[Frame, Window], tuple[str, ...]]:
    def classes(frame: Frame, window: Window) -> tuple[str, ...]:
        present = np.unique(frame[f"labels_{which}"][window.holds(frame["points"])])
        return labelled.in_order(frame.classes[row] for row in present if row > 0)

    return classes


def _draw_true_labels(frame: Frame, panel: bev.Panel) -> None:
    known = frame["labels_true"] > 0
    rgb = labelled.label_colors(frame["labels_true"][known], frame.classes)
    labelled.draw_points(panel, frame["points"][known], rgb)


def _draw_predicted_labels(frame: Frame, panel: bev.Panel) -> None:
    labelled.draw_points(panel, frame["points"], labelled.label_colors(frame["labels_predicted"], frame.classes))


def _draw_verdicts(frame: Frame, panel: bev.Panel) -> None:
    known = frame["labels_true"] > 0
    is_right = (frame["labels_predicted"] == frame["labels_true"])[known].astype(np.int64)
    labelled.draw_points(
        panel, frame["points"][known], colors.rgb([colors.VERDICTS[n] for n in ("wrong", "right")])[is_right]
    )


def _about_true_labels(frame: Frame, window: Window) -> str:
    known = (frame["labels_true"] > 0)[window.holds(frame["points"])]
    return f"{int(known.sum()):,} of {len(known):,} points have a label, and those are shown"


def _about_predicted_labels(frame: Frame, window: Window) -> str:
    return f"{int(window.holds(frame['points']).sum()):,} points, of the frame and its past sweeps"


def _about_verdicts(frame: Frame, window: Window) -> str:
    known = (frame["labels_true"] > 0) & window.holds(frame["points"])
    if not known.any():
        return "No point has a label"
    right = (frame["labels_true"] == frame["labels_predicted"])[known].mean()
    return f"{right:.1%} of the {int(known.sum()):,} labelled points are right"


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}" if count else f"No {one}"
