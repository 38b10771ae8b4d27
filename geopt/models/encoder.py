"""Transformer over sparse tokens, with attention in windows or in groups along a curve, or a class of the user's."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import pydantic
import torch
from torch import Tensor, nn

from geopt import plugins
from geopt.models.attention import Backend
from geopt.models.blocks import Layer, xavier_uniform
from geopt.models.partition import Partition, group_partition, num_position_axes, window_partition
from geopt.models.position import Rotary, WindowSinusoid
from geopt.schema import Frozen
from geopt.structures import VoxelGrid

Tables: TypeAlias = tuple[Partition, Partition]
"""The plain and the shifted partition of the same tokens."""


class TransformerConfig(Frozen):
    """What window and group attention have in common."""

    d_model: int = pydantic.Field(128, ge=1)
    """Width of a token."""
    num_heads: int = pydantic.Field(8, ge=1)
    d_ffn: int = pydantic.Field(256, ge=1)
    """Width of the hidden layer of the perceptron."""
    num_blocks: int = pydantic.Field(6, ge=0)
    """A block is two layers: plain partition, then shifted."""
    norm: Literal["pre", "post"] = "pre"
    """``pre`` also normalises the result; ``post`` is the released model."""
    layer_scale: float | None = 0.1
    """Initial factor on each branch (CaiT, arXiv:2103.17239: 0.1 up to 18 layers), None without; None when released."""
    dropout: float = pydantic.Field(0.0, ge=0, lt=1)
    drop_path: float = pydantic.Field(0.0, ge=0, lt=1)
    """Share of tokens that skip a branch of the last layer; it grows linearly from 0 at the first."""
    backend: Backend = "auto"

    @pydantic.model_validator(mode="after")
    def _heads_divide_width(self) -> TransformerConfig:
        if self.d_model % self.num_heads:
            raise ValueError(f"num_heads must divide d_model {self.d_model}, got {self.num_heads}")
        return self


class WindowConfig(TransformerConfig):
    """Attention in windows of the token grid (SST), every second layer shifted by half a window."""

    kind: Literal["window"] = "window"
    window: (
        tuple[pydantic.PositiveInt, pydantic.PositiveInt]
        | tuple[pydantic.PositiveInt, pydantic.PositiveInt, pydantic.PositiveInt]
    ) = (12, 12)
    """Tokens along x, y, and z where the token grid has more than one cell in z."""
    position: Literal["sinusoid", "rope"] = "sinusoid"


class GroupConfig(TransformerConfig):
    """Attention in groups of equal size along a Hilbert curve; positions are rotations (RoPE) by grid cells.

    A group has no centre that its neighbours share, so positions relative to it would mean something else in each
    group; rotations make scores depend on the difference of two cells alone.
    """

    kind: Literal["group"] = "group"
    group_size: int = pydantic.Field(64, ge=1)
    """Tokens that attend to each other."""


class PluginConfig(Frozen):
    """A class outside geopt, called as ``Class(d_model=d_model, grid=grid, **options)``; see docs/extending.md."""

    kind: Annotated[str, pydantic.AfterValidator(plugins.check_name)]
    """``package.module:Class``."""
    d_model: int = pydantic.Field(128, ge=1)
    """Width of the tokens that it takes and returns."""
    options: dict[str, Any] = {}

    def build(self, grid: VoxelGrid) -> nn.Module:
        """Raises :class:`geopt.plugins.PluginError` when the class cannot be found or built."""
        return plugins.build(self.kind, nn.Module, d_model=self.d_model, grid=grid, **self.options)


def kind_of(config: Any) -> str:
    """The tag by which a config with a ``kind`` is told from others of its union."""
    kind = config.get("kind", "window") if isinstance(config, dict) else getattr(config, "kind", None)
    return "module:Class" if isinstance(kind, str) and ":" in kind else str(kind)


EncoderConfig: TypeAlias = Annotated[
    Annotated[WindowConfig, pydantic.Tag("window")]
    | Annotated[GroupConfig, pydantic.Tag("group")]
    | Annotated[PluginConfig, pydantic.Tag("module:Class")],
    pydantic.Discriminator(kind_of),
]


class Encoder(nn.Module):
    """Layers of exact attention over sparse tokens, on alternating partitions. Nothing is dropped, nothing is dense.

    The result of a token depends on its own cloud only. Weights do not depend on the grid.

    Args:
        config: A :class:`WindowConfig` or :class:`GroupConfig`.
        grid: The token grid; its size in cells decides which axes there are and which are shifted.

    Raises:
        ValueError: the window has no z although the grid has several cells in z (tokens above each other would have
            the same position), or a head is too narrow for its rotations.

    Source: Fan et al., SST, CVPR 2022, arXiv:2112.06375; Liu et al., FlatFormer, CVPR 2023, arXiv:2301.08739.
    """

    def __init__(self, config: WindowConfig | GroupConfig, grid: VoxelGrid) -> None:
        super().__init__()
        self.config = config
        self.grid_shape = grid.shape
        self.d_model = config.d_model
        num_axes = num_position_axes(grid.shape)
        if isinstance(config, WindowConfig) and len(config.window) < num_axes:
            raise ValueError(
                f"{type(self).__name__}: window must have three numbers (x, y, z) on a token grid of {grid.shape[2]} "
                f"cells in z, got {config.window}; {(*config.window, grid.shape[2])} spans the full height"
            )
        if isinstance(config, WindowConfig) and config.position == "sinusoid":
            self.position: nn.Module = WindowSinusoid(config.window, config.d_model)
        else:
            axes = len(config.window) if isinstance(config, WindowConfig) else num_axes
            self.position = Rotary(config.d_model // config.num_heads, axes)
        num_layers = 2 * config.num_blocks
        rates = torch.linspace(0, config.drop_path, num_layers).tolist()
        self.layers = nn.ModuleList(
            Layer(
                config.d_model,
                config.num_heads,
                config.d_ffn,
                config.norm,
                config.layer_scale,
                config.dropout,
                rate,
                config.backend,
            )
            for rate in rates
        )
        self.final_norm = nn.LayerNorm(config.d_model) if config.norm == "pre" else None
        xavier_uniform(self)

    def tables(self, coords_bxyz: Tensor) -> Tables:
        """The partitions of these tokens. Encoders and decoders of equal config and grid can share them."""
        config = self.config
        if isinstance(config, WindowConfig):
            plain, shifted = (
                window_partition(coords_bxyz, config.window, self.grid_shape, shifted) for shifted in (False, True)
            )
        else:
            plain, shifted = (
                group_partition(coords_bxyz, config.group_size, self.grid_shape, shifted) for shifted in (False, True)
            )
        return plain, shifted

    def forward(self, tokens: Tensor, coords_bxyz: Tensor, tables: Tables | None = None) -> Tensor:
        """Let tokens exchange what they know.

        Args:
            tokens: (T, d_model), in any order; T may be 0.
            coords_bxyz: (T, 4) int32 cells, each once.
            tables: Result of :meth:`tables` for the same ``coords_bxyz``, to save computing it again.

        Returns:
            (T, d_model), rows as in ``tokens``.

        Raises:
            ValueError: ``tokens`` is not (T, d_model) with one row for each row of ``coords_bxyz``.
        """
        if tokens.shape != (coords_bxyz.shape[0], self.d_model):
            raise ValueError(
                f"{type(self).__name__}: tokens must have shape ({coords_bxyz.shape[0]}, {self.d_model}) (one row for "
                f"each of coords_bxyz, d_model channels), got {tuple(tokens.shape)}"
            )
        tables = self.tables(coords_bxyz) if tables is None else tables
        positions = [self.position(partition) for partition in tables]
        for i, layer in enumerate(self.layers):
            tokens = layer(tokens, tables[i % 2], positions[i % 2])
        return tokens if self.final_norm is None else self.final_norm(tokens)


def build_encoder(config: WindowConfig | GroupConfig | PluginConfig, grid: VoxelGrid) -> nn.Module:
    """The encoder that a config asks for: ours, or the class named by ``kind: "module:Class"``.

    Returns:
        A module with ``forward(tokens (T, d_model), coords_bxyz (T, 4)) -> (T, d_model)``.

    Raises:
        geopt.plugins.PluginError: the class cannot be found or built, or is no :class:`torch.nn.Module`.
        ValueError: see :class:`Encoder`.
    """
    if isinstance(config, PluginConfig):
        return config.build(grid)
    return Encoder(config, grid)
