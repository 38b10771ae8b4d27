"""Non-maximum suppression of turned boxes: ``nms``."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from geopt.ops import _check
from geopt.ops.box_iou import KINDS, Kind

FLOATS = (torch.float64, torch.float32)
USED = {"bev": [0, 1, 3, 4, 6], "3d": [0, 1, 2, 3, 4, 5, 6]}  # columns of a box


def nms(
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: float,
    groups: Tensor | None = None,
    offsets: Tensor | None = None,
    max_kept: int | None = None,
    kind: Kind = "bev",
) -> Tensor:
    """Keep the best of boxes that overlap.

    From the highest score down, a box is kept unless a kept box of its cloud and group overlaps it by more than
    ``iou_threshold``. Of equal scores the lower row comes first. The overlap is :func:`geopt.ops.box_iou` of the kept
    box with the other in float64, also for float32 boxes.

    Args:
        boxes: (N, 7 or more) float64 or float32: x, y, z of the centre, length (along x at yaw 0), width, height in
            metres, yaw in radians about z, right-handed. Further columns are ignored.
        scores: (N,) float64 or float32; infinities are scores too.
        iou_threshold: In [0, 1]. At 0 every overlap suppresses, at 1 none does.
        groups: (N,) int64 of any value, such as classes: boxes of different groups do not meet. None: all may meet.
        offsets: (B + 1,) int64. Cloud b is rows ``offsets[b]`` up to ``offsets[b + 1]``; None for one cloud.
        max_kept: At most so many of each group of each cloud, the best; None for all.
        kind: ``bev`` compares areas seen from above, ``3d`` volumes.

    Returns:
        (K,) int64 rows of ``boxes``: cloud by cloud, within a cloud by descending score over all groups, equal scores
        by row.

    Raises:
        ValueError: a shape does not fit, ``iou_threshold`` lies outside [0, 1], ``max_kept`` is below 1, offsets do not
            rise from 0 to N, a used column of a box or a score is NaN or a box is infinite, the tensors are on two
            devices, or on a GPU without a kernel for it.
        TypeError: ``boxes`` or ``scores`` is not float64 or float32, ``groups`` or offsets not int64, ``iou_threshold``
            not a number or ``max_kept`` not an int.

    Not differentiable. The same rows on every device and with any number of threads. In a compiled graph values cannot
    be refused: there a box with a NaN overlaps nothing, and NaN is the highest score.
    """
    op = "nms"
    _check_arguments(op, boxes, scores, iou_threshold, groups, max_kept, kind)
    ends = _check.clouds(op, "offsets", offsets, "boxes", boxes)
    _check.compiled(op, "nms_kept", "boxes", boxes)
    boxes, scores = boxes.detach(), scores.detach() + 0.0  # -0 becomes 0: the two are a tie
    positions = torch.arange(boxes.shape[0], device=boxes.device)
    by_score = scores.sort(descending=True, stable=True).indices
    cloud_of = None if offsets is None else torch.searchsorted(ends.contiguous(), positions, right=True)
    listed = _grouped(by_score, cloud_of)
    order = listed if groups is None else _grouped(_grouped(by_score, groups), cloud_of)
    kept = torch.ops.geopt.nms_kept(
        boxes,
        order,
        _first_of_run(positions, [key[order] for key in (cloud_of, groups) if key is not None]),
        ends,
        float(iou_threshold),
        -1 if max_kept is None else max_kept,
        kind == "3d",
    )
    if groups is None:
        return order[kept]
    return listed[torch.zeros_like(kept).scatter(0, order, kept)[listed]]


def _grouped(order: Tensor, key: Tensor | None) -> Tensor:
    """``order`` by ascending key; equal keys stay as they were."""
    return order if key is None else order[key[order].sort(stable=True).indices]


def _first_of_run(positions: Tensor, keys: list[Tensor]) -> Tensor:
    """For each position the first one of the run of equal keys around it."""
    if not keys:
        return torch.zeros_like(positions)
    begins = positions == 0
    for key in keys:
        begins = begins | (key != key.roll(1))
    return torch.where(begins, positions, 0).cummax(0).values


def _check_arguments(
    op: str,
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: float,
    groups: Tensor | None,
    max_kept: int | None,
    kind: str,
) -> None:
    _check.boxes(op, "boxes", boxes)
    _check.tensor(op, "scores", scores, "(N)", FLOATS)
    _check.one_of(op, "kind", kind, KINDS)
    given = [("scores", scores)]
    if groups is not None:
        _check.tensor(op, "groups", groups, "(N)", (torch.int64,))
        given.append(("groups", groups))
    for name, value in given:
        if value.shape[0] != boxes.shape[0]:
            raise ValueError(f"{op}: {name} must have one entry per box ({boxes.shape[0]}), got {value.shape[0]}")
        _check.same_device(op, name, value, "boxes", boxes)
    if isinstance(iou_threshold, bool) or not isinstance(iou_threshold, (int, float)):
        raise TypeError(f"{op}: iou_threshold must be a number, got {type(iou_threshold).__name__}")
    if not 0 <= iou_threshold <= 1:
        raise ValueError(f"{op}: iou_threshold must lie in [0, 1], got {iou_threshold}")
    if max_kept is not None:
        _check.whole_number(op, "max_kept", max_kept, 1)
    if torch.compiler.is_compiling():
        return  # values are unknown while a graph is traced
    if math.isfinite(boxes.detach()[:, :7].sum() + scores.detach().sum()):
        return  # the sums alone say so: the one read-back from a GPU
    broken = ~torch.isfinite(boxes[:, USED[kind]]).all(dim=1) | scores.isnan()
    if bool(broken.any()):
        row = int(broken.nonzero()[0, 0])
        raise ValueError(
            f"{op}: boxes must be finite and scores not NaN, got {boxes[row, :7].tolist()} with score "
            f"{scores[row].item()} in row {row}; {int(broken.sum())} such rows; leave them out"
        )


@torch.library.register_fake("geopt::nms_kept")
def _(boxes, order, first, offsets, iou_threshold, max_kept, volume):  # type: ignore[no-untyped-def]
    return boxes.new_empty(boxes.shape[0], dtype=torch.bool)
