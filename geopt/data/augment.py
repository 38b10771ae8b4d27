"""Random motions of a frame, and its crop to the grid. Points, sensors and boxes move together."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from numpy.typing import NDArray

from geopt.data.config import AugmentConfig
from geopt.data.sample import Sample
from geopt.data.sweeps import apply
from geopt.structures import Boxes, VoxelGrid


def draw(rng: np.random.Generator, config: AugmentConfig) -> NDArray[np.float64]:
    """Draw a motion: signs of x and y, then a turn about z, then a scale.

    Returns:
        (3, 3) to left-multiply points with.
    """
    flip_x, flip_y = rng.random(2) < (config.flip_x, config.flip_y)
    angle = rng.uniform(-config.rotation_rad, config.rotation_rad)
    scale = rng.uniform(*config.scale)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0.0], [np.sin(angle), np.cos(angle), 0.0], [0.0, 0.0, 1.0]])
    return scale * turn @ np.diag([-1.0 if flip_x else 1.0, -1.0 if flip_y else 1.0, 1.0])


def move(sample: Sample, motion: NDArray[np.float64]) -> Sample:
    """Move a frame about the origin.

    Args:
        sample: The frame.
        motion: (3, 3) uniform scale times a rotation about z, with or without mirrored x and y, as :func:`draw` gives.
    """
    return dataclasses.replace(
        sample,
        xyz=apply(motion, sample.xyz),
        sensor_origins=apply(motion, sample.sensor_origins),
        boxes=None if sample.boxes is None else _move_boxes(sample.boxes, motion),
    )


def _move_boxes(boxes: Boxes, motion: NDArray[np.float64]) -> Boxes:
    old = boxes.geometry.numpy()
    # A box is its own mirror image, so where its forward axis goes says all about its yaw.
    forward = np.stack([np.cos(old[:, 6]), np.sin(old[:, 6])], axis=1) @ motion[:2, :2].T
    parts = [
        old[:, :3] @ motion.T,
        old[:, 3:6] * motion[2, 2],  # z is only scaled
        np.arctan2(forward[:, 1], forward[:, 0])[:, None],
        old[:, 7:9] @ motion[:2, :2].T,
    ]
    return dataclasses.replace(boxes, geometry=torch.from_numpy(np.concatenate(parts, axis=1)))


def crop(sample: Sample, grid: VoxelGrid) -> Sample:
    """Keep the points that lie in a voxel of the grid, and the boxes whose centre does.

    Which points those are follows the rule of :func:`geopt.ops.voxelize`: the voxel number
    floor((p - lower) / size), computed in float32, decides. A point with a NaN lies in none.
    """
    keep = np.flatnonzero(_inside(sample.xyz, grid))
    boxes = sample.boxes
    if boxes is not None:
        boxes = _take_boxes(boxes, np.flatnonzero(_inside(boxes.geometry.numpy()[:, :3].astype(np.float32), grid)))
    return dataclasses.replace(take(sample, keep), boxes=boxes)


def take(sample: Sample, keep: NDArray[np.int64]) -> Sample:
    """Some points of a frame, by their rows; its boxes stay."""
    if len(keep) == len(sample.xyz):
        return sample
    return dataclasses.replace(
        sample,
        xyz=sample.xyz.take(keep, axis=0),  # four times as fast as [keep]
        features=sample.features.take(keep, axis=0),
        sweep=sample.sweep[keep],
        labels=None if sample.labels is None else sample.labels[keep],
    )


def _inside(xyz: NDArray[np.float32], grid: VoxelGrid) -> NDArray[np.bool_]:
    inside = np.ones(len(xyz), dtype=bool)
    with np.errstate(over="ignore", invalid="ignore"):  # infinite points are outside, whatever inf - inf says
        for axis, (lower, size, count) in enumerate(zip(grid.lower, grid.size, grid.shape)):
            index = np.floor((xyz[:, axis] - np.float32(lower)) / np.float32(size))
            inside &= (index >= 0) & (index < count)
    return inside


def _take_boxes(boxes: Boxes, rows: NDArray[np.int64]) -> Boxes:
    take = torch.from_numpy(rows)
    return Boxes(
        geometry=boxes.geometry[take],
        names=tuple(boxes.names[row] for row in rows),
        tokens=tuple(boxes.tokens[row] for row in rows),
        instances=tuple(boxes.instances[row] for row in rows),
        num_points=boxes.num_points[take],
        frame=boxes.frame,
    )
