"""Plain torch for :mod:`geopt.ops.radius_search`."""

from __future__ import annotations

import torch
from torch import Tensor

from geopt.reference.knn import sorted_pairs
from geopt.structures import Neighbors, RaggedNeighbors


def radius_search(
    query: Tensor,
    key: Tensor,
    radius: float,
    max_neighbors: int | None = None,
    query_offsets: Tensor | None = None,
    key_offsets: Tensor | None = None,
) -> Neighbors | RaggedNeighbors:
    limit = query.new_tensor(radius) * query.new_tensor(radius)
    counts = [query.new_zeros(1, dtype=torch.int64)]
    indices, distances = [query.new_empty(0, dtype=torch.int64)], [query.new_empty(0)]
    for _, (value, column), first_row in sorted_pairs(query, key, query_offsets, key_offsets):
        inside = value <= limit  # False for NaN
        if max_neighbors is not None:
            inside[:, max_neighbors:] = False
        counts.append(inside.sum(dim=1))
        indices.append(column[inside] + first_row)
        distances.append(value[inside])
    row_splits = torch.cumsum(torch.cat(counts), dim=0)
    ragged = RaggedNeighbors(row_splits, torch.cat(indices), torch.cat(distances))
    return ragged if max_neighbors is None else _padded(ragged, max_neighbors)


def _padded(ragged: RaggedNeighbors, width: int) -> Neighbors:
    counts = ragged.row_splits.diff()
    filled = torch.arange(width, device=counts.device) < counts[:, None]
    indices = ragged.indices.new_full(filled.shape, -1).masked_scatter(filled, ragged.indices)
    distances = ragged.squared_distances.new_full(filled.shape, torch.inf)
    return Neighbors(indices, distances.masked_scatter(filled, ragged.squared_distances))
