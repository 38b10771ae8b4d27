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
    parts = []
    for _, distances, first_row in sorted_pairs(query, key, query_offsets, key_offsets):
        parts.append(_first(distances, first_row, k))
    empty = Neighbors(query.new_empty(0, k, dtype=torch.int64), query.new_empty(0, k))
    return Neighbors(*(torch.cat(part) for part in zip(empty, *parts, strict=True)))


def _first(distances: tuple[Tensor, Tensor], first_row: int, k: int) -> Neighbors:
    value, column = (part[:, :k] for part in distances)
    found = ~value.isnan()
    missing = k - value.shape[1]
    indices = torch.where(found, column + first_row, -1)
    return Neighbors(
        torch.nn.functional.pad(indices, (0, missing), value=-1),
        torch.nn.functional.pad(torch.where(found, value, torch.inf), (0, missing), value=torch.inf),
    )


def sorted_pairs(
    query: Tensor, key: Tensor, query_offsets: Tensor | None, key_offsets: Tensor | None
) -> Iterator[tuple[slice, tuple[Tensor, Tensor], int]]:
    """For some queries at a time: their rows, (squared distances, rows in the cloud) of all keys of their cloud by
    (distance, row) with NaN last for pairs that do not count, and the first row of the cloud in ``key``."""
    query_ends = [0, query.shape[0]] if query_offsets is None else query_offsets.tolist()
    key_ends = [0, key.shape[0]] if key_offsets is None else key_offsets.tolist()
    for cloud in range(len(query_ends) - 1):
        keys = key[key_ends[cloud] : key_ends[cloud + 1]]
        step = max(1, CHUNK_PAIRS // max(1, keys.shape[0]))
        for first in range(query_ends[cloud], query_ends[cloud + 1], step):
            rows = slice(first, min(first + step, query_ends[cloud + 1]))
            distances = squared_distances(query[rows], keys)
            yield rows, torch.sort(distances, dim=1, stable=True), key_ends[cloud]


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """(N, M) between points (N, 3) and (M, 3); NaN where one of them is not finite."""
    a_finite, b_finite = torch.isfinite(a).all(dim=1), torch.isfinite(b).all(dim=1)
    # Without their NaN, so that no gradient becomes NaN.
    a, b = torch.where(a_finite[:, None], a, 0.0), torch.where(b_finite[:, None], b, 0.0)
    x, y, z = (a[:, None, axis] - b[None, :, axis] for axis in range(3))
    return torch.where(a_finite[:, None] & b_finite, (x * x + y * y) + z * z, torch.nan)
