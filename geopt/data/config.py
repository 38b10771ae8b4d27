"""What the data part of a run is configured by."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from geopt.data import fractions
from geopt.data.folder.config import FolderConfig
from geopt.schema import Frozen

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Feature = Literal["intensity", "time_lag_s", "ring", "elongation"]


class AugmentConfig(Frozen):
    """Random motions of a whole frame, about the origin of the model frame.

    The defaults are those that GeoMAE was released with (arXiv:2305.08808).
    """

    rotation_rad: NonNegativeFloat = 0.3925
    """Turn about z, uniform within plus or minus this."""
    scale: tuple[PositiveFloat, PositiveFloat] = (0.95, 1.05)
    """Factor on all lengths, uniform between the two."""
    flip_x: Probability = 0.5
    """Chance that x changes its sign."""
    flip_y: Probability = 0.5
    """Chance that y changes its sign."""

    @field_validator("scale")
    @classmethod
    def _ascends(cls, scale: tuple[float, float]) -> tuple[float, float]:
        if scale[0] > scale[1]:
            raise ValueError(f"scale must be (lowest, highest), got {scale}")
        return scale


PASTED: dict[str, dict[str, int]] = {
    "nuscenes": {
        "car": 2,
        "truck": 3,
        "construction_vehicle": 7,
        "bus": 4,
        "trailer": 6,
        "barrier": 2,
        "motorcycle": 6,
        "bicycle": 6,
        "pedestrian": 2,
        "traffic_cone": 2,
    },
    "waymo": {"vehicle": 15, "pedestrian": 10, "cyclist": 10},
}
"""Objects of each class by ``data.kind``. Source: CBGS (arXiv:1908.09492); the Waymo configs of OpenPCDet."""


class PasteConfig(Frozen):
    """Objects of other training frames, pasted where they were seen; see :mod:`geopt.data.objects`."""

    objects: dict[str, NonNegativeInt] | None = None
    """Objects of a class that a frame shall hold, its own counted; an empty mapping pastes nothing, null stands for
    :data:`PASTED` of the dataset."""
    min_points: PositiveInt = 5
    """Objects with fewer LiDAR points are not pasted."""
    fade_out: Probability = 0.2
    """Last share of the run without pasted objects, so that the model ends on frames as they are."""


class WaymoConfig(Frozen):
    """What of a frame of the Waymo Open Dataset is read."""

    lidars: Literal["all", "top"] = "all"
    """All five, or the one on the roof, the only one with labels of points."""
    returns: Literal["both", "first"] = "both"
    """Of each pulse."""
    no_label_zones: Literal["keep", "drop"] = "keep"
    """Points in zones that nobody labelled."""


class PandaSetConfig(Frozen):
    """What of a frame of PandaSet is read."""

    lidar: Literal["spinning", "forward", "both"] = "spinning"
    """The Pandar64 on the roof, the PandarGT that looks ahead, or both."""


Kind = Literal["nuscenes", "waymo", "kitti", "semantickitti", "argoverse2", "pandaset", "folder", "shards"]
DEFAULTS: dict[str, dict[str, Any]] = {
    "waymo": {
        "num_sweeps": 1,
        "features": ("intensity", "elongation"),
        "intensity_scale": 1.0,
        "intensity_curve": "tanh",
    },
    "kitti": {"num_sweeps": 1, "features": ("intensity",), "intensity_scale": 1.0},
    "semantickitti": {"num_sweeps": 1, "features": ("intensity",), "intensity_scale": 1.0},
    "argoverse2": {"num_sweeps": 1, "features": ("intensity",)},
    "pandaset": {"num_sweeps": 1, "features": ("intensity",), "train": "all", "val": ""},
    "folder": {"num_sweeps": 1, "features": (), "train": "all", "val": ""},
}
"""What keys are by ``kind`` where they are left out. For Waymo it is what published models see."""


class DataConfig(Frozen):
    """Which frames are read, from where, and what a frame consists of.

    Keys that are left out follow :data:`DEFAULTS` of the kind.
    """

    kind: Kind = "nuscenes"
    root: str = ""
    """Dataset folder; ``~`` is the home folder."""
    version: str = "v1.0-trainval"
    """For nuScenes: folder of the tables below ``root``. Other datasets do not need it."""
    waymo: WaymoConfig = WaymoConfig()
    """For Waymo."""
    folder: FolderConfig = FolderConfig()
    """For a folder of scans."""
    pandaset: PandaSetConfig = PandaSetConfig()
    """For PandaSet."""
    train: str = "train"
    """A split, scenes joined by ``,`` or ``+``, or slices in key frames such as ``scene-0523[:30]``."""
    val: str = "val"
    """As ``train``."""
    label_fraction: str = fractions.ALL
    """Part of the ``train`` frames that training uses: ``all``, or a list that ``geopt splits`` names, such as
    ``scenes-10-seed0``."""
    frames: Literal["keyframes", "all_sweeps"] = "keyframes"
    """``all_sweeps`` makes a frame of every sweep, about ten times as many."""
    num_sweeps: PositiveInt = 10
    """Sweeps in a cloud, the frame's own included; fewer at the start of a scene."""
    sweep_choice: Literal["nearest", "random"] = "nearest"
    """Past sweeps in training: the nearest, or a random choice of all but one among the ``num_sweeps`` nearest."""
    frame: Literal["ego", "lidar"] = "ego"
    """Model frame. Ego is x forward, origin on the ground; the LiDAR of nuScenes has x to the right."""
    features: tuple[Feature, ...] = ("intensity", "time_lag_s")
    """Channels of a point besides xyz."""
    intensity_scale: PositiveFloat = 1 / 255
    """Factor on the intensity, which nuScenes stores as 0 to 255 and Waymo from 0 without a limit, most of it below 1."""
    intensity_curve: Literal["linear", "tanh"] = "linear"
    """What the scaled intensity goes through; ``tanh`` keeps the brightest of Waymo's returns within 1."""
    boxes: bool = False
    """Read the annotated boxes of key frames."""
    labels: Literal["fine", "coarse"] | None = None
    """Read the labels of points: of nuScenes the 32 categories or the benchmark's 16 classes and 0; of Waymo the same 22
    classes and 0 either way."""
    augment: AugmentConfig = AugmentConfig()
    workers: NonNegativeInt = 2
    """Processes that read; the result does not depend on it."""

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_kind(cls, values: Any) -> Any:
        return DEFAULTS.get(values.get("kind", ""), {}) | values if isinstance(values, dict) else values

    @field_validator("label_fraction")
    @classmethod
    def _has_this_name(cls, label_fraction: str) -> str:
        return fractions.find(label_fraction).name

    @field_validator("features")
    @classmethod
    def _once_each(cls, features: tuple[Feature, ...]) -> tuple[Feature, ...]:
        if len(set(features)) != len(features):
            raise ValueError(f"features must name each channel once, got {features}")
        return features
