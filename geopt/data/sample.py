"""One frame as the data floor hands it on."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from geopt.structures import Boxes


@dataclasses.dataclass(frozen=True)
class Sample:
    """Cloud and labels of one frame, in the model frame (ego, unless the config says lidar)."""

    frame: str
    """For messages: ``scene-0523/12`` is key frame 12, ``scene-0523/12+3`` the third sweep after it."""
    token: str
    """Sample token of a key frame, sample_data token of another sweep."""
    timestamp_us: int
    """Of the newest sweep."""
    xyz: NDArray[np.float32]
    """(N, 3) metres."""
    features: NDArray[np.float32]
    """(N, C) channels in the order of ``data.features``."""
    sweep: NDArray[np.int16]
    """(N,) row of ``sensor_origins``, 0 for the newest sweep."""
    sensor_origins: NDArray[np.float32]
    """(S, 3) where the sensor stood in each sweep, metres."""
    seed: int
    """Below 2**63; the frame's masking is drawn from it."""
    boxes: Boxes | None = None
    labels: NDArray[np.uint8] | None = None
    """(N,) lidarseg labels, 0 for points of past sweeps."""
