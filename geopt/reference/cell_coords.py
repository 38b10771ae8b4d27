"""Plain torch for :mod:`geopt.ops.cell_coords`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def cell_coords(keys: Tensor, shape: tuple[int, int, int], ratios: Sequence[tuple[int, int, int]] = ()) -> Tensor:
    rest, axes, span = keys, [torch.zeros_like(keys)] * 3, [1, 1, 1]
    for divisors in (*reversed(ratios), shape):
        for axis in (2, 1, 0):
            quotient = torch.div(rest, divisors[axis], rounding_mode="floor")
            axes[axis] = axes[axis] + (rest - quotient * divisors[axis]) * span[axis]
            rest, span[axis] = quotient, span[axis] * divisors[axis]
    return torch.stack([rest, *axes], dim=1).to(torch.int32)
