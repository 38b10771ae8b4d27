"""What all models on a pre-trained encoder share: the encoder, its file, and being frozen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from geopt.geometry import GeometryIndex, Pyramid
from geopt.models.config import ModelConfig
from geopt.models.geomae import TokenEncoder, describe_encoder
from geopt.structures import PointBatch
from geopt.targets.base import number

Sums = dict[str, Tensor]


class Encoded(NamedTuple):
    """A batch after the encoder."""

    geometry: GeometryIndex
    tokens: Tensor
    """(T, d_model)."""
    coords_bxyz: Tensor
    """(T, 4) int32."""
    point_rows: Tensor
    """(P,) int64 points inside the grid."""
    point_features: Tensor
    """(P, d_model) of the voxel encoder, if they were asked for."""


class HeadModel(nn.Module):
    """An encoder with room for a head.

    Args:
        pyramid: Token grid and finer levels.
        features: Names of the channels of the points besides xyz.
        model: Voxel encoder and encoder; what else it holds belongs to pre-training and has no effect here.
        classes: Names of the task's classes.
        description: JSON-able facts about the input that go into the encoder file.

    Attributes:
        backbone: Named in the state dict as in an encoder file, after ``backbone.``.
        is_frozen: The backbone takes no gradient and stays in evaluation mode; see
            :func:`geopt.heads.loading.freeze`.
    """

    def __init__(
        self,
        pyramid: Pyramid,
        features: tuple[str, ...],
        model: ModelConfig,
        classes: tuple[str, ...],
        description: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.pyramid, self.features, self.config = pyramid, tuple(features), model
        self.classes = tuple(classes)
        self.description = dict(description or {})
        self.backbone = TokenEncoder(pyramid, len(self.features), model)
        self.is_frozen = False

    def train(self, mode: bool = True) -> Self:
        """Training mode for all, or for the head alone if the backbone is frozen."""
        super().train(mode)
        if self.is_frozen:
            self.backbone.eval()
        return self

    def encode(self, batch: PointBatch, with_points: bool = False) -> Encoded:
        """Run the encoder on all tokens of a batch; without gradients if it is frozen."""
        with torch.no_grad():
            index = GeometryIndex(batch, self.pyramid)
            level = index.levels[0]
            everything = torch.arange(len(level), device=index.order.device)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.is_frozen):
            tokens, rows, of_points = self.backbone.voxel_tokens(index, batch.features, everything, with_points)
            tokens = self.backbone.encoder(tokens, level.coords_bxyz)
        return Encoded(index, tokens, level.coords_bxyz, rows, of_points)

    def encoder_state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Weights and description of the encoder as it is now; see :meth:`geopt.models.geomae.GeoMAE.encoder_state`."""
        description = describe_encoder(self.pyramid, self.features, self.config, self.description)
        return dict(self.backbone.state_dict()), description

    def head_state(self) -> dict[str, Tensor]:
        """All weights, encoder and head, for ``model.safetensors``."""
        return dict(self.state_dict())


def as_sums(parts: Mapping[str, Any]) -> Sums:
    """Float64 tensors on the CPU, for the sums of validation."""
    numbers = {key: value if isinstance(value, Tensor) else number(value) for key, value in parts.items()}
    return {key: value.detach().to("cpu", torch.float64) for key, value in numbers.items()}


def below(prefix: str, sums: Sums) -> Sums:
    """The entries ``prefix/...`` without the prefix."""
    return {key.removeprefix(f"{prefix}/"): value for key, value in sums.items() if key.startswith(f"{prefix}/")}


def named(prefix: str, sums: Sums) -> Sums:
    """Entries as ``prefix/...``."""
    return {f"{prefix}/{key}": value for key, value in sums.items()}


def added(parts: Iterable[Sums]) -> Sums:
    """The sum by name."""
    total: Sums = {}
    for part in parts:
        for key, value in part.items():
            total[key] = total[key] + value if key in total else value
    return total


def on_cpu(picture: dict[str, Any]) -> dict[str, Any]:
    """The tensors of a picture on the CPU."""
    return {key: value.detach().cpu() if isinstance(value, Tensor) else value for key, value in picture.items()}
