"""Which way the surface around a cell faces."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from geopt.geometry import GeometryIndex, Pyramid
from geopt.targets.base import Loss, Sums, Target, Truth, number, pick, ratio
from geopt.targets.neighborhood import Queries
from geopt.targets.surface import Neighborhood, surface_of_queries
from geopt.transfer import constant


class Normal(Target):
    """Unit normal of the plane through the level-1 centroids around each cell.

    Args:
        hood: Which centroids, and when a normal counts.
        loss: ``oriented``: 1 - cos to the normal that faces the sensor of the newest sweep that saw the cell;
            ``unsigned``: 1 - cos**2, blind to the sign; ``mse``: squared difference to the normal with the sign that the
            eigenvector happens to have, as released (where opposite signs pull the prediction to zero).

    Metric ``normal_error_deg``: mean angle between lines (sign ignored), degrees, over the normals that are determined.
    Baseline: the principal axis of the training normals.
    """

    decoder = "surface"

    def __init__(
        self,
        pyramid: Pyramid,
        weight: float,
        hood: Neighborhood,
        loss: Literal["oriented", "unsigned", "mse"] = "oriented",
    ):
        super().__init__(pyramid, hood.level, weight)
        self.hood, self.loss_kind = hood, loss
        self.channels = 3 * self.slots
        self.name = f"normal_{hood.level}"

    def truth(self, index: GeometryIndex, queries: Queries) -> Truth:
        surface = surface_of_queries(queries, self.hood)
        cells = index.levels[self.level]
        normals = surface.normals
        if self.loss_kind == "oriented":
            lower = constant(self.pyramid.grid.lower, torch.float64, normals.device)
            centroids = (cells.centroids[surface.rows] + lower).float()
            to_sensor = index.batch.sensor_origins[cells.sweep[surface.rows]] - centroids
            normals = torch.where((normals * to_sensor).sum(1, keepdim=True) < 0, -normals, normals)
        keep = torch.nonzero(surface.determined)[:, 0]
        return {"query": surface.query[keep], "slot": surface.slot[keep], "normal": normals[keep]}

    def loss(self, prediction: Tensor, truth: Truth) -> Loss:
        picked = pick(prediction, truth["query"], truth["slot"], self.slots)
        if self.loss_kind == "mse":
            total = F.mse_loss(picked, truth["normal"], reduction="sum")
            return Loss(total, picked.numel())
        cosine = F.cosine_similarity(picked, truth["normal"], dim=1, eps=1e-6)
        total = (1 - cosine).sum() if self.loss_kind == "oriented" else (1 - cosine * cosine).sum()
        return Loss(total, picked.shape[0])

    def baseline_sums(self, truth: Truth) -> Sums:
        normal = truth["normal"].double()
        return {"outer": normal.T @ normal}

    def finish_baseline(self, sums: Sums) -> Truth:
        return {"axis": torch.linalg.eigh(sums["outer"].cpu()).eigenvectors[:, -1].float()}

    def validation_sums(self, prediction: Tensor, truth: Truth, baseline: Truth) -> Sums:
        picked = pick(prediction, truth["query"], truth["slot"], self.slots)
        axis = baseline["axis"].to(picked.device).expand_as(picked)

        def angle_deg(guess: Tensor) -> Tensor:
            cosine = F.cosine_similarity(guess.double(), truth["normal"].double(), dim=1).abs().clamp(max=1)
            return torch.rad2deg(torch.arccos(cosine)).sum()

        return {"angle": angle_deg(picked), "angle_baseline": angle_deg(axis), "count": number(picked.shape[0])}

    def finish_validation(self, sums: Sums) -> dict[str, float]:
        return {
            "normal_error_deg": ratio(sums["angle"], sums["count"]),
            "normal_error_deg_baseline": ratio(sums["angle_baseline"], sums["count"]),
        }
