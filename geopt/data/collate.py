"""Samples to a batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from geopt.data.sample import Sample
from geopt.structures import PointBatch


def collate(samples: Sequence[Sample]) -> PointBatch:
    """Put the clouds of several frames one after the other. Boxes and labels are left out.

    Args:
        samples: At least one, all with the same features.

    Raises:
        ValueError: no sample, or the samples differ in their number of features.
    """
    if not samples:
        raise ValueError("collate: samples must be at least one, got none")
    widths = sorted({sample.features.shape[1] for sample in samples})
    if len(widths) > 1:
        raise ValueError(f"collate: samples must have the same number of features, got {widths}")
    first_origin = np.cumsum([0] + [len(sample.sensor_origins) for sample in samples])
    sweep_rows = [sample.sweep.astype(np.int64) + first for sample, first in zip(samples, first_origin)]
    return PointBatch(
        xyz=torch.from_numpy(np.concatenate([sample.xyz for sample in samples])),
        features=torch.from_numpy(np.concatenate([sample.features for sample in samples])),
        offsets=torch.from_numpy(np.cumsum([0] + [len(sample.xyz) for sample in samples])),
        sweep_rows=torch.from_numpy(np.concatenate(sweep_rows)),
        sensor_origins=torch.from_numpy(np.concatenate([sample.sensor_origins for sample in samples])),
        frames=tuple(sample.frame for sample in samples),
        seeds=tuple(sample.seed for sample in samples),
    )
