"""A pre-trained encoder as a feature extractor."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from geopt.geometry import GeometryIndex, Pyramid
from geopt.models.config import ModelConfig
from geopt.models.geomae import TokenEncoder
from geopt.structures import PointBatch, VoxelGrid


class PointFeatures(NamedTuple):
    """What an encoder knows of each point."""

    features: Tensor
    """(N, 2 * d_model) float32: the encoded token of each point beside the point's own feature; 0 outside the grid."""
    inside: Tensor
    """(N,) bool: the point lies in the grid of the encoder."""


class PretrainedEncoder(nn.Module):
    """Voxel encoder and encoder of a run, for points in the frame and with the features that it was trained on.

    Attributes:
        description: What the encoder file says: grid, levels, features, frame, versions.
        grid: The token grid.
    """

    def __init__(self, state: dict[str, Tensor] | None, description: dict[str, Any]):
        super().__init__()
        self.description = description
        self.grid = VoxelGrid(**{key: tuple(value) for key, value in description["grid"].items()})
        self.pyramid = Pyramid(self.grid, tuple(tuple(ratio) for ratio in description["levels"]))
        self.features = tuple(description["features"])
        self.backbone = TokenEncoder(self.pyramid, len(self.features), ModelConfig(**description["model"]))
        if state is not None:
            self.backbone.load_state_dict(state)
        self.eval()

    @classmethod
    def from_state(cls, state: dict[str, Tensor] | None, description: dict[str, Any]) -> PretrainedEncoder:
        """From the two parts of an encoder file; without a state the weights are random."""
        return cls(state, description)

    def forward(self, points: PointBatch) -> PointFeatures:
        """Features of every point.

        Args:
            points: Clouds in the frame of the encoder; ``features`` has the channels that :attr:`features` names.
        """
        index = GeometryIndex(points, self.pyramid)  # finer levels too: a token is its finest cell divided
        level = index.levels[0]
        everything = torch.arange(len(level), device=index.order.device)
        tokens, rows, of_points = self.backbone.voxel_tokens(index, points.features, everything, return_points=True)
        tokens = self.backbone.encoder(tokens, level.coords_bxyz)
        features = points.xyz.new_zeros(points.xyz.shape[0], 2 * self.backbone.d_model)
        features[rows] = torch.cat([tokens[index.point_to_token[rows]], of_points], dim=1).float()
        return PointFeatures(features, index.point_to_token >= 0)
