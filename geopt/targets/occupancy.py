"""Which cells of a hidden token hold a point."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from geopt.geometry import GeometryIndex, Pyramid
from geopt.targets.base import Loss, Sums, Target, Truth, ratio
from geopt.targets.neighborhood import Queries


class Occupancy(Target):
    """Binary cross-entropy for every cell of every query; empty places are queries whose cells are all empty.

    Args:
        max_positive_weight: Occupied cells weigh min(sqrt(empty / occupied), this) of the batch; 1 weighs all alike.
        two_logits: One logit for empty and one for occupied, each with its own sigmoid, as released; else one.

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
        return {"occupied": occupied, "num_hidden": torch.tensor(queries.num_hidden)}

    def loss(self, prediction: Tensor, truth: Truth) -> Loss:
        occupied = truth["occupied"].to(prediction.dtype)
        count = prediction.new_tensor(float(prediction.numel()))
        if self.two_logits:
            wanted = torch.stack([1 - occupied, occupied], dim=-1).flatten(1)
            return Loss(F.binary_cross_entropy_with_logits(prediction, wanted, reduction="sum"), count)
        positives = occupied.sum()
        weight = (
            ((occupied.numel() - positives) / positives.clamp(min=1)).sqrt().clamp(1, max(self.max_positive_weight, 1))
        )
        return Loss(F.binary_cross_entropy_with_logits(prediction, occupied, pos_weight=weight, reduction="sum"), count)

    def probability(self, prediction: Tensor) -> Tensor:
        """(Q, channels) -> (Q, slots) probability that the cell is occupied."""
        return torch.sigmoid(prediction.view(-1, self.slots, 2)[..., 1] if self.two_logits else prediction)

    def baseline_sums(self, truth: Truth) -> Sums:
        occupied = _of_hidden(truth)
        return {
            "occupied": occupied.sum(0).double(),
            "tokens": torch.tensor(float(occupied.shape[0]), dtype=torch.float64),
        }

    def finish_baseline(self, sums: Sums) -> Truth:
        return {"majority": sums["occupied"] * 2 > sums["tokens"]}

    def validation_sums(self, prediction: Tensor, truth: Truth, baseline: Truth) -> Sums:
        occupied = _of_hidden(truth)
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


def _of_hidden(truth: Truth) -> Tensor:
    return truth["occupied"][: int(truth["num_hidden"])]
