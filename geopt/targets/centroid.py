"""Where in its cell the mean of the points lies."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from geopt.geometry import GeometryIndex, Pyramid
from geopt.targets.base import Loss, Sums, Target, Truth, number, pick, ratio
from geopt.targets.neighborhood import Queries


class Centroid(Target):
    """Offset of the centroid of each occupied cell, in units of the cell's edges.

    Args:
        origin: Offsets are from the cell's ``center`` (within +-0.5) or from its lower ``corner`` (0 to 1, as released). A
            point on a face may lie 1e-4 beyond: which cell it is in was rounded to float32.
        loss: ``smooth_l1`` with beta 0.1, or ``mse`` as released; the mean over the three axes.

    Metric ``centroid_error_m``: mean Euclidean error of occupied cells, metres. Baseline: the mean offset of each slot in
    the training frames.
    """

    size_m: Tensor

    def __init__(
        self,
        pyramid: Pyramid,
        level: int,
        weight: float,
        origin: Literal["center", "corner"] = "center",
        loss: Literal["smooth_l1", "mse"] = "smooth_l1",
    ):
        super().__init__(pyramid, level, weight)
        self.origin, self.loss_kind = origin, loss
        self.channels = 3 * self.slots
        self.name = f"centroid_{level}"
        self.register_buffer(
            "size_m", torch.tensor(pyramid.level_grid(level).size, dtype=torch.float32), persistent=False
        )

    def truth(self, index: GeometryIndex, queries: Queries) -> Truth:
        rows, query, slot = queries.cells(self.level)
        offset = index.levels[self.level].centroid_offsets[rows] / self.size_m
        return {"query": query, "slot": slot, "offset": offset - 0.5 if self.origin == "center" else offset}

    def loss(self, prediction: Tensor, truth: Truth) -> Loss:
        picked = pick(prediction, truth["query"], truth["slot"], self.slots)
        if self.loss_kind == "mse":
            total = F.mse_loss(picked, truth["offset"], reduction="sum")
        else:
            total = F.smooth_l1_loss(picked, truth["offset"], beta=0.1, reduction="sum")
        return Loss(total, picked.numel())

    def baseline_sums(self, truth: Truth) -> Sums:
        offset = truth["offset"].double()
        sums = offset.new_zeros(self.slots, 3).index_add_(0, truth["slot"], offset)
        return {"offset": sums, "count": torch.bincount(truth["slot"], minlength=self.slots).double()}

    def finish_baseline(self, sums: Sums) -> Truth:
        # A slot that no training frame fills has no mean; it gets the mean of all.
        overall = sums["offset"].sum(0) / sums["count"].sum().clamp(min=1)
        mean = sums["offset"] / sums["count"].clamp(min=1)[:, None]
        return {"offset": torch.where(sums["count"][:, None] > 0, mean, overall).float()}

    def validation_sums(self, prediction: Tensor, truth: Truth, baseline: Truth) -> Sums:
        picked = pick(prediction, truth["query"], truth["slot"], self.slots)
        constant = baseline["offset"].to(picked.device)[truth["slot"]]

        def error(guess: Tensor) -> Tensor:
            return torch.linalg.vector_norm((guess - truth["offset"]) * self.size_m, dim=1).double().sum()

        return {"error": error(picked), "error_baseline": error(constant), "count": number(picked.shape[0])}

    def finish_validation(self, sums: Sums) -> dict[str, float]:
        return {
            "centroid_error_m": ratio(sums["error"], sums["count"]),
            "centroid_error_m_baseline": ratio(sums["error_baseline"], sums["count"]),
        }
