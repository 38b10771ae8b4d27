"""Loads the compiled ops, and what is known of them."""

from __future__ import annotations

import torch

try:
    from geopt import _C  # type: ignore[attr-defined] # noqa: F401  the ops register themselves with torch while it loads
except ImportError as error:
    raise ImportError(
        f"geopt: the compiled ops did not load ({error}); build them with `pip install --no-build-isolation .` "
        "in the environment that has torch"
    ) from error

# Public op -> the registered kernel that decides which back ends it has.
KERNELS = {
    "voxelize": "voxel_index",
    "voxel_index": "voxel_index",
    "segment_reduce": "segment_reduce",
    "cell_sums": "cell_sums",
    "cell_pca": "cell_pca",
    "knn": "knn",
    "radius_search": "radius_search",
    "farthest_point_sample": "farthest_point_sample",
    "local_pca": "local_pca",
    "points_in_boxes": "points_in_boxes",
}


# Looked up once: torch.compile cannot trace the question.
_COMPILED = {
    (kernel, device)
    for kernel in KERNELS.values()
    for device in ("cpu", "cuda")
    if torch._C._dispatch_has_kernel_for_dispatch_key(f"geopt::{kernel}", device.upper())
}


def has_kernel(kernel: str, device_type: str) -> bool:
    """Whether a compiled kernel of ``KERNELS`` is registered for ``cpu`` or ``cuda``."""
    return (kernel, device_type) in _COMPILED


def backends() -> dict[str, dict[str, str]]:
    """For every public op, what runs on ``cpu`` and ``cuda`` tensors: ``C++``, ``CUDA`` or ``torch reference``."""
    compiled = {"cpu": "C++", "cuda": "CUDA"}
    return {
        op: {device: compiled[device] if has_kernel(kernel, device) else "torch reference" for device in compiled}
        for op, kernel in KERNELS.items()
    }


def build_info() -> dict[str, str]:
    """``cuda_archs`` and ``nvcc`` (empty for a CPU build), ``compiler``, and ``simd`` of this processor."""
    info = dict(part.split("=", 1) for part in torch.ops.geopt.build_info().split(";"))
    return {**info, "simd": torch.ops.geopt.simd_level()}
