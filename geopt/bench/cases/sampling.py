"""Farthest points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import torch
from torch import Tensor

from geopt import ops
from geopt.bench.measure import OURS, Case, Peers, turned

NUM_SAMPLES = 4096
BUCKET_LEVELS = (5, 7)
"""Heights of fpsample's tree; 7 is what its authors advise for such clouds, 5 is faster for some."""


def cases(clouds: Mapping[str, Tensor], peers: Peers) -> Iterator[Case]:
    """Cases for clouds of (N, 3) float32 with at least 4096 points."""
    op = f"farthest_point_sample {NUM_SAMPLES}"
    fpsample = peers.find("fpsample")
    for name, xyz in clouds.items():
        if len(xyz) < NUM_SAMPLES:
            continue
        copies, offsets = turned(xyz), torch.tensor([0, len(xyz)])
        arrays, about = [copy.numpy() for copy in copies], f"{name}, {len(xyz):,} points"
        ours = partial(ops.farthest_point_sample, offsets=offsets, num_samples=NUM_SAMPLES)
        yield Case(op, about, OURS, len(xyz), copies, ours)
        for level in BUCKET_LEVELS if fpsample is not None else ():
            assert fpsample is not None
            run = partial(_bucket_sampling, fpsample.bucket_fps_kdline_sampling, level)
            yield Case(op, about, f"fpsample kd-line h={level}, not exact", len(xyz), arrays, run)


def _bucket_sampling(sample, level: int, points) -> object:  # type: ignore[no-untyped-def]
    return sample(points, NUM_SAMPLES, level)
