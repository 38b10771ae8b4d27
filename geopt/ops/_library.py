"""Loads the compiled ops, and what is known of them."""

from __future__ import annotations

import re

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
    "voxel_downsample": "voxel_downsample",
    "segment_reduce": "segment_reduce",
    "cell_coords": "cell_coords",
    "cell_sums": "cell_sums",
    "cell_pca": "cell_pca",
    "knn": "knn",
    "radius_search": "radius_search",
    "chamfer_distance": "nearest_both_ways",
    "farthest_point_sample": "farthest_point_sample",
    "local_pca": "local_pca",
    "points_in_boxes": "points_in_boxes",
    "box_iou": "box_iou",
    "nms": "nms_kept",
}


# Ops whose CUDA kernel is part of a CUDA build: without it they refuse CUDA tensors. The others have no CUDA kernel yet.
WITH_CUDA_KERNEL = (
    "voxel_index",
    "voxel_downsample",
    "segment_reduce",
    "cell_coords",
    "cell_sums",
    "cell_pca",
    "knn",
    "nearest_both_ways",
    "radius_search",
    "farthest_point_sample",
    "local_pca",
    "points_in_boxes",
    "box_iou",
    "nms_kept",
)

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
    """For every public op, what runs on ``cpu`` and ``cuda`` tensors: ``C++``, ``CUDA``, ``torch reference``, or
    ``not built`` where a CUDA kernel exists and this build has left it out."""
    return {
        op: {
            "cpu": "C++",
            "cuda": "CUDA"
            if has_kernel(kernel, "cuda")
            else "not built"
            if kernel in WITH_CUDA_KERNEL
            else "torch reference",
        }
        for op, kernel in KERNELS.items()
    }


def build_info() -> dict[str, str]:
    """``cuda_archs`` and ``nvcc`` (empty for a CPU build), ``compiler``, ``simd`` that the ops use (``base``: what every
    processor of the platform has, ``avx2`` or ``avx512``), and ``processor_simd`` that this processor allows. The
    environment variable ``GEOPT_SIMD`` sets a lower level for the whole process; results stay the same."""
    info = fields(torch.ops.geopt.build_info())
    return {**info, "simd": torch.ops.geopt.simd(), "processor_simd": torch.ops.geopt.processor_simd()}


def fields(text: str) -> dict[str, str]:
    """``a=1;2;b=3`` as ``{"a": "1;2", "b": "3"}``: the list of architectures has semicolons of its own."""
    return dict(re.findall(r"(\w+)=(.*?)(?:;(?=\w+=)|$)", text))
