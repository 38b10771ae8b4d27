"""How the points around a cell spread: along a line, over a plane, or in all directions."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from geopt.geometry import GeometryIndex, Pyramid
from geopt.targets.base import Loss, Sums, Target, Truth, number, pick, ratio, sum_over_ranks
from geopt.targets.neighborhood import Queries
from geopt.targets.surface import Neighborhood, surface_of_queries

LOG_FLOOR = 1e-3  # ratios below a thousandth are noise of the sensor
NUM_BINS = 1 << 14  # of the histogram that the training median is read from


class Curvature(Target):
    """Eigen ratios: the eigenvalues of the neighbourhood over their sum, descending. The last is the surface variation.

    Args:
        hood: Which centroids.
        loss: ``log``: smooth-L1 on log(ratio + 1e-3), standardized by running statistics of the training batches;
            ``mse``: mean squared difference of the ratios.

    Metric ``curvature_error``: mean over cells of the summed absolute differences of the three ratios. Baseline: the
    training median of each ratio, to 1/32768.
    Source: GeoMAE (CVPR 2023) calls the ratios curvature; surface variation is Pauly et al., VIS 2002.
    """

    decoder = "surface"
    log_mean: Tensor
    log_var: Tensor
    num_batches: Tensor

    def __init__(self, pyramid: Pyramid, weight: float, hood: Neighborhood, loss: Literal["log", "mse"] = "log"):
        super().__init__(pyramid, hood.level, weight)
        self.hood, self.loss_kind = hood, loss
        self.channels = 3 * self.slots
        self.name = f"curvature_{hood.level}"
        self.register_buffer("log_mean", torch.tensor([-0.4, -1.4, -4.5]))
        self.register_buffer("log_var", torch.ones(3))
        self.register_buffer("num_batches", torch.zeros((), dtype=torch.int64))

    def truth(self, index: GeometryIndex, queries: Queries) -> Truth:
        surface = surface_of_queries(queries, self.hood)
        keep = torch.nonzero(surface.enough)[:, 0]
        values = surface.eigenvalues[keep].flip(1) + 1e-9
        return {
            "query": surface.query[keep],
            "slot": surface.slot[keep],
            "ratios": values / values.sum(1, keepdim=True),
        }

    def loss(self, prediction: Tensor, truth: Truth) -> Loss:
        picked = pick(prediction, truth["query"], truth["slot"], self.slots)
        if self.loss_kind == "mse":
            total = F.mse_loss(picked, truth["ratios"], reduction="sum")
        else:
            wanted = torch.log(truth["ratios"] + LOG_FLOOR)
            if self.training:
                self._follow(wanted)
            total = F.smooth_l1_loss(picked, (wanted - self.log_mean) / self.log_var.sqrt(), beta=0.5, reduction="sum")
        return Loss(total, picked.numel())

    def ratios(self, prediction: Tensor) -> Tensor:
        """(K, 3) outputs -> eigen ratios that are >= 0 and sum to 1, or are 0 where none is positive."""
        if self.loss_kind == "log":
            prediction = torch.exp((prediction * self.log_var.sqrt() + self.log_mean).clamp(max=1)) - LOG_FLOOR
        prediction = prediction.clamp(min=0)
        return prediction / prediction.sum(1, keepdim=True).clamp(min=1e-6)

    @torch.no_grad()
    def _follow(self, wanted: Tensor) -> None:
        """Update the running mean and variance with the batches of all ranks."""
        wanted = wanted.double()
        moments = torch.cat([wanted.sum(0), wanted.square().sum(0), wanted.new_full((1,), wanted.shape[0])])
        sums, squares, count = sum_over_ranks(moments).split([3, 3, 1])
        mean = sums / count.clamp(min=1)
        variance = (squares / count.clamp(min=1) - mean.square()).clamp(min=1e-4)
        is_enough = count[0] >= 2  # stays on the device: asking for it would wait for the GPU
        self.num_batches += is_enough
        # A mean of the first hundred batches, then a moving one.
        share = is_enough / self.num_batches.clamp(1, 100)
        self.log_mean += (mean - self.log_mean) * share
        self.log_var += (variance - self.log_var) * share

    def baseline_sums(self, truth: Truth) -> Sums:
        bins = (truth["ratios"] * NUM_BINS).long().clamp(0, NUM_BINS - 1)
        return {"histogram": torch.stack([torch.bincount(bins[:, i], minlength=NUM_BINS) for i in range(3)]).double()}

    def finish_baseline(self, sums: Sums) -> Truth:
        cumulative = sums["histogram"].cumsum(1)
        half = torch.searchsorted(cumulative, cumulative[:, -1:] / 2)[:, 0]
        return {"ratios": ((half + 0.5) / NUM_BINS).float()}

    def validation_sums(self, prediction: Tensor, truth: Truth, baseline: Truth) -> Sums:
        picked = self.ratios(pick(prediction, truth["query"], truth["slot"], self.slots))
        constant = baseline["ratios"].to(picked.device)
        return {
            "error": (picked - truth["ratios"]).abs().double().sum(),
            "error_baseline": (constant - truth["ratios"]).abs().double().sum(),
            "count": number(picked.shape[0]),
        }

    def finish_validation(self, sums: Sums) -> dict[str, float]:
        return {
            "curvature_error": ratio(sums["error"], sums["count"]),
            "curvature_error_baseline": ratio(sums["error_baseline"], sums["count"]),
        }
