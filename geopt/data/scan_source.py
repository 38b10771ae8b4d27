"""What readers of single scans share: numbers to names, motions between scans, boxes in any model frame."""

from __future__ import annotations

import abc
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from geopt.data import fractions, source
from geopt.data.source import FrameKind, Frames, LabelKind, ModelFrame, Objects, SweepOrder
from geopt.data.sweeps import Cloud, apply, compose, inverse
from geopt.structures import Boxes

FRAME_NAME = re.compile(r"(?P<scene>.+)/(?P<number>\d+)")


class SweepPoints(NamedTuple):
    """One scan. N points."""

    xyz: NDArray[np.float32]
    """(N, 3) metres, in the ego frame at the time of the scan."""
    intensity: NDArray[np.float32] | None = None
    """(N,) as stored."""
    ring: NDArray[np.float32] | None = None
    """(N,) number of the laser."""
    elongation: NDArray[np.float32] | None = None
    """(N,) how much longer than the pulse the return was."""
    time_offset_s: NDArray[np.float32] | None = None
    """(N,) when the point was measured, seconds after the time of the scan; negative before it."""


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


class ScanSource(abc.ABC):
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
        self._order = SweepOrder(
            scenes=index.scenes,
            scene=index.scene,
            key_frame=np.arange(len(index.scene)) - self._first[index.scene],
            is_key_frame=np.ones(len(index.scene), dtype=bool),
            timestamp_us=index.timestamp_us,
        )

    @abc.abstractmethod
    def read(self, row: int) -> SweepPoints:
        """The points of a scan.

        Raises:
            FileNotFoundError: the file is missing; names it.
            ValueError: the file is damaged; names it.
        """

    @abc.abstractmethod
    def ego_from_lidar(self, row: int) -> NDArray[np.float64]:
        """(3, 4) where the sensor is on the vehicle, metres."""

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
        return source.select(self.kind, self._order, self.splits(), selection, frames, fraction, str(self.root))

    def number(self, row: int) -> int:
        """Number of a scan in its scene, from 0."""
        return int(self._order.key_frame[row])

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

    def global_from_model(self, row: int, frame: ModelFrame = "ego") -> NDArray[np.float64]:
        """(3, 4) where the model frame was in the map at the time of a scan, metres.

        Raises:
            ValueError: ``frame`` is neither ``ego`` nor ``lidar``.
        """
        return compose(self.global_from_ego(row), inverse(self._model_from_ego(row, frame)))

    def _model_from_ego(self, row: int, frame: ModelFrame) -> NDArray[np.float64]:
        if frame not in ("ego", "lidar"):
            raise ValueError(f"{self.kind}: frame must be 'ego' or 'lidar', got {frame!r}")
        return np.eye(3, 4) if frame == "ego" else inverse(self.ego_from_lidar(row))

    def cloud(self, row: int, past: Sequence[int] = (), frame: ModelFrame = "ego") -> Cloud:
        """Bring a scan and past scans into the frame of the former.

        Args:
            row: The newest scan.
            past: Older scans, newest first, as :meth:`past` gives them.
            frame: Of the result: ``ego`` or ``lidar`` at the time of ``row``.

        Raises:
            FileNotFoundError, ValueError: see :meth:`read`; or ``frame`` is neither.
        """
        model_from_ego = self._model_from_ego(row, frame)
        model_from_global = compose(model_from_ego, inverse(self.global_from_ego(row)))
        rows = [row, *past]
        parts = [self.read(other) for other in rows]
        xyz, origins = [], []
        for other, part in zip(rows, parts):
            # the scan's own points need no pose, and none in the ego frame: their bits stay
            motion = model_from_ego if other == row else compose(model_from_global, self.global_from_ego(other))
            xyz.append(part.xyz if other == row and frame == "ego" else apply(motion, part.xyz))
            origins.append(compose(motion, self.ego_from_lidar(other))[:, 3])
        counts = [len(part.xyz) for part in parts]
        lags = np.array([self.timestamp_us(row) - self.timestamp_us(other) for other in rows]) * 1e-6
        return Cloud(
            xyz=np.concatenate(xyz),
            intensity=_joined([part.intensity for part in parts]),
            ring=_joined([part.ring for part in parts]),
            time_lag_s=np.repeat(lags.astype(np.float32), counts),
            sweep=np.repeat(np.arange(len(rows), dtype=np.int16), counts),
            sensor_origins=np.array(origins, dtype=np.float32),
            elongation=_joined([part.elongation for part in parts]),
        )

    def load_annotations(self) -> None:  # noqa: B027, readers with tables of boxes have something to do here
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
        boxes, motion = self.ego_boxes(row), self._model_from_ego(row, frame)
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


def _joined(columns: Sequence[NDArray[np.float32] | None]) -> NDArray[np.float32] | None:
    present = [column for column in columns if column is not None]
    return np.concatenate(present) if len(present) == len(columns) else None
