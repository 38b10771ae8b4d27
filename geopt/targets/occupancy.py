"""Which cells of a hidden token hold a point."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from geopt.geometry import GeometryIndex, Pyramid
from geopt.targets.base import Loss, Sums, Target, Truth, number, ratio, sum_over_ranks
from geopt.targets.neighborhood import Queries


class Occupancy(Target):
    """Binary cross-entropy for every cell of every query; empty places are queries whose cells are all empty.

    Args:
        max_positive_weight: Occupied cells weigh min(sqrt(empty / occupied), this), at least 1, where both are counted
            over the batch, in training over those of all ranks; 1 weighs all alike.
        two_logits: One logit for empty and one for occupied, each with its own sigmoid, as released, where all cells
            weigh alike; else one.

    Metric ``occupancy_iou``: intersection over union of the cells with p > 0.5 in hidden non-empty tokens, pooled.
    Baseline: the better of all cells full and the majority of each slot in the training frames.
    """

    def __init__(
        self, pyramid: Pyramid, level: int, weight: float, max_positive_weight: float = 5.0, two_logits: bool = False
    ):
        super().__init__(pyramid, level, weight)
        self.max_positive_weight, self.two_logits = max_positive_weight, two_logits
        self.channels = self.slots * (2 if two_logits else 1)
        self.name = f"occupancy_{level}"

    def truth(self, index: GeometryIndex, queries: Queries) -> Truth:
        occupied = torch.zeros(len(queries), self.slots, dtype=torch.bool, device=queries.token.device)
        _, query, slot = queries.cells(self.level)
        occupied[query, slot] = True
        return {"occupied": occupied, "of_hidden": occupied[: queries.num_hidden]}

    def loss(self, prediction: Tensor, truth: Truth) -> Loss:
        wanted, weight = truth["occupied"].to(prediction.dtype), None
        if self.two_logits:
            wanted = torch.stack([1 - wanted, wanted], dim=-1).flatten(1)
        elif self.max_positive_weight > 1:
            weight = self._positive_weight(truth["occupied"]).to(prediction.dtype)
        total = F.binary_cross_entropy_with_logits(prediction, wanted, pos_weight=weight, reduction="sum")
        return Loss(total, prediction.numel())

    def _positive_weight(self, occupied: Tensor) -> Tensor:
        counts = torch.stack([occupied.sum(), (~occupied).sum()]).double()
        positives, negatives = sum_over_ranks(counts) if self.training else counts
        return (negatives / positives.clamp(min=1)).sqrt().clamp(1, self.max_positive_weight)

    def probability(self, prediction: Tensor) -> Tensor:
        """(Q, channels) -> (Q, slots) probability that the cell is occupied."""
        return torch.sigmoid(prediction.view(-1, self.slots, 2)[..., 1] if self.two_logits else prediction)

    def baseline_sums(self, truth: Truth) -> Sums:
        occupied = truth["of_hidden"]
        return {
            "occupied": occupied.sum(0).double(),
            "tokens": number(occupied.shape[0]),
        }

    def finish_baseline(self, sums: Sums) -> Truth:
        return {"majority": sums["occupied"] * 2 > sums["tokens"]}

    def validation_sums(self, prediction: Tensor, truth: Truth, baseline: Truth) -> Sums:
        occupied = truth["of_hidden"]
        guesses = {
            "": self.probability(prediction[: occupied.shape[0]]) > 0.5,
            "_majority": baseline["majority"].to(occupied.device).expand_as(occupied),
            "_full": torch.ones_like(occupied),
        }
        sums = {}
        for key, guess in guesses.items():
            sums[f"both{key}"] = (guess & occupied).sum().double()
            sums[f"either{key}"] = (guess | occupied).sum().double()
        return sums

    def finish_validation(self, sums: Sums) -> dict[str, float]:
        iou = {key: ratio(sums[f"both{key}"], sums[f"either{key}"]) for key in ("", "_majority", "_full")}
        return {"occupancy_iou": iou[""], "occupancy_iou_baseline": max(iou["_majority"], iou["_full"])}
