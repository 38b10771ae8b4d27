"""What the heads are built from."""

from __future__ import annotations

import itertools
from typing import Annotated, Literal

import pydantic

from geopt.schema import Frozen

Probability = Annotated[float, pydantic.Field(ge=0, le=1)]

NUSCENES_GROUPS = (
    ("car",),
    ("truck", "construction_vehicle"),
    ("bus", "trailer"),
    ("barrier",),
    ("motorcycle", "bicycle"),
    ("pedestrian", "traffic_cone"),
)
"""Task groups of CBGS (Zhu et al., arXiv:1908.09492) and CenterPoint: classes of like shape share a group."""


WAYMO_GROUPS = (("vehicle",), ("pedestrian",), ("cyclist",))


class NeckConfig(Frozen):
    """Tokens to a dense map from above: stages of residual blocks, brought together at the resolution of the first.

    On a CPU, ``channels: [32, 64]``, ``blocks: [1, 2]``, ``strides: [1, 2]`` does for a grid of 100 x 100 tokens.
    """

    channels: tuple[pydantic.PositiveInt, ...] = pydantic.Field((64, 128, 256), min_length=1)
    """Width of each stage."""
    blocks: tuple[pydantic.NonNegativeInt, ...] = (2, 3, 3)
    """Residual blocks of each stage, two 3 x 3 convolutions each."""
    strides: tuple[pydantic.PositiveInt, ...] = (2, 2, 2)
    """How much coarser each stage is than the one before; the first decides the cells of the result, in tokens."""
    out_channels: pydantic.PositiveInt = 128
    norm: Literal["group", "layer", "batch"] = "group"
    """``group`` norms groups of channels over a frame, ``layer`` all channels of a cell; ``batch`` depends on what else
    is in the batch."""
    num_groups: pydantic.PositiveInt = 8
    """Of the group norm; must divide ``channels`` and ``out_channels``."""

    @pydantic.model_validator(mode="after")
    def _fits(self) -> NeckConfig:
        if not len(self.channels) == len(self.blocks) == len(self.strides):
            raise ValueError(
                f"channels, blocks and strides must be equally long, got {len(self.channels)}, {len(self.blocks)} and "
                f"{len(self.strides)}"
            )
        odd = [c for c in (*self.channels, self.out_channels) if c % self.num_groups]
        if self.norm == "group" and odd:
            raise ValueError(f"num_groups must divide channels and out_channels, got {self.num_groups} for {odd[0]}")
        return self


class TargetConfig(Frozen):
    """What the maps shall show; see :mod:`geopt.heads.center_targets`."""

    min_overlap: float = pydantic.Field(0.1, gt=0, lt=1)
    """Overlap that a box keeps with its true one while its centre is within the radius of the Gaussian."""
    min_radius: pydantic.NonNegativeInt = 2
    """Cells."""
    min_points: pydantic.NonNegativeInt = 1
    """Boxes with fewer LiDAR points are no targets, and are counted; the benchmark does not score those with none."""


class DecodeConfig(Frozen):
    """From maps to boxes."""

    score_threshold: Probability = 0.1
    candidates_per_group: pydantic.PositiveInt = 1000
    """Best peaks of each group that go into the suppression."""
    peak_window: int = pydantic.Field(3, ge=1)
    """A candidate is the highest of so many cells along x and y, odd; 1 takes every cell."""
    nms_iou: Probability = 0.2
    """A box that overlaps a better one of its group by more, seen from above, goes."""
    max_boxes: pydantic.PositiveInt = 500
    """In a frame; nuScenes takes no more."""

    @pydantic.field_validator("peak_window")
    @classmethod
    def _odd(cls, window: int) -> int:
        if window % 2 == 0:
            raise ValueError(f"must be odd, got {window}")
        return window


class DetectionConfig(Frozen):
    """The centre head. Weights and widths are those of CenterPoint (Yin et al., CVPR 2021, arXiv:2006.11275)."""

    groups: tuple[tuple[str, ...], ...] = NUSCENES_GROUPS
    """Each class of the task belongs to one group; the classes of a group share a map of boxes."""
    channels: pydantic.PositiveInt = 64
    branches: Literal["joint", "separate"] = "separate"
    """``separate``: a hidden layer for each kind of map, as published; ``joint``: one for all of a group, which is
    six times cheaper."""
    heatmap_weight: pydantic.NonNegativeFloat = 1.0
    box_weight: pydantic.NonNegativeFloat = 0.25
    """Of offset, height, size and rotation."""
    velocity_weight: pydantic.NonNegativeFloat = 0.05
    target: TargetConfig = TargetConfig()
    decode: DecodeConfig = DecodeConfig()

    @pydantic.field_validator("groups")
    @classmethod
    def _once_each(cls, groups: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
        names = list(itertools.chain.from_iterable(groups))
        if not names or not all(groups) or len(set(names)) < len(names):
            raise ValueError(f"must hold at least one group, none empty, with each class once, got {groups}")
        return groups


class SegmentationConfig(Frozen):
    """The head that gives each point a class."""

    channels: tuple[pydantic.PositiveInt, ...] = (128,)
    """Hidden layers of the perceptron on each point."""
    dropout: float = pydantic.Field(0.0, ge=0, lt=1)
    neck: NeckConfig | None = None
    """A dense map from above whose cell a point also sees; null does without."""
    cross_entropy_weight: pydantic.NonNegativeFloat = 1.0
    lovasz_weight: pydantic.NonNegativeFloat = 1.0
    raw_weight: pydantic.NonNegativeFloat = 0.1
    """Of the cross-entropy of the perceptron that sees a raw point alone, and answers for points outside the grid."""
    class_weights: tuple[pydantic.NonNegativeFloat, ...] | None = None
    """Of the cross-entropy, one for each class after the first (the ignored one); null weighs all alike."""
