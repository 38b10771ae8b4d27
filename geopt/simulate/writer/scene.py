"""The files of one scene as its scans come, and its rows of the tables at the end."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geopt.simulate.classes import CLASSES
from geopt.simulate.meshes import STATIC
from geopt.simulate.sensor import Scan
from geopt.simulate.world import BoxTruth, World
from geopt.simulate.writer.picture import grey_png
from geopt.simulate.writer.tables import OF_A_SCENE, Row, linked, token

INSTANCES = 1000
"""A panoptic label is this times the category, plus the number of the instance."""


class SceneWriter:
    """Writes into a folder that has the sub-folders of a data set already."""

    def __init__(self, root: Path, version: str, world: World, start_us: int) -> None:
        self._root, self._version, self._world, self._start_us = root, version, world, start_us
        self._key = (world.seed, world.name)
        self._logfile = f"sim-{world.seed}-{world.name}"
        self._sweeps: list[Row] = []
        self._samples: list[Row] = []
        self._boxes: dict[int, list[tuple[str, BoxTruth]]] = defaultdict(list)
        self._tables: dict[str, list[Row]] = {name: [] for name in OF_A_SCENE}
        self._number = instance_numbers([figure.label for figure in world.traffic.figures])

    first_azimuth_rad: float | None = None
    """Where a turn must begin; None leaves it to the sensor."""

    def take(self, time_us: int, key_frame: int, is_key_frame: bool, scan: Scan) -> None:
        """Write a scan that belongs to a key frame, in order of time; boxes of the key frame's own."""
        sample = self.add(time_us, key_frame, is_key_frame, scan)
        if is_key_frame:
            self.add_boxes(sample, self._world.boxes(time_us * 1e-6, scan))

    def add(self, time_us: int, key_frame: int, is_key_frame: bool, scan: Scan) -> str:
        """Write a scan that belongs to a key frame, in order of time; returns the sample's token."""
        name, timestamp = token(*self._key, "sweep", time_us), self._start_us + time_us
        sample = token(*self._key, "sample", key_frame)
        folder = "samples" if is_key_frame else "sweeps"
        filename = f"{folder}/LIDAR_TOP/{self._logfile}__LIDAR_TOP__{timestamp}.pcd.bin"
        scan.points.astype("<f4", copy=False).tofile(self._root / filename)
        self._sweeps.append(
            {
                "token": name,
                "sample_token": sample,
                "ego_pose_token": name,
                "calibrated_sensor_token": token(*self._key, "calibrated_sensor"),
                "timestamp": timestamp,
                "fileformat": "pcd",
                "is_key_frame": is_key_frame,
                "height": 0,
                "width": 0,
                "filename": filename,
            }
        )
        pose = self._world.to_global(self._world.ego_pose(time_us * 1e-6))
        place = {"rotation": pose.quat_wxyz, "translation": pose.translation}
        self._tables["ego_pose"].append({"token": name, "timestamp": timestamp, **place})
        if is_key_frame:
            scene = token(*self._key, "scene")
            self._samples.append({"token": sample, "timestamp": timestamp, "scene_token": scene})
            self._add_labels(name, scan)
        return sample

    def _add_labels(self, name: str, scan: Scan) -> None:
        lidarseg = f"lidarseg/{self._version}/{name}_lidarseg.bin"
        scan.label.tofile(self._root / lidarseg)
        self._tables["lidarseg"].append({"token": name, "sample_data_token": name, "filename": lidarseg})
        panoptic = f"panoptic/{self._version}/{name}_panoptic.npz"
        number = np.where(scan.owner == STATIC, 0, self._number[scan.owner])
        labels = (scan.label.astype(np.int64) * INSTANCES + number).astype(np.uint16)
        np.savez_compressed(self._root / panoptic, data=labels)
        self._tables["panoptic"].append({"token": name, "sample_data_token": name, "filename": panoptic})

    def add_boxes(self, sample: str, boxes: list[BoxTruth]) -> None:
        """Note the boxes of a key frame; which of them are annotated shows at the end of the scene."""
        for box in boxes:
            self._boxes[box.row].append((sample, box))

    def finish(self) -> dict[str, list[Row]]:
        """Write the map, link everything, and return the scene's rows by table."""
        for _, boxes in sorted(self._boxes.items()):
            self._annotate(boxes)
        tables = self._tables
        tables["sample_data"] = linked(self._sweeps)
        tables["sample"] = linked(self._samples)
        log, world = token(*self._key, "log"), self._world
        tables["scene"].append(
            {
                "token": token(*self._key, "scene"),
                "log_token": log,
                "nbr_samples": len(self._samples),
                "first_sample_token": self._samples[0]["token"],
                "last_sample_token": self._samples[-1]["token"],
                "name": world.name,
                "description": self._describe(),
            }
        )
        tables["log"].append(
            {
                "token": log,
                "logfile": self._logfile,
                "vehicle": "simulated",
                "date_captured": "2018-01-01",
                "location": "simulated-city",
            }
        )
        tables["calibrated_sensor"].append(
            {
                "token": token(*self._key, "calibrated_sensor"),
                "sensor_token": token("sensor", "LIDAR_TOP"),
                "translation": world.ego_from_lidar.translation,
                "rotation": world.ego_from_lidar.quat_wxyz,
                "camera_intrinsic": [],
            }
        )
        picture = f"maps/{token(*self._key, 'map')}.png"
        (self._root / picture).write_bytes(grey_png(world.map_picture))
        name = {"token": token(*self._key, "map"), "log_tokens": [log]}
        tables["map"].append({**name, "category": "semantic_prior", "filename": picture})
        return tables

    def _annotate(self, boxes: list[tuple[str, BoxTruth]]) -> None:
        """Rows of one actor, from the first key frame with a point in its box to the last."""
        hit = [i for i, (_, box) in enumerate(boxes) if box.num_lidar_points]
        if not hit:
            return
        figure = boxes[0][1].figure
        instance = token(*self._key, "instance", boxes[0][1].name)
        rows = []
        for sample, box in boxes[hit[0] : hit[-1] + 1]:
            length, width, height = box.size_lwh
            rows.append(
                {
                    "token": token(instance, sample),
                    "sample_token": sample,
                    "instance_token": instance,
                    "visibility_token": str(1 + sum(box.visible_share >= limit for limit in (0.4, 0.6, 0.8))),
                    "attribute_tokens": [token("attribute", box.attribute)] if box.attribute else [],
                    "translation": box.pose.translation,
                    "size": (width, length, height),
                    "rotation": box.pose.quat_wxyz,
                    "num_lidar_pts": box.num_lidar_points,
                    "num_radar_pts": 0,
                }
            )
        self._tables["sample_annotation"] += linked(rows)
        self._tables["instance"].append(
            {
                "token": instance,
                "category_token": token("category", CLASSES[figure.label]),
                "nbr_annotations": len(rows),
                "first_annotation_token": rows[0]["token"],
                "last_annotation_token": rows[-1]["token"],
            }
        )

    def _describe(self) -> str:
        """What was annotated, the most frequent first."""
        names = Counter(CLASSES[boxes[0][1].figure.label].split(".")[-1] for boxes in self._boxes.values())
        return "Simulated city: " + ", ".join(f"{count} {name}" for name, count in names.most_common(6))


def instance_numbers(labels: list[int]) -> NDArray[np.int64]:
    """Number each actor among those of its category, from 1.

    Raises:
        ValueError: a category has more than a panoptic label can tell apart.
    """
    numbers, counts = np.zeros(len(labels), dtype=np.int64), Counter[int]()
    for row, label in enumerate(labels):
        counts[label] += 1
        numbers[row] = counts[label]
    if counts and max(counts.values()) >= INSTANCES:
        raise ValueError(f"instance_numbers: a category must have fewer than {INSTANCES} actors, got {dict(counts)}")
    return numbers
