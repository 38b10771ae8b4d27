"""The Hilbert curve: one number per cell, such that cells with close numbers are close in space."""

from __future__ import annotations

import torch
from torch import Tensor


def hilbert_rank(cells: Tensor, num_bits: int) -> Tensor:
    """Find where on the Hilbert curve each cell lies.

    Args:
        cells: (T, A) whole numbers in [0, 2**num_bits), A = 2 or 3 axes.
        num_bits: Order of the curve; it visits every cell of a cube with edge 2**num_bits once.

    Returns:
        (T,) int64 from 0 to 2**(A * num_bits) - 1. Successive ranks are cells that share a face.

    Raises:
        ValueError: ``cells`` has another shape, or a rank would not fit into 62 bits.

    Source: Skilling, Programming the Hilbert curve, AIP Conference Proceedings 707, 2004.
    """
    if cells.dim() != 2 or cells.shape[1] not in (2, 3):
        raise ValueError(f"hilbert_rank: cells must have shape (T, 2) or (T, 3), got {tuple(cells.shape)}")
    num_axes = cells.shape[1]
    if not 1 <= num_bits <= 62 // num_axes:
        raise ValueError(f"hilbert_rank: num_bits must be 1 to {62 // num_axes} on {num_axes} axes, got {num_bits}")
    axes = list(cells.to(torch.int64).unbind(1))
    for bit in reversed(range(1, num_bits)):
        low = (1 << bit) - 1
        for i in range(num_axes):
            flip = (axes[i] >> bit) & 1
            swapped = (axes[0] ^ axes[i]) & low & (flip - 1)  # flip - 1 is all ones where the bit is not set
            axes[0] = axes[0] ^ swapped ^ (low & -flip)
            if i:
                axes[i] = axes[i] ^ swapped
    for i in range(1, num_axes):
        axes[i] = axes[i] ^ axes[i - 1]
    turn = torch.zeros_like(axes[0])
    for bit in range(1, num_bits):
        turn ^= ((1 << bit) - 1) & -((axes[-1] >> bit) & 1)
    rank = torch.zeros_like(turn)
    for bit in reversed(range(num_bits)):
        for axis in axes:
            rank = (rank << 1) | (((axis ^ turn) >> bit) & 1)
    return rank
