"""What the data floor asks of a dataset, whatever its format: frames by number, their clouds, boxes and labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from geopt.data import fractions, splits
from geopt.data.sweeps import Cloud, SweepPoints
from geopt.data.sweeps import ModelFrame as ModelFrame
from geopt.structures import Boxes

FrameKind = Literal["keyframes", "all_sweeps"]
LabelKind = Literal["fine", "coarse"]


class Frames(NamedTuple):
    """A choice of sweeps, each the newest of a cloud."""

    rows: NDArray[np.int64]
    """(F,) rows of the sweep table."""
    oldest_key_frame: NDArray[np.int64]
    """(F,) past sweeps come from this key frame of the scene or a later one; -1 where there is no limit."""


class Objects(NamedTuple):
    """What is known of the boxes of a key frame without reading its points. M boxes."""

    categories: tuple[str, ...]
    """(M,) names of the dataset."""
    num_points: NDArray[np.int64]
    """(M,) LiDAR points inside, as the dataset counts them."""


class Source(Protocol):
    """A dataset in its own format. A row is one sweep; key frames are those that people annotated.

    It pickles, so that data workers can be given it.
    """

    @property
    def folder(self) -> Path:
        """For messages."""
        ...

    @property
    def sensor(self) -> str:
        """Short name of what measured, such as ``HDL-32E``."""
        ...

    @property
    def points_frame(self) -> ModelFrame:
        """Frame of :meth:`read`, see :class:`geopt.data.posed.PosedScans`."""
        ...

    @property
    def order(self) -> SweepOrder:
        """All sweeps."""
        ...

    def splits(self) -> dict[str, Sequence[str]]:
        """Scene names of each split."""
        ...

    def select(self, selection: str, frames: FrameKind = "keyframes", fraction: str = fractions.ALL) -> Frames:
        """Choose frames by split, scene or slice of a scene."""
        ...

    def name(self, row: int) -> str:
        """For messages, such as ``scene-0523/12``."""
        ...

    def token(self, row: int) -> str:
        """What predictions are submitted under."""
        ...

    def timestamp_us(self, row: int) -> int:
        """Time of a sweep."""
        ...

    def is_key_frame(self, row: int) -> bool:
        """Whether a sweep has boxes."""
        ...

    def has_labels(self, row: int) -> bool:
        """Whether a sweep has labels of points."""
        ...

    def past(self, row: int, count: int, oldest_key_frame: int = -1) -> list[int]:
        """Rows of up to ``count`` sweeps before a sweep, newest first."""
        ...

    def read(self, row: int) -> SweepPoints:
        """The points of one sweep."""
        ...

    def ego_from_lidar(self, row: int) -> NDArray[np.float64]:
        """(3, 4) where the sensor is on the vehicle, metres."""
        ...

    def global_from_ego(self, row: int) -> NDArray[np.float64]:
        """(3, 4) where the vehicle was in the map at the time of the sweep, metres."""
        ...

    def cloud(self, row: int, past: Sequence[int] = (), frame: ModelFrame = "ego") -> Cloud:
        """A sweep and past sweeps in the frame of the former."""
        ...

    def global_from_model(self, row: int, frame: ModelFrame = "ego") -> NDArray[np.float64]:
        """(3, 4) where the model frame was in the map at the time of the sweep, metres."""
        ...

    def load_annotations(self) -> None:
        """Read what is shared by all boxes now, once, and not in every worker."""
        ...

    def objects(self, row: int) -> Objects:
        """Categories and point counts of the boxes of a key frame, in the order of :meth:`boxes`."""
        ...

    def boxes(self, row: int, frame: ModelFrame = "ego") -> Boxes:
        """Annotated boxes of a key frame."""
        ...

    def point_labels(self, row: int, classes: LabelKind) -> NDArray[np.uint8]:
        """(N,) label of each point of a sweep that has labels, in the order of :meth:`cloud` without past sweeps."""
        ...


class SweepOrder(NamedTuple):
    """All sweeps of a dataset in the order of scene and time. S sweeps."""

    scenes: tuple[str, ...]
    """Names."""
    scene: NDArray[np.integer]
    """(S,) rows of ``scenes``, ascending."""
    key_frame: NDArray[np.integer]
    """(S,) number in its scene of the key frame that a sweep belongs to, -1 before the first one."""
    is_key_frame: NDArray[np.bool_]
    timestamp_us: NDArray[np.int64]


def select(
    who: str,
    order: SweepOrder,
    known: Mapping[str, Sequence[str]],
    selection: str,
    frames: FrameKind,
    fraction: str,
    where: str,
) -> Frames:
    """Choose frames; what :meth:`Source.select` does for all formats.

    Args:
        who: For messages.
        known: Scene names of each split.
        where: The dataset's place for messages.

    Raises:
        ValueError: see :func:`geopt.data.splits.resolve`; ``frames`` is neither kind; there is no such fraction, or it
            keeps nothing.
    """
    if frames not in ("keyframes", "all_sweeps"):
        raise ValueError(f"{who}.select: frames must be 'keyframes' or 'all_sweeps', got {frames!r}")
    key_rows = np.flatnonzero(order.is_key_frame)
    scenes = np.arange(len(order.scenes) + 1)
    place_of = {name: place for place, name in enumerate(order.scenes)}
    first, first_key = np.searchsorted(order.scene, scenes), np.searchsorted(order.scene[key_rows], scenes)
    num_key_frames = dict(zip(order.scenes, np.diff(first_key).tolist()))
    ranges = splits.resolve(selection, known, num_key_frames, where)
    kept = np.ones(len(key_rows), dtype=bool)
    if fraction != fractions.ALL:
        firsts = [(int(first_key[place_of[part.scene]]), part) for part in ranges]
        chosen = np.concatenate([np.arange(first + part.start, first + part.stop) for first, part in firsts])
        rows = key_rows[chosen]
        names = [order.scenes[scene] for scene in order.scene[rows]]
        there = fractions.KeyFrames(names, order.key_frame[rows].astype(np.int64), order.timestamp_us[rows])
        kept[:] = False
        kept[chosen] = fractions.choose(fraction, there, splits.scenes_of(selection, known))
    rows_of, oldest = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for part in ranges:
        scene = place_of[part.scene]
        candidates = np.arange(first[scene], first[scene + 1])
        limit = part.start if part.start else -1  # sweeps before key frame 0 belong to it
        number = order.key_frame[candidates]
        wanted = (number >= limit) & (number < part.stop)
        if frames == "keyframes":
            wanted &= order.is_key_frame[candidates]
        wanted &= kept[first_key[scene] + np.maximum(number, 0)]
        rows_of.append(candidates[wanted])
        oldest.append(np.full(int(wanted.sum()), limit))
    return Frames(np.concatenate(rows_of), np.concatenate(oldest))
