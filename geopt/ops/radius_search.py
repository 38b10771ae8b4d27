"""The points within a radius of each query: ``radius_search``."""

from __future__ import annotations

import math
from typing import overload

import torch
from torch import Tensor

from geopt.ops import _check
from geopt.ops.knn import check_search, distance_gradient, neighbor_gradient
from geopt.structures import Neighbors, RaggedNeighbors


@overload
def radius_search(
    query: Tensor,
    key: Tensor,
    radius: float,
    max_neighbors: None = None,
    query_offsets: Tensor | None = None,
    key_offsets: Tensor | None = None,
) -> RaggedNeighbors: ...


@overload
def radius_search(
    query: Tensor,
    key: Tensor,
    radius: float,
    max_neighbors: int,
    query_offsets: Tensor | None = None,
    key_offsets: Tensor | None = None,
) -> Neighbors: ...


def radius_search(
    query: Tensor,
    key: Tensor,
    radius: float,
    max_neighbors: int | None = None,
    query_offsets: Tensor | None = None,
    key_offsets: Tensor | None = None,
) -> Neighbors | RaggedNeighbors:
    """Find the points of ``key`` within ``radius`` of each point of ``query``, exactly.

    A point is inside when its squared distance, (dx * dx + dy * dy) + dz * dz in float32, is at most radius * radius,
    the radius rounded to float32 first and the product after. Order, ties, clouds and points with a NaN or an infinity
    are those of :func:`geopt.ops.knn`.

    Args:
        query: (N, 3) float32, metres.
        key: (M, 3) float32, metres, in the frame of ``query``.
        radius: Metres, finite, >= 0; 0 finds the point itself and its duplicates.
        max_neighbors: Keep the nearest so many of each query, at least 1; None keeps all.
        query_offsets: (B + 1,) int64, clouds of ``query``; None when all of it is one cloud.
        key_offsets: (B + 1,) int64, clouds of ``key``; None when all of it is one cloud.

    Returns:
        With ``max_neighbors``: ``Neighbors``, (N, max_neighbors) rows of ``key`` and squared distances, padded with -1
        and infinity. Without: ``RaggedNeighbors``, those of query i at ``row_splits[i]:row_splits[i + 1]``.

    Raises:
        ValueError: as :func:`geopt.ops.knn`; ``radius`` is negative or not finite, ``max_neighbors`` < 1.
        TypeError: as :func:`geopt.ops.knn`.

    ``squared_distances`` is differentiable, any number of times, in ``query`` and ``key`` with the neighbours held
    fixed. The same bits on every device and with any number of threads. On CUDA the number of neighbours is read back
    where ``max_neighbors`` is None, and nothing otherwise; offsets and limits are those of :func:`geopt.ops.knn` there.
    """
    op = "radius_search"
    query_offsets, key_offsets = check_search(op, query, key, query_offsets, key_offsets)
    if isinstance(radius, bool) or not isinstance(radius, (int, float)):
        raise TypeError(f"{op}: radius must be a number, got {type(radius).__name__}")
    if not (math.isfinite(radius) and radius >= 0):
        raise ValueError(f"{op}: radius must be finite and >= 0, got {radius}")
    if max_neighbors is not None:
        _check.whole_number(op, "max_neighbors", max_neighbors, least=1)
    _check.compiled(op, op, "query", query)
    if max_neighbors is None:
        distances, indices, row_splits = torch.ops.geopt.radius_search_ragged(
            query, key, float(radius), query_offsets, key_offsets
        )
        return RaggedNeighbors(row_splits, indices, distances)
    distances, indices = torch.ops.geopt.radius_search(
        query, key, float(radius), max_neighbors, query_offsets, key_offsets
    )
    return Neighbors(indices, distances)


@torch.library.register_fake("geopt::radius_search")
def _(query, key, radius, max_neighbors, query_offsets, key_offsets):  # type: ignore[no-untyped-def]
    shape = (query.shape[0], max_neighbors)
    return query.new_empty(shape), query.new_empty(shape, dtype=torch.int64)


@torch.library.register_fake("geopt::radius_search_ragged")
def _(query, key, radius, query_offsets, key_offsets):  # type: ignore[no-untyped-def]
    found = torch.library.get_ctx().new_dynamic_size()
    int64 = {"dtype": torch.int64}
    return query.new_empty(found), query.new_empty(found, **int64), query.new_empty(query.shape[0] + 1, **int64)


def _save(ctx, inputs, output):  # type: ignore[no-untyped-def]
    ctx.save_for_backward(inputs[0], inputs[1], output[1])
    ctx.mark_non_differentiable(output[1])


def _backward(ctx, grad, _):  # type: ignore[no-untyped-def]
    query, key, indices = ctx.saved_tensors
    return *neighbor_gradient(query, key, indices, grad), None, None, None, None


def _save_ragged(ctx, inputs, output):  # type: ignore[no-untyped-def]
    ctx.save_for_backward(inputs[0], inputs[1], output[1], output[2])
    ctx.mark_non_differentiable(output[1], output[2])


def _backward_ragged(ctx, grad, _indices, _splits):  # type: ignore[no-untyped-def]
    query, key, indices, row_splits = ctx.saved_tensors
    rows = torch.arange(query.shape[0], device=query.device)
    queries = rows.repeat_interleave(row_splits.diff(), output_size=indices.shape[0])
    to_query, to_key = distance_gradient(query, key, queries, indices, grad)
    return to_query, to_key, None, None, None


torch.library.register_autograd("geopt::radius_search", _backward, setup_context=_save)
torch.library.register_autograd("geopt::radius_search_ragged", _backward_ragged, setup_context=_save_ragged)
