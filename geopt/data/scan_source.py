"""What readers of single scans share: numbers to names, motions between scans, boxes in any model frame."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from geopt.data import fractions, source
from geopt.data.posed import PosedScans
from geopt.data.source import FrameKind, Frames, LabelKind, ModelFrame, Objects, SweepOrder
from geopt.data.sweeps import SweepPoints as SweepPoints
from geopt.structures import Boxes

FRAME_NAME = re.compile(r"(?P<scene>.+)/(?P<number>\d+)")


class ScanIndex(NamedTuple):
    """All scans of a dataset in the order of scene and time. S scans."""

    scenes: tuple[str, ...]
    """Names, ascending."""
    scene: NDArray[np.int64]
    """(S,) rows of ``scenes``, ascending."""
    timestamp_us: NDArray[np.int64]
    """(S,) 0 where the dataset has no times."""
    global_from_ego: NDArray[np.float64] | None
    """(S, 3, 4) where the vehicle was, metres; None where nobody knows, so that scans cannot be put together."""


class ScanSource(PosedScans):
    """A dataset whose scans are all alike, so that every one is a key frame; a :class:`geopt.data.source.Source`.

    A frame is named ``SCENE/12``, counted from 0.

    Args:
        root: The dataset's folder.
        index: Its scans.
        splits: Scene names of each split besides ``all``, which is every scene.
    """

    kind: ClassVar[str]
    """``data.kind``, for messages."""

    def __init__(self, root: Path, index: ScanIndex, splits: Mapping[str, Sequence[str]]) -> None:
        self.root, self.index = root, index
        self._splits = {"all": index.scenes, **splits}
        self._first = np.searchsorted(index.scene, np.arange(len(index.scenes) + 1))
        self._scene_rows = {name: row for row, name in enumerate(index.scenes)}
        self.order = SweepOrder(
            scenes=index.scenes,
            scene=index.scene,
            key_frame=np.arange(len(index.scene)) - self._first[index.scene],
            is_key_frame=np.ones(len(index.scene), dtype=bool),
            timestamp_us=index.timestamp_us,
        )

    def ego_boxes(self, row: int) -> Boxes:
        """Annotated boxes of a scan for which :meth:`is_key_frame` holds, in the ego frame.

        Raises:
            FileNotFoundError, ValueError: the labels are missing or damaged; names the file.
        """
        raise ValueError(f"{self.kind}: {self.name(row)} has no boxes")

    def point_labels(self, row: int, classes: LabelKind = "fine") -> NDArray[np.uint8]:
        """(N,) label of each point of a scan for which :meth:`has_labels` holds, in the order of :meth:`read`.

        Raises:
            FileNotFoundError, ValueError: the labels are missing or damaged; names the file.
        """
        raise ValueError(f"{self.kind}: {self.name(row)} has no labels of points")

    def is_key_frame(self, row: int) -> bool:
        """Whether a scan has boxes."""
        return False

    def has_labels(self, row: int) -> bool:
        """Whether a scan has labels of points."""
        return False

    def __len__(self) -> int:
        return len(self.index.scene)

    @property
    def folder(self) -> Path:
        """The dataset's folder."""
        return self.root

    @property
    def scenes(self) -> tuple[str, ...]:
        """Names of the scenes, ascending."""
        return self.index.scenes

    def splits(self) -> dict[str, Sequence[str]]:
        """Scene names of each split."""
        return dict(self._splits)

    def select(self, selection: str, frames: FrameKind = "keyframes", fraction: str = fractions.ALL) -> Frames:
        """Choose scans by split, scene or slice of a scene; both kinds of ``frames`` are the same here.

        Raises:
            ValueError: see :func:`geopt.data.source.select`.
        """
        return source.select(self.kind, self.order, self.splits(), selection, frames, fraction, str(self.root))

    def number(self, row: int) -> int:
        """Number of a scan in its scene, from 0."""
        return int(self.order.key_frame[row])

    def name(self, row: int) -> str:
        """Name of a scan, ``SCENE/12``."""
        return f"{self.scenes[int(self.index.scene[row])]}/{self.number(row)}"

    def row(self, name: str) -> int:
        """Row of the scan that :meth:`name` gave this name.

        Raises:
            ValueError: there is none.
        """
        match = FRAME_NAME.fullmatch(name)
        scene = self._scene_rows.get(match["scene"]) if match else None
        if match and scene is not None:
            row = int(self._first[scene]) + int(match["number"])
            if row < self._first[scene + 1]:
                return row
        raise ValueError(f"{self.kind}: a frame must be named like {self.name(0)} and be in {self.root}, got {name!r}")

    def token(self, row: int) -> str:
        """What predictions of a scan are submitted under: its name, unless the benchmark has a better one."""
        return self.name(row)

    def timestamp_us(self, row: int) -> int:
        """Time of a scan; 0 where the dataset has none."""
        return int(self.index.timestamp_us[row])

    def past(self, row: int, count: int, oldest_key_frame: int = -1) -> list[int]:
        """Rows of up to ``count`` scans before a scan, newest first, none from before ``oldest_key_frame``; none at all
        where nobody knows how the vehicle moved."""
        if self.index.global_from_ego is None:
            return []
        newest, first = self.number(row) - 1, max(oldest_key_frame, 0)
        return [row - self.number(row) + n for n in range(newest, max(newest - count, first - 1), -1)]

    def global_from_ego(self, row: int) -> NDArray[np.float64]:
        """(3, 4) where the vehicle was in the map at the time of a scan, metres; no motion where nobody knows."""
        poses = self.index.global_from_ego
        return np.eye(3, 4) if poses is None else poses[row]

    def load_annotations(self) -> None:
        """Nothing: boxes lie with their scans."""

    def objects(self, row: int) -> Objects:
        """Categories and point counts of the boxes of a scan.

        Raises:
            FileNotFoundError, ValueError: as :meth:`ego_boxes`.
        """
        boxes = self.ego_boxes(row)
        return Objects(boxes.names, boxes.num_points.numpy())

    def boxes(self, row: int, frame: ModelFrame = "ego") -> Boxes:
        """Annotated boxes of a scan, in the frame ``ego`` or ``lidar``.

        Raises:
            FileNotFoundError, ValueError: as :meth:`ego_boxes`; or ``frame`` is neither.
        """
        boxes, motion = self.ego_boxes(row), self.model_from_ego(row, frame)
        return boxes if frame == "ego" else moved(boxes, motion, frame)


def moved(boxes: Boxes, motion: NDArray[np.float64], frame: str) -> Boxes:
    """Boxes after a (3, 4) rigid motion, metres; what of it tilts them is left out of their yaw."""
    geometry, turn = boxes.geometry.numpy(), motion[:, :3]
    forward = np.stack([np.cos(geometry[:, 6]), np.sin(geometry[:, 6])], axis=1) @ turn[:, :2].T
    velocity = np.concatenate([geometry[:, 7:9], np.zeros((len(geometry), 1))], axis=1) @ turn.T
    parts = [
        geometry[:, :3] @ turn.T + motion[:, 3],
        geometry[:, 3:6],
        np.arctan2(forward[:, 1], forward[:, 0])[:, None],
        velocity[:, :2],
    ]
    return Boxes(
        geometry=torch.from_numpy(np.concatenate(parts, axis=1)),
        names=boxes.names,
        tokens=boxes.tokens,
        instances=boxes.instances,
        num_points=boxes.num_points,
        frame=frame,
    )
