"""Random numbers that belong to a name."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def stream(seed: int, *names: object) -> np.random.Generator:
    """Random numbers of their own for each thing with a name, so that one more tree moves no car."""
    return np.random.default_rng([seed, *(zlib.crc32(str(name).encode()) for name in names)])
