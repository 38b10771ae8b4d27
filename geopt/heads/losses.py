"""Losses of the heads, as sums that ranks can divide by one number."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from geopt.targets.base import Loss, sum_over_ranks


def gaussian_focal(logits: Tensor, heatmap: Tensor) -> Loss:
    """Focal loss of a heatmap, alpha 2 and beta 4, over the number of centres.

    Args:
        logits: (...) float32, whose sigmoid is the score.
        heatmap: (...) float32 in [0, 1]; exactly 1 at a centre.

    Source: Law & Deng, CornerNet, ECCV 2018, arXiv:1808.01244, equation 1.
    """
    score = logits.sigmoid()
    is_center = heatmap == 1
    at_center = (1 - score).square() * F.logsigmoid(logits)
    elsewhere = (1 - heatmap).pow(4) * score.square() * F.logsigmoid(-logits)
    return Loss(-torch.where(is_center, at_center, elsewhere).sum(), float(is_center.sum()))


def masked_l1(prediction: Tensor, truth: Tensor) -> Loss:
    """Sum over channels of the absolute difference, over the number of rows whose truth is known.

    Args:
        prediction: (P, C) float32.
        truth: (P, C) float32; a row with a NaN is unknown and has no gradient.
    """
    rows = torch.nonzero(~truth.isnan().any(dim=1))[:, 0]
    total = (prediction.index_select(0, rows) - truth.index_select(0, rows)).abs().sum()
    return Loss(total, rows.shape[0])


def cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Loss:
    """Cross-entropy of labelled points, over their weights.

    Args:
        logits: (N, C) float32 of classes 1 to C.
        labels: (N,) int64 from 0 to C; points of class 0 take no part.
        weights: (C,) float32 of the classes; None weighs all alike.
    """
    rows = torch.nonzero(labels > 0)[:, 0]
    wanted = labels.index_select(0, rows) - 1
    total = F.cross_entropy(logits.index_select(0, rows), wanted, weights, reduction="sum")
    count = rows.shape[0] if weights is None else float(weights.double()[wanted].sum())
    return Loss(total, count)


def shared_means(losses: list[Loss]) -> list[Tensor]:
    """Each loss over its count, which is at least 1 where all ranks are taken together: a map without an object has a
    loss too.

    Under DDP the count is the mean over ranks, so that averaged gradients are those of one process that sees all frames.
    """
    if not losses:
        return []
    device = losses[0].total.device
    counts = torch.tensor([loss.count for loss in losses], dtype=torch.float64, device=device)
    num_ranks = 1
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        counts, num_ranks = sum_over_ranks(counts), torch.distributed.get_world_size()
    counts = counts.clamp(min=1) / num_ranks
    return [loss.total / count.to(loss.total.dtype) for loss, count in zip(losses, counts)]
