"""Every fault is found in drives that are sound without it."""

from __future__ import annotations

import copy
import functools
from pathlib import Path

import numpy as np
import pytest
from drives import Drive, make_drive
from scan_faults import FAULTS, Fault

from geopt.data import NuScenes
from geopt.data.folder import read_scan
from geopt.data.sweeps import compose
from geopt.inspection import Report, inspect

SEEDS = [0, pytest.param(1, marks=pytest.mark.long), pytest.param(2, marks=pytest.mark.long)]
make = functools.cache(make_drive)


def alarms(report: Report) -> list:
    return [finding for finding in report.findings if finding.severity != "info"]


def inspected(drive: Drive, fault: Fault, root: Path, seed: int) -> Report:
    rng = np.random.default_rng(seed)
    drive = copy.deepcopy(drive)
    if fault.change is not None:
        fault.change(drive, rng)
    drive.write(root)
    if fault.files is not None:
        fault.files(root, rng)
    columns = fault.overrides or ("data.folder.columns=[x,y,z,intensity,ring]",) * (fault.name != "two kinds of files")
    return inspect(root, overrides=columns)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_sound_drive_raises_no_alarm(seed, tmp_path):
    report = inspect(make(seed).write(tmp_path / "drive"))
    assert not alarms(report) and report.is_sound
    summary = report.summary()
    assert summary["up"] == "z" and summary["lasers"] == "16" and summary["intensity"] == "0 to 255"
    assert summary["times"].startswith("10 Hz") and summary["ground under the sensor"] == "1.80 m"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_fault_in_a_made_up_drive_is_found(fault, seed, tmp_path):
    report = inspected(make(seed), fault, tmp_path / "drive", seed)
    assert fault.check in {finding.check for finding in alarms(report)}, alarms(report)


@functools.cache
def kitti(root: Path) -> Drive:
    paths = sorted((root / "kitti_raw_drive").rglob("*.bin"))[:8]
    scans = [np.stack([*read_scan(path).columns.values()], axis=1)[::3] for path in paths]
    return Drive([np.pad(scan, ((0, 0), (0, 1))) for scan in scans], None, None, [path.stem for path in paths])


@functools.cache
def boston(root: Path) -> Drive:
    """Eight key frames in a bend."""
    source = NuScenes(root / "nuscenes", "v1.0-mini")
    rows = range(15, 23)
    points = [source.read(row) for row in rows]
    scans = [np.column_stack([one.xyz, one.intensity, one.ring]) for one in points]
    poses = np.stack([compose(source.global_from_ego(row), source.ego_from_lidar(row)) for row in rows])
    times_s = np.array([source.timestamp_us(row) * 1e-6 for row in rows])
    return Drive(scans, poses, times_s - times_s[0] + 1e3, [f"{number:06d}" for number in range(len(scans))])


REAL = {"boston": boston, "kitti": kitti}
TESTED = (
    "camera axes",
    "millimetres",
    "two scales",
    "inverted poses",
    "mirrored",
    "vehicle",
    "same file twice",
    "zeros",
)
"""Faults that are tested on real scans in every run; the others in the long one."""


@pytest.mark.parametrize(
    "fault",
    [pytest.param(fault, marks=[] if fault.name in TESTED else pytest.mark.long) for fault in FAULTS],
    ids=str,
)
@pytest.mark.parametrize("name", REAL)
def test_a_fault_in_a_real_drive_is_found(name, fault, shared_data, tmp_path):
    drive = REAL[name](shared_data)
    if (fault.needs == "poses" and drive.poses is None) or (fault.needs == "rings" and name == "kitti"):
        pytest.skip(f"{name} has no {fault.needs}")
    report = inspected(drive, fault, tmp_path / "drive", 0)
    assert fault.check in {finding.check for finding in alarms(report)}, alarms(report)


@pytest.mark.parametrize("name", REAL)
def test_a_real_drive_raises_no_alarm_before(name, shared_data, tmp_path):
    report = inspect(REAL[name](shared_data).write(tmp_path / "drive", num_columns=4 if name == "kitti" else 5))
    assert not alarms(report)
