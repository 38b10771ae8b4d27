"""Masked geometry prediction: hide tokens, encode the rest, predict the geometry of what was hidden.

Source: Tian et al., GeoMAE, CVPR 2023, arXiv:2305.08808.
"""

from __future__ import annotations

import dataclasses
import random
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

import geopt
from geopt.geometry import GeometryIndex, Pyramid
from geopt.models.config import MaskConfig, ModelConfig, TargetsConfig
from geopt.models.decoder import build_decoder
from geopt.models.encoder import Encoder, build_encoder
from geopt.models.voxel_encoder import VoxelEncoder
from geopt.structures import PointBatch
from geopt.targets import Mask, Queries, Target, make_queries, random_mask
from geopt.targets.base import Loss, Sums, Truth, number, sum_over_ranks
from geopt.transfer import to_device


class Output(NamedTuple):
    """Result of a forward pass."""

    loss: Tensor
    """Weighted sum of the terms, to be minimised."""
    terms: dict[str, Tensor]
    """Unweighted losses by name, detached. Their mean over ranks is the loss of all frames together."""


@dataclasses.dataclass(frozen=True, eq=False)
class Prediction:
    """One batch, hidden, encoded and decoded."""

    index: GeometryIndex
    mask: Mask
    queries: Queries
    truths: dict[str, Truth]
    outputs: dict[str, Tensor]
    """(Q, channels) float32 by target."""


class TokenEncoder(nn.Module):
    """The part that is kept after pre-training: points to tokens, then attention among tokens.

    Args:
        pyramid: Only its token grid is used.
        num_features: Channels of the points besides xyz.
        config: Voxel encoder and encoder.
    """

    lower: Tensor

    def __init__(self, pyramid: Pyramid, num_features: int, config: ModelConfig):
        super().__init__()
        self.voxel_encoder = VoxelEncoder(config.voxel_encoder, pyramid.grid, num_features)
        self.encoder = build_encoder(config.encoder, pyramid.grid)
        width, wanted = self.voxel_encoder.d_model, config.encoder.d_model
        if width != wanted:
            raise ValueError(
                f"model: the last of voxel_encoder.channels must equal encoder.d_model ({wanted}), got {width}"
            )
        self.d_model = wanted
        self.register_buffer("lower", torch.tensor(pyramid.grid.lower, dtype=torch.float64), persistent=False)

    def voxel_tokens(
        self, index: GeometryIndex, features: Tensor, rows: Tensor, return_points: bool = False
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Encode the points of some tokens.

        Args:
            index: Geometry of the batch.
            features: (N, C) of the batch's points.
            rows: (T,) int64 tokens, ascending.
            return_points: Also return the feature of each point.

        Returns:
            Tokens (T, d_model), the point rows (P,) that lie in them, and the points' features (P, d_model), empty unless
            asked for.
        """
        level = index.levels[0]
        new_row = torch.full((len(level),), -1, dtype=torch.int64, device=rows.device)
        new_row[rows] = torch.arange(rows.shape[0], device=rows.device)
        # Points in the order of the index: the points of a token lie together.
        of_sorted = torch.repeat_interleave(new_row, level.num_points, output_size=index.order.shape[0])
        chosen = torch.nonzero(of_sorted >= 0)[:, 0]
        points = index.order[chosen]
        encoded = self.voxel_encoder(
            index.batch.xyz[points],
            features[points],
            of_sorted[chosen],
            level.coords_bxyz[rows],
            (level.centroids[rows] + self.lower).float(),
            return_points=return_points,
        )
        tokens, point_features = encoded if return_points else (encoded, features.new_empty(0, self.d_model))
        return tokens, points, point_features


class GeoMAE(nn.Module):
    """A model that can be pre-trained; see :class:`geopt.train.protocol.Pretrainable`.

    Args:
        pyramid: Token grid and finer levels.
        features: Names of the channels of the points besides xyz.
        model: Network.
        mask: What is hidden.
        targets: What is predicted.
        description: JSON-able facts about the input (frame, scaling of features) that go into the encoder file.
    """

    def __init__(
        self,
        pyramid: Pyramid,
        features: tuple[str, ...],
        model: ModelConfig = ModelConfig(),
        mask: MaskConfig = MaskConfig(),
        targets: TargetsConfig = TargetsConfig(),
        description: dict[str, Any] | None = None,
    ):
        super().__init__()
        self.pyramid, self.features, self.config, self.mask_config = pyramid, tuple(features), model, mask
        self.description = dict(description or {})
        self.backbone = TokenEncoder(pyramid, len(features), model)
        self.targets = targets.build(pyramid)
        width, decoder_width = self.backbone.d_model, model.decoder.d_model
        if width != decoder_width:
            raise ValueError(f"model: decoder.d_model must equal encoder.d_model ({width}), got {decoder_width}")
        branches = sorted({target.decoder for target in self._targets()})
        self.decoders = nn.ModuleDict({branch: build_decoder(model.decoder, pyramid.grid) for branch in branches})
        heads = {target.name: nn.Linear(width, target.channels) for target in self._targets()}
        self.heads = nn.ModuleDict(heads)
        self.mask_token = nn.Parameter(torch.empty(1, width))
        for weight in (self.mask_token, *(head.weight for head in heads.values())):
            if model.init == "xavier":
                nn.init.xavier_uniform_(weight)
            else:
                nn.init.normal_(weight, std=0.02)
        if model.init == "small":
            for head in heads.values():
                nn.init.zeros_(head.bias)

    def _targets(self) -> list[Target]:
        return list(self.targets.values())  # type: ignore[arg-type]

    def forward(self, batch: PointBatch) -> Output:
        """Losses of a batch."""
        prediction = self.predict(batch)
        losses = {t.name: t.loss(prediction.outputs[t.name], prediction.truths[t.name]) for t in self._targets()}
        terms = dict(zip(losses, mean_losses(list(losses.values()))))
        total = sum((target.weight * terms[target.name] for target in self._targets()), self.mask_token.new_zeros(()))
        return Output(total, {name: value.detach() for name, value in terms.items()})

    def predict(self, batch: PointBatch) -> Prediction:
        """Hide, encode, decode."""
        with torch.no_grad():
            index = GeometryIndex(batch, self.pyramid)
            mask = random_mask(index, self.mask_config.ratio, batch.seeds)
            queries = make_queries(index, mask, self.mask_config.empty_radius)
            truths = {target.name: target.truth(index, queries) for target in self._targets()}
        tokens = self.encode_visible(index, mask, self._features(batch))
        outputs = self.decode(tokens, index.levels[0].coords_bxyz[mask.visible], queries)
        return Prediction(index, mask, queries, truths, outputs)

    def encode_visible(self, index: GeometryIndex, mask: Mask, features: Tensor) -> Tensor:
        """(V, d_model) encoded visible tokens."""
        if self.config.encode_hidden:
            everything = torch.arange(len(index.levels[0]), device=mask.visible.device)
            tokens = self.backbone.voxel_tokens(index, features, everything)[0][mask.visible]
        else:
            tokens = self.backbone.voxel_tokens(index, features, mask.visible)[0]
        return self.backbone.encoder(tokens, index.levels[0].coords_bxyz[mask.visible])

    def decode(self, visible: Tensor, visible_coords: Tensor, queries: Queries) -> dict[str, Tensor]:
        """Predictions (Q, channels) float32 of every target."""
        num_visible = visible.shape[0]
        coords = torch.cat([visible_coords, queries.coords_bxyz])
        tokens = torch.cat([visible, self.mask_token.to(visible.dtype).expand(len(queries), -1)])
        shared = None
        outputs = {}
        for branch, decoder in self.decoders.items():
            if isinstance(decoder, Encoder):  # a plug-in has no tables to share
                shared = decoder.tables(coords) if shared is None else shared
                decoded = decoder(tokens, coords, tables=shared)[num_visible:]
            else:
                decoded = decoder(tokens, coords)[num_visible:]
            for target in self._targets():
                if target.decoder == branch:
                    outputs[target.name] = self.heads[target.name](decoded).float()
        return outputs

    def _features(self, batch: PointBatch) -> Tensor:
        if not self.training or self.config.feature_drop == 0:
            return batch.features
        # From the frame's own seed, so that neither the batch nor the rank around it matters.
        draws = [random.Random(f"features {seed}").random() for seed in batch.seeds]
        kept = torch.tensor([draw >= self.config.feature_drop for draw in draws], device="cpu")
        keep = to_device(kept, batch.features.device)
        of_point = torch.repeat_interleave(keep, batch.offsets.diff(), output_size=batch.features.shape[0])
        return batch.features * of_point[:, None]

    # Validation: sums that add over batches and ranks.

    @torch.no_grad()
    def baseline_sums(self, batch: PointBatch) -> Sums:
        """What the constant predictors need to know of training frames: the truth of all their tokens."""
        index = GeometryIndex(batch, self.pyramid)
        everything = torch.arange(len(index.levels[0]), device=index.order.device)
        queries = make_queries(index, Mask(everything[:0], everything))
        return _flat({t.name: t.baseline_sums(t.truth(index, queries)) for t in self._targets()})

    def finish_baseline(self, sums: Sums) -> Truth:
        parts = _nested(sums)
        return _flat(
            {t.name: t.finish_baseline(parts[t.name]) for t in self._targets() if t.name in parts}, as_sums=False
        )

    @torch.no_grad()
    def validation_sums(self, batch: PointBatch, baseline: Truth) -> Sums:
        prediction = self.predict(batch)
        constants = _nested(baseline)
        sums: dict[str, Sums] = {}
        for target in self._targets():
            output, truth = prediction.outputs[target.name], prediction.truths[target.name]
            loss = target.loss(output, truth)
            measured = target.validation_sums(output, truth, constants.get(target.name, {}))
            sums[target.name] = {**measured, "loss_total": loss.total, "loss_count": number(loss.count)}
        return _flat(sums)

    def finish_validation(self, sums: Sums) -> dict[str, float]:
        """``val/<metric>`` and ``val/<metric>_baseline`` of the finest level that has the metric; coarser levels end in
        ``_level<n>``. ``val/loss`` is the weighted sum of the losses, ``val/loss_<target>`` its parts."""
        parts = _nested(sums)
        metrics: dict[str, float] = {}
        total = 0.0
        finest: dict[str, int] = {}
        results = []
        for target in self._targets():
            loss = float(parts[target.name]["loss_total"] / parts[target.name]["loss_count"].clamp(min=1))
            metrics[f"val/loss_{target.name}"] = loss
            total += target.weight * loss
            values = target.finish_validation(parts[target.name])
            results.append((target.level, values))
            for name in values:
                finest[name] = max(finest.get(name, 0), target.level)
        for level, values in results:
            for name, value in values.items():
                plain = name.removesuffix("_baseline")
                suffix = "" if finest[name] == level else f"_level{level}"
                metrics[f"val/{plain}{suffix}{'_baseline' if name != plain else ''}"] = value
        return {"val/loss": total, **metrics}

    # What a run leaves.

    def encoder_state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Weights named ``voxel_encoder.*`` and ``encoder.*``, and what their input must look like."""
        state = {name: value for name, value in self.backbone.state_dict().items()}
        return state, describe_encoder(self.pyramid, self.features, self.config, self.description)

    @torch.no_grad()
    def picture(self, batch: PointBatch) -> dict[str, Any]:
        """Input, mask, truth and prediction of the first frame of a batch, as CPU tensors for the report."""
        from geopt.models.picture import picture

        return picture(self, batch)


def describe_encoder(
    pyramid: Pyramid, features: tuple[str, ...], model: ModelConfig, description: dict[str, Any]
) -> dict[str, Any]:
    """What an encoder file says of the encoder and its input."""
    grid = pyramid.grid
    return {
        "format": 1,
        "grid": {"lower": grid.lower, "upper": grid.upper, "size": grid.size},
        "levels": pyramid.ratios,
        "features": features,
        "model": model.model_dump(mode="json", include={"voxel_encoder", "encoder"}),
        "geopt": geopt.__version__,
        **description,
    }


def mean_losses(losses: list[Loss]) -> list[Tensor]:
    """Each loss over its count. Under DDP the count is the mean over ranks, so that averaged gradients are those of one
    process that sees all frames."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return [loss.total / max(loss.count, 1e-9) for loss in losses]
    counts = to_device(
        torch.tensor([loss.count for loss in losses], dtype=torch.float64, device="cpu"), losses[0].total.device
    )
    counts = sum_over_ranks(counts) / torch.distributed.get_world_size()
    return [loss.total / count.clamp(min=1e-9).to(loss.total.dtype) for loss, count in zip(losses, counts)]


def _flat(parts: dict[str, Sums], as_sums: bool = True) -> Sums:
    flat = {f"{target}/{key}": value.detach().cpu() for target, sums in parts.items() for key, value in sums.items()}
    return {key: value.double() for key, value in flat.items()} if as_sums else flat


def _nested(flat: Sums) -> dict[str, Sums]:
    nested: dict[str, Sums] = {}
    for key, value in flat.items():
        target, _, name = key.partition("/")
        nested.setdefault(target, {})[name] = value
    return nested
