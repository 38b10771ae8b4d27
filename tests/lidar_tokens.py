"""Sparse tokens as a turning sensor leaves them: dense near it, single far away."""

from __future__ import annotations

import torch
from torch import Tensor


def coords(*num_tokens: int, shape: tuple[int, int, int] = (64, 48, 1), seed: int = 0) -> Tensor:
    """(T, 4) int32 cells for clouds of so many tokens, each cell once per cloud, in random order."""
    generator = torch.Generator().manual_seed(seed)
    clouds = []
    for batch, count in enumerate(num_tokens):
        cells = torch.cartesian_prod(*(torch.arange(n) for n in shape))
        middle = torch.tensor(shape) / 2
        distance = ((cells - middle) / middle).norm(dim=1)
        score = torch.rand(cells.shape[0], generator=generator) ** (0.05 + distance)
        chosen = cells[score.topk(count).indices]
        chosen = chosen[torch.randperm(count, generator=generator)]
        clouds.append(torch.cat([torch.full((count, 1), batch), chosen], dim=1))
    return torch.cat(clouds).int()


def randn(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)
