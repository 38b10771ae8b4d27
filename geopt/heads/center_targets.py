"""What the maps of a centre head shall show for labelled boxes.

Source: Law & Deng, CornerNet, ECCV 2018, arXiv:1808.01244 (radius, Gaussian); Yin et al., CenterPoint, CVPR 2021,
arXiv:2006.11275 (boxes from centres, minimum radius).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from geopt.heads.bev import MapGrid
from geopt.heads.config import TargetConfig
from geopt.structures import LabelledBatch

KINDS = {"offset": 2, "height": 1, "size": 3, "rotation": 2, "velocity": 2}
"""Maps of a box and their channels, in the order of the values of an object."""
NUM_VALUES = sum(KINDS.values())
NUM_WITHOUT_VELOCITY = NUM_VALUES - KINDS["velocity"]


class CenterTargets(NamedTuple):
    """Truth of a batch. Boxes whose centre lies outside the map or that have too few points are not in it."""

    heatmaps: Tensor
    """(B, classes, X, Y) float32: 1 at the cell of a centre, falling off as a Gaussian; the highest where two meet."""
    cells: Tensor
    """(P,) int64 flat cells ``(b * X + i) * Y + j`` of the objects, ascending within each group."""
    groups: Tensor
    """(P,) int64 task group of each object, ascending."""
    values: Tensor
    """(P, 10) float32: offset of the centre from the cell's lower corner in cells (x, y), height of the centre in
    metres, logarithms of length, width, height, sine and cosine of yaw, vx, vy (NaN where unknown)."""
    boxes: Tensor
    """(P,) int64 rows of the batch's boxes."""
    kept: Tensor
    """(K,) bool: boxes that have a Gaussian. Of several with one cell and group, ``boxes`` holds one: that of most
    points, of equals the lowest row."""
    outside: Tensor
    """(K,) bool."""
    too_few_points: Tensor
    """(K,) bool; boxes outside are not counted again."""


def gaussian_radius(length: Tensor, width: Tensor, min_overlap: float) -> Tensor:
    """How far, in cells, a centre may be off.

    The published code takes the least of three radii (box inside, around or beside the true one) with one divisor too
    few in two of them; then the third, with m for the overlap, is always the least:
    ``sqrt(m^2 (l + w)^2 + 4 m (1 - m) l w) - m (l + w)``. Trained models and papers use these radii, and so do we.

    Args:
        length, width: (...), in cells.
        min_overlap: Intersection over union.
    """
    around = min_overlap * (length + width)
    return (around.square() + 4 * min_overlap * (1 - min_overlap) * length * width).sqrt() - around


def box_values(boxes: Tensor, map_grid: MapGrid) -> Tensor:
    """(P, 9) float64 boxes to (P, 10) float64 values, as ``CenterTargets.values``."""
    position, cell = _cells(boxes, map_grid)
    yaw = boxes[:, 6]
    rotation = torch.stack([yaw.sin(), yaw.cos()], dim=1)
    return torch.cat([position - cell, boxes[:, 2:3], boxes[:, 3:6].log(), rotation, boxes[:, 7:9]], dim=1)


def values_to_boxes(values: Tensor, cells: Tensor, map_grid: MapGrid) -> Tensor:
    """The reverse of :func:`box_values`: (P, 10) and (P,) flat cells to (P, 9) float64 boxes, yaw in [-pi, pi]."""
    values = values.double()
    x, y = map_grid.shape
    column = torch.stack([torch.div(cells, y, rounding_mode="floor") % x, cells % y], dim=1)
    lower, cell = (torch.tensor(v, dtype=torch.float64, device=cells.device) for v in (map_grid.lower, map_grid.cell))
    center = (column + values[:, :2]) * cell + lower
    yaw = torch.atan2(values[:, 6], values[:, 7])[:, None]
    return torch.cat([center, values[:, 2:3], values[:, 3:6].exp(), yaw, values[:, 8:10]], dim=1)


def center_targets(
    batch: LabelledBatch, map_grid: MapGrid, group_of_class: tuple[int, ...], config: TargetConfig
) -> CenterTargets:
    """Targets of a batch, on the device of its boxes.

    Args:
        batch: Its boxes, in the frame of the map.
        map_grid: Cells of the maps.
        group_of_class: Task group of each class.
        config: Gaussians, and boxes with too few points.

    Raises:
        ValueError: a box has a NaN besides its velocity, a size that is not positive, or an unknown class.
    """
    boxes, classes = batch.boxes, batch.box_classes
    _check(batch, len(group_of_class))
    device = boxes.device
    frame = torch.repeat_interleave(
        torch.arange(batch.batch_size, device=device), batch.box_offsets.diff(), output_size=boxes.shape[0]
    )
    _, column = _cells(boxes, map_grid)
    shape = torch.tensor(map_grid.shape, device=device)
    inside = ((column >= 0) & (column < shape)).all(dim=1)
    enough = batch.box_num_points >= config.min_points
    rows = torch.nonzero(inside & enough)[:, 0]
    i, j = column[rows].long().unbind(1)
    cell = (frame[rows] * map_grid.shape[0] + i) * map_grid.shape[1] + j
    group = torch.tensor(group_of_class, device=device)[classes[rows]]
    chosen = _one_per_cell(group * (batch.batch_size * map_grid.num_cells) + cell, batch.box_num_points[rows])
    return CenterTargets(
        heatmaps=_heatmaps(
            boxes[rows], classes[rows], frame[rows], i, j, batch.batch_size, len(group_of_class), map_grid, config
        ),
        cells=cell[chosen],
        groups=group[chosen],
        values=box_values(boxes[rows[chosen]], map_grid).float(),
        boxes=rows[chosen],
        kept=inside & enough,
        outside=~inside,
        too_few_points=inside & ~enough,
    )


def _cells(boxes: Tensor, map_grid: MapGrid) -> tuple[Tensor, Tensor]:
    """(K, 2) float64 centres in cells, and the same rounded down."""
    lower, cell = (boxes.new_tensor(value) for value in (map_grid.lower, map_grid.cell))
    position = (boxes[:, :2] - lower) / cell
    return position, position.floor()


def _check(batch: LabelledBatch, num_classes: int) -> None:
    boxes, classes = batch.boxes, batch.box_classes
    # One answer for all that can be wrong: each question makes a GPU wait.
    fine = boxes[:, :7].isfinite().all(1) & (boxes[:, 3:6] > 0).all(1) & (classes >= 0) & (classes < num_classes)
    if bool(fine.all()):
        return
    row = int(torch.nonzero(~fine)[0, 0])
    frame = batch.frames[int(torch.searchsorted(batch.box_offsets, row, right=True)) - 1]
    raise ValueError(
        f"center_targets: boxes must have finite centres, sizes above 0 and a class below {num_classes}, got "
        f"{[round(v, 3) for v in boxes[row].tolist()]} of class {int(classes[row])} in frame {frame}"
    )


def _one_per_cell(key: Tensor, num_points: Tensor) -> Tensor:
    """Rows in ascending order of their keys, of equal keys the one of most points, then the lowest."""
    order = torch.argsort(num_points, descending=True, stable=True)
    order = order[torch.argsort(key[order], stable=True)]
    ascending = key[order]
    first = torch.ones_like(ascending, dtype=torch.bool)
    first[1:] = ascending[1:] != ascending[:-1]
    return order[first]


def _heatmaps(
    boxes: Tensor,
    classes: Tensor,
    frame: Tensor,
    i: Tensor,
    j: Tensor,
    batch_size: int,
    num_classes: int,
    map_grid: MapGrid,
    config: TargetConfig,
) -> Tensor:
    x, y = map_grid.shape
    maps = torch.zeros(batch_size * num_classes * x * y, dtype=torch.float32, device=boxes.device)
    if boxes.shape[0]:
        length, width = boxes[:, 3] / map_grid.cell[0], boxes[:, 4] / map_grid.cell[1]
        radius = gaussian_radius(length, width, config.min_overlap).long().clamp(min=config.min_radius)
        reach = int(radius.max())
        step = torch.arange(-reach, reach + 1, device=boxes.device)
        squared = (step[:, None].square() + step.square()).double()
        sigma = (2 * radius + 1).double() / 6
        values = torch.exp(-squared / (2 * sigma.square())[:, None, None]).float()
        rows, columns = i[:, None, None] + step[:, None], j[:, None, None] + step
        near = (step.abs()[:, None] <= radius[:, None, None]) & (step.abs() <= radius[:, None, None])
        drawn = near & (rows >= 0) & (rows < x) & (columns >= 0) & (columns < y)
        flat = ((frame * num_classes + classes)[:, None, None] * x + rows) * y + columns
        maps.scatter_reduce_(0, flat[drawn], values[drawn], "amax")
    return maps.view(batch_size, num_classes, x, y)
