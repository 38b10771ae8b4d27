"""Sum, mean or maximum of the rows that share a segment number."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from geopt.ops import _check

Reduce = Literal["sum", "mean", "max"]
_MODES = {name: number for number, name in enumerate(get_args(Reduce))}


def segment_reduce(values: Tensor, segment: Tensor, num_segments: int, reduce: Reduce = "sum") -> Tensor:
    """Reduce rows by segment; an empty segment gives 0.

    Args:
        values: (N, C) float32 or float64. bfloat16 and float16 are reduced in float32 and rounded back.
        segment: (N,) int64 in [0, num_segments), in any order; -1 leaves the row out.
        num_segments: Rows of the result.
        reduce: ``sum``, ``mean`` or ``max``. A NaN makes its segment's sum, mean or maximum NaN.

    Returns:
        (num_segments, C), dtype of ``values``.

    Raises:
        ValueError: a shape does not fit, a number is out of range, or ``reduce`` is unknown.
        TypeError: ``values`` is not floating point, ``segment`` not int64 or ``num_segments`` not an int.

    Differentiable (twice) in ``values``; the gradient of a maximum goes to the lowest row that attains it.
    Rows are taken in row order on every device: the same bits on every run and with any number of threads.
    On CUDA the range of ``segment`` is read back once.
    """
    op = "segment_reduce"
    floats = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
    _check.tensor(op, "values", values, "(N, C)", floats)
    _check.tensor(op, "segment", segment, "(N)", (torch.int64,))
    _check.same_device(op, "segment", segment, "values", values)
    if segment.shape[0] != values.shape[0]:
        raise ValueError(
            f"{op}: segment must have one entry per row of values ({values.shape[0]}), got {segment.shape[0]}"
        )
    if reduce not in _MODES:
        raise ValueError(f"{op}: reduce must be one of {', '.join(map(repr, _MODES))}, got {reduce!r}")
    _check.whole_number(op, "num_segments", num_segments, least=0)
    _check.compiled(op, "segment_reduce", "values", values)
    if not torch.compiler.is_compiling() and segment.numel():
        low, high = torch.stack(torch.aminmax(segment)).tolist()
        if low < -1 or high >= num_segments:
            raise ValueError(f"{op}: segment must lie in [-1, {num_segments}), got values from {low} to {high}")
    return reduce_of_segments(values, segment, num_segments, reduce)


def reduce_of_segments(values: Tensor, segment: Tensor, num_segments: int, reduce: Reduce) -> Tensor:
    """:func:`segment_reduce` for a caller that made ``segment`` itself: the check of its range waits for the GPU."""
    wide = values.float() if values.dtype in (torch.bfloat16, torch.float16) else values
    return torch.ops.geopt.segment_reduce(wide, segment, num_segments, _MODES[reduce])[0].to(values.dtype)


@torch.library.register_fake("geopt::segment_reduce")
def _(values, segment, num_segments, reduce):  # type: ignore[no-untyped-def]
    shape = (num_segments, values.shape[1])
    state = shape if reduce == _MODES["max"] else shape[:1]
    return values.new_empty(shape), segment.new_empty(state)


@torch.library.register_fake("geopt::segment_reduce_backward")
def _(grad, segment, state, reduce):  # type: ignore[no-untyped-def]
    return grad.new_empty(segment.shape[0], grad.shape[1])


def _save(ctx, inputs, output):  # type: ignore[no-untyped-def]
    _, segment, _, ctx.reduce = inputs
    ctx.save_for_backward(segment, output[1])
    ctx.mark_non_differentiable(output[1])


def _backward(ctx, grad, _):  # type: ignore[no-untyped-def]
    segment, state = ctx.saved_tensors
    return torch.ops.geopt.segment_reduce_backward(grad, segment, state, ctx.reduce), None, None, None


def _save_backward(ctx, inputs, output):  # type: ignore[no-untyped-def]
    grad, segment, state, ctx.reduce = inputs
    ctx.num_segments = grad.shape[0]
    ctx.save_for_backward(segment, state)


def _double_backward(ctx, grad):  # type: ignore[no-untyped-def]
    segment, state = ctx.saved_tensors
    if ctx.reduce == _MODES["max"]:
        picked = torch.gather(torch.cat([grad, grad.new_zeros(1, grad.shape[1])]), 0, state % (grad.shape[0] + 1))
        return picked, None, None, None
    return torch.ops.geopt.segment_reduce(grad, segment, ctx.num_segments, ctx.reduce)[0], None, None, None


torch.library.register_autograd("geopt::segment_reduce", _backward, setup_context=_save)
torch.library.register_autograd("geopt::segment_reduce_backward", _double_backward, setup_context=_save_backward)
