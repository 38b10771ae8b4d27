"""How far two clouds lie apart: ``chamfer_distance``."""

from __future__ import annotations

from torch import Tensor

from geopt.ops.knn import check_search, knn
from geopt.reference.chamfer_distance import mean_distances


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
    to_b, to_a = knn(a, b, 1, a_offsets, b_offsets), knn(b, a, 1, b_offsets, a_offsets)
    return mean_distances(to_b, a_offsets) + mean_distances(to_a, b_offsets)
