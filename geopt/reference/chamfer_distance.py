"""Plain torch for :mod:`geopt.ops.chamfer_distance`."""

from __future__ import annotations

import torch
from torch import Tensor

from geopt.reference.knn import knn
from geopt.structures import Neighbors


def chamfer_distance(a: Tensor, b: Tensor, a_offsets: Tensor | None = None, b_offsets: Tensor | None = None) -> Tensor:
    to_b, to_a = knn(a, b, 1, a_offsets, b_offsets), knn(b, a, 1, b_offsets, a_offsets)
    return mean_distances(to_b, a_offsets) + mean_distances(to_a, b_offsets)


def mean_distances(nearest: Neighbors, offsets: Tensor | None) -> Tensor:
    """(B,) means over the points of each cloud that have a neighbour; sums are taken in float64, in order."""
    has_one = nearest.indices[:, 0] >= 0
    squared = torch.where(has_one, nearest.squared_distances[:, 0], 0.0)
    num_points = squared.shape[0]
    counts = torch.tensor([num_points], device=squared.device) if offsets is None else offsets.diff()
    cloud = torch.arange(counts.shape[0], device=squared.device).repeat_interleave(counts, output_size=num_points)
    none = squared.new_zeros(counts.shape[0], dtype=torch.float64)
    sums, pairs = none.index_add(0, cloud, squared.double()), none.index_add(0, cloud, has_one.double())
    return (sums / pairs).to(squared.dtype)
