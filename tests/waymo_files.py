"""Frames of a made-up drive, and files of both versions of the Waymo format that hold them.

Points are made first, in the world; range images are what the lidars would store of them. Protobuf and CRC are written here
by themselves, so that the reader is not its own oracle.
"""

from __future__ import annotations

import dataclasses
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

NAME = "1234567890123456789_100_000_120_000"
START_US = 1_550_000_000_000_000
PERIOD_US = 100_000
SIZES = {1: (64, 200), 2: (20, 60), 3: (20, 60), 4: (20, 60), 5: (20, 60)}


@dataclasses.dataclass
class Lidar:
    extrinsic: np.ndarray
    inclinations: np.ndarray
    """Ascending, or empty for even ones."""
    lowest: float
    highest: float

    def angles(self, height):
        if len(self.inclinations):
            return self.inclinations[::-1]
        step = (self.highest - self.lowest) / height
        return self.highest - step * (np.arange(height) + 0.5)


def made_up_lidars():
    """Like those of the dataset: a top lidar whose x axis looks back, four around the car, all a little askew."""
    mounts = {1: (148.0, (1.43, 0.0, 2.18)), 2: (1.0, (4.07, 0.0, 0.69)), 3: (89.0, (3.25, 1.0, 0.98))}
    mounts |= {4: (-90.5, (3.25, -1.0, 0.98)), 5: (179.0, (-1.15, 0.0, 0.47))}
    lidars = {}
    for number, (yaw, place) in mounts.items():
        extrinsic = np.eye(4)
        extrinsic[:3, :3] = Rotation.from_euler("ZYX", [yaw, 0.3, -0.2], degrees=True).as_matrix()
        extrinsic[:3, 3] = place
        beams = np.sort(-0.31 + 0.35 * np.linspace(0, 1, 64) ** 0.8) if number == 1 else np.zeros(0)
        low, high = (-0.313, 0.042) if number == 1 else (-np.pi / 2, np.pi / 6)
        lidars[number] = Lidar(extrinsic, beams, low, high)
    return lidars


@dataclasses.dataclass
class Return:
    image: np.ndarray
    """(H, W, 4) float32 as stored."""
    points: np.ndarray
    """(N, 3) float64 in the vehicle frame of the frame, row by row."""
    labels: np.ndarray
    """(H, W, 2) int32 instance, class."""


@dataclasses.dataclass
class Frame:
    timestamp_us: int
    pose: np.ndarray
    returns: dict[tuple[int, int], Return]
    pixel_poses: np.ndarray
    """(H, W, 6) float32 of the top lidar."""
    boxes: list[dict]
    has_segmentation: bool


@dataclasses.dataclass
class Drive:
    name: str
    lidars: dict[int, Lidar]
    frames: list[Frame]


def pose_at(time_s, origin):
    """World from vehicle, driving a curve while rolling and pitching."""
    angles = [0.4 + 0.35 * time_s, 0.01 * np.sin(3 * time_s), 0.008 * np.cos(2 * time_s)]
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler("ZYX", angles).as_matrix()
    pose[:3, 3] = origin + np.array([11.0 * time_s, 2.0 * time_s**2, 0.1 * time_s])
    return pose, angles


def make_drive(lidars=None, num_frames=3, sizes=SIZES, origin=(2700.0, 3600.0, 21.0), seed=0, name=NAME):
    """Frames 0.1 s apart among pillars on rough ground; every third pixel of the second return is there too."""
    rng, lidars = np.random.default_rng(seed), lidars or made_up_lidars()
    frames = []
    for number in range(num_frames):
        time = 0.1 * number
        pose, _ = pose_at(time, np.asarray(origin))
        returns, pixel_poses = {}, None
        for lidar, calibration in lidars.items():
            height, width = sizes[lidar]
            yaw = np.arctan2(calibration.extrinsic[1, 0], calibration.extrinsic[0, 0])
            column, row = np.meshgrid(np.arange(width), np.arange(height))
            azimuth = np.pi - 2 * np.pi * (column + 0.5) / width - yaw
            up = calibration.angles(height)[row]
            rays = np.stack([np.cos(azimuth) * np.cos(up), np.sin(azimuth) * np.cos(up), np.sin(up)], axis=-1)
            if lidar == 1:
                pixel_poses = np.zeros((height, width, 6))
                for c in range(width):
                    moment, angles = pose_at(time + 0.1 * (c / width - 0.5), np.asarray(origin))
                    pixel_poses[:, c] = [*angles[::-1], *moment[:3, 3]]
            for which in range(2):
                range_m = rng.uniform(0.5, 75.0, (height, width)).astype(np.float32)
                missing = rng.random((height, width)) < (0.2 if which == 0 else 0.67)
                stored = np.where(missing, np.float32(-1), range_m)
                local = rays * range_m[..., None].astype(np.float64)
                in_vehicle = local @ calibration.extrinsic[:3, :3].T + calibration.extrinsic[:3, 3]
                if lidar == 1:
                    turn = Rotation.from_euler("ZYX", pixel_poses[..., 2::-1].reshape(-1, 3)).as_matrix()
                    world = np.einsum("nij,nj->ni", turn, in_vehicle.reshape(-1, 3)) + pixel_poses[..., 3:].reshape(
                        -1, 3
                    )
                    in_vehicle = ((world - pose[:3, 3]) @ pose[:3, :3]).reshape(height, width, 3)
                image = np.stack(
                    [
                        stored,
                        np.where(missing, -1, rng.exponential(0.3, stored.shape)),
                        np.where(missing, -1, rng.uniform(0, 1.5, stored.shape)),
                        np.where(rng.random(stored.shape) < 0.1, 1, -1),
                    ],
                    axis=-1,
                ).astype(np.float32)
                labels = np.stack([rng.integers(0, 300, stored.shape), rng.integers(0, 23, stored.shape)], axis=-1)
                returns[lidar, which] = Return(image, in_vehicle[~missing], labels.astype(np.int32))
        assert pixel_poses is not None
        boxes = [make_box(rng, i) for i in range(5)]
        stamp = START_US + PERIOD_US * number
        frames.append(Frame(stamp, pose, returns, pixel_poses.astype(np.float32), boxes, number % 2 == 0))
    return Drive(name, lidars, frames)


def make_box(rng, number):
    return {
        "box": [*rng.uniform(-40, 40, 2), rng.uniform(0, 2), *rng.uniform(0.5, 5, 3), rng.uniform(-np.pi, np.pi)],
        "speed": rng.normal(scale=5, size=3).tolist(),
        "acceleration": rng.normal(size=3).tolist(),
        "type": [1, 2, 3, 4, 1][number],
        "id": f"object-{number}",
        "detection": [0, 2, 0, 1, 0][number],
        "tracking": [0, 2, 0, 2, 0][number],
        "num_points": int(rng.integers(0, 300)),
        "num_top_points": int(rng.integers(0, 100)),
    }


# --- version 1 ---


def varint(value):
    value %= 1 << 64
    out = bytearray()
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    return bytes([*out, value])


def whole(number, value):
    return varint(number << 3) + varint(value)


def double(number, value):
    return varint(number << 3 | 1) + struct.pack("<d", value)


def text(number, content):
    content = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(content)) + content


def matrix(image):
    data = image.astype("<f4").tobytes() if image.dtype.kind == "f" else b"".join(map(varint, image.ravel().tolist()))
    return zlib.compress(text(1, data) + text(2, b"".join(whole(1, side) for side in image.shape)), 1)


def transform(values):
    return b"".join(double(1, value) for value in np.ravel(values))


def label_message(box):
    x, y, z, length, width, height, heading = box["box"]
    sides = enumerate([x, y, z, width, length, height, heading], start=1)
    (sx, sy, sz), (ax, ay, az) = box["speed"], box["acceleration"]
    motion = enumerate([sx, sy, ax, ay, sz, az], start=1)
    out = text(1, b"".join(double(*side) for side in sides)) + text(2, b"".join(double(*part) for part in motion))
    out += whole(3, box["type"]) + text(4, box["id"])
    if box["detection"]:
        out += whole(5, box["detection"]) + whole(6, box["tracking"])
    return out + whole(7, box["num_points"]) + whole(13, box["num_top_points"])


def frame_message(drive, frame, image_bytes=0):
    context = text(1, drive.name)
    for number, lidar in drive.lidars.items():
        beams = b"".join(double(2, angle) for angle in lidar.inclinations)
        sides = double(3, lidar.lowest) + double(4, lidar.highest)
        context += text(3, whole(1, number) + beams + sides + text(5, transform(lidar.extrinsic)))
    context += text(4, text(2, "Day") + text(3, "location_sf") + text(4, "sunny"))
    out = text(1, context) + whole(2, frame.timestamp_us) + text(3, transform(frame.pose))
    out += text(4, whole(1, 1) + text(2, bytes(image_bytes)))
    for lidar in drive.lidars:
        message = whole(1, lidar)
        for which in range(2):
            one = frame.returns[lidar, which]
            content = text(2, matrix(one.image)) + text(3, matrix(np.zeros((2, 2, 6), dtype=np.int32)))
            if lidar == 1 and which == 0:
                content += text(4, matrix(frame.pixel_poses))
            if lidar == 1 and frame.has_segmentation:
                content += text(6, matrix(one.labels))
            message += text(2 + which, content)
        out += text(5, message)
    return out + b"".join(text(6, label_message(box)) for box in frame.boxes)


CRC_TABLE = []
for index in range(256):
    value = index
    for _ in range(8):
        value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    CRC_TABLE.append(value)


def masked_crc(data):
    """CRC-32C as TFRecords store it, byte by byte."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def record(content, crc=masked_crc):
    length = struct.pack("<Q", len(content))
    return length + struct.pack("<I", crc(length)) + content + struct.pack("<I", crc(content))


def write_v1(drive, path: Path, crc=masked_crc, image_bytes=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(record(frame_message(drive, frame, image_bytes), crc) for frame in drive.frames))
    return path


# --- version 2 ---


def write_v2(drive, folder: Path, **options):
    """``folder/COMPONENT/NAME.parquet``, as the dataset names components and columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    def table(component, columns):
        path = folder / component / f"{drive.name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns), path, **options)

    def keys(rows):
        """Columns of the keys from (frame, lidar or object id) pairs."""
        return {
            "key.segment_context_name": [drive.name] * len(rows),
            "key.frame_timestamp_micros": pa.array([frame.timestamp_us for frame, _ in rows], pa.int64()),
        }

    def images(component, rows, pick, returns, kind):
        columns = keys(rows) | {"key.laser_name": pa.array([lidar for _, lidar in rows], pa.int8())}
        for which in range(returns):
            found = [pick(frame, lidar, which) for frame, lidar in rows]
            prefix = f"[{component}].range_image_return{which + 1}"
            columns[f"{prefix}.values"] = pa.array([image.ravel() for image in found], pa.list_(kind))
            columns[f"{prefix}.shape"] = pa.array([list(image.shape) for image in found], pa.list_(pa.int32(), 3))
        return columns

    every = [(frame, lidar) for frame in drive.frames for lidar in drive.lidars]
    top = [(frame, 1) for frame in drive.frames]
    labelled = [(frame, 1) for frame in drive.frames if frame.has_segmentation]
    table("lidar", images("LiDARComponent", every, lambda f, l, w: f.returns[l, w].image, 2, pa.float32()))
    table("lidar_pose", images("LiDARPoseComponent", top, lambda f, l, w: f.pixel_poses, 1, pa.float32()))
    labels = images("LiDARSegmentationLabelComponent", labelled, lambda f, l, w: f.returns[l, w].labels, 2, pa.int32())
    table("lidar_segmentation", labels)
    poses = pa.array([frame.pose.ravel() for frame in drive.frames], pa.list_(pa.float64(), 16))
    table("vehicle_pose", keys(top) | {"[VehiclePoseComponent].world_from_vehicle.transform": poses})
    prefix = "[LiDARCalibrationComponent]"
    lidars = drive.lidars.values()
    beams = [list(lidar.inclinations) if len(lidar.inclinations) else None for lidar in lidars]
    table(
        "lidar_calibration",
        {
            "key.segment_context_name": [drive.name] * len(drive.lidars),
            "key.laser_name": pa.array(list(drive.lidars), pa.int8()),
            f"{prefix}.extrinsic.transform": pa.array(
                [l.extrinsic.ravel() for l in lidars], pa.list_(pa.float64(), 16)
            ),
            f"{prefix}.beam_inclination.min": [lidar.lowest for lidar in lidars],
            f"{prefix}.beam_inclination.max": [lidar.highest for lidar in lidars],
            f"{prefix}.beam_inclination.values": pa.array(beams, pa.list_(pa.float64())),
        },
    )
    rows = [(frame, box) for frame in drive.frames for box in frame.boxes]
    columns = keys(rows) | {"key.laser_object_id": [box["id"] for _, box in rows]}
    sides = [*(f"box.center.{a}" for a in "xyz"), *(f"box.size.{a}" for a in "xyz"), "box.heading"]
    groups = {"box": sides} | {name: [f"{name}.{a}" for a in "xyz"] for name in ("speed", "acceleration")}
    for group, names in groups.items():
        for place, name in enumerate(names):
            columns[f"[LiDARBoxComponent].{name}"] = pa.array([box[group][place] for _, box in rows], pa.float64())
    names = {"type": "type", "num_points": "num_lidar_points_in_box", "num_top_points": "num_top_lidar_points_in_box"}
    names |= {"detection": "difficulty_level.detection", "tracking": "difficulty_level.tracking"}
    for own, name in names.items():
        values = [box[own] or None if "difficulty" in name else box[own] for _, box in rows]
        kind = pa.int64() if "points" in own else pa.int8()
        columns[f"[LiDARBoxComponent].{name}"] = pa.array(values, kind)
    table("lidar_box", columns)
    about = {"time_of_day": "Day", "location": "location_sf", "weather": "sunny"}
    table("stats", keys(top) | {f"[StatsComponent].{name}": [value] * len(top) for name, value in about.items()})
    return folder


def write(drive, version, root: Path):
    """Files of ``v1`` or ``v2`` below ``root/validation``; skips the test where pyarrow is missing."""
    if version == "v1":
        write_v1(drive, root / "validation" / "segment.tfrecord")
    else:
        pytest.importorskip("pyarrow")
        write_v2(drive, root / "validation")
    return root
