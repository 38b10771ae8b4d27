"""Maps of a centre head to boxes."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from geopt import ops
from geopt.heads.bev import MapGrid, at_cells
from geopt.heads.center_head import GroupMaps, TaskGroups
from geopt.heads.center_targets import values_to_boxes
from geopt.heads.config import DecodeConfig

MIN_SIZE_M, MAX_SIZE_M = 0.01, 1000.0


class Detections(NamedTuple):
    """Boxes found in one cloud, by descending score."""

    boxes: Tensor
    """(D, 9) float64 x, y, z of the centre, length, width, height, yaw, vx, vy, in the model frame."""
    scores: Tensor
    """(D,) float32 in [0, 1]."""
    classes: Tensor
    """(D,) int64 rows of the task's classes."""


def peaks(heatmap: Tensor, window: int) -> Tensor:
    """(..., X, Y) bool: cells that are highest in their window of ``window`` x ``window`` cells.

    Of equal cells in reach of each other the one of lower row, then column, counts; a plateau is one peak or few.
    """
    if window == 1:
        return torch.ones_like(heatmap, dtype=torch.bool)
    maps = heatmap.flatten(0, -3)[:, None]
    reach = window // 2
    is_peak = maps == F.max_pool2d(maps, window, stride=1, padding=reach)
    padded = F.pad(maps, (reach, reach, reach, reach), value=-torch.inf)
    x, y = maps.shape[-2:]
    for i in range(reach + 1):
        for j in range(window if i < reach else reach):  # cells that come earlier
            is_peak &= padded[..., i : i + x, j : j + y] != maps
    return is_peak.view(heatmap.shape)


def decode(maps: list[GroupMaps], map_grid: MapGrid, groups: TaskGroups, config: DecodeConfig) -> list[Detections]:
    """Boxes of every cloud of a batch.

    A group's candidates are the peaks of its heatmaps with at least the score threshold, the best
    ``candidates_per_group`` of them. Boxes that overlap a better one of their group go; of what is left in all groups
    the best ``max_boxes`` stay. Equal scores are taken by group, class, row, column. Sizes lie in 1 cm to 1 km, so that
    maps of a model that has learned nothing are boxes too.

    Args:
        maps: One for each group.
        map_grid: Cells of the maps.
        groups: Classes of the groups.
        config: Limits.

    Raises:
        ValueError: a heatmap or a box of a candidate has a NaN or an infinity: the model has diverged.
    """
    batch_size = maps[0].heatmap.shape[0]
    found = [_candidates(of_group, map_grid, rows, config) for of_group, rows in zip(maps, groups.rows)]
    frame = torch.cat([part.frame for part in found])
    boxes = torch.cat([part.boxes for part in found])
    scores = torch.cat([part.scores for part in found])
    classes = torch.cat([part.classes for part in found])
    group = torch.cat([torch.full_like(part.frame, number) for number, part in enumerate(found)])
    kept = ops.nms(boxes[:, :7], scores, config.nms_iou, groups=frame * len(maps) + group)
    kept = kept.sort().values  # by group, frame and rank: the order that decides ties
    kept = kept[torch.argsort(scores[kept], descending=True, stable=True)]
    of_frame = frame[kept]
    results = []
    for b in range(batch_size):
        rows_of_b = kept[of_frame == b][: config.max_boxes]
        results.append(Detections(boxes[rows_of_b], scores[rows_of_b], classes[rows_of_b]))
    return results


class _Candidates(NamedTuple):
    frame: Tensor
    boxes: Tensor
    scores: Tensor
    classes: Tensor


def _candidates(maps: GroupMaps, map_grid: MapGrid, rows: tuple[int, ...], config: DecodeConfig) -> _Candidates:
    """By frame, then descending score, then class and cell."""
    heatmap = maps.heatmap
    score_map = heatmap.sigmoid()
    chosen = peaks(heatmap, config.peak_window) & (score_map >= config.score_threshold)
    frame, column, i, j = torch.nonzero(chosen, as_tuple=True)
    scores = score_map[frame, column, i, j]
    order = torch.argsort(scores, descending=True, stable=True)
    order = order[torch.argsort(frame[order], stable=True)]
    in_order = frame[order]
    first = torch.searchsorted(in_order, torch.arange(heatmap.shape[0], device=frame.device))
    rank = torch.arange(order.shape[0], device=frame.device) - first[in_order]
    order = order[rank < config.candidates_per_group]
    frame, column, i, j, scores = frame[order], column[order], i[order], j[order], scores[order]
    cells = (frame * map_grid.shape[0] + i) * map_grid.shape[1] + j
    values = at_cells(maps.values, cells)
    if not bool(values.isfinite().all() & heatmap.isfinite().all()):
        raise ValueError("decode: maps must be finite, got NaN or infinity; the model has diverged")
    boxes = values_to_boxes(values, cells, map_grid)
    boxes[:, 3:6] = boxes[:, 3:6].clamp(MIN_SIZE_M, MAX_SIZE_M)
    return _Candidates(frame, boxes, scores, torch.tensor(rows, device=frame.device)[column])
