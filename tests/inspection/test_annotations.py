"""Faults of boxes, labels and tables, in a simulated city and in real frames."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from geopt.inspection import inspect
from geopt.simulate import simulate

VERSION = "v1.0-mini"


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scene of three key frames, 0.5 s apart; read it, do not change it."""
    root = tmp_path_factory.mktemp("city")
    simulate(root, scenes=1, keyframes=3, sweeps=1, seed=3)
    return root


def table(root: Path, name: str, change: Callable[[dict], None]) -> None:
    """Change the rows of a table."""
    path = root / VERSION / f"{name}.json"
    rows = json.loads(path.read_text())
    for row in rows:
        change(row)
    path.write_text(json.dumps(rows))


def exchange(row: dict) -> None:
    row["size"][:2] = row["size"][1::-1]


def turn(row: dict) -> None:
    w, x, y, z = row["rotation"]
    x, y, z, w = (Rotation.from_euler("z", 90, degrees=True) * Rotation.from_quat([x, y, z, w])).as_quat()
    row["rotation"] = [w, x, y, z]


def shift(row: dict) -> None:
    row["translation"][0] += 25.0


def mirror_mount(row: dict) -> None:
    row["rotation"] = [row["rotation"][0], *(-value for value in row["rotation"][1:])]


def labels(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    def fault(root: Path) -> None:
        for path in (root / "lidarseg" / VERSION).glob("*.bin"):
            change(np.fromfile(path, np.uint8)).tofile(path)

    return fault


def lost_scan(root: Path) -> None:
    sorted((root / "samples/LIDAR_TOP").iterdir())[1].unlink()


def broken_table(root: Path) -> None:
    path = root / VERSION / "ego_pose.json"
    path.write_text(path.read_text()[:-100])


FAULTS = {
    "sizes exchanged": ("box shape", lambda root: table(root, "sample_annotation", exchange)),
    "yaw off by 90 degrees": ("box shape", lambda root: table(root, "sample_annotation", turn)),
    "boxes beside objects": ("box points", lambda root: table(root, "sample_annotation", shift)),
    "sensor turned the other way": ("box points", lambda root: table(root, "calibrated_sensor", mirror_mount)),
    "labels cut off": ("unreadable", labels(lambda values: values[:-7])),
    "labels out of range": ("labels", labels(lambda values: values * 0 + 77)),
    "scan lost": ("unreadable", lost_scan),
    "table broken": ("unreadable", broken_table),
}


def test_a_simulated_city_raises_no_alarm(city):
    report = inspect(city)
    assert not [finding for finding in report.findings if finding.severity != "info"]
    assert report.summary()["with boxes, labels of points"] == "3, 3"
    assert report.keys == {"kind": "nuscenes", "root": str(city), "version": VERSION}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_annotations_is_found(name, city, tmp_path):
    check, fault = FAULTS[name]
    root = tmp_path / "city"
    shutil.copytree(city, root)
    fault(root)
    assert check in {finding.check for finding in inspect(root).findings}


def test_exchanged_sizes_are_told_from_a_wrong_yaw(city, tmp_path):
    for name, words in (("sizes exchanged", "exchange length and width"), ("yaw off by 90 degrees", "add 90 degrees")):
        root = tmp_path / name
        shutil.copytree(city, root)
        FAULTS[name][1](root)
        found = [finding for finding in inspect(root).findings if finding.check == "box shape"]
        assert len(found) == 1 and words in found[0].remedy


def test_boxes_of_real_frames_that_lie_across_are_found(nuscenes_root, tmp_path):
    root = tmp_path / "nuscenes"
    shutil.copytree(nuscenes_root / VERSION, root / VERSION)
    (root / "samples").symlink_to(nuscenes_root / "samples")
    table(root, "sample_annotation", exchange)
    assert "box shape" in {finding.check for finding in inspect(root, scans=3).findings}


def test_damaged_labels_of_kitti_are_found(shared_data, tmp_path):
    shutil.copytree(shared_data / "kitti_object", tmp_path / "kitti")
    path = tmp_path / "kitti" / "training" / "label_2" / "000001.txt"
    path.write_text(path.read_text().replace("Car", "Car 12"))
    found = [finding for finding in inspect(tmp_path / "kitti").findings if finding.severity == "error"]
    assert [finding.check for finding in found] == ["unreadable"] and "000001.txt" in found[0].what
