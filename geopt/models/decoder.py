"""The encoder's transformer over visible and hidden tokens together; shallower, as only pre-training uses it."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import pydantic
from torch import nn

from geopt.models.encoder import Encoder, GroupConfig, PluginConfig, WindowConfig, kind_of
from geopt.structures import VoxelGrid


class WindowDecoderConfig(WindowConfig):
    """Window attention; one block where the released model has two."""

    num_blocks: int = pydantic.Field(1, ge=0)


class GroupDecoderConfig(GroupConfig):
    """Group attention, one block."""

    num_blocks: int = pydantic.Field(1, ge=0)


DecoderConfig: TypeAlias = Annotated[
    Annotated[WindowDecoderConfig, pydantic.Tag("window")]
    | Annotated[GroupDecoderConfig, pydantic.Tag("group")]
    | Annotated[PluginConfig, pydantic.Tag("module:Class")],
    pydantic.Discriminator(kind_of),
]


class Decoder(Encoder):
    """An :class:`~geopt.models.encoder.Encoder` for the tokens to predict and those that were seen, in any order.

    A hidden token enters as one learned vector, the same for all: it knows where it is only through the positions in
    attention. Decoders of equal config and grid share ``tables``.
    """


def build_decoder(config: WindowDecoderConfig | GroupDecoderConfig | PluginConfig, grid: VoxelGrid) -> nn.Module:
    """The decoder that a config asks for; the counterpart of :func:`geopt.models.encoder.build_encoder`."""
    if isinstance(config, PluginConfig):
        return config.build(grid)
    return Decoder(config, grid)
