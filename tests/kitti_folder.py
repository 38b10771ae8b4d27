"""Writes small KITTI and SemanticKITTI folders from boxes, points and motions in the ego frame; knows no geopt."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

HEIGHT_M = 1.73
CAMERA_AXES = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])
"""From x forward, y left, z up to x right, y down, z forward."""


class Camera(NamedTuple):
    """A camera on the car. Its rectifying rotation is there to be forgotten."""

    turn: Rotation = Rotation.from_euler("z", 1.5, degrees=True)
    """Of the car's axes before they become the camera's."""
    shift: tuple[float, float, float] = (0.06, -0.08, -0.27)
    rectify: Rotation = Rotation.from_euler("y", 0.7, degrees=True)

    def matrices(self):
        """R0_rect and Tr_velo_to_cam."""
        turn = self.rectify.inv().as_matrix() @ CAMERA_AXES @ self.turn.as_matrix()
        return self.rectify.as_matrix(), np.concatenate([turn, np.array(self.shift)[:, None]], axis=1)

    def rect(self, ego):
        """(N, 3) points of the ego frame in the rectified camera frame."""
        rectify, motion = self.matrices()
        return (rectify @ (motion[:, :3] @ (np.asarray(ego) - [0, 0, HEIGHT_M]).T + motion[:, 3:])).T


def label_line(name, box, camera, *, truncation=0.0, occlusion=0, alpha=0.0, image=(100.0, 120.0, 180.0, 170.0)):
    """A line of ``label_2`` for a box (x, y, z, length, width, height, yaw) of the ego frame."""
    x, y, z, length, width, height, yaw = box
    centre, ahead = camera.rect([[x, y, z], [x + np.cos(yaw), y + np.sin(yaw), z]])
    bottom = centre + [0, height / 2, 0]
    right, _, forward = ahead - centre
    rotation_y = np.arctan2(-forward, right)
    values = [truncation, occlusion, alpha, *image, height, width, length, *bottom, rotation_y]
    return " ".join([name, *(f"{value:.12g}" for value in values)])


def points_in(box, count, rng):
    """(count, 3) float32 points of the ego frame within a box, none near its faces."""
    x, y, z, length, width, height, yaw = box
    local = rng.uniform(-0.45, 0.45, (count, 3)) * [length, width, height]
    return (Rotation.from_euler("z", yaw).apply(local) + [x, y, z]).astype(np.float32)


def write_points(path: Path, ego_xyz, intensity) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    points = np.concatenate([np.asarray(ego_xyz) - [0, 0, HEIGHT_M], np.asarray(intensity)[:, None]], axis=1)
    path.write_bytes(points.astype("<f4").tobytes())


def calibration_text(camera) -> str:
    rectify, motion = camera.matrices()
    projection = np.array([[700.0, 0, 600, 45], [0, 700, 180, -0.3], [0, 0, 1, 0.005]])
    rows = {f"P{n}": projection for n in range(4)} | {"R0_rect": rectify, "Tr_velo_to_cam": motion}
    rows["Tr_imu_to_velo"] = np.eye(3, 4)
    return "".join(f"{key}: {' '.join(f'{v:.12e}' for v in value.ravel())}\n" for key, value in rows.items()) + "\n"


def write_frame(root: Path, name, xyz, intensity, lines=None, camera=None, part="training") -> None:
    """One frame of KITTI; without ``lines`` it has no labels."""
    write_points(root / part / "velodyne" / f"{name}.bin", xyz, intensity)
    (root / part / "calib").mkdir(parents=True, exist_ok=True)
    (root / part / "calib" / f"{name}.txt").write_text(calibration_text(camera or Camera()))
    if lines is not None:
        (root / part / "label_2").mkdir(parents=True, exist_ok=True)
        (root / part / "label_2" / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))


def some_points(count, rng, low=(-20, -20, 0), high=(20, 20, 3)):
    """(count, 3) float32 and intensities (count,)."""
    return rng.uniform(low, high, (count, 3)).astype(np.float32), rng.uniform(0, 1, count).astype(np.float32)


def write_kitti(root: Path, num_frames=4, num_points=60, seed=0) -> Path:
    """Labelled frames of training, two of testing with the same names, and lists."""
    rng = np.random.default_rng(seed)
    camera = Camera()
    for number in range(num_frames):
        box = (8.0 + number, -2.0, 0.9, 4.0, 1.7, 1.6, 0.3 * number)
        xyz, intensity = some_points(num_points, rng)
        xyz = np.concatenate([xyz, points_in(box, 9, rng)])
        dont_care = "DontCare -1 -1 -10 503.89 169.71 590.61 190.13 -1 -1 -1 -1000 -1000 -1000 -10"
        lines = [label_line("Car", box, camera), dont_care]
        write_frame(root, f"{number:06}", xyz, np.append(intensity, np.zeros(9)), lines, camera)
    for number in range(2):
        write_frame(root, f"{number:06}", *some_points(num_points, rng), camera=camera, part="testing")
    (root / "ImageSets").mkdir()
    (root / "ImageSets" / "train.txt").write_text("000000\n000002\n")
    (root / "ImageSets" / "val.txt").write_text("000001\n")
    (root / "ImageSets" / "test.txt").write_text("000000\n000001\n")
    return root


class Drive(NamedTuple):
    """A sequence of SemanticKITTI."""

    xyz: list[np.ndarray]
    """Of each scan, in its ego frame."""
    intensity: list[np.ndarray]
    semantic: list[np.ndarray]
    instance: list[np.ndarray]
    ego: list[np.ndarray]
    """(4, 4) where the car was, in the Velodyne frame of scan 0."""
    times_s: np.ndarray


NUMBERS = (
    0,
    1,
    10,
    11,
    13,
    15,
    16,
    18,
    20,
    30,
    31,
    32,
    40,
    44,
    48,
    49,
    50,
    51,
    52,
    60,
    70,
    71,
    72,
    80,
    81,
    99,
    *range(252, 260),
)


def make_drive(num_scans=3, num_points=50, seed=0) -> Drive:
    """The car turns and drives past points that stand still; each scan sees all of them."""
    rng = np.random.default_rng(seed)
    raised = np.eye(4)
    raised[2, 3] = HEIGHT_M
    world, intensity = some_points(num_points, rng)
    drive = Drive([], [], [], [], [], 0.1036 * np.arange(num_scans) + 0.25)
    for number in range(num_scans):
        lidar = np.eye(4)  # in the Velodyne frame of scan 0
        lidar[:3, :3] = Rotation.from_euler("zyx", [0.1 * number, 0.01 * number, -0.02 * number]).as_matrix()
        lidar[:3, 3] = [1.1 * number, 0.2 * number, 0.03 * number]
        ego = lidar @ np.linalg.inv(raised)
        drive.ego.append(ego)
        drive.xyz.append(((world - ego[:3, 3]) @ ego[:3, :3]).astype(np.float32))
        drive.intensity.append(intensity)
        drive.semantic.append(rng.choice(NUMBERS, num_points).astype(np.uint32))
        drive.instance.append(rng.integers(0, 1000, num_points).astype(np.uint32))
    return drive


def write_sequence(root: Path, name, drive: Drive, *, numbers=None, camera=None, labels=True, poses=True, times=True):
    """One sequence; ``numbers`` are those of its files, for a copy that has not all of them."""
    folder, camera = root / "sequences" / name, camera or Camera()
    numbers = range(len(drive.xyz)) if numbers is None else numbers
    for number, xyz, intensity, semantic, instance in zip(numbers, *drive[:4]):
        write_points(folder / "velodyne" / f"{number:06}.bin", xyz, intensity)
        if labels:
            (folder / "labels").mkdir(exist_ok=True)
            (folder / "labels" / f"{number:06}.label").write_bytes((semantic | instance << 16).astype("<u4").tobytes())
    raised = np.eye(4)
    raised[2, 3] = HEIGHT_M
    velodyne_to_camera = np.eye(4)
    velodyne_to_camera[:3] = camera.matrices()[1]
    calibration = [f"P{n}: {' '.join(['1.0'] * 12)}\n" for n in range(4)]
    calibration.append(f"Tr: {' '.join(f'{v:.12e}' for v in velodyne_to_camera[:3].ravel())}\n")
    (folder / "calib.txt").write_text("".join(calibration))
    place = dict(zip(numbers, range(len(drive.xyz))))
    rows = []
    for number in range(max(numbers) + 1):
        lidar = drive.ego[place.get(number, 0)] @ raised
        camera_pose = velodyne_to_camera @ lidar @ np.linalg.inv(velodyne_to_camera)
        rows.append(" ".join(f"{v:.12e}" for v in camera_pose[:3].ravel()) + "\n")
    if poses:
        (folder / "poses.txt").write_text("".join(rows))
    if times:
        seconds = np.interp(np.arange(max(numbers) + 1), list(numbers), drive.times_s)
        (folder / "times.txt").write_text("".join(f"{v:.6e}\n" for v in seconds))
    return root
