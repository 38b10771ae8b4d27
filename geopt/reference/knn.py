"""Plain torch for :mod:`geopt.ops.knn`."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from geopt.structures import Neighbors

CHUNK_PAIRS = 1 << 24
"""Pairs of points compared at once: bounds the memory."""


def knn(
    query: Tensor, key: Tensor, k: int, query_offsets: Tensor | None = None, key_offsets: Tensor | None = None
) -> Neighbors:
    indices, distances = [query.new_empty(0, k, dtype=torch.int64)], [query.new_empty(0, k)]
    for pairs, first_row in squared_distances(query, key, query_offsets, key_offsets):
        column = _nearest_columns(pairs.detach(), min(k, pairs.shape[1]))
        value = pairs.gather(1, column)
        missing = (0, k - column.shape[1])
        indices.append(torch.nn.functional.pad(torch.where(value.isnan(), -1, column + first_row), missing, value=-1))
        distances.append(
            torch.nn.functional.pad(torch.where(value.isnan(), torch.inf, value), missing, value=torch.inf)
        )
    return Neighbors(torch.cat(indices), torch.cat(distances))


def _nearest_columns(distances: Tensor, k: int) -> Tensor:
    """Columns of the k smallest of each row by (value, column), NaN last."""
    if k == 0:
        return distances.new_empty(distances.shape[0], 0, dtype=torch.int64)
    value, column = torch.topk(distances, k, largest=False)
    # Of equal values topk takes any: rows where more than k reach the last one are sorted whole.
    tied = (distances <= value[:, -1:]).sum(dim=1) > k
    column[tied] = torch.sort(distances[tied], dim=1, stable=True).indices[:, :k]
    column = column.sort(dim=1).values
    return column.gather(1, torch.sort(distances.gather(1, column), dim=1, stable=True).indices)


def squared_distances(
    query: Tensor, key: Tensor, query_offsets: Tensor | None, key_offsets: Tensor | None
) -> Iterator[tuple[Tensor, int]]:
    """For some queries at a time: (n, M) to all keys of their cloud, NaN for pairs that do not count, and the row of
    the first of these keys."""
    query_ends = [0, query.shape[0]] if query_offsets is None else query_offsets.tolist()
    key_ends = [0, key.shape[0]] if key_offsets is None else key_offsets.tolist()
    for cloud in range(len(query_ends) - 1):
        queries = query[query_ends[cloud] : query_ends[cloud + 1]]
        keys = key[key_ends[cloud] : key_ends[cloud + 1]]
        for chunk in queries.split(max(1, CHUNK_PAIRS // max(1, keys.shape[0]))):
            yield _between(chunk, keys), key_ends[cloud]


def _between(a: Tensor, b: Tensor) -> Tensor:
    """(N, M) squared distances of points (N, 3) and (M, 3); NaN where one of them is not finite."""
    a_finite, b_finite = torch.isfinite(a).all(dim=1), torch.isfinite(b).all(dim=1)
    # Without their NaN, so that no gradient becomes NaN.
    a, b = torch.where(a_finite[:, None], a, 0.0), torch.where(b_finite[:, None], b, 0.0)
    x, y, z = (a[:, None, axis] - b[None, :, axis] for axis in range(3))
    return torch.where(a_finite[:, None] & b_finite, (x * x + y * y) + z * z, torch.nan)
