"""What is hidden, what is predicted and with which network: the configs that a pre-training model is built from."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pydantic
from torch import nn

from geopt import plugins
from geopt.geometry import Pyramid
from geopt.models.decoder import DecoderConfig, WindowDecoderConfig
from geopt.models.encoder import EncoderConfig, WindowConfig
from geopt.models.voxel_encoder import VoxelEncoderConfig
from geopt.schema import Frozen
from geopt.targets import Centroid, Curvature, Density, Normal, Occupancy, Target
from geopt.targets.surface import Neighborhood


class MaskConfig(Frozen):
    """Which tokens are hidden."""

    ratio: float = pydantic.Field(0.7, ge=0, lt=1)
    """Share of each cloud's non-empty tokens."""
    empty_radius: pydantic.NonNegativeInt = 0
    """Also ask for the empty places within so many tokens of a visible one; 0 asks for none."""


class OccupancyConfig(Frozen):
    """Which cells of a hidden token hold a point; see :class:`geopt.targets.Occupancy`."""

    weights: tuple[pydantic.NonNegativeFloat, ...] = (0.0, 2.0, 5.0)
    """One per level from the token level on; 0 leaves a level out."""
    max_positive_weight: float = pydantic.Field(5.0, ge=1)
    """Occupied cells weigh up to this much more than empty ones; 1 weighs all alike."""
    two_logits: bool = False
    """A logit for empty and one for occupied, as released; all cells then weigh alike."""


class CentroidConfig(Frozen):
    """Where in its cell the mean of the points lies; see :class:`geopt.targets.Centroid`."""

    weights: tuple[pydantic.NonNegativeFloat, ...] = (10.0, 8.0, 10.0)
    """One per level from the token level on; 0 leaves a level out."""
    origin: Literal["center", "corner"] = "center"
    loss: Literal["smooth_l1", "mse"] = "smooth_l1"


class NeighborhoodConfig(Frozen):
    """Which centroids a plane is fitted to; see :class:`geopt.targets.surface.Neighborhood`."""

    level: pydantic.NonNegativeInt = 1
    window: tuple[pydantic.PositiveInt, pydantic.PositiveInt, pydantic.PositiveInt] = (3, 3, 3)
    about_own: bool = False
    min_cells: pydantic.NonNegativeInt = 6
    min_gap: pydantic.NonNegativeFloat = 0.01

    @pydantic.field_validator("window")
    @classmethod
    def _odd(cls, window: tuple[int, int, int]) -> tuple[int, int, int]:
        if any(w % 2 == 0 for w in window):
            raise ValueError(f"must be odd on every axis, got {window}")
        return window

    def build(self) -> Neighborhood:
        """The same for the targets, which know no pydantic."""
        return Neighborhood(**self.model_dump())


class NormalConfig(Frozen):
    """Which way the surface faces, on ``targets.neighborhood``; see :class:`geopt.targets.Normal`."""

    weight: pydantic.NonNegativeFloat = 4.0
    loss: Literal["oriented", "unsigned", "mse"] = "oriented"


class CurvatureConfig(Frozen):
    """The eigen ratios of ``targets.neighborhood``; see :class:`geopt.targets.Curvature`."""

    weight: pydantic.NonNegativeFloat = 2.0
    loss: Literal["log", "mse"] = "log"


class DensityConfig(Frozen):
    """How many points a cell holds; see :class:`geopt.targets.Density`."""

    weights: tuple[pydantic.NonNegativeFloat, ...] = (0.0, 0.5)
    """One per level from the token level on; 0 leaves a level out."""


class PluginTargetConfig(Frozen):
    """A target outside geopt, called as ``Class(pyramid=pyramid, weight=weight, **options)``; see docs/extending.md."""

    target: Annotated[str, pydantic.AfterValidator(plugins.check_name)]
    """``package.module:Class``."""
    weight: pydantic.NonNegativeFloat = 1.0
    """0 leaves the target out."""
    options: dict[str, Any] = {}


class TargetsConfig(Frozen):
    """What is predicted; null leaves a target out."""

    occupancy: OccupancyConfig | None = OccupancyConfig()
    centroid: CentroidConfig | None = CentroidConfig()
    neighborhood: NeighborhoodConfig = NeighborhoodConfig()
    """Of the surface that normal and curvature describe."""
    normal: NormalConfig | None = NormalConfig()
    curvature: CurvatureConfig | None = CurvatureConfig()
    density: DensityConfig | None = None
    extra: tuple[PluginTargetConfig, ...] = ()

    def build(self, pyramid: Pyramid) -> nn.ModuleDict:
        """The targets by name.

        Raises:
            ValueError: a weight for a level that the pyramid does not have, no target at all, or two of one name.
            geopt.plugins.PluginError: a plug-in cannot be found or built.
        """
        targets: list[Target] = []
        for key, options in (("occupancy", self.occupancy), ("centroid", self.centroid), ("density", self.density)):
            if options is None:
                continue
            if len(options.weights) > pyramid.num_levels:
                raise ValueError(
                    f"targets.{key}.weights must have at most {pyramid.num_levels} entries (the token level and "
                    f"{pyramid.num_levels - 1} of `levels`), got {len(options.weights)}"
                )
            other = options.model_dump(exclude={"weights"})
            kind = {"occupancy": Occupancy, "centroid": Centroid, "density": Density}[key]
            targets += [
                kind(pyramid, level, weight, **other) for level, weight in enumerate(options.weights) if weight > 0
            ]
        hood = self.neighborhood.build()
        if self.normal is not None and self.normal.weight > 0:
            targets.append(Normal(pyramid, self.normal.weight, hood, self.normal.loss))
        if self.curvature is not None and self.curvature.weight > 0:
            targets.append(Curvature(pyramid, self.curvature.weight, hood, self.curvature.loss))
        targets += [
            plugins.build(t.target, Target, pyramid=pyramid, weight=t.weight, **t.options)
            for t in self.extra
            if t.weight > 0
        ]
        if not targets:
            raise ValueError("targets: at least one target must have a weight above 0, got none")
        named = {target.name: target for target in targets}
        if len(named) < len(targets):
            raise ValueError(f"targets: names must differ, got {', '.join(t.name for t in targets)}")
        return nn.ModuleDict(named)


class ModelConfig(Frozen):
    """The network: points to tokens, encoder, and two decoders that are thrown away after pre-training."""

    voxel_encoder: VoxelEncoderConfig = VoxelEncoderConfig()
    encoder: EncoderConfig = WindowConfig()
    decoder: DecoderConfig = WindowDecoderConfig()
    encode_hidden: bool = False
    """Also run the voxel encoder on hidden tokens and throw the result away, as released: it costs time and lets
    their points into batch statistics."""
    feature_drop: float = pydantic.Field(0.0, ge=0, lt=1)
    """Probability that all features of a training frame are set to 0, so that geometry alone must do."""
    init: Literal["small", "xavier"] = "small"
    """Heads and mask token start from a normal of 0.02, or Xavier-uniform as released."""
