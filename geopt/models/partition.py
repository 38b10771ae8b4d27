"""Who attends to whom: tokens cut into windows or groups, once per forward pass, for all layers that share the cut."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from geopt.models.curve import hilbert_rank
from geopt.transfer import to_device

# Windows of up to 32 tokens share rows of 32: attention kernels work on blocks of that size, so a window of two
# tokens costs nearly as much as one of 32 when it has a row for itself.
PACKED_LENGTH = 32


class Bucket(NamedTuple):
    """Rows of equal length that one call of dense attention handles."""

    num_rows: int
    length: int
    mask: Tensor | None
    """(num_rows, 1, 1 or length, length) bool, True where a query may look at a key; None where all may."""


class PaddedLayout(NamedTuple):
    """Slots for all tokens and the padding between them, bucket after bucket."""

    slot_to_row: Tensor
    """(S,) int64 token in each slot. Padding repeats a token of the same window, so no other window is ever read."""
    row_to_slot: Tensor
    """(T,) int64 slot of each token."""
    buckets: tuple[Bucket, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Partition:
    """Tokens cut into disjoint segments (windows or groups); a token attends to all tokens of its segment."""

    order: Tensor
    """(T,) int64 rows of the tokens, segment after segment."""
    offsets: Tensor
    """(W + 1,) int32; segment w is ``order[offsets[w]:offsets[w + 1]]``."""
    max_length: int
    """No segment is longer; the longest may be shorter."""
    cells: Tensor
    """(T, A) int64 position of each token in cells: inside its window, or on the grid for groups."""

    @functools.cached_property
    def rank(self) -> Tensor:
        """(T,) int64 inverse of ``order``."""
        return torch.empty_like(self.order).index_copy_(0, self.order, _arange_like(self.order))

    @functools.cached_property
    def padded(self) -> PaddedLayout:
        """Buckets of nearly equal lengths, computed from the lengths at hand; reads them back to the host once."""
        device, num_tokens = self.order.device, self.order.numel()
        lengths = self.offsets.diff().long()
        lengths, by_length = lengths.sort(descending=True, stable=True)
        padded_host, plan = _plan_buckets(lengths.cpu().numpy())
        num_slots = int(padded_host.sum())
        padded = to_device(torch.from_numpy(padded_host), device)
        first_slot = padded.cumsum(0) - padded
        first = self.offsets[:-1].long()[by_length]
        segment = torch.repeat_interleave(_arange_like(lengths), lengths, output_size=num_tokens)
        within = _arange_like(segment) - (lengths.cumsum(0) - lengths)[segment]
        row = self.order[first[segment] + within]
        slot = first_slot[segment] + within
        segment_of_slot = torch.repeat_interleave(_arange_like(padded), padded, output_size=num_slots)
        slot_to_row = self.order[first][segment_of_slot].index_copy_(0, slot, row)
        row_to_slot = torch.empty_like(slot).index_copy_(0, row, slot)
        is_token = torch.zeros(num_slots, dtype=torch.bool, device=device).index_fill_(0, slot, True)
        buckets, start = [], 0
        for num_rows, length, packed, full in plan:
            slots = slice(start, start + num_rows * length)
            start = slots.stop
            mask = None if full else is_token[slots].view(num_rows, 1, 1, length)
            if packed and mask is not None:
                owner = segment_of_slot[slots].view(num_rows, 1, length)
                mask = mask & (owner[..., None] == owner[..., None, :])
            buckets.append(Bucket(num_rows, length, mask))
        return PaddedLayout(slot_to_row, row_to_slot, tuple(buckets))


def window_partition(
    coords_bxyz: Tensor, window: Sequence[int], grid_shape: tuple[int, int, int], shifted: bool = False
) -> Partition:
    """Cut the token grid into equal windows, aligned with its lower corner or shifted by half a window.

    Args:
        coords_bxyz: (T, 4) whole numbers, batch and cell of each token, each once and inside the grid.
        window: Cells along x and y, or x, y and z. With two, a window spans the whole height.
        grid_shape: Cells of the token grid. An axis that fits into one window is not shifted.
        shifted: Begin the first window half a window (rounded down) above the corner; cells below make a smaller one.

    Returns:
        A partition whose ``cells`` count from the lower corner of the token's window, 0 to ``window - 1``.

    Raises:
        ValueError: ``coords_bxyz`` is not (T, 4), or ``window`` does not hold two or three positive numbers.

    Source: Fan et al., Embracing single stride 3D object detector with sparse transformer, CVPR 2022, arXiv:2112.06375.
    """
    _check_coords("window_partition", coords_bxyz)
    if len(window) not in (2, 3) or any(size < 1 for size in window):
        raise ValueError(f"window_partition: window must be two or three positive numbers of cells, got {window}")
    coords = coords_bxyz.long()
    key, cells = coords[:, 0], []
    for axis, (size, extent) in enumerate(zip(window, grid_shape)):
        shift = size - size // 2 if shifted and size < extent else 0
        shifted_cell = coords[:, 1 + axis] + shift
        key = key * (extent // size + 2) + torch.div(shifted_cell, size, rounding_mode="floor")
        cells.append(shifted_cell % size)
    max_length = int(np.prod(window)) * (grid_shape[2] if len(window) == 2 else 1)
    sorted_key, order = key.sort(stable=True)
    return Partition(order, _offsets(sorted_key), max_length, torch.stack(cells, dim=1))


def group_partition(
    coords_bxyz: Tensor, group_size: int, grid_shape: tuple[int, int, int], shifted: bool = False
) -> Partition:
    """Cut each cloud into groups of equal size along a Hilbert curve; only its first and last may be smaller.

    The curve lives on the grid, not on the cloud: a cell has the same place on it in every frame.

    Args:
        coords_bxyz: (T, 4) whole numbers, batch and cell of each token, each once and inside the grid.
        group_size: Tokens in a group.
        grid_shape: Cells of the token grid; the curve leaves out an axis with a single cell.
        shifted: Walk the curve with x and y exchanged and begin with half a group.

    Returns:
        A partition whose ``cells`` are the x, y (and z) of ``coords_bxyz``.

    Raises:
        ValueError: ``coords_bxyz`` is not (T, 4), or ``group_size`` is not positive.

    Source: Liu et al., FlatFormer, CVPR 2023, arXiv:2301.08739; Wu et al., Point Transformer V3, CVPR 2024,
    arXiv:2312.10035.
    """
    _check_coords("group_partition", coords_bxyz)
    if group_size < 1:
        raise ValueError(f"group_partition: group_size must be positive, got {group_size}")
    num_axes = num_position_axes(grid_shape)
    coords = coords_bxyz.long()
    cells = coords[:, 1 : 1 + num_axes]
    num_bits = max(1, (max(grid_shape[:num_axes]) - 1).bit_length())
    # Exchanged by slices: a list as an index would be copied to the GPU, and waited for.
    walked = torch.cat([cells[:, 1:2], cells[:, :1], cells[:, 2:]], dim=1) if shifted else cells
    rank = hilbert_rank(walked, num_bits)
    _, order = ((coords[:, 0] << (num_axes * num_bits)) | rank).sort(stable=True)
    batch = coords[:, 0][order]
    place = _arange_like(batch)
    is_first = torch.ones_like(batch, dtype=torch.bool)
    is_first[1:] = batch[1:] != batch[:-1]
    place = place - torch.where(is_first, place, 0).cummax(0).values  # from the first token of the cloud
    group = (place + (group_size // 2 if shifted else 0)) // group_size
    return Partition(order, _offsets(batch * (batch.numel() + 1) + group), group_size, cells)


def num_position_axes(grid_shape: tuple[int, int, int]) -> int:
    """2 for pillars, which differ in x and y only, and 3 for voxels."""
    return 2 if grid_shape[2] == 1 else 3


def _offsets(sorted_key: Tensor) -> Tensor:
    """(W + 1,) int32 bounds of the runs of equal keys."""
    _, lengths = torch.unique_consecutive(sorted_key, return_counts=True)
    offsets = torch.zeros(lengths.numel() + 1, dtype=torch.int32, device=sorted_key.device)
    offsets[1:] = lengths.cumsum(0)
    return offsets


def _plan_buckets(lengths: np.ndarray) -> tuple[np.ndarray, list[tuple[int, int, bool, bool]]]:
    """Choose the padded length of each segment.

    Args:
        lengths: (W,) int64, descending, each at least 1.

    Returns:
        (W,) int64 slots for each segment; and per bucket, in the same order, the number of rows, their length,
        whether a row holds several segments, and whether every slot holds a token that all of its row may see.
    """
    padded = lengths.copy()
    plan = []
    num_long = int((lengths > PACKED_LENGTH).sum())
    long, short = lengths[:num_long], lengths[num_long:]
    # Rungs 48, 64, 96, 128, 192, ...: padding costs at most half as much again, and few distinct calls are made.
    power = 2 ** np.ceil(np.log2(np.maximum(long, 1))).astype(np.int64)
    rung = np.where(long <= power * 3 // 4, power * 3 // 4, power)
    for start, stop in _runs(rung):
        padded[start:stop] = long[start]  # the longest of the rung
        plan.append((stop - start, int(long[start]), False, bool(long[start] == long[stop - 1])))
    if short.size:
        # Powers of two in descending order: each begins at a multiple of itself, so none straddles two rows.
        slots = 2 ** np.ceil(np.log2(short)).astype(np.int64)
        num_rows = -(-int(slots.sum()) // PACKED_LENGTH)
        full = bool((short == PACKED_LENGTH).all())
        slots[-1] += num_rows * PACKED_LENGTH - slots.sum()
        padded[num_long:] = slots
        plan.append((num_rows, PACKED_LENGTH, True, full))
    return padded, plan


def _runs(values: np.ndarray) -> list[tuple[int, int]]:
    bounds = np.flatnonzero(np.diff(values, prepend=values[:1] - 1, append=values[-1:] - 1)).tolist()
    return list(itertools.pairwise(bounds))


def _arange_like(index: Tensor) -> Tensor:
    return torch.arange(index.shape[0], device=index.device)


def _check_coords(function: str, coords_bxyz: Tensor) -> None:
    if coords_bxyz.dim() != 2 or coords_bxyz.shape[1] != 4:
        raise ValueError(f"{function}: coords_bxyz must have shape (T, 4), got {tuple(coords_bxyz.shape)}")
    if coords_bxyz.is_floating_point():
        raise TypeError(f"{function}: coords_bxyz must be whole numbers, got {coords_bxyz.dtype}")
