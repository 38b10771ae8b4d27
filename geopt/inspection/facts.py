"""What an inspection measures; checks read it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geopt.data.config import DataConfig
from geopt.inspection.up_axis import Up


class Column(NamedTuple):
    """Finite values of a field of one scan."""

    lowest: float
    median: float
    highest: float
    p1: float
    p99: float
    num_bad: int
    """NaN or infinite."""
    at_lowest: float
    """Share of the values that are the lowest one."""
    at_highest: float


class ScanFacts(NamedTuple):
    """One scan that was looked at. Lengths are in metres if the config is right."""

    row: int
    name: str
    """File where there is one of its own, else the frame."""
    scene: str
    num_points: int
    """As stored."""
    num_bad: int
    """Without a finite position."""
    num_zero: int
    """At 0, 0, 0."""
    num_twice: int
    """That stand where another does, farther than NEAR_M from the sensor."""
    digest: int
    """Of all points, whatever their order."""
    columns: dict[str, Column]
    """By name; x, y, z too."""
    distance_m: tuple[float, float, float]
    """Median, 99th percentile and greatest distance from the sensor."""
    centre_m: tuple[float, float, float]
    """Median of x, y, z."""
    spread_m: float
    """Median distance from there."""
    far: float
    """Share of points farther than any scanner sees."""
    near: float
    """Share of points within NEAR_M of the sensor's axis: nuScenes has a quarter or more there."""
    on_vehicle: float
    """Share of points farther than that, but within VEHICLE_M."""
    up: Up | None
    num_beams: int | None
    angles: str | None
    """Unit, where columns hold angles."""
    sectors: float
    """Share of 1-degree sectors about the sensor with points."""
    point_time_s: tuple[float, float] | None
    """First and last time of points, after that of the scan."""


class FileFacts(NamedTuple):
    """A scan file."""

    path: Path
    num_bytes: int


class WidthFacts(NamedTuple):
    """How many numbers a point of a .bin file has."""

    path: Path
    read_as: int
    looks_like: int


class PairFacts(NamedTuple):
    """Two scans, one after the other, brought together by their poses and otherwise."""

    names: tuple[str, str]
    moved_m: float
    turned_deg: float
    apart_m: dict[str, float]
    """Mean distance from points of the second to the nearest of the first, each at most 1 m; by what moved them: ``given``,
    ``still`` (nothing) and what users get wrong, see :data:`geopt.inspection.motion.MISTAKES`."""


class BoxFacts(NamedTuple):
    """The boxes of a frame. M boxes."""

    name: str
    geometry: NDArray[np.float64]
    """(M, 7) in the ego frame."""
    names: tuple[str, ...]
    stated: NDArray[np.int64]
    """(M,) points inside as the dataset counts them."""
    inside: NDArray[np.int64]
    """(M,) counted here."""
    turned: NDArray[np.int64]
    """(M,) counted with length and width exchanged."""


class LabelFacts(NamedTuple):
    """Labels of the points of a frame."""

    name: str
    counts: dict[int, int]
    """Points of each label."""


class Problem(NamedTuple):
    """Something that could not be read."""

    part: Literal["dataset", "poses", "times", "scan", "boxes", "labels"]
    name: str
    text: str
    """The reader's message."""


@dataclasses.dataclass(frozen=True)
class Facts:
    """All that was measured. S scans of which some were looked at."""

    root: Path
    config: DataConfig
    problems: tuple[Problem, ...] = ()
    files: tuple[FileFacts, ...] = ()
    same_files: tuple[tuple[Path, ...], ...] = ()
    """Groups of files with the same bytes."""
    widths: tuple[WidthFacts, ...] = ()
    sensor: str = "unknown"
    scenes: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    """Of which there are scans here."""
    scene: NDArray[np.int64] = dataclasses.field(default_factory=lambda: np.zeros(0, np.int64))
    """(S,) rows of ``scenes``."""
    timestamp_us: NDArray[np.int64] | None = None
    """(S,) None where the dataset has no times."""
    num_with_boxes: int = 0
    num_labelled: int = 0
    global_from_ego: NDArray[np.float64] | None = None
    """(S, 3, 4) None where nobody knows."""
    scans: tuple[ScanFacts, ...] = ()
    pairs: tuple[PairFacts, ...] = ()
    boxes: tuple[BoxFacts, ...] = ()
    labels: tuple[LabelFacts, ...] = ()

    @property
    def kind(self) -> str:
        """``data.kind``, of shards that of what was packed."""
        return self.config.dataset

    def short(self, path: Path) -> str:
        """A path below the root."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)

    def in_scenes(self, values: NDArray) -> list[tuple[str, NDArray]]:
        """Values of all scans, scene by scene."""
        return [(name, values[self.scene == number]) for number, name in enumerate(self.scenes)]
