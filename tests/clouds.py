"""Named clouds that every op must survive; each is a batch of (xyz, offsets)."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

EMPTY = torch.zeros(0, 3)


@dataclasses.dataclass(frozen=True)
class Cloud:
    name: str
    xyz: Tensor
    offsets: Tensor

    def __str__(self) -> str:
        return self.name

    def to(self, device: torch.device) -> tuple[Tensor, Tensor]:
        return self.xyz.to(device), self.offsets.to(device)


def _cloud(name: str, *parts: Tensor) -> Cloud:
    lengths = torch.tensor([0, *(p.shape[0] for p in parts)])
    return Cloud(name, torch.cat([EMPTY, *parts]).to(torch.float32), torch.cumsum(lengths, 0))


def _random(seed: int, n: int, scale: float = 10.0) -> Tensor:
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(seed)) * scale


def _rings(seed: int, n: int) -> Tensor:
    """A ground plane and a wall seen by a turning sensor: uneven density, many near-ties."""
    generator = torch.Generator().manual_seed(seed)
    angle = torch.rand(n, generator=generator) * 2 * torch.pi
    radius = 1.8 / torch.tan(torch.deg2rad(torch.randint(2, 30, (n,), generator=generator).float()))
    x, y = radius * torch.cos(angle), radius * torch.sin(angle)
    ground = torch.stack([x, y, 0.02 * torch.randn(n, generator=generator)], dim=1)
    wall = ground[:, 0] > 8
    ground[wall, 2] = (ground[wall, 0] - 8) * 0.1
    ground[wall, 0] = 8
    return ground


_grid = torch.cartesian_prod(*[torch.arange(-4.0, 5.0)] * 3)
_nan = _random(5, 60)
_nan[7, 1], _nan[20], _nan[33, 0], _nan[50, 2] = float("nan"), float("nan"), float("inf"), float("-inf")
_twice = _random(9, 80)

ALL = [
    _cloud("empty", EMPTY),
    _cloud("no_cloud"),
    _cloud("one_point", torch.tensor([[0.3, -2.0, 1.1]])),
    _cloud("two_points", torch.tensor([[0.3, -2.0, 1.1], [0.5, -2.0, 1.0]])),
    _cloud("all_equal", torch.full((50, 3), 1.25)),
    _cloud("line", torch.linspace(-9, 9, 64)[:, None] * torch.tensor([[1.0, 0.0, 0.0]])),
    _cloud("skew_line", torch.linspace(-3, 3, 50)[:, None] * torch.tensor([[0.6, -0.2, 0.7]])),
    _cloud("plane", torch.cat([_random(3, 200)[:, :2], torch.zeros(200, 1)], dim=1)),
    _cloud("nan_and_inf", _nan),
    _cloud("on_the_faces", _grid),
    _cloud("100_km_away", _random(6, 200, 2.0) + torch.tensor([1e5, -1e5, 0.0])),
    _cloud("duplicates", _twice, torch.cat([_twice, _twice, _twice[:5]])),
    _cloud("empty_inside", _random(1, 70), EMPTY, _random(2, 40)),
    _cloud("empty_at_both_ends", EMPTY, _random(4, 30), EMPTY, EMPTY),
    _cloud("random", _random(7, 500)),
    _cloud("rings", _rings(8, 1500), _rings(10, 700)),
]


def by_name(name: str) -> Cloud:
    return next(cloud for cloud in ALL if cloud.name == name)
