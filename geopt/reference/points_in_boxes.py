"""Plain torch for :mod:`geopt.ops.points_in_boxes`."""

from __future__ import annotations

import torch
from torch import Tensor


def points_in_boxes(
    xyz: Tensor, boxes: Tensor, offsets: Tensor | None = None, box_offsets: Tensor | None = None
) -> Tensor:
    ends = [0, xyz.shape[0]] if offsets is None else offsets.tolist()
    box_ends = [0, boxes.shape[0]] if box_offsets is None else box_offsets.tolist()
    rows = torch.full((xyz.shape[0],), -1, dtype=torch.int64, device=xyz.device)
    for cloud in range(len(ends) - 1):
        points = xyz[ends[cloud] : ends[cloud + 1]]
        finite = torch.isfinite(points).all(dim=1)
        held = rows[ends[cloud] : ends[cloud + 1]]
        for row in reversed(range(box_ends[cloud], box_ends[cloud + 1])):  # the lowest row writes last
            held[finite & _in_box(points.to(torch.float64), boxes[row].to(torch.float64))] = row
    return rows


def _in_box(points: Tensor, box: Tensor) -> Tensor:
    x, y, z = (points - box[:3]).unbind(dim=1)
    cosine, sine = torch.cos(box[6]), torch.sin(box[6])
    along, across = cosine * x + sine * y, cosine * y - sine * x
    half = box[3:6] / 2
    return (along.abs() <= half[0]) & (across.abs() <= half[1]) & (z.abs() <= half[2])
