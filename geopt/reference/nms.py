"""Plain torch for :mod:`geopt.ops.nms`."""

from __future__ import annotations

from collections import Counter
from typing import Literal

import torch
from torch import Tensor

from geopt.reference.box_iou import box_iou


def nms(
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: float,
    groups: Tensor | None = None,
    offsets: Tensor | None = None,
    max_kept: int | None = None,
    kind: Literal["bev", "3d"] = "bev",
) -> Tensor:
    ends = [0, len(boxes)] if offsets is None else offsets.tolist()
    group_of = [0] * len(boxes) if groups is None else groups.tolist()
    kept: list[int] = []
    for begin, end in zip(ends, ends[1:]):
        own = boxes[begin:end].to(torch.float64)
        iou = box_iou(own, own, kind)
        order = sorted(range(begin, end), key=lambda row: (-scores[row].item(), row))
        of_cloud: list[int] = []
        num_kept: Counter[int] = Counter()
        for row in order:
            rivals = [other for other in of_cloud if group_of[other] == group_of[row]]
            overlaps = any(iou[other - begin, row - begin] > iou_threshold for other in rivals)
            if not overlaps and num_kept[group_of[row]] != max_kept:
                of_cloud.append(row)
                num_kept[group_of[row]] += 1
        kept += of_cloud
    return torch.tensor(kept, dtype=torch.int64, device=boxes.device)
