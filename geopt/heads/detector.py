"""Boxes of objects from a pre-trained encoder."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from geopt.geometry import Pyramid
from geopt.heads import average_precision, base
from geopt.heads.average_precision import Found
from geopt.heads.base import HeadModel, Sums
from geopt.heads.bev import BevNeck
from geopt.heads.center_head import CenterHead, GroupMaps, TaskGroups
from geopt.heads.center_targets import CenterTargets, center_targets
from geopt.heads.config import DetectionConfig, NeckConfig
from geopt.heads.decode import Detections, decode
from geopt.heads.losses import shared_means
from geopt.models.config import ModelConfig
from geopt.models.geomae import Output
from geopt.structures import LabelledBatch, PointBatch
from geopt.targets.base import number

PRIOR_CELL_M = 2.0
"""Cells in which the constant detector counts where objects are."""
PRIOR_BOXES = 50
"""Boxes of each class that the constant detector claims in every frame."""


class Detector(HeadModel):
    """Encoder, neck and centre head; see :class:`geopt.train.protocol.Pretrainable`.

    Points outside the grid take no part, and nothing is found there.

    Args:
        pyramid: Token grid and finer levels.
        features: Names of the channels of the points besides xyz.
        model: Voxel encoder and encoder; what else it holds belongs to pre-training and has no effect here.
        head: Groups, losses, decoding.
        neck: Map from above.
        classes: Names of the task's classes; ``box_classes`` of a batch and ``classes`` of detections are their rows.
        description: JSON-able facts about the input (frame, scaling of features) that go into the encoder file.

    Raises:
        ValueError: parts do not fit each other.
    """

    def __init__(
        self,
        pyramid: Pyramid,
        features: tuple[str, ...],
        model: ModelConfig,
        head: DetectionConfig,
        neck: NeckConfig,
        classes: tuple[str, ...],
        description: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(pyramid, features, model, classes, description)
        self.head_config = head
        self.groups = TaskGroups(head.groups, self.classes)
        self.neck = BevNeck(neck, pyramid.grid, self.backbone.d_model)
        self.map_grid = self.neck.map_grid
        self.head = CenterHead(head, neck, self.neck.out_channels, self.groups)

    def maps(self, batch: PointBatch) -> list[GroupMaps]:
        """What the head says of each group, before decoding."""
        encoded = self.encode(batch)
        return self.head(self.neck(encoded.tokens, encoded.coords_bxyz, batch.batch_size))

    def forward(self, batch: LabelledBatch) -> Output:
        """Losses of a batch; ``terms`` are ``heatmap_``, ``box_`` and ``velocity_`` of each group."""
        targets = self.targets(batch)
        losses = self.head.losses(self.maps(batch), targets)
        terms = dict(zip(losses, shared_means(list(losses.values()))))
        total = torch.stack([self.head.weight_of(name) * value for name, value in terms.items()]).sum()
        return Output(total, {name: value.detach() for name, value in terms.items()})

    @torch.no_grad()
    def targets(self, batch: LabelledBatch) -> CenterTargets:
        """What the maps shall show."""
        return center_targets(batch, self.map_grid, self.groups.group_of_class, self.head_config.target)

    @torch.no_grad()
    def detections(self, batch: PointBatch) -> list[Detections]:
        """Boxes of each cloud, in the frame of the points, best first.

        Raises:
            ValueError: the model has diverged.
        """
        return decode(self.maps(batch), self.map_grid, self.groups, self.head_config.decode)

    # Validation: sums that add over batches and ranks.

    def baseline_sums(self, batch: LabelledBatch) -> Sums:
        """Where objects of each class are: (classes, x, y) in squares of 2 m."""
        x, y = self._prior_shape()
        scored = _Truth.of(batch, self.targets(batch))
        lower = np.array(self.map_grid.lower)
        i, j = np.floor((scored.centers - lower) / PRIOR_CELL_M).astype(np.int64).T
        flat = torch.from_numpy((scored.classes * x + i) * y + j)
        counts = torch.bincount(flat, minlength=len(self.classes) * x * y).double()
        return {"objects": counts.view(len(self.classes), x, y), "frames": number(batch.batch_size)}

    def finish_baseline(self, sums: Sums) -> Sums:
        """The constant detector: for each class the squares in which an object is most often, as its boxes."""
        _, y = self._prior_shape()
        share = (sums["objects"] / sums["frames"].clamp(min=1)).flatten(1).clamp(max=1)
        scores, cells = share.sort(dim=1, descending=True, stable=True)
        scores, cells = scores[:, :PRIOR_BOXES], cells[:, :PRIOR_BOXES]
        columns = torch.stack([torch.div(cells, y, rounding_mode="floor"), cells % y], dim=2)
        centers = (columns + 0.5) * PRIOR_CELL_M + scores.new_tensor(self.map_grid.lower)
        return {"centers": centers, "scores": scores}

    @torch.no_grad()
    def validation_sums(self, batch: LabelledBatch, baseline: Sums) -> Sums:
        targets, maps = self.targets(batch), self.maps(batch)
        sums: dict[str, Any] = {}
        for name, loss in self.head.losses(maps, targets).items():
            sums[f"loss/{name}/total"], sums[f"loss/{name}/count"] = loss.total, loss.count
        sums["boxes/outside"] = targets.outside.sum()
        sums["boxes/too_few_points"] = targets.too_few_points.sum()
        truth = _Truth.of(batch, targets)
        found = [_as_found(d) for d in decode(maps, self.map_grid, self.groups, self.head_config.decode)]
        for key, guesses in (("ap", found), ("ap_baseline", [_constant(baseline)] * len(found))):
            of_frames = [
                average_precision.frame_sums(guess, *truth.of_frame(b), len(self.classes))
                for b, guess in enumerate(guesses)
            ]
            sums |= base.named(key, base.added(of_frames))
        return base.as_sums(sums)

    def finish_validation(self, sums: Sums) -> dict[str, float]:
        """``val/loss`` and its parts ``val/loss_<term>``; ``val/map`` and ``val/ap_<class>``, each with its
        ``_baseline``: near the official scores, see :mod:`geopt.heads.average_precision`. Classes without objects have
        no AP. ``val/boxes_outside`` and ``val/boxes_too_few_points`` count labelled boxes that take no part."""
        metrics: dict[str, float] = {"val/loss": 0.0}
        totals = {key.split("/")[1]: value for key, value in sums.items() if key.endswith("/total")}
        for name, total in totals.items():
            value = float(total / sums[f"loss/{name}/count"].clamp(min=1))
            metrics[f"val/loss_{name}"] = value
            metrics["val/loss"] += self.head.weight_of(name) * value
        for key, suffix in (("ap", ""), ("ap_baseline", "_baseline")):
            precisions = average_precision.average_precisions(base.below(key, sums))
            known = precisions[~np.isnan(precisions)]
            metrics[f"val/map{suffix}"] = float(known.mean()) if len(known) else float("nan")
            metrics |= {f"val/ap_{name}{suffix}": float(value) for name, value in zip(self.classes, precisions)}
        for key in ("outside", "too_few_points"):
            metrics[f"val/boxes_{key}"] = float(sums[f"boxes/{key}"])
        return metrics

    @torch.no_grad()
    def picture(self, batch: LabelledBatch) -> dict[str, Any]:
        """Points, true and predicted boxes of the first frame of a batch, as CPU tensors for the report.

        Returns:
            ``points`` (N, 3); ``boxes_true`` (K, 9), ``box_classes_true`` (K,), ``boxes_predicted`` (D, 9),
            ``box_classes_predicted`` (D,), ``box_scores`` (D,); extent of the grid, names of the classes and the frame.
        """
        grid = self.pyramid.grid
        found, kept = self.detections(batch)[0], slice(0, int(batch.box_offsets[1]))
        return base.on_cpu(
            {
                "frame": batch.frames[0],
                "classes": self.classes,
                "grid_lower": batch.xyz.new_tensor(grid.lower),
                "grid_upper": batch.xyz.new_tensor(grid.upper),
                "points": batch.xyz[: int(batch.offsets[1])],
                "boxes_true": batch.boxes[kept],
                "box_classes_true": batch.box_classes[kept],
                "boxes_predicted": found.boxes,
                "box_classes_predicted": found.classes,
                "box_scores": found.scores,
            }
        )

    def _prior_shape(self) -> tuple[int, int]:
        _, cell, shape = self.map_grid
        x, y = (int(np.ceil(c * s / PRIOR_CELL_M - 1e-9)) for c, s in zip(cell, shape))
        return x, y


class _Truth(NamedTuple):
    """Labelled boxes that are scored, of all frames: in the map, with at least as many points as the targets ask."""

    centers: np.ndarray
    classes: np.ndarray
    frame: np.ndarray

    @classmethod
    def of(cls, batch: LabelledBatch, targets: CenterTargets) -> _Truth:
        kept = torch.nonzero(targets.kept)[:, 0]
        frame = torch.searchsorted(batch.box_offsets, kept, right=True) - 1
        values = (batch.boxes[kept, :2], batch.box_classes[kept], frame)
        return cls(*(value.cpu().numpy() for value in values))

    def of_frame(self, b: int) -> tuple[np.ndarray, np.ndarray]:
        rows = self.frame == b
        return self.centers[rows], self.classes[rows]


def _as_found(detections: Detections) -> Found:
    centers, scores = detections.boxes[:, :2].cpu(), detections.scores.cpu().double()
    return Found(centers.numpy(), scores.numpy(), detections.classes.cpu().numpy())


def _constant(baseline: Sums) -> Found:
    scores, centers = baseline["scores"].cpu(), baseline["centers"].cpu()
    classes, rank = torch.nonzero(scores > 0, as_tuple=True)
    chosen: Tensor = scores[classes, rank]
    order = torch.argsort(chosen, descending=True, stable=True)
    classes, rank = classes[order], rank[order]
    return Found(centers[classes, rank].numpy(), scores[classes, rank].numpy(), classes.numpy())
