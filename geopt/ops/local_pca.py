"""Normals and eigenvalues of neighbourhoods: ``local_pca``."""

from __future__ import annotations

import torch
from torch import Tensor

from geopt.ops import _check
from geopt.reference.local_pca import turned_towards
from geopt.structures import LocalPCA


def local_pca(xyz: Tensor, offsets: Tensor | None = None, k: int = 16, viewpoint: Tensor | None = None) -> LocalPCA:
    """Fit a plane to the k nearest points of each point, itself included.

    The neighbours are those of :func:`geopt.ops.knn`. Their covariance, over n, is summed in float64 about their mean;
    its eigenvector of the smallest eigenvalue is the normal. Where the two smallest eigenvalues coincide, any
    direction across the largest may come out.

    Args:
        xyz: (N, 3) float32, metres.
        offsets: (B + 1,) int64, clouds of ``xyz``; None when all of it is one cloud.
        k: Neighbours per point, itself counted, at least 1.
        viewpoint: Where the sensor stood, float32, metres, in the frame of ``xyz``: (3,) for all, (N, 3) for each
            point, or else (B, 3) for each cloud. Normals turn towards it. None: the component of a normal with the
            largest magnitude is positive (ties: the first axis).

    Returns:
        ``normals`` (N, 3) float32 of length 1, 0 where undetermined: fewer than 3 neighbours, or all on a line (the
        middle eigenvalue is at most 1e-12 of the largest). ``eigenvalues`` (N, 3) float32 ascending, square metres,
        not below 0. ``num_neighbors`` (N,) int64, less than k in small clouds, 0 for a point with a NaN or an
        infinity.

    Raises:
        ValueError: a shape does not fit, k < 1, or ``offsets`` does not rise from 0 to N.
        TypeError: ``xyz`` or ``viewpoint`` is not float32, ``offsets`` not int64, or k not an int.

    Not differentiable. The same bits on every device and with any number of threads. On CUDA nothing is read back; offsets
    and limits are those of :func:`geopt.ops.knn` there.
    Source: Hoppe et al., Surface reconstruction from unorganized points, SIGGRAPH 1992.
    """
    op = "local_pca"
    _check.points(op, "xyz", xyz)
    offsets = _check.clouds(op, "offsets", offsets, "xyz", xyz)
    _check.whole_number(op, "k", k, least=1)
    if viewpoint is not None:
        _check_viewpoint(op, viewpoint, xyz, offsets)
    xyz = xyz.detach()
    _check.compiled(op, op, "xyz", xyz)
    normals, eigenvalues, num_neighbors = torch.ops.geopt.local_pca(xyz, offsets, k)
    if viewpoint is not None:
        normals = turned_towards(normals, viewpoint.detach(), xyz, offsets)
    return LocalPCA(normals, eigenvalues, num_neighbors)


def _check_viewpoint(op: str, viewpoint: Tensor, xyz: Tensor, offsets: Tensor) -> None:
    dims = "(3)" if isinstance(viewpoint, Tensor) and viewpoint.dim() == 1 else "(N, 3)"
    _check.tensor(op, "viewpoint", viewpoint, dims, (torch.float32,))
    _check.same_device(op, "viewpoint", viewpoint, "xyz", xyz)
    if viewpoint.dim() == 2 and viewpoint.shape[0] not in (xyz.shape[0], offsets.shape[0] - 1):
        raise ValueError(
            f"{op}: viewpoint must have shape (3,), ({xyz.shape[0]}, 3) for each point "
            f"or ({offsets.shape[0] - 1}, 3) for each cloud, got {tuple(viewpoint.shape)}"
        )


@torch.library.register_fake("geopt::local_pca")
def _(xyz, offsets, k):  # type: ignore[no-untyped-def]
    num_points = xyz.shape[0]
    return xyz.new_empty(num_points, 3), xyz.new_empty(num_points, 3), offsets.new_empty(num_points)
