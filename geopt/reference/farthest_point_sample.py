"""Plain torch for :mod:`geopt.ops.farthest_point_sample`."""

from __future__ import annotations

import torch
from torch import Tensor


def farthest_point_sample(xyz: Tensor, offsets: Tensor, num_samples: int, start: int = 0) -> Tensor:
    clouds = [xyz[a:b] for a, b in zip(offsets.tolist(), offsets.tolist()[1:])]
    picks = [_sample(cloud, num_samples, start) + first for cloud, first in zip(clouds, offsets.tolist())]
    return torch.stack(picks) if picks else offsets.new_empty(0, num_samples)


def _sample(cloud: Tensor, num_samples: int, start: int) -> Tensor:
    finite = torch.isfinite(cloud).all(dim=1)
    # Squared distance to the nearest pick; -1 for points out of the race.
    nearest = torch.where(finite, torch.inf, -1.0).to(cloud.dtype)
    order = torch.cat([torch.arange(start, cloud.shape[0]), torch.arange(start)]).to(cloud.device)
    pick = order[torch.argmax(finite[order].to(torch.int8))]  # the first that is finite
    picks = []
    for _ in range(num_samples):
        picks.append(pick)
        x, y, z = (cloud - cloud[pick]).unbind(dim=1)
        nearest = torch.where(finite, torch.minimum(nearest, (x * x + y * y) + z * z), -1.0)
        nearest[pick] = -1.0
        pick = torch.argmax(nearest)  # the first of equal ones
    return torch.stack(picks)
