"""How much boxes overlap: ``box_iou``."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from geopt.ops import _check

Kind = Literal["bev", "3d"]
KINDS = get_args(Kind)


def box_iou(a: Tensor, b: Tensor, kind: Kind = "bev") -> Tensor:
    """Intersection over union of every box of ``a`` with every box of ``b``.

    Boxes are turned about z. The geometry is computed in float64 whatever the dtype, relative to the box of ``a``, so
    that it is as good 100 km from the origin as at it; the result is rounded to the dtype once. Equal boxes give 1
    exactly, boxes with a gap between them 0 exactly, and no result leaves [0, 1]. Boxes that touch along an edge that
    is not parallel to an axis may share what rounding leaves, below 1e-14.

    Args:
        a: (N, 7 or more) float64 or float32: x, y, z of the centre, length (along x at yaw 0), width, height in metres,
            yaw in radians about z, right-handed. Further columns (velocity) are ignored.
        b: (M, 7 or more), dtype, device and frame of ``a``.
        kind: ``bev`` compares areas seen from above and ignores z and height; ``3d`` compares volumes.

    Returns:
        (N, M), dtype of ``a``. A box with a size of 0 or less shares nothing with any box: 0. A box with a NaN or an
        infinity in a column that is used: NaN.

    Raises:
        ValueError: a shape does not fit, ``kind`` is unknown, the tensors are on two devices, or on a GPU without a
            kernel for it.
        TypeError: ``a`` or ``b`` is not float64 or float32, or they differ.

    Not differentiable. The same bits with any number of threads; CPU and CUDA run the same header, which rounds every
    operation.
    """
    op = "box_iou"
    _check.boxes(op, "a", a)
    _check.boxes(op, "b", b)
    if a.dtype != b.dtype:
        names = [str(t.dtype).removeprefix("torch.") for t in (a, b)]
        raise TypeError(f"{op}: b must have the dtype of a ({names[0]}), got {names[1]}")
    _check.same_device(op, "b", b, "a", a)
    _check.one_of(op, "kind", kind, KINDS)
    _check.compiled(op, "box_iou", "a", a)
    return torch.ops.geopt.box_iou(a.detach(), b.detach(), kind == "3d")


@torch.library.register_fake("geopt::box_iou")
def _(a, b, volume):  # type: ignore[no-untyped-def]
    return a.new_empty(a.shape[0], b.shape[0])
