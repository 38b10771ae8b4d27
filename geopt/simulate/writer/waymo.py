"""Scenes as segments of the Waymo Open Dataset, version 2: one lidar on the roof, every turn a frame.

Names of components and columns are those of the dataset. What the sensor turns by is made to fit its range images: a turn
begins straight behind the vehicle, in the middle of the first column.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from geopt import files
from geopt.optional import require
from geopt.simulate.pose import Pose
from geopt.simulate.randomness import Floats
from geopt.simulate.sensor import Scan, times
from geopt.simulate.world import World
from geopt.simulate.writer.owned import COMPONENTS, SPLITS, OwnedFolder
from geopt.simulate.writer.waymo_classes import box_types, point_classes
from geopt.simulate.writer.waymo_labels import Label, labels_of
from geopt.simulate.writer.waymo_schemas import schemas

TOP = 1
MISSING = -1.0
"""In all channels of a pixel without a return."""
INTENSITY_SCALE = 1 / 255
"""Of Waymo's intensities most are below 1."""


class WaymoWriter:
    """Writes the components of one scene, frame by frame.

    Args:
        paths: File of each component.
        world: The scene.
        start_us: Time of its first key frame.
    """

    def __init__(self, paths: Mapping[str, Path], world: World, start_us: int) -> None:
        arrow, parquet = require("pyarrow", extra="data"), require("pyarrow.parquet", extra="data")
        self._world, self._start_us, self._arrow = world, start_us, arrow
        self._schemas = schemas(arrow)
        self._files = {
            component: parquet.ParquetWriter(paths[component], schema, compression="zstd")
            for component, schema in self._schemas.items()
        }
        self._frames: list[dict[str, Any]] = []
        self._type = box_types(world.traffic.figures)
        sensor, mount = world.sensor, world.ego_from_lidar
        # Simulated lidars have x to the right; Waymo's may have it anywhere, and with x ahead the turn is easy to read.
        self._ahead = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
        self._extrinsic = np.eye(4)
        self._extrinsic[:3, :3] = mount.rotation @ self._ahead.T
        self._extrinsic[:3, 3] = mount.translation
        yaw = math.atan2(self._extrinsic[1, 0], self._extrinsic[0, 0])
        self.first_azimuth_rad: float | None = 1.5 * math.pi - math.pi / sensor.num_columns - yaw
        """Of the first column, in the frame of the simulated lidar."""
        lowest, *_, highest = inclinations = np.radians(sensor.elevations_deg)
        calibration = {"extrinsic.transform": [self._extrinsic.ravel()], "beam_inclination.min": [lowest]}
        calibration |= {"beam_inclination.max": [highest], "beam_inclination.values": [inclinations]}
        self._write("lidar_calibration", {"segment_context_name": [world.name], "laser_name": [TOP]}, calibration)

    def _write(self, component: str, keys: dict[str, Any], columns: dict[str, Any]) -> None:
        """Add a row group. Columns that are not given are empty."""
        schema = self._schemas[component]
        prefix = schema.names[-1].split(".")[0]
        named = {f"key.{name}": values for name, values in keys.items()}
        named |= {f"{prefix}.{name}": values for name, values in columns.items()}
        count = len(keys["segment_context_name"])
        cells = [self._arrow.array(named.get(field.name, [None] * count), field.type) for field in schema]
        unknown = named.keys() - set(schema.names)
        assert not unknown, unknown
        self._files[component].write_table(self._arrow.Table.from_arrays(cells, schema=schema))

    def take(self, time_us: int, key_frame: int, is_key_frame: bool, scan: Scan) -> None:
        """Write a frame; points of key frames get labels too."""
        time_s, world = time_us * 1e-6, self._world
        keys = {"segment_context_name": [world.name], "frame_timestamp_micros": [self._start_us + time_us]}
        with_laser = keys | {"laser_name": [TOP]}
        sensor = world.sensor
        pixel = (sensor.num_rings - 1 - scan.points[:, 4].astype(np.int64)) * sensor.num_columns + scan.column
        images = [self._range_image(scan, pixel), np.full_like(self._empty(4, np.float32), MISSING)]
        self._write_images("lidar", with_laser, images)
        poses = self._pixel_poses(time_s)
        self._write_images("lidar_pose", with_laser, [poses])
        if is_key_frame:
            classes = point_classes(scan, world.traffic.figures, world.traffic.states(time_s).attribute)
            labels = self._empty(2, np.int32)
            flat = labels.reshape(-1, 2)
            flat[pixel, 0], flat[pixel, 1] = scan.owner + 1, classes  # STATIC is -1
            self._write_images("lidar_segmentation", with_laser, [labels, self._empty(2, np.int32)])
        pose = matrix(world.to_global(world.ego_pose(time_s)))
        self._frames.append(keys | {"pose": pose})
        in_vehicle = world.ego_from_lidar.apply(scan.points[:, :3])
        if world.motion_distortion:
            in_vehicle = self._at_the_end(in_vehicle, poses, pixel, pose)
        found = labels_of(world, time_s, pose, self._type, in_vehicle)
        self._write_labels(keys, found)
        self._write_stats(keys, found)

    def _empty(self, channels: int, dtype: type) -> NDArray:
        return np.zeros((self._world.sensor.num_rings, self._world.sensor.num_columns, channels), dtype=dtype)

    def _range_image(self, scan: Scan, pixel: NDArray[np.int64]) -> NDArray[np.float32]:
        image = np.full_like(self._empty(4, np.float32), MISSING)
        flat = image.reshape(-1, 4)
        flat[pixel, 0] = np.linalg.norm(scan.points[:, :3].astype(np.float64), axis=1)
        flat[pixel, 1] = scan.points[:, 3] * INTENSITY_SCALE
        flat[pixel, 2] = 0.0  # echoes are as long as the pulse
        return image

    def _pixel_poses(self, time_s: float) -> NDArray[np.float32]:
        """(H, W, 6) roll, pitch, yaw, x, y, z of the vehicle in the world when each column was measured."""
        world = self._world
        moments = times(world.sensor, time_s) if world.motion_distortion else np.array([time_s])
        lidar, mount = world.lidar_motion(moments), world.ego_from_lidar
        turns = lidar.rotation @ mount.rotation.T
        shift = world.to_global(Pose((1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0))).translation
        places = lidar.origin - turns @ np.array(mount.translation) + np.array(shift)
        angles = Rotation.from_matrix(turns).as_euler("ZYX")[:, ::-1]
        poses = self._empty(6, np.float32)
        poses[:] = np.concatenate([angles, places], axis=1)
        return poses

    def _at_the_end(self, xyz: Floats, poses: NDArray[np.float32], pixel: NDArray[np.int64], pose: Floats) -> Floats:
        """Points in the vehicle frame at the time of the frame, from that at the time of their column."""
        then = poses.reshape(-1, 6)[pixel].astype(np.float64)
        world = Rotation.from_euler("ZYX", then[:, 2::-1]).apply(xyz) + then[:, 3:]
        moved: Floats = (world - pose[:3, 3]) @ pose[:3, :3]
        return moved

    def _write_images(self, component: str, keys: dict[str, Any], images: list[NDArray]) -> None:
        columns: dict[str, Any] = {}
        for number, image in enumerate(images, start=1):
            columns[f"range_image_return{number}.values"] = [image.ravel()]
            columns[f"range_image_return{number}.shape"] = [list(image.shape)]
        self._write(component, keys, columns)

    def _write_labels(self, keys: dict[str, Any], labels: list[Label]) -> None:
        if not labels:
            return
        repeated = {name: values * len(labels) for name, values in keys.items()}
        columns: dict[str, list[Any]] = {name: [] for name in labels[0].columns()}
        for label in labels:
            for name, value in label.columns().items():
                columns[name].append(value)
        self._write("lidar_box", repeated | {"laser_object_id": [label.name for label in labels]}, columns)

    def _write_stats(self, keys: dict[str, Any], labels: list[Label]) -> None:
        counts = Counter(label.type for label in labels)
        columns: dict[str, list[Any]] = {"time_of_day": ["Day"], "location": ["simulated-city"], "weather": ["sunny"]}
        columns |= {"lidar_object_counts.types": [sorted(counts)]}
        self._write(
            "stats", keys, columns | {"lidar_object_counts.counts": [[counts[kind] for kind in sorted(counts)]]}
        )

    def finish(self) -> None:
        """Write the poses of all frames and close the files."""
        names = ("segment_context_name", "frame_timestamp_micros")
        keys = {name: [value for frame in self._frames for value in frame[name]] for name in names}
        poses = [frame["pose"].ravel() for frame in self._frames]
        self._write("vehicle_pose", keys, {"world_from_vehicle.transform": poses})
        for file in self._files.values():
            file.close()


class WaymoFolder(OwnedFolder[WaymoWriter]):
    """A data set ``ROOT/COMPONENT/SCENE.parquet`` that is written or was; see :class:`OwnedFolder`."""

    def is_complete(self) -> bool:
        """Whether all scenes are there; ``splits.json`` comes last."""
        return (self.root / SPLITS).is_file() and self.is_marked()

    def begin(self) -> None:
        """Make the sub-folders."""
        require("pyarrow", extra="data")
        self.mark()
        (self.root / SPLITS).unlink(missing_ok=True)
        for component in COMPONENTS:
            (self.root / component).mkdir(exist_ok=True)
            for left in (self.root / component).glob(".*.tmp"):
                left.unlink()

    def is_finished(self, scene: str) -> bool:
        """Whether all files of a scene are there."""
        return all((self.root / component / f"{scene}.parquet").is_file() for component in COMPONENTS)

    def writer(self, world: World, start_us: int) -> WaymoWriter:
        """What takes the scans of a scene."""
        return WaymoWriter({c: self._temporary(c, world.name) for c in COMPONENTS}, world, start_us)

    def finish(self, scene: str, writer: WaymoWriter) -> None:
        """Move the files of a scene to their places, the one that names its frames last."""
        writer.finish()
        for component in COMPONENTS:
            os.replace(self._temporary(component, scene), self.root / component / f"{scene}.parquet")

    def _temporary(self, component: str, scene: str) -> Path:
        """Where a file lies until its scene is whole."""
        return self.root / component / f".{scene}.tmp"

    def write_tables(self, scenes: Iterable[str], splits: dict[str, list[str]]) -> None:
        """Name the scenes of each split."""
        files.replace_text(self.root / SPLITS, json.dumps(splits, indent=1) + "\n")


def matrix(pose: Pose) -> Floats:
    """(4, 4) of a pose."""
    out = np.eye(4)
    out[:3, :3], out[:3, 3] = pose.rotation, pose.translation
    return out
