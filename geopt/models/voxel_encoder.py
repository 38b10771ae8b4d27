"""Points to tokens: a small network on every point and a maximum over the points of each token, twice."""

from __future__ import annotations

from typing import Literal

import pydantic
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from geopt.ops.segment_reduce import reduce_of_segments
from geopt.schema import Frozen
from geopt.structures import VoxelGrid


class VoxelEncoderConfig(Frozen):
    """How points become tokens."""

    channels: tuple[pydantic.PositiveInt, ...] = pydantic.Field((64, 128), min_length=1)
    """Width of each layer; the last is the width of a token."""
    norm: Literal["layer", "batch"] = "layer"
    """``layer`` treats every point alone. ``batch`` is the released model: its results in training depend on what else
    is in the batch, and under DDP each process has its own statistics unless the model is converted with
    ``torch.nn.SyncBatchNorm.convert_sync_batchnorm``, which needs CUDA."""
    normalize_xyz: bool = True
    """Positions from -1 to 1 across the grid and offsets from -1 to 1 across a token; False is metres, as released."""


class VoxelEncoder(nn.Module):
    """Encode the points of each token: DynamicScatterVFE of SST.

    A point enters as its position, its features, its offset from the mean of the points of its token, and its offset
    from the centre of the token. Each layer is a linear map without bias, a norm and a ReLU; between layers a point is
    joined by the maximum over its token.

    Args:
        config: Widths and norm.
        grid: The token grid.
        num_features: Channels of ``features``.

    Source: Zhou et al., MVF, CoRL 2019, arXiv:1910.06528; Fan et al., SST, CVPR 2022, arXiv:2112.06375.
    """

    lower: Tensor
    size: Tensor
    middle: Tensor
    half_extent: Tensor

    def __init__(self, config: VoxelEncoderConfig, grid: VoxelGrid, num_features: int) -> None:
        super().__init__()
        self.config = config
        self.num_features = num_features
        self.d_model = config.channels[-1]
        lower, upper, size = (torch.tensor(v, dtype=torch.float32) for v in (grid.lower, grid.upper, grid.size))
        self.register_buffer("lower", lower, persistent=False)
        self.register_buffer("size", size, persistent=False)
        self.register_buffer("middle", (lower + upper) / 2, persistent=False)
        self.register_buffer("half_extent", (upper - lower) / 2, persistent=False)
        self.layers = nn.ModuleList()
        num_inputs = 9 + num_features
        for width in config.channels:
            self.layers.append(_PointLayer(num_inputs, width, config.norm))
            num_inputs = 2 * width

    def forward(
        self,
        xyz: Tensor,
        features: Tensor,
        token: Tensor,
        coords_bxyz: Tensor,
        centroids: Tensor,
        return_points: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Encode points that lie in tokens.

        Args:
            xyz: (P, 3) float32, metres, in the frame of the grid.
            features: (P, C).
            token: (P,) int64 rows of ``coords_bxyz``, in any order. A token without points becomes 0.
            coords_bxyz: (T, 4) int32.
            centroids: (T, 3) float32, metres, mean of the points of each token.
            return_points: Also return what the last layer found for each point.

        Returns:
            (T, d_model) tokens; with ``return_points`` also (P, d_model) points, whose maximum is the token.

        Raises:
            ValueError: shapes that do not fit.
        """
        self._check(xyz, features, token, coords_bxyz, centroids)
        num_tokens = coords_bxyz.shape[0]
        points = self._inputs(xyz, features, token, coords_bxyz, centroids)
        tokens: Tensor | None = None
        for layer in self.layers:
            # Rectifying after the maximum is the same and touches one row per token instead of one per point.
            points = layer(points, tokens, token)
            tokens = F.relu(reduce_of_segments(points, token, num_tokens, "max"))
            is_last = layer is self.layers[-1]
            if return_points or not is_last:
                points = F.relu(points)
        assert tokens is not None  # config.channels is not empty
        tokens = tokens.to(xyz.dtype)  # autocast must not leave the sums of the encoder's layers in bfloat16
        return (tokens, points) if return_points else tokens

    def _inputs(self, xyz: Tensor, features: Tensor, token: Tensor, coords_bxyz: Tensor, centroids: Tensor) -> Tensor:
        centers = self.lower + (coords_bxyz[:, 1:] + 0.5) * self.size
        from_centroid = xyz - centroids.index_select(0, token)
        from_center = xyz - centers.index_select(0, token)
        if self.config.normalize_xyz:
            half_size = self.size / 2
            xyz = (xyz - self.middle) / self.half_extent
            from_centroid, from_center = from_centroid / half_size, from_center / half_size
        return torch.cat([xyz, features.to(xyz.dtype), from_centroid, from_center], dim=1)

    def _check(self, xyz: Tensor, features: Tensor, token: Tensor, coords_bxyz: Tensor, centroids: Tensor) -> None:
        num_points, num_tokens = xyz.shape[0], coords_bxyz.shape[0]
        for name, value, expected in (
            ("xyz", xyz, (num_points, 3)),
            ("features", features, (num_points, self.num_features)),
            ("token", token, (num_points,)),
            ("coords_bxyz", coords_bxyz, (num_tokens, 4)),
            ("centroids", centroids, (num_tokens, 3)),
        ):
            if value.shape != expected:
                raise ValueError(f"VoxelEncoder: {name} must have shape {expected}, got {tuple(value.shape)}")


class _PointLayer(nn.Module):
    """Linear map and norm of each point, beside the maximum over its token where there is one."""

    def __init__(self, num_inputs: int, num_outputs: int, norm: Literal["layer", "batch"]) -> None:
        super().__init__()
        self.linear = nn.Linear(num_inputs, num_outputs, bias=False)
        # Released values of the batch norm.
        self.norm = nn.LayerNorm(num_outputs) if norm == "layer" else BatchNorm(num_outputs, eps=1e-3, momentum=0.01)

    def forward(self, points: Tensor, tokens: Tensor | None, token: Tensor) -> Tensor:
        """(P, inputs) points, and (T, inputs / 2) tokens of which each point takes its own, to (P, outputs)."""
        if tokens is None:
            return self.norm(self.linear(points))
        # The map of a concatenation is the sum of two maps; that of the tokens is done once per token, not per point.
        of_points, of_tokens = self.linear.weight.split([points.shape[1], tokens.shape[1]], dim=1)
        return self.norm(F.linear(points, of_points) + F.linear(tokens, of_tokens).index_select(0, token))


class BatchNorm(nn.BatchNorm1d):
    """Batch norm that uses its running statistics when fewer than two rows leave the batch without a variance."""

    def forward(self, values: Tensor) -> Tensor:
        if self.training and values.shape[0] < 2:
            return F.batch_norm(values, self.running_mean, self.running_var, self.weight, self.bias, False, 0, self.eps)
        return super().forward(values)
