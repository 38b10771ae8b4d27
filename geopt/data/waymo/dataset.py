"""A folder of the Waymo Open Dataset as it was downloaded, version 1 or 2."""

from __future__ import annotations

import functools
import re
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from geopt import cache
from geopt.data import fractions, source
from geopt.data.config import WaymoConfig
from geopt.data.posed import PosedScans
from geopt.data.source import FrameKind, Frames, LabelKind, ModelFrame, Objects, SweepOrder
from geopt.data.sweeps import SweepPoints
from geopt.data.waymo.layout import LAYOUT, find_segments, splits_of
from geopt.data.waymo.points import LaserPoints, laser_points
from geopt.data.waymo.segment import LIDARS, TOP, LaserLabels, RangeImages, SegmentIndex, Stats, pack, unpack
from geopt.data.waymo.v2 import SegmentV2
from geopt.structures import Boxes

CATEGORIES = ("unknown", "vehicle", "pedestrian", "sign", "cyclist")
"""Names of the types of boxes."""
FRAME_NAME = re.compile(r"(?P<segment>.+)/(?P<number>\d+)")
OPEN_SEGMENTS = 8
LABELLED_SEGMENTS = 32
"""Segments whose boxes are in memory, about 2 MB each."""


class Waymo(PosedScans):
    """Reads a Waymo folder in place; nothing is converted.

    Every frame is a key frame. The model frame ``ego`` is Waymo's vehicle frame: x forward, y left, origin on the ground
    below the rear axle. Times, poses and labels of large files are kept as arrays under ``$XDG_CACHE_HOME/geopt`` until the
    files change. A frame is named ``SEGMENT/12``, counted from 0.

    Args:
        root: The folder that holds ``training``, ``validation`` and so on, or one of these.
        config: Which lidars and returns are read.

    Raises:
        FileNotFoundError: there is no segment.
        ValueError: ``root`` is empty; a file is damaged, names it; or a segment is there twice.
        ImportError: version 2 needs pyarrow.
    """

    kind = "Waymo"

    def __init__(self, root: str | Path, config: WaymoConfig | None = None) -> None:
        if not str(root):
            raise ValueError(f"Waymo: root must be the dataset's folder, got ''; {LAYOUT}")
        self.root, self.config = Path(root).expanduser().resolve(), config or WaymoConfig()
        self.sensor = "Waymo top + 4 short range" if self.config.lidars == "all" else "Waymo top"
        found = sorted(
            ((_indexed(one.segment), one) for one in find_segments(self.root)), key=lambda pair: pair[0].name
        )
        self._segments = [one.segment for _, one in found]
        self._parts = [one.part for _, one in found]
        self.scenes = tuple(index.name for index, _ in found)
        """Names of the segments, ascending."""
        for first, second in zip(self.scenes, self.scenes[1:]):
            if first == second:
                raise ValueError(f"Waymo: {self.root} must hold each segment once, got {first} twice")
        self._indices = [_without_labels(index) for index, _ in found]
        counts = [len(index.timestamp_us) for index in self._indices]
        self._first = np.concatenate([[0], np.cumsum(counts)])
        self.order = SweepOrder(
            scenes=self.scenes,
            scene=np.repeat(np.arange(len(counts)), counts),
            key_frame=np.concatenate([np.arange(count) for count in counts]),
            is_key_frame=np.ones(sum(counts), dtype=bool),
            timestamp_us=np.concatenate([index.timestamp_us for index in self._indices]),
        )
        self._open: OrderedDict[int, None] = OrderedDict()
        self._labelled: OrderedDict[int, SegmentIndex] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_open": OrderedDict(), "_labelled": OrderedDict()}

    def __len__(self) -> int:
        return len(self.order.scene)

    @property
    def folder(self) -> Path:
        """The dataset's folder."""
        return self.root

    @functools.cached_property
    def _known(self) -> dict[str, Sequence[str]]:
        return splits_of(self.root, self._parts, self.scenes)

    def splits(self) -> dict[str, Sequence[str]]:
        """Segments of each split: ``all``, the folders (``training`` is also ``train``, ``validation`` is ``val``), and those
        of a ``splits.json`` in the root."""
        return self._known

    def select(self, selection: str, frames: FrameKind = "keyframes", fraction: str = fractions.ALL) -> Frames:
        """Choose frames by split, segment or slice of a segment; every frame is a key frame.

        Args:
            selection: Such as ``train``, or ``SEGMENT[:30]``; past frames never reach before such a slice.
            frames: Both kinds are the same here.
            fraction: A name of :func:`geopt.data.fractions.fractions`; ``every-5`` is what others call D5.

        Raises:
            ValueError: see :func:`geopt.data.source.select`.
        """
        return source.select("Waymo", self.order, self.splits(), selection, frames, fraction, str(self.root))

    def _at(self, row: int) -> tuple[int, int]:
        """Segment and frame of a row."""
        segment = int(self.order.scene[row])
        return segment, int(row - self._first[segment])

    def name(self, row: int) -> str:
        """Name of a frame, ``SEGMENT/12``."""
        segment, number = self._at(row)
        return f"{self.scenes[segment]}/{number}"

    def row(self, name: str) -> int:
        """Row of the frame that :meth:`name` gave this name.

        Raises:
            ValueError: there is none.
        """
        match = FRAME_NAME.fullmatch(name)
        if match and match["segment"] in self.scenes:
            segment, number = self.scenes.index(match["segment"]), int(match["number"])
            if number < len(self._indices[segment].timestamp_us):
                return int(self._first[segment]) + number
        raise ValueError(f"Waymo.row: name must be like {self.name(0)} and in {self.root}, got {name!r}")

    def token(self, row: int) -> str:
        """``SEGMENT:TIME``, the two parts that predictions are submitted under."""
        return f"{self.scenes[self._at(row)[0]]}:{self.timestamp_us(row)}"

    def timestamp_us(self, row: int) -> int:
        """Time of a frame, microseconds."""
        return int(self.order.timestamp_us[row])

    def is_key_frame(self, row: int) -> bool:
        """Whether the boxes of the frame's segment were annotated."""
        return self._indices[self._at(row)[0]].has_boxes

    def has_labels(self, row: int) -> bool:
        """Whether the points of a frame were labelled."""
        segment, number = self._at(row)
        return bool(self._indices[segment].has_segmentation[number])

    def stats(self, row: int) -> Stats:
        """Time of day, place and weather."""
        return self._indices[self._at(row)[0]].stats

    def past(self, row: int, count: int, oldest_key_frame: int = -1) -> list[int]:
        """Rows of up to ``count`` frames before a frame, newest first, none from before ``oldest_key_frame``."""
        segment, number = self._at(row)
        first = int(self._first[segment])
        return [first + n for n in range(number - 1, max(number - 1 - count, max(oldest_key_frame, 0) - 1), -1)]

    def global_from_ego(self, row: int) -> NDArray[np.float64]:
        """(3, 4) where the vehicle was in the world at the time of the frame, metres."""
        segment, number = self._at(row)
        return self._indices[segment].world_from_vehicle[number, :3]

    def ego_from_lidar(self, row: int) -> NDArray[np.float64]:
        """(3, 4) where the top lidar is on the vehicle, metres; ``sensor_origins`` of a cloud are its places, also for points
        of the four others.

        Raises:
            ValueError: nobody says so; names the frame.
        """
        calibrations = self._indices[self._at(row)[0]].calibrations
        if TOP not in calibrations:
            raise ValueError(f"Waymo: {self.name(row)} has no calibration of the top lidar in {self.root}")
        return calibrations[TOP].extrinsic[:3]

    def points(self, row: int, with_labels: bool = False) -> LaserPoints:
        """Everything that is known of the points of a frame, in its vehicle frame.

        Args:
            row: The frame.
            with_labels: Also read the labels of points, where there are any.

        Raises:
            ValueError: a file is damaged, or the frame has no points; names the file or the frame.
        """
        return self.points_of(row, self.images(row, with_labels))

    def images(self, row: int, with_labels: bool = False) -> dict[int, RangeImages]:
        """Range images of a frame by the number of the lidar, of those that the config wants.

        Raises:
            ValueError: a file is damaged; names it.
        """
        segment, number = self._at(row)
        self._note_open(segment)
        lidars = tuple(LIDARS) if self.config.lidars == "all" else (TOP,)
        return self._segments[segment].read(self._indices[segment].place[number], lidars, with_labels)

    def points_of(self, row: int, images: dict[int, RangeImages]) -> LaserPoints:
        """The points that the :meth:`images` of a frame hold.

        Raises:
            ValueError: there are none, or a calibration or poses are missing; names the frame.
        """
        segment, number = self._at(row)
        index = self._indices[segment]
        try:
            found = laser_points(
                images, index.calibrations, index.world_from_vehicle[number], self.config.returns == "first"
            )
        except ValueError as error:
            raise ValueError(f"Waymo: {self.name(row)} of {self.root} cannot be read: {error}") from error
        if self.config.no_label_zones == "drop":
            kept = np.flatnonzero(~found.in_no_label_zone)
            found = LaserPoints._make(column.take(kept, axis=0) for column in found)
        return found

    def _note_open(self, segment: int) -> None:
        self._open[segment] = None
        self._open.move_to_end(segment)
        if len(self._open) > OPEN_SEGMENTS:
            old, _ = self._open.popitem(last=False)
            reader = self._segments[old]
            if isinstance(reader, SegmentV2):
                reader.close()

    def read(self, row: int) -> SweepPoints:
        """The points of a frame, in its vehicle frame.

        Raises:
            ValueError: see :meth:`points`.
        """
        points = self.points(row)
        return SweepPoints(
            points.xyz, intensity=points.intensity, ring=points.ring.astype(np.float32), elongation=points.elongation
        )

    def load_annotations(self) -> None:
        """Nothing: boxes lie with their segments."""

    def laser_labels(self, row: int) -> LaserLabels:
        """Boxes of a frame as the files tell them.

        Raises:
            ValueError: nobody annotated boxes in the segment, or its file is damaged; names it.
        """
        segment, number = self._at(row)
        if not self._indices[segment].has_boxes:
            raise ValueError(f"Waymo: {self.scenes[segment]} of {self.root} has no boxes (lidar_box or laser_labels)")
        if segment not in self._labelled:
            self._labelled[segment] = _indexed(self._segments[segment])
            if len(self._labelled) > LABELLED_SEGMENTS:
                self._labelled.popitem(last=False)
        self._labelled.move_to_end(segment)
        return self._labelled[segment].labels_of(number)

    def objects(self, row: int) -> Objects:
        """Types and point counts of the boxes of a frame.

        Raises:
            ValueError: as :meth:`laser_labels`.
        """
        labels = self.laser_labels(row)
        return Objects(_categories(labels), labels.num_points)

    def boxes(self, row: int, frame: ModelFrame = "ego") -> Boxes:
        """Annotated boxes of a frame, of every type and difficulty.

        Args:
            row: The frame.
            frame: Of the result: ``ego`` or ``lidar``.

        Returns:
            Boxes in the order of the file, their velocity turned from the world into ``frame``; NaN where unknown.

        Raises:
            ValueError: as :meth:`laser_labels`; or ``frame`` is neither.
        """
        labels, motion = self.laser_labels(row), self.model_from_ego(row, frame)
        turn = motion[:, :3]
        forward = np.stack([np.cos(labels.box[:, 6]), np.sin(labels.box[:, 6])], axis=1) @ turn[:, :2].T
        velocity = labels.speed @ (turn @ self.global_from_ego(row)[:, :3].T).T
        yaw = labels.box[:, 6] if frame == "ego" else np.arctan2(forward[:, 1], forward[:, 0])
        geometry = [labels.box[:, :3] @ turn.T + motion[:, 3], labels.box[:, 3:6], yaw[:, None], velocity[:, :2]]
        names = tuple(text.decode(errors="backslashreplace") for text in labels.id.tolist())
        time = self.timestamp_us(row)
        return Boxes(
            geometry=torch.from_numpy(np.concatenate(geometry, axis=1)),
            names=_categories(labels),
            tokens=tuple(f"{name}:{time}" for name in names),
            instances=names,
            num_points=torch.from_numpy(labels.num_points.copy()),
            frame=frame,
        )

    def point_labels(self, row: int, classes: LabelKind = "fine") -> NDArray[np.uint8]:
        """(N,) class of each point of a frame: 1 to 22, 0 where there is none and for all lidars but the top one.

        Args:
            row: The frame.
            classes: Both kinds are the same here.

        Raises:
            ValueError: as :meth:`points`; or nobody labelled the points of the frame.
        """
        if not self.has_labels(row):
            raise ValueError(f"Waymo: {self.name(row)} of {self.root} has no labels of points")
        return self.points(row, with_labels=True).semantic


def _categories(labels: LaserLabels) -> tuple[str, ...]:
    return tuple(CATEGORIES[kind] if 0 <= kind < len(CATEGORIES) else CATEGORIES[0] for kind in labels.type.tolist())


def _indexed(segment: Any) -> SegmentIndex:
    """Index of a segment, from the cache if its files are as they were."""
    return unpack(cache.arrays("waymo-segment-1", segment.sources, lambda: pack(segment.index())))


def _without_labels(index: SegmentIndex) -> SegmentIndex:
    none = LaserLabels._make(column[:0] for column in index.labels)
    return index._replace(labels=none, label_offsets=np.zeros(1, dtype=np.int64))
