"""How far two clouds lie apart: ``chamfer_distance``."""

from __future__ import annotations

import torch
from torch import Tensor

from geopt.ops import _check
from geopt.ops.knn import check_search, neighbor_gradient
from geopt.reference.chamfer_distance import mean_distances
from geopt.structures import Neighbors


def chamfer_distance(a: Tensor, b: Tensor, a_offsets: Tensor | None = None, b_offsets: Tensor | None = None) -> Tensor:
    """Mean squared distance from each point to the nearest of the other cloud, in both directions.

    For cloud c it is mean over its points p of ``a`` of min |p - q|^2 over its points q of ``b``, plus the same with
    ``a`` and ``b`` exchanged. Nearest points are those of :func:`geopt.ops.knn`, exact, the lower row at a tie; sums
    are taken in float64. Points with a NaN or an infinity count on neither side.

    Args:
        a: (N, 3) float32, metres.
        b: (M, 3) float32, metres, in the frame of ``a``.
        a_offsets: (B + 1,) int64, clouds of ``a``; None when all of it is one cloud.
        b_offsets: (B + 1,) int64, clouds of ``b``; None when all of it is one cloud.

    Returns:
        (B,) float32, square metres; NaN for a cloud that has no finite point in ``a`` or in ``b``.

    Raises:
        ValueError: a shape does not fit, offsets do not rise from 0 to the number of rows or name different numbers
            of clouds, or the tensors are on two devices.
        TypeError: ``a`` or ``b`` is not float32, or offsets are not int64.

    Differentiable, any number of times, in ``a`` and ``b`` with the nearest points held fixed. The same
    bits with any number of threads. On CUDA offsets and limits are those of :func:`geopt.ops.knn`.
    Source: Fan, Su and Guibas, A point set generation network, CVPR 2017, arXiv:1612.00603.
    """
    a_offsets, b_offsets = check_search("chamfer_distance", a, b, a_offsets, b_offsets, names=("a", "b"))
    _check.compiled("chamfer_distance", "nearest_both_ways", "a", a)
    to_b, in_b, to_a, in_a = torch.ops.geopt.nearest_both_ways(a, b, a_offsets, b_offsets)
    return _mean(to_b, in_b, a_offsets) + _mean(to_a, in_a, b_offsets)


def _mean(distances: Tensor, indices: Tensor, offsets: Tensor) -> Tensor:
    """(B,) means of (N, 1) distances to the nearest points; a kernel where there is one."""
    if distances.device.type == "cpu":
        return torch.ops.geopt.mean_distances(distances, indices, offsets)[0]
    return mean_distances(Neighbors(indices, distances), offsets)


@torch.library.register_fake("geopt::nearest_both_ways")
def _(a, b, a_offsets, b_offsets):  # type: ignore[no-untyped-def]
    of_a, of_b = (a.shape[0], 1), (b.shape[0], 1)
    return (
        a.new_empty(of_a),
        a.new_empty(of_a, dtype=torch.int64),
        a.new_empty(of_b),
        a.new_empty(of_b, dtype=torch.int64),
    )


def _save(ctx, inputs, output):  # type: ignore[no-untyped-def]
    _, in_b, _, in_a = output
    ctx.save_for_backward(*inputs[:2], in_b, in_a)
    ctx.mark_non_differentiable(in_b, in_a)


def _backward(ctx, grad_of_a, _, grad_of_b, __):  # type: ignore[no-untyped-def]
    a, b, in_b, in_a = ctx.saved_tensors
    to_a, to_b = neighbor_gradient(a, b, in_b, grad_of_a)
    more_to_b, more_to_a = neighbor_gradient(b, a, in_a, grad_of_b)
    return to_a.add_(more_to_a), to_b.add_(more_to_b), None, None


torch.library.register_autograd("geopt::nearest_both_ways", _backward, setup_context=_save)


@torch.library.register_fake("geopt::mean_distances")
def _(distances, indices, offsets):  # type: ignore[no-untyped-def]
    shape = (offsets.shape[0] - 1,)
    return distances.new_empty(shape), indices.new_empty(shape)


def _save_mean(ctx, inputs, output):  # type: ignore[no-untyped-def]
    _, indices, offsets = inputs
    ctx.save_for_backward(indices, offsets, output[1])
    ctx.mark_non_differentiable(output[1])


def _backward_of_mean(ctx, grad, _):  # type: ignore[no-untyped-def]
    indices, offsets, counts = ctx.saved_tensors
    share = (grad.double() / counts.clamp(min=1)).to(grad.dtype)
    of_points = share.repeat_interleave(offsets.diff(), output_size=indices.shape[0])
    return torch.where(indices >= 0, of_points[:, None], 0.0), None, None


torch.library.register_autograd("geopt::mean_distances", _backward_of_mean, setup_context=_save_mean)
