"""How many points a cell holds."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from geopt.geometry import GeometryIndex, Pyramid
from geopt.targets.base import Loss, Target, Truth, pick
from geopt.targets.neighborhood import Queries


class Density(Target):
    """Smooth-L1 on the natural logarithm of the number of points of each occupied cell.

    Source: density as a pre-training target, BEV-MAE (arXiv:2212.05758).
    """

    def __init__(self, pyramid: Pyramid, level: int, weight: float):
        super().__init__(pyramid, level, weight)
        self.channels = self.slots
        self.name = f"density_{level}"

    def truth(self, index: GeometryIndex, queries: Queries) -> Truth:
        rows, query, slot = queries.cells(self.level)
        return {"query": query, "slot": slot, "log_count": torch.log(index.levels[self.level].num_points[rows].float())}

    def loss(self, prediction: Tensor, truth: Truth) -> Loss:
        picked = pick(prediction, truth["query"], truth["slot"], self.slots)[:, 0]
        total = F.smooth_l1_loss(picked, truth["log_count"], beta=0.5, reduction="sum")
        return Loss(total, picked.shape[0])
