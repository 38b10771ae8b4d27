"""Index, mask and the truth of every target of preset ``geopt``, built without configs: torch and numpy are enough."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from geopt.geometry import GeometryIndex, Pyramid
from geopt.structures import PointBatch, VoxelGrid
from geopt.targets import Centroid, Curvature, Density, Normal, Occupancy, Target, Truth, make_queries, random_mask
from geopt.targets.surface import Neighborhood

PYRAMID = Pyramid(VoxelGrid((-51.2, -51.2, -3.2), (51.2, 51.2, 4.8), (0.256, 0.256, 8.0)), ((2, 2, 4), (2, 2, 2)))
HOOD = Neighborhood(level=1, window=(3, 3, 3))


@functools.cache
def targets(device: torch.device) -> list[Target]:
    made: list[Target] = [Occupancy(PYRAMID, level, 1.0) for level in range(3)]
    made += [Centroid(PYRAMID, level, 1.0) for level in range(3)]
    made += [Density(PYRAMID, 1, 1.0), Normal(PYRAMID, 1.0, HOOD), Curvature(PYRAMID, 1.0, HOOD)]
    return [target.to(device) for target in made]


def batch_of(xyz: Tensor) -> PointBatch:
    """One frame of ten sweeps, which follow each other; metres in the frame of ``PYRAMID``."""
    num_points = len(xyz)
    return PointBatch(
        xyz=xyz,
        features=torch.zeros(num_points, 2, device=xyz.device),
        offsets=torch.tensor([0, num_points], device=xyz.device),
        sweep_rows=torch.arange(num_points, device=xyz.device) * 10 // max(num_points, 1),
        sensor_origins=torch.zeros(10, 3, device=xyz.device) + torch.tensor([0.0, 0.0, 1.8], device=xyz.device),
        frames=("street",),
        seeds=(7,),
    )


@torch.no_grad()
def all_targets(batch: PointBatch) -> dict[str, Truth]:
    """Truth by target of one frame, in the frame of ``PYRAMID``."""
    index = GeometryIndex(batch, PYRAMID)
    mask = random_mask(index, 0.7, (7,))
    queries = make_queries(index, mask, empty_radius=1)
    return {target.name: target.truth(index, queries) for target in targets(batch.xyz.device)}
