"""Nothing is found where nothing is wrong: samples of seven datasets, through every reader that takes them."""

from __future__ import annotations

import pytest

from geopt.inspection import inspect

RANGE_IMAGES = "data.folder.columns=[x,y,z,intensity,skip,skip]"
SAMPLES = {
    ("nuscenes",): {"format": "nuscenes", "lasers": "32", "intensity": "0 to 255", "poses": "40, 125.9 m driven"},
    ("nuscenes_single",): {"format": "folder", "lasers": "32", "intensity": "0 to 255"},
    ("nuscenes_lidarseg_projected", RANGE_IMAGES): {"format": "folder", "intensity": "0 to 255"},
    ("pandaset",): {"format": "pandaset", "times": "10 Hz, 0.3 s in all", "intensity": "0 to 255"},
    ("argoverse2",): {"format": "argoverse2", "lasers": "64", "times of points": "a scan takes 0.103 s"},
    ("semantickitti",): {"format": "semantickitti", "intensity": "0 to 1", "with boxes, labels of points": "0, 1"},
    ("kitti_object",): {"format": "kitti", "intensity": "0 to 1", "with boxes, labels of points": "3, 0"},
    ("kitti_mmdet3d_demo",): {"format": "folder", "field of view": "81 degrees around"},
    ("kitti_raw_drive",): {"format": "folder", "intensity": "0 to 1", "poses": "none"},
    ("kitti_raw_pcd",): {"format": "folder", "intensity": "0 to 1"},
    ("kitti_object/training/velodyne",): {"format": "folder"},
    ("nuscenes/samples",): {"format": "folder", "times": "2 Hz, 19.5 s in all", "lasers": "32"},
    ("semantickitti", "data.kind=folder"): {"format": "folder"},
    ("kitti_raw_pcd/0000000000.pcd",): {"format": "folder"},
}
HEIGHTS_M = {"nuscenes": 1.84, "kitti": 1.73, "semantickitti": 1.73, "argoverse2": 1.96, "pandaset": 2.3}
"""Of the sensors over the ground; the road is not flat, so 0.3 m more or less."""


@pytest.mark.parametrize("options", SAMPLES, ids=" ".join)
def test_a_clean_sample_raises_no_alarm(options, shared_data):
    name, *overrides = options
    report = inspect(shared_data / name, overrides=overrides)
    assert not [finding for finding in report.findings if finding.severity != "info"]
    summary = report.summary()
    assert {key: summary[key] for key in SAMPLES[options]} == SAMPLES[options]
    assert summary["up"] == "z" and summary["lasers"] in ("unknown", "32", "64")
    height = float(summary["ground under the sensor"].removesuffix(" m"))
    assert abs(height - HEIGHTS_M[name.split("_")[0].split("/")[0]]) < 0.35


@pytest.mark.parametrize("scans", [1, 2, 5])
def test_fewer_scans_raise_no_alarm_either(scans, shared_data):
    for name, *overrides in list(SAMPLES)[:9]:
        report = inspect(shared_data / name, scans, overrides)
        assert not [finding for finding in report.findings if finding.severity != "info"], name


def test_a_folder_that_holds_no_laser_data_is_an_error_and_no_crash(shared_data):
    report = inspect(shared_data / "waymo_v2_testdata" / "dataset")
    assert report.summary()["format"] == "waymo" and not report.is_sound
