"""A nuScenes folder on disk: point files as they come, tables last."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import zlib
from collections import defaultdict
from pathlib import Path
from typing import Any

from geopt.simulate.classes import CLASSES
from geopt.simulate.sensor import Scan
from geopt.simulate.world import BoxTruth, Pose, World

VERSION = "v1.0-mini"
MARKER = "simulated.json"
OWN_FOLDERS = (VERSION, f".{VERSION}.tmp", "samples", "sweeps", "lidarseg", "maps")
ATTRIBUTES = (
    "vehicle.moving",
    "vehicle.stopped",
    "vehicle.parked",
    "cycle.with_rider",
    "cycle.without_rider",
    "pedestrian.sitting_lying_down",
    "pedestrian.standing",
    "pedestrian.moving",
)
VISIBILITY = {"1": "v0-40", "2": "v40-60", "3": "v60-80", "4": "v80-100"}
TABLES = (
    "attribute calibrated_sensor category ego_pose instance log map sample sample_annotation sample_data scene sensor "
    "visibility lidarseg"
).split()

Row = dict[str, Any]


def token(*names: object) -> str:
    """32 hexadecimal digits that stand for a name; the same names give the same token."""
    return hashlib.md5("/".join(map(str, names)).encode(), usedforsecurity=False).hexdigest()


def prepare(out: Path, settings: dict[str, int]) -> None:
    """Make an empty folder for a data set, or empty one that an earlier run made.

    The tables go first and come back last, so a folder that opens is whole.

    Raises:
        FileExistsError: the folder holds something that this function did not put there.
    """
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / MARKER).is_file())):
        raise FileExistsError(
            f"simulate: out must be a new or empty folder, or one with {MARKER} from an earlier run, got {out}; "
            f"choose another folder"
        )
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"made_by": "geopt simulate", **settings}, indent=1) + "\n"
    (out / MARKER).write_text(text, encoding="utf-8")  # first: what comes after a crash is then known to be ours
    for name in OWN_FOLDERS:
        if (out / name).exists():
            shutil.rmtree(out / name)
    for name in ("samples/LIDAR_TOP", "sweeps/LIDAR_TOP", f"lidarseg/{VERSION}", "maps"):
        (out / name).mkdir(parents=True)


class SceneWriter:
    """Writes the scans of one scene and collects its rows; ``tables`` is shared by all scenes."""

    def __init__(self, out: Path, tables: dict[str, list[Row]], world: World, start_us: int) -> None:
        self._out, self._tables, self._world, self._start_us = out, tables, world, start_us
        self._key = (world.seed, world.name)
        self._logfile = f"sim-{world.seed}-{world.name}"
        self._sweeps: list[Row] = []
        self._samples: list[Row] = []
        self._boxes: dict[str, list[tuple[str, BoxTruth]]] = defaultdict(list)

    def add(self, time_us: int, key_frame: int, is_key_frame: bool, ego_pose: Pose, scan: Scan) -> str:
        """Write a scan that belongs to a key frame, in order of time; returns the sample's token."""
        name, timestamp = token(*self._key, "sweep", time_us), self._start_us + time_us
        sample = token(*self._key, "sample", key_frame)
        folder = "samples" if is_key_frame else "sweeps"
        filename = f"{folder}/LIDAR_TOP/{self._logfile}__LIDAR_TOP__{timestamp}.pcd.bin"
        scan.points.tofile(self._out / filename)
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
        pose = {"rotation": ego_pose.quat_wxyz, "translation": ego_pose.translation}
        self._tables["ego_pose"].append({"token": name, "timestamp": timestamp, **pose})
        if is_key_frame:
            scene = token(*self._key, "scene")
            self._samples.append({"token": sample, "timestamp": timestamp, "scene_token": scene})
            labels = f"lidarseg/{VERSION}/{name}_lidarseg.bin"
            scan.label.tofile(self._out / labels)
            self._tables["lidarseg"].append({"token": name, "sample_data_token": name, "filename": labels})
        return sample

    def add_boxes(self, sample: str, boxes: list[BoxTruth]) -> None:
        """Note the boxes of a key frame; which of them are annotated shows at the end of the scene."""
        for box in boxes:
            self._boxes[box.actor.name].append((sample, box))

    def finish(self) -> None:
        """Link everything and hand the rows to the tables."""
        for boxes in self._boxes.values():
            self._annotate(boxes)
        self._tables["sample_data"] += linked(self._sweeps)
        self._tables["sample"] += linked(self._samples)
        log, mount = token(*self._key, "log"), self._world.ego_from_lidar
        self._tables["scene"].append(
            {
                "token": token(*self._key, "scene"),
                "log_token": log,
                "nbr_samples": len(self._samples),
                "first_sample_token": self._samples[0]["token"],
                "last_sample_token": self._samples[-1]["token"],
                "name": self._world.name,
                "description": f"Simulated street, {2 * self._world.road.lanes} lanes, {len(self._boxes)} actors",
            }
        )
        self._tables["log"].append(
            {
                "token": log,
                "logfile": self._logfile,
                "vehicle": "simulated",
                "date_captured": "2018-01-01",
                "location": "simulated-street",
            }
        )
        self._tables["calibrated_sensor"].append(
            {
                "token": token(*self._key, "calibrated_sensor"),
                "sensor_token": token("sensor", "LIDAR_TOP"),
                "translation": mount.translation,
                "rotation": mount.quat_wxyz,
                "camera_intrinsic": [],
            }
        )

    def _annotate(self, boxes: list[tuple[str, BoxTruth]]) -> None:
        """Rows of one actor, from the first key frame with a point in its box to the last."""
        hit = [i for i, (_, box) in enumerate(boxes) if box.num_lidar_points]
        if not hit:
            return
        actor = boxes[0][1].actor
        length, width, height = actor.size_m
        instance = token(*self._key, "instance", actor.name)
        rows = [
            {
                "token": token(instance, sample),
                "sample_token": sample,
                "instance_token": instance,
                "visibility_token": str(1 + sum(box.visible_share >= limit for limit in (0.4, 0.6, 0.8))),
                "attribute_tokens": [token("attribute", actor.attribute)] if actor.attribute else [],
                "translation": box.pose.translation,
                "size": (width, length, height),
                "rotation": box.pose.quat_wxyz,
                "num_lidar_pts": box.num_lidar_points,
                "num_radar_pts": 0,
            }
            for sample, box in boxes[hit[0] : hit[-1] + 1]
        ]
        self._tables["sample_annotation"] += linked(rows)
        self._tables["instance"].append(
            {
                "token": instance,
                "category_token": token("category", actor.category),
                "nbr_annotations": len(rows),
                "first_annotation_token": rows[0]["token"],
                "last_annotation_token": rows[-1]["token"],
            }
        )


def linked(rows: list[Row]) -> list[Row]:
    """The rows with ``prev`` and ``next``, "" at the ends."""
    tokens = ["", *(row["token"] for row in rows), ""]
    return [{**row, "prev": tokens[i], "next": tokens[i + 2]} for i, row in enumerate(rows)]


def write_tables(out: Path, tables: dict[str, list[Row]], splits: dict[str, list[str]]) -> None:
    """Complete the tables and move them to their place in one step."""
    tables["category"] = [
        {"token": token("category", name), "name": name, "description": name, "index": index}
        for index, name in enumerate(CLASSES)
    ]
    tables["attribute"] = [
        {"token": token("attribute", name), "name": name, "description": name} for name in ATTRIBUTES
    ]
    tables["visibility"] = [{"token": k, "level": level, "description": level} for k, level in VISIBILITY.items()]
    tables["sensor"] = [{"token": token("sensor", "LIDAR_TOP"), "channel": "LIDAR_TOP", "modality": "lidar"}]
    picture = f"maps/{token('map')}.png"
    (out / picture).write_bytes(grey_png(64))
    logs = [log["token"] for log in tables["log"]]
    tables["map"] = [
        {"token": token("map"), "log_tokens": logs, "category": "semantic_prior", "filename": picture},
    ]
    temporary = out / f".{VERSION}.tmp"
    temporary.mkdir()
    for name in TABLES:
        (temporary / f"{name}.json").write_text(json.dumps(tables[name], indent=0), encoding="utf-8")
    (temporary / "splits.json").write_text(json.dumps(splits, indent=1), encoding="utf-8")
    os.replace(temporary, out / VERSION)


def grey_png(size: int) -> bytes:
    """A square grey picture, one byte a pixel: every map record must have its file."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0)
    rows = (b"\0" + b"\x80" * size) * size
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
