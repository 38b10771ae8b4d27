"""Which tokens the encoder sees and which it must predict."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from geopt.geometry import GeometryIndex
from geopt.transfer import to_device


class Mask(NamedTuple):
    """The tokens of a batch in two parts."""

    visible: Tensor
    """(V,) int64 rows of level 0, ascending."""
    hidden: Tensor
    """(H,) int64 rows of level 0, ascending; together with ``visible`` every token once."""


def random_mask(index: GeometryIndex, ratio: float, seeds: tuple[int, ...]) -> Mask:
    """Hide a share of each cloud's non-empty tokens, chosen uniformly without replacement.

    A cloud of L tokens keeps int(L * (1 - ratio)), and at least one if it has more than one. The choice depends on the
    cloud's seed and on where its tokens lie: not on the batch around it, the order of its points or the device.

    Args:
        index: Geometry of the batch.
        ratio: Share to hide, in [0, 1).
        seeds: One whole number per cloud.

    Source: GeoMAE (CVPR 2023), random masking of pillars, ratio 0.7.
    """
    if not 0 <= ratio < 1:
        raise ValueError(f"random_mask: ratio must be in [0, 1), got {ratio}")
    if len(seeds) != index.batch_size:
        raise ValueError(f"random_mask: seeds must have one entry per cloud ({index.batch_size}), got {len(seeds)}")
    keys, offsets = index.levels[0].keys, index.token_offsets
    counts = offsets.diff()
    batch = torch.repeat_interleave(torch.arange(index.batch_size, device=keys.device), counts, output_size=len(keys))
    in_cloud = keys - batch * index.pyramid.grid.num_voxels
    # Seeds are mixed before the copy: on a GPU each operation is a launch, however few the numbers.
    of_cloud = to_device(_mix(torch.tensor(seeds, dtype=torch.int64, device="cpu")), keys.device)
    order = torch.argsort(_mix(of_cloud[batch] ^ _mix(in_cloud)), stable=True)
    if index.batch_size > 1:
        order = order[torch.argsort(batch[order], stable=True)]  # cloud by cloud, each in the order of its draws
    keep = (counts.double() * (1 - ratio) + 1e-9).long()  # 10 * (1 - 0.7) is 3.0000000000000004 or a little below
    keep = torch.where(counts > 1, keep.clamp(min=1), keep)
    rank = torch.arange(len(keys), device=keys.device) - offsets[batch]
    visible = torch.zeros(len(keys), dtype=torch.bool, device=keys.device)
    visible[order] = rank < keep[batch]
    return Mask(torch.nonzero(visible)[:, 0], torch.nonzero(~visible)[:, 0])


def _mix(x: Tensor) -> Tensor:
    """The finalizer of SplitMix64: each input bit flips half of the output bits. Wraps like 64-bit unsigned integers."""

    def shifted(value: Tensor, bits: int) -> Tensor:
        return (value >> bits) & ((1 << (64 - bits)) - 1)  # a logical shift of a signed integer

    x = x + -7046029254386353131
    x = (x ^ shifted(x, 30)) * -4658895280553007687
    x = (x ^ shifted(x, 27)) * -7723592293110705685
    return x ^ shifted(x, 31)
