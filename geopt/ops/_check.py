"""Checks of arguments that several ops share; users meet ValueError and TypeError, never a crash."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from geopt.ops._library import has_kernel

# Their CUDA kernels look at the values of offsets before they use them, so that nobody waits for a GPU to answer; those
# of voxels answer with the sizes of their results: see `sorted_into_voxels`.
CHECKED_ON_GPU = (
    "knn",
    "radius_search",
    "chamfer_distance",
    "local_pca",
    "voxelize",
    "voxel_index",
    "voxel_downsample",
)

FEW = 100  # offsets that are checked faster as a list; of 60,000 that took 3 ms


def tensor(op: str, name: str, value: Tensor, shape: str, dtypes: tuple[torch.dtype, ...]) -> None:
    """Check dtype, number of dimensions and last size against a text such as ``(N, 3)``; letters are free."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{op}: {name} must be a torch.Tensor, got {type(value).__name__}")
    sizes = [part.strip() for part in shape.strip("()").split(",") if part.strip()]
    fits = value.dim() == len(sizes) and all(
        not s.isdigit() or n == int(s) for s, n in zip(sizes, value.shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{op}: {name} must have shape {shape}, got {tuple(value.shape)}")
    if value.dtype not in dtypes:
        names = " or ".join(str(d).removeprefix("torch.") for d in dtypes)
        raise TypeError(f"{op}: {name} must be {names}, got {str(value.dtype).removeprefix('torch.')}")


def points(op: str, name: str, value: Tensor) -> None:
    tensor(op, name, value, "(N, 3)", (torch.float32,))


def boxes(op: str, name: str, value: Tensor) -> None:
    """Check (N, 7) or more columns of float32 or float64."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{op}: {name} must be a torch.Tensor, got {type(value).__name__}")
    if value.dim() != 2 or value.shape[1] < 7:
        raise ValueError(f"{op}: {name} must have shape (N, 7) or more columns, got {tuple(value.shape)}")
    tensor(op, name, value, "(N, C)", (torch.float64, torch.float32))


def same_device(op: str, name: str, value: Tensor, other_name: str, other: Tensor) -> None:
    if value.device != other.device:
        raise ValueError(f"{op}: {name} must be on the device of {other_name} ({other.device}), got {value.device}")


def offsets(op: str, name: str, value: Tensor, num_rows: int, rows_name: str) -> None:
    """Check (B + 1,) int64 from 0 to ``num_rows``, never falling. Reads the values back from a GPU, but for the ops of
    ``CHECKED_ON_GPU``."""
    tensor(op, name, value, "(B + 1)", (torch.int64,))
    if value.numel() == 0:
        raise ValueError(f"{op}: {name} must have at least one entry, got none")
    if torch.compiler.is_compiling() or (value.is_cuda and op in CHECKED_ON_GPU):
        return  # values are unknown while a graph is traced
    rising(op, name, value, num_rows, rows_name)


def rising(op: str, name: str, value: Tensor, num_rows: int, rows_name: str) -> None:
    """Check the values of :func:`offsets`."""
    rises = value.numel() > FEW and bool((value[1:] >= value[:-1]).all())
    values = value[[0, -1]].tolist() if rises else value.tolist()
    if values[0] != 0 or values[-1] != num_rows or any(b < a for a, b in pairwise(values)):
        values = value.tolist()
        raise ValueError(
            f"{op}: {name} must rise from 0 to {num_rows} (the rows of {rows_name}), got "
            f"{values if len(values) <= 10 else [*values[:5], '...', *values[-4:]]}"
        )


def sorted_into_voxels(op: str, kernel: Callable[..., Any], xyz: Tensor, offsets: Tensor, *arguments: Any) -> Any:
    """Call a kernel that checks the offsets itself; where they are wrong, the error says how, as it does on the CPU."""
    if torch.compiler.is_compiling():
        return kernel(xyz, offsets, *arguments)
    try:
        return kernel(xyz, offsets, *arguments)
    except RuntimeError:
        rising(op, "offsets", offsets, xyz.shape[0], "xyz")
        raise


def clouds(op: str, name: str, value: Tensor | None, rows_name: str, rows: Tensor) -> Tensor:
    """Optional offsets of ``rows``, checked; one cloud of all the rows where none are given."""
    if value is None:
        return torch.arange(2, device=rows.device) * rows.shape[0]  # made on the device: a copy to it would wait
    offsets(op, name, value, rows.shape[0], rows_name)
    same_device(op, name, value, rows_name, rows)
    return value


def rows_below(op: str, name: str, value: Tensor, num_rows: int) -> None:
    """Check that (K,) row numbers lie in [0, num_rows). Reads the range back from a GPU."""
    if torch.compiler.is_compiling() or value.numel() == 0:
        return
    low, high = torch.stack(torch.aminmax(value)).tolist()
    if low < 0 or high >= num_rows:
        raise ValueError(f"{op}: {name} must lie in [0, {num_rows}), got values from {low} to {high}")


def same_clouds(op: str, name: str, value: Tensor, other_name: str, other: Tensor) -> None:
    if value.shape != other.shape:
        raise ValueError(
            f"{op}: {name} and {other_name} must name as many clouds, "
            f"got {value.shape[0] - 1} and {other.shape[0] - 1}; without offsets all rows are one cloud"
        )


def compiled(op: str, kernel: str, name: str, value: Tensor) -> None:
    """Refuse a CUDA tensor when the kernel was not built, rather than run elsewhere in silence."""
    if not has_kernel(kernel, value.device.type):
        raise ValueError(
            f"{op}: {name} is on {value.device} but geopt was built without a kernel for {value.device.type}; "
            f"rebuild with GEOPT_CUDA=1 or use {name}.cpu()"
        )


def one_of(op: str, name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{op}: {name} must be one of {', '.join(map(repr, known))}, got {value!r}")


def whole_number(op: str, name: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, torch.SymInt)):
        raise TypeError(f"{op}: {name} must be an int, got {type(value).__name__}")
    if value < least:
        raise ValueError(f"{op}: {name} must be >= {least}, got {value}")
