"""Random numbers that depend on the step and not on the past.

Every generator is seeded anew at each step from (seed, step, rank). A resumed run therefore draws what an uninterrupted
one would have drawn, whatever happened in between: validation, logging, data workers.
"""

from __future__ import annotations

import random

import numpy as np
import torch

TRAIN, VALIDATION, BASELINE, LOADER, MODEL = range(5)
"""Streams; each draws numbers of its own."""


def derive(seed: int, *stream: int) -> int:
    """A 63-bit seed from the seed of the run and the whole numbers that name its use."""
    return int(np.random.SeedSequence((seed, *stream)).generate_state(1, np.uint64)[0] >> np.uint64(1))


def everything(seed: int, *stream: int) -> None:
    """Seed torch (the CPU, and GPUs once they are in use), NumPy's global generator and ``random``."""
    derived = derive(seed, *stream)
    torch.default_generator.manual_seed(derived)
    if torch.cuda.is_initialized():  # torch.manual_seed notes a stack trace for every device that is not: 0.4 ms a step
        torch.cuda.manual_seed_all(derived)
    np.random.seed(derived & 0xFFFFFFFF)
    random.seed(derived)
