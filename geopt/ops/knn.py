"""The nearest points of each query: ``knn``."""

from __future__ import annotations

import torch
from torch import Tensor

from geopt.ops import _check
from geopt.structures import Neighbors


def knn(
    query: Tensor, key: Tensor, k: int, query_offsets: Tensor | None = None, key_offsets: Tensor | None = None
) -> Neighbors:
    """Find the k nearest points of ``key`` for each point of ``query``, exactly.

    A query of cloud b is compared with cloud b of ``key``. Squared distances are (dx * dx + dy * dy) + dz * dz in
    float32, each operation rounded; neighbours ascend by (distance, row), so the lower row wins a tie. With
    ``query is key`` a point is its own first neighbour, or a lower duplicate of it is. A point with a NaN or an
    infinity is nobody's neighbour and has none.

    Args:
        query: (N, 3) float32, metres.
        key: (M, 3) float32, metres, in the frame of ``query``.
        k: Neighbours per query, at least 1.
        query_offsets: (B + 1,) int64, clouds of ``query``; None when all of it is one cloud.
        key_offsets: (B + 1,) int64, clouds of ``key``; None when all of it is one cloud.

    Returns:
        ``indices`` (N, k) int64 rows of ``key`` and ``squared_distances`` (N, k) float32; -1 and infinity where a
        cloud has fewer than k finite points.

    Raises:
        ValueError: a shape does not fit, k < 1, offsets do not rise from 0 to the number of rows or name different
            numbers of clouds, or the tensors are on two devices.
        TypeError: ``query`` or ``key`` is not float32, offsets are not int64, or k is not an int.

    ``squared_distances`` is differentiable, any number of times, in ``query`` and ``key`` with the neighbours held
    fixed. The same bits on every device and with any number of threads. On CUDA nothing is read back: offsets that do not
    rise fail a device-side assertion, which ends the process's work on that GPU at the next synchronisation. More than 32
    neighbours take a walk of the tree for every 32, and there may be at most 2**32 - 2 points.
    """
    query_offsets, key_offsets = check_search("knn", query, key, query_offsets, key_offsets)
    _check.whole_number("knn", "k", k, least=1)
    _check.compiled("knn", "knn", "query", query)
    distances, indices = torch.ops.geopt.knn(query, key, k, query_offsets, key_offsets)
    return Neighbors(indices, distances)


def check_search(
    op: str,
    query: Tensor,
    key: Tensor,
    query_offsets: Tensor | None,
    key_offsets: Tensor | None,
    names: tuple[str, str] = ("query", "key"),
) -> tuple[Tensor, Tensor]:
    """Check what neighbour searches share and return both offsets."""
    one, other = names
    _check.points(op, one, query)
    _check.tensor(op, other, key, "(M, 3)", (torch.float32,))
    _check.same_device(op, other, key, one, query)
    alone = key is query and query_offsets is None and key_offsets is None
    query_offsets = _check.clouds(op, f"{one}_offsets", query_offsets, one, query)
    if alone:
        return query_offsets, query_offsets  # one tensor: the CUDA kernels see that they search points among themselves
    key_offsets = _check.clouds(op, f"{other}_offsets", key_offsets, other, key)
    _check.same_clouds(op, f"{one}_offsets", query_offsets, f"{other}_offsets", key_offsets)
    return query_offsets, key_offsets


def distance_gradient(query: Tensor, key: Tensor, queries: Tensor, keys: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    """Gradient in query and key of squared distances between rows ``queries`` (E,) and ``keys`` (E,), -1 for none."""
    found = keys >= 0
    if key.shape[0] == 0:
        return torch.zeros_like(query), torch.zeros_like(key)
    # Differences are masked before they meet a gradient: 0 times the NaN of a point left out would be NaN.
    difference = torch.where(found[:, None], query[queries] - key[keys.clamp(min=0)], 0.0)
    step = 2 * torch.where(found, grad, 0.0)[:, None] * difference
    return (
        torch.zeros_like(query).index_add(0, queries, step),
        torch.zeros_like(key).index_add(0, keys.clamp(min=0), -step),
    )


def neighbor_gradient(query: Tensor, key: Tensor, indices: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    """The same for (N, k) neighbours of each query; a kernel where there is one."""
    if query.device.type == "cpu":
        return torch.ops.geopt.knn_backward(query, key, indices, grad)
    queries = torch.arange(query.shape[0], device=query.device).repeat_interleave(indices.shape[1])
    return distance_gradient(query, key, queries, indices.reshape(-1), grad.reshape(-1))


@torch.library.register_fake("geopt::knn_backward")
def _(query, key, indices, grad):  # type: ignore[no-untyped-def]
    return query.new_empty(query.shape), key.new_empty(key.shape)


def _save_gradient(ctx, inputs, output):  # type: ignore[no-untyped-def]
    ctx.save_for_backward(*inputs)


def _backward_of_gradient(ctx, to_query, to_key):  # type: ignore[no-untyped-def]
    query, key, indices, grad = ctx.saved_tensors
    if key.shape[0] == 0:
        return torch.zeros_like(query), torch.zeros_like(key), None, torch.zeros_like(grad)
    keys, found = indices.clamp(min=0), (indices >= 0)[..., None]
    difference = torch.where(found, query[:, None] - key[keys], 0.0)
    change = torch.where(found, to_query[:, None] - to_key[keys], 0.0)
    step = 2 * grad[..., None] * change
    return (
        step.sum(dim=1),
        torch.zeros_like(key).index_add(0, keys.reshape(-1), -step.reshape(-1, 3)),
        None,
        2 * (difference * change).sum(dim=-1),
    )


torch.library.register_autograd("geopt::knn_backward", _backward_of_gradient, setup_context=_save_gradient)


@torch.library.register_fake("geopt::knn")
def _(query, key, k, query_offsets, key_offsets):  # type: ignore[no-untyped-def]
    shape = (query.shape[0], k)
    return query.new_empty(shape), query.new_empty(shape, dtype=torch.int64)


def _save(ctx, inputs, output):  # type: ignore[no-untyped-def]
    ctx.save_for_backward(inputs[0], inputs[1], output[1])
    ctx.mark_non_differentiable(output[1])


def _backward(ctx, grad, _):  # type: ignore[no-untyped-def]
    query, key, indices = ctx.saved_tensors
    return *neighbor_gradient(query, key, indices, grad), None, None, None


torch.library.register_autograd("geopt::knn", _backward, setup_context=_save)
