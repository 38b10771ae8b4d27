"""Exact attention inside the segments of a partition: every token sees all tokens of its window or group, no others."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention.varlen import varlen_attn

from geopt.models.partition import Partition
from geopt.models.position import Position

Backend = Literal["auto", "bucketed", "varlen", "reference"]


def partition_attention(q: Tensor, k: Tensor, v: Tensor, partition: Partition, backend: Backend = "auto") -> Tensor:
    """Softmax attention of each token over the tokens of its segment, scaled by 1 / sqrt(head width).

    Args:
        q: (T, H, C) queries of H heads, one row per token.
        k: (T, H, C) keys.
        v: (T, H, C) values.
        partition: The segments; from :func:`~geopt.models.partition.window_partition` or ``group_partition``.
        backend: ``bucketed`` pads segments of similar length to one and runs dense attention: any device, any dtype.
            ``varlen`` runs one flash kernel without padding: CUDA, float16 or bfloat16. ``reference`` loops over the
            segments. ``auto`` is varlen where it can run, else bucketed.

    Returns:
        (T, H, C), rows as in ``q``.

    Raises:
        ValueError: shapes that do not fit, an unknown backend, or ``varlen`` where it cannot run.
    """
    if q.dim() != 3 or q.shape != k.shape or q.shape != v.shape or q.shape[0] != partition.order.numel():
        raise ValueError(
            f"partition_attention: q, k and v must have shape (T, H, C) with T = {partition.order.numel()} tokens of "
            f"the partition, got {tuple(q.shape)}, {tuple(k.shape)} and {tuple(v.shape)}"
        )
    can_varlen = _can_varlen(q)
    if backend == "varlen" and not can_varlen:
        raise ValueError(
            f"partition_attention: backend 'varlen' must have float16 or bfloat16 heads of 8, 16, ... 256 channels on "
            f"a GPU of compute capability 8.0 or later, got {q.dtype} heads of {q.shape[2]} channels on {q.device}; "
            f"use backend 'bucketed'"
        )
    if q.shape[0] == 0:
        return q + k + v  # no token, but a graph that reaches the projections: DDP waits for their gradients
    if backend == "reference":
        return _reference(q, k, v, partition)
    if backend == "varlen" or (backend == "auto" and can_varlen):
        return _varlen(q, k, v, partition)
    if backend not in ("auto", "bucketed"):
        raise ValueError(f"partition_attention: backend must be auto, bucketed, varlen or reference, got {backend!r}")
    return _bucketed(q, k, v, partition)


class PartitionAttention(nn.Module):
    """Multi-head self-attention inside the segments of a partition.

    Projections run on the flat tokens. Parameters are named and laid out as in :class:`torch.nn.MultiheadAttention`.

    Args:
        d_model: Width of a token.
        num_heads: Divides ``d_model``.
        backend: See :func:`partition_attention`.
    """

    def __init__(self, d_model: int, num_heads: int, backend: Backend = "auto") -> None:
        super().__init__()
        if d_model % num_heads:
            raise ValueError(f"PartitionAttention: num_heads must divide d_model {d_model}, got {num_heads}")
        self.num_heads = num_heads
        self.head_width = d_model // num_heads
        self.backend: Backend = backend
        self.in_proj_weight = nn.Parameter(torch.empty(3 * d_model, d_model))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * d_model))
        self.out_proj = nn.Linear(d_model, d_model)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, tokens: Tensor, partition: Partition, position: Position) -> Tensor:
        """(T, d_model) tokens to (T, d_model)."""
        d_model = tokens.shape[1]
        if position.added is None:
            qkv = F.linear(tokens, self.in_proj_weight, self.in_proj_bias)
            qk, v = qkv.split([2 * d_model, d_model], dim=1)
        else:
            weights = self.in_proj_weight.split([2 * d_model, d_model])
            biases = self.in_proj_bias.split([2 * d_model, d_model])
            qk = F.linear(tokens + position.added, weights[0], biases[0])
            v = F.linear(tokens, weights[1], biases[1])
        q, k = position.rotate(qk.unflatten(1, (2 * self.num_heads, self.head_width))).chunk(2, dim=1)
        v = v.unflatten(1, (self.num_heads, self.head_width))
        return self.out_proj(partition_attention(q, k, v, partition, self.backend).flatten(1))


def _can_varlen(q: Tensor) -> bool:
    if not q.is_cuda or q.dtype not in (torch.float16, torch.bfloat16):
        return False
    return q.shape[2] % 8 == 0 and q.shape[2] <= 256 and torch.cuda.get_device_capability(q.device) >= (8, 0)


def _reference(q: Tensor, k: Tensor, v: Tensor, partition: Partition) -> Tensor:
    attended = []
    for rows in partition.order.tensor_split(partition.offsets[1:-1].long().cpu()):
        scores = torch.einsum("qhc,khc->hqk", q[rows], k[rows]) / math.sqrt(q.shape[2])
        attended.append(torch.einsum("hqk,khc->qhc", scores.softmax(dim=2), v[rows]))
    return torch.cat(attended)[partition.rank]


def _bucketed(q: Tensor, k: Tensor, v: Tensor, partition: Partition) -> Tensor:
    slot_to_row, row_to_slot, buckets = partition.padded
    sizes = [bucket.num_rows * bucket.length for bucket in buckets]
    # split, not slices: the gradient of a split is one concatenation instead of one full-size zero tensor per bucket
    slots = zip(*(_Spread.apply(rows, slot_to_row, row_to_slot).split(sizes) for rows in (q, k, v)))
    attended = []
    for (num_rows, length, mask), qkv in zip(buckets, slots):
        query, key, value = (rows.view(num_rows, length, *q.shape[1:]).transpose(1, 2) for rows in qkv)
        out = F.scaled_dot_product_attention(query, key, value, mask)
        attended.append(out.transpose(1, 2).reshape(num_rows * length, *q.shape[1:]))
    return _Collect.apply(torch.cat(attended), row_to_slot)


def _varlen(q: Tensor, k: Tensor, v: Tensor, partition: Partition) -> Tensor:
    q, k, v = (_Spread.apply(rows, partition.order, partition.rank) for rows in (q, k, v))
    bounds, longest = partition.offsets, partition.max_length
    attended = varlen_attn(q, k, v, bounds, bounds, longest, longest)
    return _Collect.apply(attended, partition.rank)


class _Spread(torch.autograd.Function):
    """Rows into slots, padding included. The gradient is a gather too: padding is masked, so none comes from there."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, slot_to_row: Tensor, row_to_slot: Tensor) -> Tensor:
        ctx.save_for_backward(row_to_slot)
        return rows.index_select(0, slot_to_row)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        return grad.index_select(0, ctx.saved_tensors[0]), None, None


class _Collect(torch.autograd.Function):
    """Slots back into rows. Padding gets gradient zero; no slot is written twice, so this is deterministic."""

    @staticmethod
    def forward(ctx: Any, slots: Tensor, row_to_slot: Tensor) -> Tensor:
        ctx.save_for_backward(row_to_slot)
        ctx.num_slots = slots.shape[0]
        return slots.index_select(0, row_to_slot)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        slots = grad.new_zeros(ctx.num_slots, *grad.shape[1:])
        return slots.index_copy_(0, ctx.saved_tensors[0], grad), None
