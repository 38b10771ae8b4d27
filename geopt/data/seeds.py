"""Where randomness comes from: one generator per frame and purpose, so workers and restarts change nothing."""

from __future__ import annotations

import enum

import numpy as np


class Stream(enum.IntEnum):
    """What a generator is for. Never 0: NumPy pads short seeds with zeros, so (1, 2) and (1, 2, 0) draw the same."""

    ORDER = 1
    SWEEPS = 2
    AUGMENT = 3
    MASK = 4
    PASTE = 5
    BALANCE = 6
    MIX = 7


def generator(stream: Stream, seed: int, epoch: int, index: int = 0) -> np.random.Generator:
    """A generator that depends on nothing but its arguments.

    Args:
        stream: Its purpose; streams of one frame are independent of each other.
        seed: Seed of the run.
        epoch: Pass over the frames.
        index: Frame in the dataset; 0 for what concerns a whole epoch.

    Raises:
        ValueError: a number is negative.
    """
    if min(seed, epoch, index) < 0:
        raise ValueError(f"generator: seed, epoch and index must be >= 0, got {seed}, {epoch} and {index}")
    return np.random.default_rng((seed, epoch, index, int(stream)))


def mask_seed(seed: int, epoch: int, index: int) -> int:
    """A whole number below 2**63 from which a device draws the frame's masking."""
    return int(generator(Stream.MASK, seed, epoch, index).integers(2**63 - 1, endpoint=True))
