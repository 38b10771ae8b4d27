"""Boxes and labels of frames beside their points."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from geopt import ops
from geopt.data.source import Source
from geopt.data.sweeps import apply
from geopt.inspection.facts import BoxFacts, LabelFacts

FOOTPRINT = [0, 1, 2, 4, 3, 5, 6]
"""Geometry of a box with length and width exchanged."""


def of_boxes(source: Source, row: int) -> BoxFacts:
    """Count the points in the boxes of a frame.

    Raises:
        FileNotFoundError, ValueError: boxes or points are missing or damaged; names the file.
    """
    boxes = source.boxes(row)
    points = source.read(row).xyz
    if source.points_frame == "lidar":
        points = apply(source.ego_from_lidar(row), points)
    geometry = boxes.geometry[:, :7]
    xyz = torch.from_numpy(np.ascontiguousarray(points[np.isfinite(points).all(axis=1)]))
    return BoxFacts(
        name=source.name(row),
        geometry=geometry.numpy(),
        names=boxes.names,
        stated=boxes.num_points.numpy(),
        inside=_counts(xyz, geometry),
        turned=_counts(xyz, geometry[:, FOOTPRINT]),
    )


def _counts(xyz: torch.Tensor, geometry: torch.Tensor) -> NDArray[np.int64]:
    owner = ops.points_in_boxes(xyz, geometry)
    return torch.bincount(owner[owner >= 0], minlength=len(geometry)).numpy()


def of_labels(source: Source, row: int) -> LabelFacts:
    """Count the labels of the points of a frame.

    Raises:
        FileNotFoundError, ValueError: they are missing or damaged, or not one for each point; names the file.
    """
    labels = source.point_labels(row, "fine")
    number = len(source.read(row).xyz)
    if len(labels) != number:
        raise ValueError(f"{source.name(row)} must have a label for each of {number} points, got {len(labels)}")
    values, counts = np.unique(labels, return_counts=True)
    return LabelFacts(source.name(row), dict(zip(values.tolist(), counts.tolist())))
