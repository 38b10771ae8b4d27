"""Where a token is, as attention sees it: added to queries and keys, or as a rotation of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from geopt.models.partition import Partition


class Position(NamedTuple):
    """What attention does with positions; made once per partition and used by every layer."""

    added: Tensor | None = None
    """(T, d_model) added to the tokens before the projection to queries and keys, not to values."""
    cos: Tensor | None = None
    """(T, 1, C / 2) float32, for rotation."""
    sin: Tensor | None = None
    """(T, 1, C / 2) float32."""

    def rotate(self, heads: Tensor) -> Tensor:
        """(T, H, C) queries or keys, turned by the angles of their token if there are any."""
        if self.cos is None or self.sin is None:
            return heads
        rotated: Tensor = _Rotate.apply(heads, self.cos.to(heads.dtype), self.sin.to(heads.dtype))
        return rotated


class WindowSinusoid(nn.Module):
    """Sines and cosines of the position inside the window, as the released model adds them.

    Each axis has an equal, even share of the channels; what is left over stays 0. Channels 2i and 2i + 1 of a share
    of n are sine and cosine of u / 10000**(2i / n), where u is the cell counted from the middle of the window.

    Args:
        window: Cells of a window along x, y (and z).
        d_model: Width of a token, at least two channels per axis.

    Source: Vaswani et al., Attention is all you need, NeurIPS 2017; per window in SST, CVPR 2022, arXiv:2112.06375.
    """

    TEMPERATURE = 10000.0
    table: Tensor
    """(cells of a window, d_model)."""

    def __init__(self, window: Sequence[int], d_model: int) -> None:
        super().__init__()
        share = d_model // (2 * len(window)) * 2
        if share < 2:
            raise ValueError(f"WindowSinusoid: d_model must be at least {2 * len(window)}, got {d_model}")
        self.window = tuple(window)
        divisor = self.TEMPERATURE ** (torch.arange(0, share, 2, dtype=torch.float64) / share)
        cells = torch.cartesian_prod(*(torch.arange(size, dtype=torch.float64) - size / 2 for size in window))
        angles = cells[:, :, None] / divisor
        table = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
        table = nn.functional.pad(table, (0, d_model - table.shape[1])).float()
        self.register_buffer("table", table, persistent=False)

    def forward(self, partition: Partition) -> Position:
        flat = partition.cells[:, 0]
        for axis, size in enumerate(self.window[1:], start=1):
            flat = flat * size + partition.cells[:, axis]
        return Position(added=self.table.index_select(0, flat))


class Rotary(nn.Module):
    """Rotation of queries and keys by angles proportional to the cell, so that scores depend on differences only.

    The C / 2 planes of a head are dealt to the axes in turn. Plane i of n on an axis turns by base**(-i / n) radians
    per cell, from 1 down to nearly 1 / base: the longest wavelength, 2 pi base, exceeds a group on any grid.

    Args:
        head_width: Channels of a head, even, at least two per axis.
        num_axes: 2 (x, y) or 3 (x, y, z).

    Source: Su et al., RoFormer, arXiv:2104.09864; axial with base 100 in Heo et al., ECCV 2024, arXiv:2403.13298.
    """

    BASE = 100.0
    turns: Tensor
    """(A, C / 2) radians per cell."""

    def __init__(self, head_width: int, num_axes: int) -> None:
        super().__init__()
        if head_width % 2 or head_width < 2 * num_axes:
            raise ValueError(
                f"Rotary: d_model / num_heads must be even and at least {2 * num_axes} for {num_axes} axes, "
                f"got {head_width}"
            )
        num_planes = head_width // 2
        turns = torch.zeros(num_axes, num_planes, dtype=torch.float64)
        for axis in range(num_axes):
            planes = torch.arange(axis, num_planes, num_axes)
            turns[axis, planes] = self.BASE ** (-torch.arange(planes.numel(), dtype=torch.float64) / planes.numel())
        self.register_buffer("turns", turns.float(), persistent=False)

    def forward(self, partition: Partition) -> Position:
        with torch.autocast(partition.cells.device.type, enabled=False):  # bfloat16 cannot count to 400
            angles = (partition.cells.float() @ self.turns.float())[:, None, :]
        return Position(cos=angles.cos(), sin=angles.sin())


class _Rotate(torch.autograd.Function):
    """Channel i and i + C / 2 as a plane, turned by the angle of the token; the gradient turns back."""

    @staticmethod
    def forward(ctx: Any, heads: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        return _turned(heads, cos, sin)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        cos, sin = ctx.saved_tensors
        return _turned(grad, cos, -sin), None, None


def _turned(heads: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = heads.chunk(2, dim=-1)
    turned = torch.empty_like(heads, memory_format=torch.contiguous_format)
    first, second = turned.chunk(2, dim=-1)
    torch.mul(a, cos, out=first).addcmul_(b, sin, value=-1)
    torch.mul(b, cos, out=second).addcmul_(a, sin)
    return turned
