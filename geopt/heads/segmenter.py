"""A class for each point from a pre-trained encoder."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from geopt.geometry import Pyramid
from geopt.heads import base
from geopt.heads.base import HeadModel, Sums
from geopt.heads.bev import BevNeck, at_cells
from geopt.heads.config import SegmentationConfig
from geopt.heads.losses import cross_entropy, shared_means
from geopt.heads.lovasz import lovasz_of_frames
from geopt.models.config import ModelConfig
from geopt.models.geomae import Output
from geopt.structures import LabelledBatch, PointBatch
from geopt.targets.base import Loss

RAW_CHANNELS = 32
"""Hidden layer of the perceptron for points outside the grid."""


class Segmenter(HeadModel):
    """Encoder and a perceptron on each point; see :class:`geopt.train.protocol.Pretrainable`.

    A point in the grid is seen as its token after the encoder, its own feature from the voxel encoder and, with a neck,
    its cell of the map from above. A point outside the grid has no token: a small perceptron classifies it from its raw
    position and features alone, where a number that is NaN or infinite counts as 0. That perceptron is trained by all
    labelled points (``raw_weight``), in the grid or not; expect little of it.

    Args:
        pyramid: Token grid and finer levels.
        features: Names of the channels of the points besides xyz.
        model: Voxel encoder and encoder; what else it holds belongs to pre-training and has no effect here.
        head: Perceptron, neck, losses.
        classes: Names; the first is that of points that are not to be learned, and is never predicted.
        description: JSON-able facts about the input (frame, scaling of features) that go into the encoder file.

    Raises:
        ValueError: parts do not fit each other.
    """

    lower: Tensor
    upper: Tensor
    class_weights: Tensor | None

    def __init__(
        self,
        pyramid: Pyramid,
        features: tuple[str, ...],
        model: ModelConfig,
        head: SegmentationConfig,
        classes: tuple[str, ...],
        description: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(pyramid, features, model, classes, description)
        self.head_config = head
        num_outputs = len(self.classes) - 1
        if num_outputs < 1:
            raise ValueError(f"Segmenter: classes must be the ignored one and at least one more, got {self.classes}")
        weights = None
        if head.class_weights is not None:
            if len(head.class_weights) != num_outputs or not any(head.class_weights):
                raise ValueError(
                    f"head.class_weights: must hold {num_outputs} numbers, one above 0, for classes "
                    f"{', '.join(self.classes[1:])}, got {head.class_weights}"
                )
            weights = torch.tensor(head.class_weights, dtype=torch.float32)
        self.register_buffer("class_weights", weights, persistent=False)
        self.neck = None if head.neck is None else BevNeck(head.neck, pyramid.grid, self.backbone.d_model)
        seen = 2 * self.backbone.d_model + (0 if self.neck is None else self.neck.out_channels)
        self.head = _perceptron(seen, head.channels, num_outputs, head.dropout)
        self.raw_head = _perceptron(4 + len(self.features), (RAW_CHANNELS,), num_outputs, 0.0)
        for name, value in (("lower", pyramid.grid.lower), ("upper", pyramid.grid.upper)):
            self.register_buffer(name, torch.tensor(value, dtype=torch.float32), persistent=False)

    def logits(self, batch: PointBatch) -> Tensor:
        """(N, classes) float32 for every point, those outside the grid too; minus infinity for the first class."""
        found = self._logits(batch).whole
        return torch.cat([found.new_full((found.shape[0], 1), -torch.inf), found], dim=1)

    def forward(self, batch: LabelledBatch) -> Output:
        """Losses of a batch; ``terms`` are ``cross_entropy``, ``lovasz`` and ``raw``."""
        losses = self._losses(batch, self._logits(batch))
        terms = dict(zip(losses, shared_means(list(losses.values()))))
        total = torch.stack([self._weight_of(name) * value for name, value in terms.items()]).sum()
        return Output(total, {name: value.detach() for name, value in terms.items()})

    def _logits(self, batch: PointBatch) -> _Logits:
        encoded = self.encode(batch, with_points=True)
        rows = encoded.point_rows
        token = encoded.geometry.point_to_token.index_select(0, rows)
        parts = [encoded.tokens.index_select(0, token), encoded.point_features]
        if self.neck is not None:
            dense = self.neck(encoded.tokens, encoded.coords_bxyz, batch.batch_size)
            parts.append(at_cells(dense, self._cells_of_tokens(encoded.coords_bxyz).index_select(0, token)))
        inside = self.head(torch.cat([part.to(parts[0].dtype) for part in parts], dim=1)).float()
        raw = self.raw_head(self._raw(batch)).float()
        return _Logits(raw.index_copy(0, rows, inside), raw, encoded.geometry.point_to_token >= 0)

    def _cells_of_tokens(self, coords_bxyz: Tensor) -> Tensor:
        assert self.neck is not None
        x, y = self.neck.map_grid.shape
        stride = self.neck.stride
        batch, i, j, _ = coords_bxyz.long().unbind(1)
        i, j = (torch.div(value, stride, rounding_mode="floor") for value in (i, j))
        return (batch * x + i) * y + j

    def _raw(self, batch: PointBatch) -> Tensor:
        """(N, 4 + C): position and distance in halves of the grid, logarithmic so that no point is far, and features."""
        xyz, features = (torch.nan_to_num(value, nan=0, posinf=0, neginf=0) for value in (batch.xyz, batch.features))
        scaled = ((xyz - (self.lower + self.upper) / 2) / ((self.upper - self.lower) / 2)).double()
        scaled = torch.cat([scaled, scaled[:, :2].norm(dim=1, keepdim=True)], dim=1)
        return torch.cat([(scaled.sign() * scaled.abs().log1p()).to(features.dtype), features], dim=1)

    def _losses(self, batch: LabelledBatch, logits: _Logits) -> dict[str, Loss]:
        labels = batch.labels
        if labels.shape[0] != batch.xyz.shape[0]:
            raise ValueError(
                f"Segmenter: labels must be given for all {batch.xyz.shape[0]} points, got {labels.shape[0]}; set "
                "data.labels=coarse"
            )
        if labels.numel() and not bool(((labels >= 0) & (labels < len(self.classes))).all()):
            raise ValueError(
                f"Segmenter: labels must be 0 to {len(self.classes) - 1}, got {int(labels.min())} to {int(labels.max())}"
            )
        inside = labels * logits.is_inside
        return {
            "cross_entropy": cross_entropy(logits.whole, inside, self.class_weights),
            "lovasz": lovasz_of_frames(logits.whole, inside, batch.offsets),
            "raw": cross_entropy(logits.raw, labels, self.class_weights),
        }

    def _weight_of(self, term: str) -> float:
        return float(getattr(self.head_config, f"{term}_weight"))

    # Validation: sums that add over batches and ranks.

    def baseline_sums(self, batch: LabelledBatch) -> Sums:
        """Labelled points of each class."""
        return {"points": torch.bincount(batch.labels.cpu(), minlength=len(self.classes)).double()}

    def finish_baseline(self, sums: Sums) -> Sums:
        """The constant predictor: the most frequent class."""
        return {"class": 1 + sums["points"][1:].argmax()}

    @torch.no_grad()
    def validation_sums(self, batch: LabelledBatch, baseline: Sums) -> Sums:
        logits = self._logits(batch)
        sums: dict[str, Any] = {}
        for name, loss in self._losses(batch, logits).items():
            sums[f"loss/{name}/total"], sums[f"loss/{name}/count"] = loss.total, loss.count
        labels, predicted = batch.labels, 1 + logits.whole.argmax(dim=1)
        constant = torch.full_like(predicted, int(baseline["class"]))
        sums["confusion"] = self._confusion(labels, predicted)
        sums["confusion_baseline"] = self._confusion(labels, constant)
        sums["points_outside"] = ((labels > 0) & ~logits.is_inside).sum()
        return base.as_sums(sums)

    def finish_validation(self, sums: Sums) -> dict[str, float]:
        """``val/loss`` and its parts; ``val/miou``, ``val/iou_<class>`` and ``val/accuracy``, each with its
        ``_baseline``, over all labelled points. A class that neither truth nor prediction has gets NaN and is left out of
        the mean, as officially. ``val/points_outside`` counts labelled points outside the grid."""
        metrics: dict[str, float] = {"val/loss": 0.0}
        for name in ("cross_entropy", "lovasz", "raw"):
            value = float(sums[f"loss/{name}/total"] / sums[f"loss/{name}/count"].clamp(min=1))
            metrics[f"val/loss_{name}"] = value
            metrics["val/loss"] += self._weight_of(name) * value
        for suffix in ("", "_baseline"):
            confusion = sums[f"confusion{suffix}"]
            hits = confusion.diagonal()
            iou = (hits / (confusion.sum(0) + confusion.sum(1) - hits))[1:]
            metrics[f"val/miou{suffix}"] = float(iou.nanmean())
            metrics[f"val/accuracy{suffix}"] = float(hits.sum() / confusion.sum())
            metrics |= {f"val/iou_{name}{suffix}": float(value) for name, value in zip(self.classes[1:], iou)}
        metrics["val/points_outside"] = float(sums["points_outside"])
        return metrics

    def _confusion(self, labels: Tensor, predicted: Tensor) -> Tensor:
        """(classes, classes) labelled points by true class (rows) and predicted class."""
        count = len(self.classes)
        known = labels > 0
        return torch.bincount(labels[known] * count + predicted[known], minlength=count * count).view(count, count)

    @torch.no_grad()
    def picture(self, batch: LabelledBatch) -> dict[str, Any]:
        """Points of the first frame of a batch with their classes, as CPU tensors for the report.

        Returns:
            ``points`` (N, 3), ``labels_true`` (N,) with 0 where unknown, ``labels_predicted`` (N,); extent of the grid,
            names of the classes and the frame.
        """
        grid, first = self.pyramid.grid, slice(0, int(batch.offsets[1]))
        return base.on_cpu(
            {
                "frame": batch.frames[0],
                "classes": self.classes,
                "grid_lower": batch.xyz.new_tensor(grid.lower),
                "grid_upper": batch.xyz.new_tensor(grid.upper),
                "points": batch.xyz[first],
                "labels_true": batch.labels[first],
                "labels_predicted": self.logits(batch)[first].argmax(dim=1),
            }
        )


class _Logits(NamedTuple):
    whole: Tensor
    """(N, classes - 1) float32; those of ``raw`` outside the grid."""
    raw: Tensor
    """(N, classes - 1) float32, from the raw point alone."""
    is_inside: Tensor
    """(N,) bool."""


def _perceptron(num_inputs: int, channels: tuple[int, ...], num_outputs: int, dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in channels:
        layers += [nn.Linear(num_inputs, width, bias=False), nn.LayerNorm(width), nn.ReLU(), nn.Dropout(dropout)]
        num_inputs = width
    return nn.Sequential(*layers, nn.Linear(num_inputs, num_outputs))
