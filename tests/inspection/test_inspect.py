"""What formats are known by, what the report says, and the command."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import kitti_folder
import numpy as np
import pytest
import waymo_files
from drives import make_drive
from nuscenes_folder import write_nuscenes
from scan_faults import FAULTS
from scan_writers import cloud, cloud_message, mcap, pcd
from typer.testing import CliRunner, Result

from geopt import packing, pretraining
from geopt.cli import app
from geopt.config_errors import ConfigError
from geopt.data import DataConfig
from geopt.inspection import CHECKS, Facts, Finding, inspect
from geopt.inspection.checks.times import check as check_times
from geopt.inspection.layouts import detect
from geopt.inspection.suggestion import keys

GUIDE = Path(__file__).parents[2] / "docs" / "inspect.md"


@pytest.fixture(scope="module")
def drive(tmp_path_factory):
    """A sound drive; read it, do not change it."""
    return make_drive(0).write(tmp_path_factory.mktemp("drives") / "drive")


def write_waymo(root: Path, num_frames: int = 2) -> Path:
    waymo_files.write_v1(waymo_files.make_drive(num_frames=num_frames), root / "training" / "segment.tfrecord")
    return root


def pack(root: Path) -> Path:
    data = {"root": str(make_drive(0, 2).write(root / "drive")), "kind": "folder"}
    packing.pack(root / "shards", packing.PackConfig(data=data))
    return root / "shards"


def log(root: Path) -> Path:
    messages = [
        ("/points", 10**18 + step, cloud_message(cloud(2000, step), 10**18 + 10**8 * step)) for step in range(3)
    ]
    return mcap(root / "log.mcap", {"/points": "sensor_msgs/msg/PointCloud2"}, messages)


WRITERS = {
    "nuscenes": write_nuscenes,
    "waymo": write_waymo,
    "kitti": kitti_folder.write_kitti,
    "semantickitti": lambda root: kitti_folder.write_sequence(root, "00", kitti_folder.make_drive()),
    "shards": pack,
    "folder": log,
}


@pytest.mark.parametrize("kind", WRITERS)
def test_formats_are_known_by_their_files_and_read(kind, tmp_path):
    root = WRITERS[kind](tmp_path / "data") if kind in ("nuscenes", "kitti") else WRITERS[kind](tmp_path)
    assert detect(root or tmp_path / "data").kind == kind
    report = inspect(root or tmp_path / "data", scans=3)
    assert report.keys["kind"] == kind and report.facts.scans and not report.facts.problems


def test_waymo_of_either_version_and_versions_of_nuscenes(tmp_path):
    (tmp_path / "v2" / "training" / "vehicle_pose").mkdir(parents=True)
    (tmp_path / "v2" / "training" / "vehicle_pose" / "segment.parquet").touch()
    assert detect(tmp_path / "v2").kind == "waymo"
    root = write_nuscenes(tmp_path / "nuscenes")
    assert detect(root / "v1.0-mini") == detect(root)._replace(root=root.resolve())


@pytest.mark.parametrize("name", ["missing", "empty", "notes.txt"])
def test_what_nobody_can_read_is_refused_by_name(name, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(FileNotFoundError, match=name):
        inspect(tmp_path / name)


def test_one_file_alone(tmp_path):
    path = tmp_path / "scan[1].pcd"
    path.write_bytes(pcd(cloud(3000), "binary"))
    (tmp_path / "other.pcd").write_bytes(b"damaged")
    report = inspect(path)
    assert [scan.name for scan in report.facts.scans] == ["scan[1].pcd"] and report.is_sound


def test_what_the_report_suggests_is_what_pretraining_takes(drive, tmp_path):
    camera = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])
    turned = make_drive(0)
    turned.scans[:] = [np.column_stack([scan[:, :3] @ camera.T * 1000, scan[:, 3:]]) for scan in turned.scans]
    turned.poses = None
    root = turned.write(tmp_path / "turned")
    assert {finding.check for finding in inspect(root).findings} == {"unit", "axes"}
    report = inspect(root, overrides=["data.folder.unit_m=0.001"])
    assert report.keys["folder.axes"] == "[z,-x,-y]" and report.keys["folder.unit_m"] == "0.001"
    keys = [f"data.{name}={value}" for name, value in report.keys.items()]
    assert pretraining.load("tiny", keys).data.folder.sensor_height_m == pytest.approx(1.8, abs=0.02)
    mended = inspect(root, overrides=[key for key in keys if "root" not in key])
    assert not mended.findings and mended.summary()["up"] == "z"


@pytest.mark.parametrize(
    "there, expected",
    [
        (("all", "train", "val"), {}),
        (("all", "train"), {"train": "train", "val": ""}),
        (("all", "val"), {"train": "all", "val": ""}),
        (("mini_train", "mini_val"), {"train": "mini_train", "val": "mini_val"}),
    ],
)
def test_the_suggested_splits_are_there(there, expected, drive):
    facts = dataclasses.replace(inspect(drive, scans=1).facts, config=DataConfig(kind="semantickitti"), splits=there)
    found = keys(facts)
    assert {name: found[name] for name in ("train", "val") if name in found} == expected


def test_facts_count_as_numpy_does(drive):
    report = inspect(drive, scans=3)
    files = sorted((drive / "scans").iterdir())
    assert [scan.name for scan in report.facts.scans] == [f"scans/{files[at].name}" for at in (0, 3, 7)]
    points = np.fromfile(files[3], "<f4").reshape(-1, 5).astype(np.float64)
    scan = report.facts.scans[1]
    distance = np.linalg.norm(points[:, :3], axis=1)
    assert scan.num_points == len(points) and scan.num_twice == 0 and scan.num_beams == 16
    assert scan.distance_m == pytest.approx((np.median(distance), np.quantile(distance, 0.99), distance.max()))
    assert scan.columns["intensity"].highest == points[:, 3].max()
    assert scan.columns["z"].p1 == pytest.approx(np.quantile(points[:, 2], 0.01))


@pytest.mark.parametrize("steps_s, is_gap", [([0.1] * 5 + [0.9] + [0.1] * 5, True), ([0.1, 0.1, 0.3] * 4, False)])
def test_a_gap_is_unusual(steps_s, is_gap, drive):
    """A few sweeps before each key frame are how scans were chosen, and no gap."""
    times = np.cumsum([10.0, *steps_s])
    facts = dataclasses.replace(
        inspect(drive, scans=1).facts,
        scene=np.zeros(len(times), np.int64),
        timestamp_us=np.round(times * 1e6).astype(np.int64),
    )
    assert bool(check_times(facts)) == is_gap


def test_a_check_of_ones_own_is_one_more_function(drive):
    def too_few(facts: Facts) -> list[Finding]:
        small = [scan.name for scan in facts.scans if scan.num_points < 10**6]
        return [Finding("error", "mine", f"{len(small)} scans are small", "buy another sensor")] if small else []

    report = inspect(drive, checks=[*CHECKS, too_few])
    assert [finding.check for finding in report.findings] == ["mine"] and not report.is_sound


def command(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["inspect", *map(str, arguments)])


def test_the_command_prints_writes_and_exits(drive, tmp_path):
    sound = command(drive, "--scans", 4, "--json", tmp_path / "report.json")
    assert sound.exit_code == 0 and "nothing is wrong" in sound.stdout
    assert "geopt pretrain tiny data.kind=folder" in sound.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["is_sound"] and report["summary"]["up"] == "z" and report["fields"]["ring"]["highest"] == 15
    wrong = command(drive, "data.folder.unit_m=1000")
    assert wrong.exit_code == 1 and "millimetres" in wrong.stdout
    assert isinstance(command(drive, "data.folder.unit=1000").exception, ConfigError)
    assert isinstance(command(tmp_path / "nowhere").exception, FileNotFoundError)


def test_code_of_the_guide_runs(drive, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SCANS", str(drive))
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    names: dict = {}
    for block in blocks:
        exec(compile(block, str(GUIDE), "exec"), names)
    assert blocks and "folder" in capsys.readouterr().out
    told = re.findall(r"^\| `([a-z ]+)` \|", GUIDE.read_text(), re.MULTILINE)
    assert {fault.check for fault in FAULTS} <= set(told)
