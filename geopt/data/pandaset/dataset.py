"""A folder of PandaSet as it was downloaded."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from geopt import ops
from geopt.damage import naming
from geopt.data.config import PandaSetConfig
from geopt.data.pandaset.layout import KIND, LAYOUT, find_sequences, frames_of, poses_of, times_of
from geopt.data.pandaset.tables import Table, read_table
from geopt.data.recent import Recent
from geopt.data.scan_source import ScanIndex, ScanSource, SweepPoints, moved
from geopt.data.source import LabelKind
from geopt.data.sweeps import apply, inverse
from geopt.data.tracks import velocities
from geopt.structures import Boxes

LIDARS = {"spinning": 0, "forward": 1}
"""Value of column ``d``."""
SENSORS = {"spinning": "Pandar64", "forward": "PandarGT", "both": "Pandar64 + PandarGT"}
PLACES_M = {"spinning": (0.778, 0.0, 2.169), "forward": (1.384, 0.0, 1.867)}
"""Where the lidars are, in the ego frame. That of the Pandar64 is where the elevations of its points are those of 64 lasers
most sharply (two frames agree within 2 mm, and it is tilted upwards by 0.9 degrees, which is left out); that of the
PandarGT follows from it by ``static_extrinsic_calibration.yaml`` of the official devkit."""
NUM_CLASSES = 42
BOXED_FRAMES = 8
SELECTED_FRAMES = 16


class Selection(NamedTuple):
    """What of a frame of N points the chosen lidars saw."""

    rows: NDArray[np.int64]
    """Of the frame's table, ascending."""
    row_names: NDArray[np.int64]
    """(N,) names of all rows, which the classes of points must have too."""


class Cuboids(NamedTuple):
    """Boxes of a frame that the chosen lidars see. M boxes."""

    geometry: NDArray[np.float64]
    """(M, 7) centre, length, width, height in metres, heading in radians, in the world."""
    label: NDArray[np.object_]
    uuid: NDArray[np.object_]


class PandaSet(ScanSource):
    """Reads PandaSet in place; nothing is converted, and its pickles are read without running them.

    A scene is a sequence such as ``002``; every frame is a key frame where it has cuboids. PandaSet's points and boxes lie in the
    world; the model frame ``ego`` is that of the frame's lidar pose, turned to x forward and lowered by :data:`GROUND_M` to
    the road. ``lidar`` has the same axes at the sensor. There are no official splits: ``all`` and the sequences.

    A moving object that both lidars see has two cuboids, for they saw it at different times. Of these the one of the chosen
    lidar is read; of ``both``, the spinning one's.

    Args:
        root: The folder of the sequences, or of one.
        config: Which lidars are read.

    Raises:
        FileNotFoundError: there is no frame, or no poses or times; names the file.
        ValueError: ``root`` is empty; poses or times are damaged, names the file.
    """

    kind = KIND

    def __init__(self, root: str | Path, config: PandaSetConfig | None = None) -> None:
        if not str(root):
            raise ValueError(f"pandaset: root must be the dataset's folder, got ''; {LAYOUT}")
        root, self.config = Path(root).expanduser().resolve(), config or PandaSetConfig()
        self.sensor = SENSORS[self.config.lidar]
        self._sequences = find_sequences(root)
        frames = [frames_of(folder) for folder in self._sequences]
        self._file = np.concatenate(frames)
        self._time_s = np.concatenate([times_of(*pair) for pair in zip(self._sequences, frames)])
        poses = np.concatenate([poses_of(*pair) for pair in zip(self._sequences, frames)])
        scenes = tuple(folder.name for folder in self._sequences)
        scene = np.repeat(np.arange(len(scenes)), [len(part) for part in frames])
        self._selected: Recent[Selection] = Recent(SELECTED_FRAMES)
        self._cuboids: Recent[Cuboids] = Recent(BOXED_FRAMES)
        super().__init__(root, ScanIndex(scenes, scene, np.round(self._time_s * 1e6).astype(np.int64), poses), {})

    def _path(self, row: int, *folders: str) -> Path:
        return self._sequences[self.index.scene[row]].joinpath(*folders, f"{self._file[row]:02d}.pkl.gz")

    def ego_from_lidar(self, row: int) -> NDArray[np.float64]:
        """(3, 4) where the lidar is on the vehicle, metres; of both, the spinning one."""
        place = PLACES_M["forward" if self.config.lidar == "forward" else "spinning"]
        return np.concatenate([np.eye(3), np.array(place)[:, None]], axis=1)

    def read(self, row: int) -> SweepPoints:
        """The points of a frame that the chosen lidar saw: intensity 0 to 255, no rings.

        Raises:
            FileNotFoundError, ValueError: the file is missing or damaged, or has no such point; names it.
        """
        path = self._path(row, "lidar")
        table = read_table(self.kind, path)
        with naming(self.kind, path):
            xyzit = np.stack([table.numbers(name) for name in "xyzit"], axis=1)
            xyzit = xyzit[self._select(row, table).rows]
            return SweepPoints(
                xyz=apply(inverse(self.global_from_ego(row)), xyzit),
                intensity=xyzit[:, 3].astype(np.float32),
                time_offset_s=(xyzit[:, 4] - self._time_s[row]).astype(np.float32),
            )

    def _select(self, row: int, table: Table | None = None) -> Selection:
        def select() -> Selection:
            path = self._path(row, "lidar")
            found = table or read_table(self.kind, path)
            with naming(self.kind, path):
                lidar = found.numbers("d")
                wanted = lidar == LIDARS[self.config.lidar] if self.config.lidar in LIDARS else np.isin(lidar, (0, 1))
                if not wanted.any():
                    raise ValueError(f"it has no point of the lidar {self.config.lidar!r}")
                return Selection(np.flatnonzero(wanted), found.row_names)

        return self._selected.get(row, select)

    def has_labels(self, row: int) -> bool:
        """Whether a frame has classes of points; some sequences have none."""
        return self._path(row, "annotations", "semseg").is_file()

    def point_labels(self, row: int, classes: LabelKind = "fine") -> NDArray[np.uint8]:
        """(N,) class 1 to 42 of each point of :meth:`read`; both kinds of ``classes`` are the same here.

        Raises:
            FileNotFoundError, ValueError: a file is missing or damaged, or the two do not belong together; names it.
        """
        selection = self._select(row)
        path = self._path(row, "annotations", "semseg")
        table = read_table(self.kind, path)
        with naming(self.kind, path):
            labels = table.numbers("class")
            if not np.array_equal(table.row_names, selection.row_names):
                raise ValueError(
                    f"it must have a row for each of {len(selection.row_names)} points, got {len(table.row_names)} rows"
                )
            if labels.min() < 0 or labels.max() > NUM_CLASSES:
                raise ValueError(f"classes must be 0 to {NUM_CLASSES}, got {labels.min()} to {labels.max()}")
            return labels[selection.rows].astype(np.uint8)

    def is_key_frame(self, row: int) -> bool:
        """Whether a frame has cuboids."""
        return self._path(row, "annotations", "cuboids").is_file()

    def ego_boxes(self, row: int) -> Boxes:
        """Cuboids of a frame that the chosen lidar sees, of all categories, in the order of the file.

        Their points are counted here: the files do not tell. Their velocity is how far the object moved from the frame
        before to the one after, see :func:`geopt.data.tracks.velocities`; NaN for an object that was seen once.

        Raises:
            FileNotFoundError, ValueError: a file is missing or damaged; names it.
        """
        scene = self.index.scene
        near = [other for other in (row, row - 1, row + 1) if 0 <= other < len(self) and scene[other] == scene[row]]
        rows = [other for other in near if other == row or self.is_key_frame(other)]
        parts = [self._cuboids.get(other, functools.partial(self._read_cuboids, other)) for other in rows]
        time_s = np.repeat(self._time_s[rows] - self._time_s[row], [len(part.uuid) for part in parts])
        uuids, centres = (
            np.concatenate(column) for column in zip(*((part.uuid, part.geometry[:, :3]) for part in parts))
        )
        own = parts[0]
        speed = velocities(uuids.astype(str), time_s, centres)[: len(own.uuid), :2]
        in_world = Boxes(
            geometry=torch.from_numpy(np.concatenate([own.geometry, speed], axis=1)),
            names=tuple(own.label),
            tokens=tuple(f"{uuid}:{self.name(row)}" for uuid in own.uuid),
            instances=tuple(own.uuid),
            num_points=torch.zeros(len(own.uuid), dtype=torch.int64),
        )
        boxes = moved(in_world, inverse(self.global_from_ego(row)), "ego")
        owner = ops.points_in_boxes(torch.from_numpy(self.read(row).xyz), boxes.geometry[:, :7])
        return dataclasses.replace(boxes, num_points=torch.bincount(owner[owner >= 0], minlength=len(own.uuid)))

    def _read_cuboids(self, row: int) -> Cuboids:
        path = self._path(row, "annotations", "cuboids")
        table = read_table(self.kind, path)
        with naming(self.kind, path):
            uuid = table.texts("uuid")
            kept = _kept(self.config.lidar, table.numbers("cuboids.sensor_id"), uuid, table.texts("cuboids.sibling_id"))
            size = [table.numbers(f"dimensions.{axis}") for axis in "yxz"]  # y is the length, x the width
            if not all((side > 0).all() for side in size):
                raise ValueError("cuboids must have positive sizes")
            centre = [table.numbers(f"position.{axis}") for axis in "xyz"]
            heading = table.numbers("yaw") + np.pi / 2  # yaw is that of the width
            geometry = np.stack([*centre, *size, heading], axis=1)
            return Cuboids(geometry[kept], table.texts("label")[kept], uuid[kept])


def _kept(lidar: str, sensor: NDArray, uuid: NDArray[np.object_], sibling: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Which cuboids are of the chosen lidar: -1 of ``sensor`` is for both. Of two siblings one may lack the other's name."""
    if lidar in LIDARS:
        return (sensor == -1) | (sensor == LIDARS[lidar])
    first = sensor == LIDARS["spinning"]
    names = uuid.astype(str), sibling.astype(str)
    is_double = np.isin(names[1], names[0][first]) | np.isin(names[0], names[1][first])
    return (sensor != LIDARS["forward"]) | ~is_double
