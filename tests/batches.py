"""Point batches for tests."""

from __future__ import annotations

import torch
from torch import Tensor

from geopt.structures import PointBatch


def batch_of(*clouds: Tensor, seeds: tuple[int, ...] | None = None, num_features: int = 2) -> PointBatch:
    """A batch of (N, 3) clouds, one sweep each, seen from 1.8 m above the origin."""
    lengths = torch.tensor([0, *(c.shape[0] for c in clouds)])
    xyz = torch.cat([torch.zeros(0, 3), *clouds]).float()
    return PointBatch(
        xyz=xyz,
        features=torch.nan_to_num(torch.sin(xyz)).repeat(1, num_features)[:, :num_features],
        offsets=torch.cumsum(lengths, 0),
        sweep_rows=torch.repeat_interleave(torch.arange(len(clouds)), lengths[1:]),
        sensor_origins=torch.tensor([[0.0, 0.0, 1.8]]).expand(len(clouds), 3).contiguous(),
        frames=tuple(f"frame-{i}" for i in range(len(clouds))),
        seeds=tuple(range(len(clouds))) if seeds is None else seeds,
    )


def street(seed: int, n: int = 3000, extent: float = 8.0) -> Tensor:
    """Sloped ground, a wall and a pole, with centimetre noise."""
    generator = torch.Generator().manual_seed(seed)
    xy = (torch.rand(n, 2, generator=generator) * 2 - 1) * extent
    z = 0.05 * xy[:, 0] + 0.01 * torch.randn(n, generator=generator)
    ground = torch.stack([xy[:, 0], xy[:, 1], z], dim=1)
    m = n // 3
    wall = torch.stack(
        [
            torch.rand(m, generator=generator) * extent,
            torch.full((m,), 3.1) + 0.01 * torch.randn(m, generator=generator),
            torch.rand(m, generator=generator) * 3,
        ],
        dim=1,
    )
    pole = torch.tensor([-4.3, -2.2, 0.0]) + torch.rand(m // 4, 3, generator=generator) * torch.tensor([0.1, 0.1, 3.5])
    return torch.cat([ground, wall, pole])


def dyadic(cloud: Tensor, step: float = 1 / 256) -> Tensor:
    """Moved to odd multiples of half a step: exact in float32, never on a face of a grid of whole steps."""
    return (torch.floor(cloud / step) + 0.5) * step
