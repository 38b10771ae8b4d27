"""Eigenvalues and eigenvectors of many symmetric 3x3 matrices at once, in plain torch."""

from __future__ import annotations

import torch
from torch import Tensor


def eigh3(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Cyclic Jacobi, elementwise over the batch.

    Args:
        matrix: (..., 3, 3) float64, symmetric.

    Returns:
        Eigenvalues (..., 3) ascending, and eigenvectors (..., 3, 3), row i for value i, sign as it falls. A matrix with a
        NaN or an infinity gives NaN values and the identity.

    Batched ``torch.linalg.eigh`` is avoided: on some CUDA versions it takes a millisecond a matrix.
    Source: Golub and Van Loan, Matrix Computations, 4th edition, section 8.5.
    """
    finite = matrix.isfinite().all(dim=-1).all(dim=-1)
    largest = matrix.abs().amax(dim=(-2, -1))
    scale = torch.where(finite & (largest > 0), largest, 1.0)[..., None, None]
    m = torch.where(finite[..., None, None], matrix, 0.0) / scale
    v = torch.eye(3, dtype=matrix.dtype, device=matrix.device).expand_as(m).clone()
    for _ in range(8):  # converges quadratically: 3 to 5 sweeps in practice
        for p, q in ((0, 1), (0, 2), (1, 2)):
            apq = m[..., p, q]
            negligible = apq * apq <= 1e-33 * (m[..., p, p] * m[..., q, q]).abs()
            skip = negligible | (apq == 0)
            theta = (m[..., q, q] - m[..., p, p]) / (2 * torch.where(skip, 1.0, apq))
            t = torch.copysign(1 / (theta.abs() + torch.sqrt(theta * theta + 1)), theta)
            c = torch.where(skip, 1.0, 1 / torch.sqrt(t * t + 1))
            s = torch.where(skip, 0.0, t * c)
            turn = torch.eye(3, dtype=matrix.dtype, device=matrix.device).expand_as(m).clone()
            turn[..., p, p], turn[..., q, q], turn[..., p, q], turn[..., q, p] = c, c, -s, s
            m = turn @ m @ turn.transpose(-1, -2)
            v = turn @ v
    values = torch.diagonal(m, dim1=-2, dim2=-1) * scale[..., 0]
    order = torch.argsort(values, dim=-1, stable=True)
    values = torch.where(finite[..., None], torch.gather(values, -1, order), torch.nan)
    return values, torch.gather(v, -2, order[..., None].expand_as(v))
