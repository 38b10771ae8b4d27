"""Points spread over a cloud: ``farthest_point_sample``."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from geopt.ops import _check


def farthest_point_sample(xyz: Tensor, offsets: Tensor, num_samples: int, start: int = 0) -> Tensor:
    """Pick points of each cloud, each the farthest from all picks before it.

    Distances are (dx * dx + dy * dy) + dz * dz in float32, each operation rounded; the lower row wins a tie, and no
    row is picked twice. A point with a NaN or an infinity is never picked.

    Args:
        xyz: (N, 3) float32, metres.
        offsets: (B + 1,) int64. Cloud b is rows ``offsets[b]`` up to ``offsets[b + 1]``.
        num_samples: Picks per cloud, at least 1.
        start: Row in each cloud of its first pick; where that row is not finite, the next one that is, round the end.

    Returns:
        (B, num_samples) int64 rows of ``xyz`` in the order of picking.

    Raises:
        ValueError: a cloud has fewer than ``num_samples`` finite points or no row ``start``, or a shape does not fit.
        TypeError: ``xyz`` is not float32, ``offsets`` not int64, or a number not an int.

    Not differentiable. The same rows on every device and with any number of threads, which share out the clouds; on CUDA
    each cloud has one thread block. The checks of ``offsets`` and of the points wait for the GPU.
    Source: Eldar et al., The farthest point strategy for progressive image sampling, IEEE TIP 1997.
    """
    op = "farthest_point_sample"
    _check.points(op, "xyz", xyz)
    _check.offsets(op, "offsets", offsets, xyz.shape[0], "xyz")
    _check.same_device(op, "offsets", offsets, "xyz", xyz)
    _check.whole_number(op, "num_samples", num_samples, least=1)
    _check.whole_number(op, "start", start, least=0)
    if not torch.compiler.is_compiling():
        _check_clouds(op, xyz, offsets, num_samples, start)
    _check.compiled(op, op, "xyz", xyz)
    return torch.ops.geopt.farthest_point_sample(xyz, offsets, num_samples, start)


def _check_clouds(op: str, xyz: Tensor, offsets: Tensor, num_samples: int, start: int) -> None:
    counts = sizes = offsets.diff().tolist()
    if not math.isfinite(xyz.detach().sum()):  # the sum alone says whether all points are: an eighth of the time
        finite = torch.isfinite(xyz).all(dim=1)
        before = torch.cat([offsets.new_zeros(1), torch.cumsum(finite, 0)])
        counts = before[offsets].diff().tolist()
    for cloud, (count, size) in enumerate(zip(counts, sizes, strict=True)):
        if count < num_samples:
            raise ValueError(
                f"{op}: every cloud must have at least num_samples={num_samples} finite points, "
                f"cloud {cloud} has {count}; ask for fewer or leave the cloud out"
            )
        if start >= size:
            raise ValueError(
                f"{op}: start must be a row of every cloud, got {start} and cloud {cloud} of {size} points"
            )


@torch.library.register_fake("geopt::farthest_point_sample")
def _(xyz, offsets, num_samples, start):  # type: ignore[no-untyped-def]
    return offsets.new_empty(offsets.shape[0] - 1, num_samples)
