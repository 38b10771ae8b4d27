"""Precision, determinism and threads of a run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch

from geopt.train.config import TrainConfig


def autocast(config: TrainConfig, device: torch.device) -> AbstractContextManager[object]:
    """bf16 for the matrix products where the config asks for it; weights, gradients and sums stay float32."""
    bf16 = config.precision == "bf16" or (config.precision == "auto" and device.type == "cuda")
    return torch.autocast(device.type, torch.bfloat16, enabled=bf16)


@contextmanager
def settings(config: TrainConfig, device: torch.device) -> Iterator[None]:
    """Threads and deterministic kernels as the config says; as they were before, afterwards.

    On the CPU the threaded backward of ``x[index]`` adds in any order unless deterministic kernels are asked for.
    """
    threads = torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled()
    fill = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    # oneDNN keeps a compiled kernel for each of the last 1,024 shapes, and every batch has new shapes: that filled a
    # gigabyte in 600 steps. It reads this when it is first used.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
    wanted = device.type == "cpu" if config.deterministic == "auto" else config.deterministic
    if wanted:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS asks for it
    try:
        if config.num_threads:
            torch.set_num_threads(config.num_threads)
        torch.use_deterministic_algorithms(wanted)
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # costs a pass over every empty tensor
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)
        torch.utils.deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]
