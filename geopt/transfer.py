"""Small values from the host on a GPU, without waiting for it: a copy of ordinary memory does wait."""

from __future__ import annotations

import functools

import torch
from torch import Tensor


@functools.lru_cache(maxsize=256)
def constant(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """A tensor of numbers that stay the same, copied once; not to be written to."""
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=dtype, device=device)


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """A CPU tensor on a device; the copy goes on while the host does."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
