"""Which box holds each point: ``points_in_boxes``."""

from __future__ import annotations

import torch
from torch import Tensor

from geopt.ops import _check


def points_in_boxes(
    xyz: Tensor, boxes: Tensor, offsets: Tensor | None = None, box_offsets: Tensor | None = None
) -> Tensor:
    """Find the box that holds each point.

    A box is closed: a point on a face is inside. Where boxes overlap, the lowest row wins. The point is turned into
    the axes of the box in float64 and compared with half the sizes, so a face of a box with yaw 0 lies where its
    float64 values say. A point of cloud b is compared with the boxes of cloud b.

    Args:
        xyz: (N, 3) float32, metres.
        boxes: (M, 7) float64 or float32: x, y, z of the centre, length (along x at yaw 0), width, height in metres, yaw
            in radians about z, right-handed; in the frame of ``xyz``.
        offsets: (B + 1,) int64, clouds of ``xyz``; None when all of it is one cloud.
        box_offsets: (B + 1,) int64, clouds of ``boxes``; None when all of it belongs to one cloud.

    Returns:
        (N,) int64 rows of ``boxes``; -1 for a point in no box and for one with a NaN or an infinity. A box with a NaN
        or a negative size holds no point.

    Raises:
        ValueError: a shape does not fit, offsets do not rise from 0 to the number of rows or name different numbers of
            clouds, or the tensors are on two devices.
        TypeError: ``xyz`` is not float32, ``boxes`` not floating point, or offsets not int64.

    Not differentiable. The same rows on every device and with any number of threads.
    """
    op = "points_in_boxes"
    _check.points(op, "xyz", xyz)
    _check.tensor(op, "boxes", boxes, "(M, 7)", (torch.float64, torch.float32))
    _check.same_device(op, "boxes", boxes, "xyz", xyz)
    offsets = _check.clouds(op, "offsets", offsets, "xyz", xyz)
    box_offsets = _check.clouds(op, "box_offsets", box_offsets, "boxes", boxes)
    _check.same_clouds(op, "offsets", offsets, "box_offsets", box_offsets)
    xyz, boxes = xyz.detach(), boxes.detach().to(torch.float64)
    _check.compiled(op, op, "xyz", xyz)
    return torch.ops.geopt.points_in_boxes(xyz, boxes, offsets, box_offsets)


@torch.library.register_fake("geopt::points_in_boxes")
def _(xyz, boxes, offsets, box_offsets):  # type: ignore[no-untyped-def]
    return offsets.new_empty(xyz.shape[0])
