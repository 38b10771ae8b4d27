"""The view from above: tokens on a dense map, and a small convolutional network on it."""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from geopt.heads.config import NeckConfig
from geopt.structures import VoxelGrid


class MapGrid(NamedTuple):
    """Cells of a map from above. Cell (i, j) owns ``lower + (i, j) * cell`` up to the next."""

    lower: tuple[float, float]
    """(x, y) metres."""
    cell: tuple[float, float]
    """(x, y) metres."""
    shape: tuple[int, int]
    """Cells along x and y."""

    @classmethod
    def of(cls, grid: VoxelGrid, stride: int) -> MapGrid:
        """Of cells of ``stride`` x ``stride`` tokens; the last one may reach over the end of the grid."""
        x, y, _ = grid.shape
        return cls(
            grid.lower[:2],
            (grid.size[0] * stride, grid.size[1] * stride),
            (-(-x // stride), -(-y // stride)),
        )

    @property
    def num_cells(self) -> int:
        return self.shape[0] * self.shape[1]


def scatter_tokens(tokens: Tensor, coords_bxyz: Tensor, batch_size: int, shape: tuple[int, int, int]) -> Tensor:
    """Put tokens on a map from above; tokens above each other fill different channels.

    Args:
        tokens: (T, C).
        coords_bxyz: (T, 4) int32, each once.
        batch_size: B.
        shape: (X, Y, Z) of the token grid.

    Returns:
        (B, Z * C, X, Y), channels last in memory; the channels of height z are ``z * C`` up to ``(z + 1) * C``. 0 where
        there is no token.
    """
    x, y, z = shape
    batch, i, j, k = coords_bxyz.long().unbind(1)
    row = ((batch * x + i) * y + j) * z + k
    dense = tokens.new_zeros(batch_size * x * y * z, tokens.shape[1]).index_copy(0, row, tokens)
    return dense.view(batch_size, x, y, z * tokens.shape[1]).permute(0, 3, 1, 2)


class BevNeck(nn.Module):
    """Tokens to a dense map from above.

    Args:
        config: Stages.
        grid: The token grid.
        d_model: Width of a token.

    Attributes:
        map_grid: Cells of the result.
        stride: Tokens along a side of such a cell.
        out_channels: Channels of the result.

    Source: Yan et al., SECOND, Sensors 2018, for stages that are brought together at one resolution.
    """

    def __init__(self, config: NeckConfig, grid: VoxelGrid, d_model: int) -> None:
        super().__init__()
        self.grid_shape = grid.shape
        self.stride = config.strides[0]
        self.map_grid = MapGrid.of(grid, self.stride)
        self.out_channels = config.out_channels
        self.stages, self.ups = nn.ModuleList(), nn.ModuleList()
        width, self.total_stride, ratio = grid.shape[2] * d_model, 1, 1
        for number, (channels, blocks, stride) in enumerate(zip(config.channels, config.blocks, config.strides)):
            self.total_stride *= stride
            ratio *= stride if number else 1
            self.stages.append(
                nn.Sequential(
                    # Kernel and stride are equal, so that a cell sees the cells that it covers and no other.
                    nn.Conv2d(width, channels, stride, stride, bias=False),
                    map_norm(config, channels),
                    nn.ReLU(),
                    *(_Residual(config, channels) for _ in range(blocks)),
                )
            )
            # Transposed convolutions rather than interpolation: the same bits in every run on a GPU too.
            self.ups.append(nn.ConvTranspose2d(channels, config.out_channels, ratio, ratio, bias=False))
            width = channels
        self.merge_norm = map_norm(config, config.out_channels)
        self.apply(_init)

    def forward(self, tokens: Tensor, coords_bxyz: Tensor, batch_size: int) -> Tensor:
        """Encode a batch.

        Args:
            tokens: (T, d_model); T may be 0.
            coords_bxyz: (T, 4) int32 cells of the token grid, each once.
            batch_size: B.

        Returns:
            (B, out_channels, X, Y) on ``map_grid``. A frame's map does not depend on the rest of the batch, up to
            rounding, unless ``norm`` is ``batch``.
        """
        dense = scatter_tokens(tokens, coords_bxyz, batch_size, self.grid_shape)
        pad_x, pad_y = (-size % self.total_stride for size in self.grid_shape[:2])
        if pad_x or pad_y:
            dense = F.pad(dense, (0, pad_y, 0, pad_x))
        x, y = self.map_grid.shape
        total: Tensor | None = None
        for stage, up in zip(self.stages, self.ups):
            dense = stage(dense)
            # The sum of the stages' own maps is a map of their concatenation, at a fraction of the memory.
            part = up(dense)[:, :, :x, :y]
            total = part if total is None else total + part
        assert total is not None  # there is at least one stage
        return F.relu(self.merge_norm(total))


class _Residual(nn.Module):
    def __init__(self, config: NeckConfig, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            map_norm(config, channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            map_norm(config, channels),
        )

    def forward(self, dense: Tensor) -> Tensor:
        return F.relu(dense + self.body(dense))


class CellNorm(nn.LayerNorm):
    """Layer norm of the channels of each cell of a (B, C, X, Y) map."""

    def forward(self, dense: Tensor) -> Tensor:
        return super().forward(dense.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def map_norm(config: NeckConfig, channels: int) -> nn.Module:
    """The norm that a config asks for."""
    if config.norm == "group":
        return nn.GroupNorm(config.num_groups, channels)
    if config.norm == "layer":
        return CellNorm(channels)
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)  # of SECOND and CenterPoint


def at_cells(dense: Tensor, cells: Tensor) -> Tensor:
    """Values (P, C) of a (B, C, X, Y) map at flat cells ``(b * X + i) * Y + j``, (P,) int64."""
    return dense.permute(0, 2, 3, 1).reshape(-1, dense.shape[1]).index_select(0, cells)


def _init(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
