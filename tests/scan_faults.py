"""Faults that folders of scans have: each changes a drive before it is written, or the files after."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
from drives import Drive
from scipy.spatial.transform import Rotation

CAMERA = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])
"""Left-multiply x forward, y left, z up to get x right, y down, z forward."""
GRAPHICS = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, 1.0], [-1.0, 0.0, 0.0]])
"""x right, y up, z backward."""
Change = Callable[[Drive, np.random.Generator], None]


def of_points(change: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> Change:
    """A fault of x, y, z in all scans."""

    def fault(drive: Drive, rng: np.random.Generator) -> None:
        for number, scan in enumerate(drive.scans):
            drive.scans[number] = np.column_stack([change(scan[:, :3], rng), scan[:, 3:]])

    return fault


def of_one_scan(change: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> Change:
    """A fault of one scan."""

    def fault(drive: Drive, rng: np.random.Generator) -> None:
        number = int(rng.integers(1, len(drive.scans)))
        drive.scans[number] = change(drive.scans[number].copy(), rng)

    return fault


def of_intensity(change: Callable[[np.ndarray], np.ndarray], every: int = 1) -> Change:
    """A fault of the intensity of all scans, or of every second one."""

    def fault(drive: Drive, rng: np.random.Generator) -> None:
        for scan in drive.scans[::every]:
            scan[:, 3] = change(scan[:, 3])

    return fault


def of_poses(change: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> Change:
    """A fault of all poses."""

    def fault(drive: Drive, rng: np.random.Generator) -> None:
        drive.poses = change(drive.poses.copy(), rng)

    return fault


def spherical(in_degrees: bool) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    def change(xyz: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
        distance = np.linalg.norm(xyz, axis=1)
        angles = np.arctan2(xyz[:, 1], xyz[:, 0]), np.arcsin(xyz[:, 2] / np.maximum(distance, 1e-9))
        return np.column_stack([distance, *(np.degrees(angles) if in_degrees else angles)])

    return change


def spoil(value: float, share: float = 0.02) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    """Some points stand at one value."""

    def change(scan: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        scan[rng.random(len(scan)) < share, :3] = value
        return scan

    return change


def car_roof(scan: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A tenth of the points are on the edges of a roof 1 m below the sensor."""
    number = len(scan) // 10
    angle = rng.uniform(-np.pi, np.pi, number)
    roof = np.column_stack([1.9 * np.cos(angle), 1.2 * np.sin(angle), rng.normal(-0.9, 0.02, number)])
    return np.concatenate([scan, np.column_stack([roof, scan[:number, 3:]])])


def on_the_vehicle(drive: Drive, rng: np.random.Generator) -> None:
    drive.scans[:] = [car_roof(scan, rng) for scan in drive.scans]


def lost_return(scan: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    scan[rng.choice(len(scan), 5), :3] *= 1e4 / np.maximum(np.linalg.norm(scan[:1, :3]), 1)
    return scan


def copied(drive: Drive, rng: np.random.Generator) -> None:
    number = int(rng.integers(1, len(drive.scans)))
    drive.scans[number] = drive.scans[number - 1].copy()


def copied_and_shuffled(drive: Drive, rng: np.random.Generator) -> None:
    copied(drive, rng)
    drive.scans[:] = [rng.permutation(scan) for scan in drive.scans]


def frozen(drive: Drive, rng: np.random.Generator) -> None:
    """The sensor repeats its first scan, but for a millimetre of noise, while the car drives on."""
    drive.scans[:] = [
        drive.scans[0] + np.pad(rng.normal(0, 5e-4, (len(drive.scans[0]), 3)), ((0, 0), (0, 2))) for _ in drive.scans
    ]


def number_missing(drive: Drive, rng: np.random.Generator) -> None:
    at = int(rng.integers(3, len(drive.names)))
    drive.names[at:] = [
        f"{int(name) + 5 * (int(drive.names[1]) - int(drive.names[0])):06d}" for name in drive.names[at:]
    ]


def time_twice(drive: Drive, rng: np.random.Generator) -> None:
    at = int(rng.integers(1, len(drive.scans)))
    drive.times_s[at] = drive.times_s[at - 1]


def time_gap(drive: Drive, rng: np.random.Generator) -> None:
    drive.times_s[int(rng.integers(2, len(drive.scans))) :] += 30 * (drive.times_s[1] - drive.times_s[0])


def time_back(drive: Drive, rng: np.random.Generator) -> None:
    at = int(rng.integers(1, len(drive.scans)))
    drive.times_s[[at - 1, at]] = drive.times_s[[at, at - 1]]


def time_unit(drive: Drive, rng: np.random.Generator) -> None:
    drive.times_s = 1e3 + (drive.times_s - drive.times_s[0]) * 1e3


def inverted(poses: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
    turns = poses[:, :, :3].swapaxes(1, 2)
    return np.concatenate([turns, -turns @ poses[:, :, 3:]], axis=2)


def of_camera(poses: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
    return np.concatenate([CAMERA @ poses[:, :, :3] @ CAMERA.T, CAMERA @ poses[:, :, 3:]], axis=2)


def jumping(poses: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    poses[int(rng.integers(2, len(poses) - 1)) :, :2, 3] += 60.0
    return poses


def in_millimetres(poses: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
    poses[:, :, 3] *= 1000
    return poses


def not_rigid(poses: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
    poses[:, :, :3] *= 1.1
    return poses


def latitudes(poses: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
    poses[:, :2, 3] = [49.01, 8.43] + (poses[:, :2, 3] - poses[0, :2, 3]) / 111_320
    return poses


def other_order(poses: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
    return poses[::-1]


def mirrored(drive: Drive, rng: np.random.Generator) -> None:
    for scan in drive.scans:
        scan[:, 1] *= -1


def world_frame(drive: Drive, rng: np.random.Generator) -> None:
    for number, (scan, turn) in enumerate(zip(drive.scans, rng.uniform(-3, 3, len(drive.scans)))):
        xyz = Rotation.from_euler("z", turn).apply(scan[:, :3]) + [4_300.0, -2_100.0, 110.0]
        drive.scans[number] = np.column_stack([xyz, scan[:, 3:]])


def fewer_lasers(drive: Drive, rng: np.random.Generator) -> None:
    drive.scans[::2] = [scan[scan[:, 4] % 2 == 0] for scan in drive.scans[::2]]


@dataclasses.dataclass(frozen=True)
class Fault:
    """A fault and the check that shall find it."""

    name: str
    check: str
    change: Change | None = None
    files: Callable[[Path, np.random.Generator], None] | None = None
    needs: str = ""
    """``poses`` or ``rings`` of the drive."""
    overrides: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name


def _some_file(root: Path, rng: np.random.Generator) -> Path:
    return sorted(root.glob("scans/*.bin"))[int(rng.integers(1, 4))]


def cut_within_a_point(root: Path, rng: np.random.Generator) -> None:
    path = _some_file(root, rng)
    path.write_bytes(path.read_bytes()[: -int(rng.integers(1, 4))])


def cut_short(root: Path, rng: np.random.Generator) -> None:
    path = _some_file(root, rng)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 60 * 20])


def emptied(root: Path, rng: np.random.Generator) -> None:
    _some_file(root, rng).write_bytes(b"")


def other_columns(root: Path, rng: np.random.Generator) -> None:
    for path in sorted(root.glob("scans/*.bin"))[::2]:
        np.fromfile(path, "<f4").reshape(-1, 5)[:, :4].tofile(path)


def pose_missing(root: Path, rng: np.random.Generator) -> None:
    lines = (root / "poses.txt").read_text().splitlines()
    (root / "poses.txt").write_text("\n".join(lines[:-1]) + "\n")


def garbage(root: Path, rng: np.random.Generator) -> None:
    path = _some_file(root, rng).with_suffix(".pcd")
    path.write_bytes(b"VERSION 0.7\n" + rng.bytes(300))


FAULTS = (
    Fault("camera axes", "axes", of_points(lambda xyz, _: xyz @ CAMERA.T)),
    Fault("graphics axes", "axes", of_points(lambda xyz, _: xyz @ GRAPHICS.T)),
    Fault("x up", "axes", of_points(lambda xyz, _: xyz[:, [2, 1, 0]] * [1, 1, -1])),
    Fault("upside down", "axes", of_points(lambda xyz, _: xyz * [1, -1, -1])),
    Fault("z negated", "axes", of_points(lambda xyz, _: xyz * [1, 1, -1])),
    Fault("mirrored", "poses", mirrored, needs="poses"),
    Fault("millimetres", "unit", of_points(lambda xyz, _: xyz * 1000)),
    Fault("centimetres", "unit", of_points(lambda xyz, _: xyz * 100)),
    Fault("unit cube", "unit", of_points(lambda xyz, _: xyz / np.abs(xyz).max())),
    Fault("angles in degrees", "spherical", of_points(spherical(True))),
    Fault("angles in radians", "spherical", of_points(spherical(False))),
    Fault("NaN", "no position", of_one_scan(spoil(np.nan))),
    Fault("infinite", "no position", of_one_scan(spoil(np.inf))),
    Fault("zeros", "no position", of_one_scan(spoil(0.0))),
    Fault("zeros alone", "no position", of_one_scan(spoil(0.0, 2.0))),
    Fault(
        "NaN intensity", "no position", of_intensity(lambda values: np.where(values == values.max(), np.nan, values))
    ),
    Fault("vehicle", "on vehicle", on_the_vehicle),
    Fault("far points", "too far", of_one_scan(lost_return)),
    Fault("same file twice", "same scans", copied),
    Fault("same points twice", "same scans", copied_and_shuffled),
    Fault(
        "points twice", "repeated points", of_one_scan(lambda scan, _: np.concatenate([scan, scan[: len(scan) // 4]]))
    ),
    Fault("frozen", "frozen", frozen, needs="poses"),
    Fault("cut within a point", "file sizes", files=cut_within_a_point),
    Fault("cut short", "file sizes", files=cut_short),
    Fault("empty file", "file sizes", files=emptied),
    Fault("garbage", "unreadable", files=garbage),
    Fault("time twice", "times", time_twice, needs="poses"),
    Fault("time gap", "times", time_gap, needs="poses"),
    Fault("time back", "unreadable", time_back, needs="poses"),
    Fault("time unit", "times", time_unit, needs="poses"),
    Fault("number missing", "numbering", number_missing),
    Fault("constant intensity", "intensity", of_intensity(lambda values: values * 0)),
    Fault("clipped intensity", "intensity", of_intensity(lambda values: np.minimum(values, np.quantile(values, 0.7)))),
    Fault("two scales", "intensity", of_intensity(lambda values: values / values.max() * 50_000, every=2)),
    Fault("negative intensity", "intensity", of_intensity(lambda values: values - np.median(values) - 1)),
    Fault("four of five columns", "columns", needs="rings", overrides=("data.folder.columns=[x,y,z,intensity]",)),
    Fault("two kinds of files", "mixed sensors", files=other_columns, needs="rings"),
    Fault("two sensors", "mixed sensors", fewer_lasers, needs="rings"),
    Fault("world frame", "world frame", world_frame),
    Fault("inverted poses", "poses", of_poses(inverted), needs="poses"),
    Fault("poses of the camera", "poses", of_poses(of_camera), needs="poses"),
    Fault("poses backwards", "poses", of_poses(other_order), needs="poses"),
    Fault("poses jump", "jumps", of_poses(jumping), needs="poses"),
    Fault("poses in millimetres", "jumps", of_poses(in_millimetres), needs="poses"),
    Fault("poses not rigid", "unreadable", of_poses(not_rigid), needs="poses"),
    Fault("latitudes", "geographic", of_poses(latitudes), needs="poses"),
    Fault("pose missing", "unreadable", files=pose_missing, needs="poses"),
)
"""Of a folder of ``.bin`` files with poses and times."""
