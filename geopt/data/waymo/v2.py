"""Segments of version 2: a parquet file for each component, range images as lists of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geopt.data.sweeps import check_rigid
from geopt.data.waymo.component import Component
from geopt.data.waymo.segment import (
    MAX_PIXELS,
    TOP,
    Calibration,
    LaserLabels,
    RangeImages,
    SegmentIndex,
    Stats,
    check_calibration,
    check_image,
)

SEGMENT, TIME, LASER, OBJECT = (
    *("key.segment_context_name", "key.frame_timestamp_micros", "key.laser_name", "key.laser_object_id"),
)
PREFIX = {
    "vehicle_pose": "[VehiclePoseComponent]",
    "lidar": "[LiDARComponent]",
    "lidar_pose": "[LiDARPoseComponent]",
    "lidar_calibration": "[LiDARCalibrationComponent]",
    "lidar_box": "[LiDARBoxComponent]",
    "lidar_segmentation": "[LiDARSegmentationLabelComponent]",
    "stats": "[StatsComponent]",
}
"""Of the columns of each component that is read."""
INDEXED = ("vehicle_pose", "lidar_calibration", "lidar_box", "stats")
BY_LASER = ("lidar", "lidar_pose", "lidar_segmentation")
NUM_PLACES = 8
"""Columns of a place: rows of lidar 0 (unused) to 5 in ``lidar``, then those of the top lidar in the two others."""
XYZ = ("x", "y", "z")


class SegmentV2:
    """The files of one segment, ``FOLDER/COMPONENT/NAME.parquet``."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self._tables: dict[str, Component] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "name": self.name, "_tables": {}}  # open files stay in their process

    @property
    def sources(self) -> list[Path]:
        """Files that the index is made of."""
        paths = [self._path(component) for component in (*INDEXED, *BY_LASER)]
        return [path for path in paths if path.is_file()]

    def _path(self, component: str) -> Path:
        return self.folder / component / f"{self.name}.parquet"

    def _open(self, component: str) -> Component | None:
        if component not in self._tables:
            path = self._path(component)
            if not path.is_file():
                return None
            self._tables[component] = Component(path, PREFIX[component])
        return self._tables[component]

    def close(self) -> None:
        """Forget open files."""
        self._tables.clear()

    def index(self) -> SegmentIndex:
        """See :class:`geopt.data.waymo.segment.Segment`. Of the range images only the keys are read."""
        poses = self._open("vehicle_pose")
        if poses is None:
            raise FileNotFoundError(f"Waymo: {self._path('vehicle_pose')} is missing; it names the frames of a segment")
        with poses.naming_the_file():
            names = set(poses.column(SEGMENT))
            if names - {self.name}:
                raise ValueError(f"it must hold segment {self.name}, got {sorted(map(str, names))[:2]}")
            times = poses.numbers(TIME, np.int64)
            matrices = poses.lists("world_from_vehicle.transform", 16).reshape(-1, 4, 4)
            check_rigid(matrices, "the pose of a frame")
            order = np.argsort(times, kind="stable")
            times = times[order]
            if not len(times) or (np.diff(times) == 0).any():
                raise ValueError(f"it must name each frame once, got {len(times)} rows")
        place = np.full((len(times), NUM_PLACES), -1, dtype=np.int64)
        for component, first in (("lidar", 0), ("lidar_pose", 6 - TOP), ("lidar_segmentation", 7 - TOP)):
            table = self._open(component)
            if table is None:
                continue
            with table.naming_the_file():
                laser = table.numbers(LASER, np.int64)
                frames = _frames_of(table, times)
                known = (laser >= 1) & (laser <= 5) if component == "lidar" else laser == TOP
                place[frames[known], first + laser[known]] = np.flatnonzero(known)
        offsets, labels, has_boxes = self._labels(times)
        index = SegmentIndex(
            name=self.name,
            timestamp_us=times,
            world_from_vehicle=matrices[order],
            place=place,
            has_points=np.any(place[:, :6] >= 0, axis=1),
            has_segmentation=place[:, 7] >= 0,
            has_boxes=has_boxes,
            label_offsets=offsets,
            labels=labels,
            calibrations=self._calibrations(),
            stats=self._stats(),
        )
        self.close()  # a dataset has thousands of files
        return index

    def _labels(self, times: NDArray[np.int64]) -> tuple[NDArray[np.int64], LaserLabels, bool]:
        table = self._open("lidar_box")
        if table is None:
            none = np.zeros(0, dtype=np.int64)
            nothing = LaserLabels._make([*(np.zeros((0, n)) for n in (7, 3, 3)), *[none] * 5, np.zeros(0, dtype="S1")])
            return np.zeros(len(times) + 1, dtype=np.int64), nothing, False
        with table.naming_the_file():
            frames = _frames_of(table, times)
            rows = np.argsort(frames, kind="stable")
            offsets = np.searchsorted(frames[rows], np.arange(len(times) + 1))

            def group(names: Sequence[str], missing: float | None = None) -> NDArray[np.float64]:
                return np.stack([table.numbers(name, np.float64, missing) for name in names], axis=1)[rows]

            def whole(name: str, missing: int | None = None) -> NDArray[np.int64]:
                return table.numbers(name, np.int64, missing)[rows]

            boxes = [*(f"box.center.{axis}" for axis in XYZ), *(f"box.size.{axis}" for axis in XYZ), "box.heading"]
            ids = np.array([str(text).encode() for text in table.column(OBJECT)], dtype=np.bytes_)
            labels = LaserLabels(
                box=group(boxes),
                speed=group([f"speed.{axis}" for axis in XYZ], np.nan),
                acceleration=group([f"acceleration.{axis}" for axis in XYZ], np.nan),
                type=whole("type"),
                detection_difficulty=whole("difficulty_level.detection", 0),
                tracking_difficulty=whole("difficulty_level.tracking", 0),
                num_points=whole("num_lidar_points_in_box", -1),
                num_top_points=whole("num_top_lidar_points_in_box", -1),
                id=ids[rows] if len(rows) else np.zeros(0, dtype="S1"),
            )
        return offsets, labels, True

    def _calibrations(self) -> dict[int, Calibration]:
        table = self._open("lidar_calibration")
        found: dict[int, Calibration] = {}
        if table is None:
            return found
        with table.naming_the_file():
            numbers, extrinsics = table.numbers(LASER, np.int64), table.lists("extrinsic.transform", 16)
            sides = [table.numbers(f"beam_inclination.{side}", np.float64, 0.0) for side in ("min", "max")]
            beams = table.column("beam_inclination.values")
            for row, number in enumerate(numbers.tolist()):
                angles = np.array(beams[row] if beams[row] is not None else [], dtype=np.float64)
                one = Calibration(extrinsics[row].reshape(4, 4), angles, float(sides[0][row]), float(sides[1][row]))
                check_calibration(number, one)
                found[number] = one
        return found

    def _stats(self) -> Stats:
        table = self._open("stats")
        if table is None:
            return Stats("", "", "")
        with table.naming_the_file():
            return Stats(*(str((table.column(name) or [None])[0] or "") for name in Stats._fields))

    def read(self, place: NDArray[np.int64], lidars: tuple[int, ...], with_labels: bool) -> dict[int, RangeImages]:
        """See :class:`geopt.data.waymo.segment.Segment`."""
        wanted = [lidar for lidar in lidars if place[lidar] >= 0]
        if not wanted:
            return {}
        images = self._read("lidar", [int(place[lidar]) for lidar in wanted], (1, 2), 4, np.float32)
        poses = labels = None
        if TOP in wanted and place[6] >= 0:
            poses = self._read("lidar_pose", [int(place[6])], (1,), 6, np.float32)[0][0]
        if TOP in wanted and place[7] >= 0 and with_labels:
            labels = self._read("lidar_segmentation", [int(place[7])], (1, 2), 2, np.int32)[0]
        return {
            lidar: RangeImages(
                (pair[0], pair[1]),
                poses if lidar == TOP else None,
                (labels[0], labels[1]) if labels and lidar == TOP else (None, None),
            )
            for lidar, pair in zip(wanted, images)
            if any(image is not None for image in pair)
        }

    def _read(
        self, component: str, rows: list[int], returns: tuple[int, ...], channels: int, dtype: type
    ) -> list[list[NDArray | None]]:
        table = self._open(component)
        if table is None:
            raise FileNotFoundError(f"Waymo: {self._path(component)} is gone")
        with table.naming_the_file():
            names = [f"range_image_return{which}.{part}" for which in returns for part in ("values", "shape")]
            found: dict[int, list[NDArray | None]] = {}
            for row in sorted(rows):
                cells = table.cells(row, names)
                pairs = [(cells[2 * i], cells[2 * i + 1]) for i in range(len(returns))]
                found[row] = [_image(values, shape, channels, dtype) for values, shape in pairs]
        return [found[row] for row in rows]


def _frames_of(table: Component, times: NDArray[np.int64]) -> NDArray[np.int64]:
    """Frame that each row belongs to."""
    own = table.numbers(TIME, np.int64)
    frames = np.minimum(np.searchsorted(times, own), len(times) - 1)
    if (times[frames] != own).any():
        raise ValueError("it has a frame that vehicle_pose lacks")
    return frames


def _image(values: Any, shape: Any, channels: int, dtype: type) -> NDArray | None:
    """An image from a list of numbers and a shape; None where the file has none."""
    if not values.is_valid or not shape.is_valid or not len(values.values):
        return None
    sides, numbers = tuple(shape.as_py()), values.values
    if len(sides) != 3 or min(sides) < 0 or len(numbers) > channels * MAX_PIXELS or int(np.prod(sides)) != len(numbers):
        raise ValueError(f"an image must have as many numbers as its shape says, got {len(numbers)} for {sides}")
    image = numbers.to_numpy(zero_copy_only=False).astype(dtype, copy=False).reshape(sides)
    check_image(image, channels)
    return image
