"""The Lovasz-softmax loss: intersection over union, made differentiable."""

from __future__ import annotations

import torch
from torch import Tensor

from geopt.targets.base import Loss


def lovasz_softmax(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Mean over the classes that occur of the Lovasz extension of ``1 - IoU`` at the errors of the class.

    Args:
        probabilities: (N, C) float32.
        labels: (N,) int64 from 0 to C - 1.

    Returns:
        Scalar in [0, 1]; 0 if there is no point. Where all probabilities are 0 or 1 it is one minus the mean IoU of the
        classes that occur.

    Source: Berman et al., CVPR 2018, arXiv:1705.08790, equation 8 and algorithm 1.
    """
    num_points, num_classes = probabilities.shape
    present = torch.nonzero(torch.bincount(labels, minlength=num_classes))[:, 0]
    if num_points == 0:
        return probabilities.sum()
    is_class = labels == present[:, None]
    errors = (is_class.to(probabilities.dtype) - probabilities.index_select(1, present).T).abs()
    errors, order = errors.sort(dim=1, descending=True, stable=True)
    is_class = is_class.gather(1, order)
    # Intersection and union with the class, were the points so far in the order all wrong.
    size = is_class.sum(dim=1, keepdim=True)
    found = is_class.cumsum(dim=1)  # whole numbers: exact, and the same on every device
    other = torch.arange(1, num_points + 1, device=labels.device) - found
    loss_so_far = 1 - (size - found).double() / (size + other)
    steps = loss_so_far.diff(dim=1, prepend=loss_so_far.new_zeros(present.shape[0], 1))
    return (errors * steps.to(errors.dtype)).sum(dim=1).mean()


def lovasz_of_frames(logits: Tensor, labels: Tensor, offsets: Tensor) -> Loss:
    """Sum over frames, over the number of frames that have a labelled point: it does not matter which frames share a
    batch.

    Args:
        logits: (N, C) float32 of classes 1 to C.
        labels: (N,) int64 from 0 to C; points of class 0 take no part.
        offsets: (B + 1,) int64; frame b is rows ``offsets[b]:offsets[b + 1]``.
    """
    total, count = logits.new_zeros(()), 0
    bounds = offsets.tolist()
    for begin, end in zip(bounds, bounds[1:]):
        rows = begin + torch.nonzero(labels[begin:end] > 0)[:, 0]
        if rows.shape[0]:
            probabilities = logits.index_select(0, rows).softmax(dim=1)
            total = total + lovasz_softmax(probabilities, labels.index_select(0, rows) - 1)
            count += 1
    return Loss(total, count)
