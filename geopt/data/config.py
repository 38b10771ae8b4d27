"""What the data part of a run is configured by."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

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
from geopt.data.shards import layout
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
    "folder": {"num_sweeps": 1, "features": (), "intensity_scale": 1.0, "train": "all", "val": ""},
}
"""What keys are by ``kind`` where they are left out. For Waymo it is what published models see."""


def dataset_of(values: Mapping[str, Any]) -> str:
    """Kind of the dataset that keys of a :class:`DatasetConfig` name; of shards that of what was packed.

    Raises:
        FileNotFoundError, ValueError: shards that cannot be read; names the file.
    """
    kind = values.get("kind", "nuscenes")
    if kind != "shards" or not (values.get("packed") or values.get("root")):
        return kind
    return values.get("packed") or layout.read(Path(values["root"]).expanduser()).kind


class DatasetConfig(Frozen):
    """Which frames of one dataset are read, and what they are like.

    Keys that are left out follow :data:`DEFAULTS` of the kind.
    """

    kind: Kind = "nuscenes"
    packed: str = ""
    """For shards: kind of the dataset that was packed, found in the folder where it is left out."""
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
    num_sweeps: PositiveInt = 10
    """Sweeps in a cloud, the frame's own included; fewer at the start of a scene."""
    intensity_scale: PositiveFloat = 1 / 255
    """Factor on the intensity, which nuScenes stores as 0 to 255 and Waymo from 0 without a limit, most of it below 1."""
    intensity_curve: Literal["linear", "tanh"] = "linear"
    """What the scaled intensity goes through; ``tanh`` keeps the brightest of Waymo's returns within 1."""
    max_range_m: PositiveFloat | None = None
    """Points farther than this from the sensor that saw them are left out; null keeps all."""
    fill: dict[Feature, float] = {}
    """Values of channels that the dataset lacks although ``features`` names them, such as ``{elongation: 0.0}``."""

    @property
    def dataset(self) -> str:
        """Kind of the dataset, of shards that of what was packed."""
        return self.packed or self.kind

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_kind(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        dataset = dataset_of(values)
        if values.get("kind") == "shards":
            values = values | {"packed": "" if dataset == "shards" else dataset}
        defaults = DEFAULTS.get(dataset, {})
        return {name: value for name, value in defaults.items() if name in cls.model_fields} | values


class MixedConfig(DatasetConfig):
    """One dataset of a mixture. What is left out follows :data:`DEFAULTS` of its kind, and else ``data``."""

    name: str = Field("", pattern=r"^[A-Za-z0-9_.-]+$")
    """In messages and metrics; its kind where it is left out."""
    weight: PositiveFloat = 1.0
    """Its share of the frames of an epoch is this over the sum of all."""


class DataConfig(DatasetConfig):
    """Which frames are read, from where, and what a frame consists of.

    One dataset, or with ``mix`` several for pre-training.
    """

    mix: tuple[MixedConfig, ...] = ()
    """Datasets that a run takes its frames from, in place of ``root``."""
    label_fraction: str = fractions.ALL
    """Part of the ``train`` frames that training uses: ``all``, or a list that ``geopt splits`` names, such as
    ``scenes-10-seed0``."""
    frames: Literal["keyframes", "all_sweeps"] = "keyframes"
    """``all_sweeps`` makes a frame of every sweep, about ten times as many."""
    sweep_choice: Literal["nearest", "random"] = "nearest"
    """Past sweeps in training: the nearest, or a random choice of all but one among the ``num_sweeps`` nearest."""
    frame: Literal["ego", "lidar"] = "ego"
    """Model frame. Ego is x forward, origin on the ground; the LiDAR of nuScenes has x to the right."""
    features: tuple[Feature, ...] = ("intensity", "time_lag_s")
    """Channels of a point besides xyz."""
    boxes: bool = False
    """Read the annotated boxes of key frames."""
    labels: Literal["fine", "coarse"] | None = None
    """Read the labels of points: of nuScenes the 32 categories or the benchmark's 16 classes and 0; of SemanticKITTI the 34
    categories or the 19 classes and 0; of Waymo the same 22 classes and 0 either way."""
    augment: AugmentConfig = AugmentConfig()
    workers: NonNegativeInt = 2
    """Processes that read; the result does not depend on it."""

    def parts(self) -> tuple[DataConfig, ...]:
        """The config of each dataset of the mixture as if it were alone; of one dataset this one."""
        if not self.mix:
            return (self,)
        shared = {
            name: getattr(self, name) for name in DataConfig.model_fields if name not in DatasetConfig.model_fields
        }
        own = [{name: getattr(one, name) for name in DatasetConfig.model_fields} for one in self.mix]
        return tuple(DataConfig(**(shared | {"mix": ()} | part)) for part in own)

    @model_validator(mode="before")
    @classmethod
    def _entries_of_the_mixture(cls, values: Any) -> Any:
        """Fill up what the entries leave out."""
        if not isinstance(values, dict) or not isinstance(values.get("mix"), list | tuple):
            return values
        inherited = DatasetConfig.model_fields.keys() - {"root", "packed"}
        outer = {name: values[name] for name in inherited if name in values}
        return values | {
            "mix": [_filled(entry, outer) if isinstance(entry, dict) else entry for entry in values["mix"]]
        }

    @model_validator(mode="after")
    def _is_one_mixture(self) -> Self:
        if not self.mix:
            return self
        names = [one.name for one in self.mix]
        twice = sorted({name for name in names if names.count(name) > 1})
        if self.root:
            raise ValueError(f"root must be left out beside mix, whose entries have their own, got {self.root!r}")
        if twice:
            raise ValueError(
                f"mix must give each dataset a name of its own, got {', '.join(twice)} twice; add name: ..."
            )
        missing = [one.name for one in self.mix if not one.root]
        if missing:
            raise ValueError(f"mix must give each dataset a root, got none for {', '.join(missing)}")
        if self.label_fraction != fractions.ALL:
            raise ValueError(f"label_fraction must be left out beside mix, got {self.label_fraction!r}")
        return self

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


def _filled(entry: dict[str, Any], outer: dict[str, Any]) -> dict[str, Any]:
    """An entry of a mixture with what it leaves out."""
    dataset = dataset_of(outer | entry)
    defaults = {name: value for name, value in DEFAULTS.get(dataset, {}).items() if name in MixedConfig.model_fields}
    return outer | defaults | entry | {"name": entry.get("name") or dataset}
