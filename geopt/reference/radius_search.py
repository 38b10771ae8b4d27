"""Plain torch for :mod:`geopt.ops.radius_search`."""

from __future__ import annotations

import torch
from torch import Tensor

from geopt.reference.knn import squared_distances
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
    for pairs, first_row in squared_distances(query, key, query_offsets, key_offsets):
        inside = pairs <= limit  # False for NaN
        row, column = inside.nonzero(as_tuple=True)
        value = pairs[row, column]
        # By query, then distance, then row: columns ascend already, and stable sorts keep what was sorted before.
        order = torch.sort(value.detach(), stable=True).indices
        order = order[torch.sort(row[order], stable=True).indices]
        counts.append(inside.sum(dim=1))
        indices.append(column[order] + first_row)
        distances.append(value[order])
    row_splits = torch.cumsum(torch.cat(counts), dim=0)
    ragged = RaggedNeighbors(row_splits, torch.cat(indices), torch.cat(distances))
    return ragged if max_neighbors is None else _padded(ragged, max_neighbors)


def _padded(ragged: RaggedNeighbors, width: int) -> Neighbors:
    """The first so many of each query."""
    place = torch.arange(width, device=ragged.row_splits.device)
    filled = place < ragged.row_splits.diff()[:, None]
    at = (ragged.row_splits[:-1, None] + place)[filled]
    indices = ragged.indices.new_full(filled.shape, -1).masked_scatter(filled, ragged.indices[at])
    distances = ragged.squared_distances.new_full(filled.shape, torch.inf)
    return Neighbors(indices, distances.masked_scatter(filled, ragged.squared_distances[at]))
