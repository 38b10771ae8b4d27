"""Labelled batches for tests of heads: a floor with boxes on it, and points on the boxes."""

from __future__ import annotations

import torch
from batches import batch_of
from torch import Tensor

from geopt.structures import LabelledBatch

GROUND_LABEL = 1


def on_faces(box: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """(count, 3) points inside a box, most of them near a face."""
    unit = torch.rand(count, 3, generator=generator, dtype=torch.float64) * 2 - 1
    axis = torch.randint(0, 3, (count,), generator=generator)
    rows = torch.arange(count)
    unit[rows, axis] = unit[rows, axis].sign() * 0.98
    local = unit * box[3:6] / 2
    c, s = box[6].cos(), box[6].sin()
    x, y = local[:, 0] * c - local[:, 1] * s, local[:, 0] * s + local[:, 1] * c
    return torch.stack([x + box[0], y + box[1], local[:, 2] + box[2]], dim=1)


def labelled(
    frames: list[list[tuple[int, list[float]]]],
    *,
    extent: float = 8.0,
    num_ground: int = 600,
    per_box: int = 80,
    seed: int = 0,
    num_points: list[list[int]] | None = None,
) -> LabelledBatch:
    """A batch of frames of (class, box) pairs; points of a box have the label ``class + 2``, those of the ground 1.

    Args:
        num_points: What the batch says of the boxes; None says ``per_box`` of each.
    """
    clouds, labels = [], []
    for number, objects in enumerate(frames):
        generator = torch.Generator().manual_seed(seed + number)
        xy = (torch.rand(num_ground, 2, generator=generator) * 2 - 1) * extent
        ground = torch.cat([xy, 0.02 * torch.randn(num_ground, 1, generator=generator)], dim=1)
        parts = [ground, *(on_faces(torch.tensor(box).double(), per_box, generator).float() for _, box in objects)]
        clouds.append(torch.cat(parts))
        numbers = [GROUND_LABEL, *(cls + 2 for cls, _ in objects)]
        labels += [torch.full((len(part),), label) for part, label in zip(parts, numbers)]
    points = batch_of(*clouds)
    said = [[per_box] * len(objects) for objects in frames] if num_points is None else num_points
    objects = [pair for frame in frames for pair in frame]
    return LabelledBatch(
        **vars(points),
        labels=torch.cat([torch.zeros(0, dtype=torch.int64), *labels]),
        boxes=torch.tensor([box for _, box in objects], dtype=torch.float64).view(-1, 9),
        box_classes=torch.tensor([cls for cls, _ in objects], dtype=torch.int64),
        box_num_points=torch.tensor([n for frame in said for n in frame], dtype=torch.int64),
        box_offsets=torch.tensor([0, *(len(frame) for frame in frames)]).cumsum(0),
        tokens=points.frames,
    )
