"""Scores by range are those of the ordinary evaluator where the inputs have nothing outside the band."""

from __future__ import annotations

import json
import logging
import math
import shutil

import box_database
import label_database
import numpy as np
import pytest
from semantickitti_files import LABELS, write_labels
from waymo_database import random_case

from geopt.evaluation import (
    nuscenes_detection,
    nuscenes_detection_breakdown,
    nuscenes_lidarseg,
    nuscenes_lidarseg_breakdown,
    semantickitti_breakdown,
    semantickitti_segmentation,
    waymo_breakdown,
    waymo_detection,
)
from geopt.evaluation.breakdown import bands

VERSION, SPLIT = box_database.VERSION, box_database.SPLIT
BOX_BANDS = {"0-20 m": (0, 20), "20-35 m": (20, 35), "35-50 m": (35, 50)}
POINT_BANDS = {**BOX_BANDS, "50 m on": (50, math.inf)}


def table(root, name):
    return json.loads((root / VERSION / f"{name}.json").read_text())


def only_band(root, predictions, lower, upper):
    """Predictions with the boxes in the band, after taking their points from the annotations outside it."""
    poses = {row["token"]: row["translation"] for row in table(root, "ego_pose")}
    ego = {
        row["sample_token"]: poses[row["ego_pose_token"]]
        for row in table(root, "sample_data")
        if row["is_key_frame"] and row["calibrated_sensor_token"] == "lidar-mount"
    }

    def inside(box):
        away = np.array(box["translation"][:2]) - ego[box["sample_token"]][:2]
        return lower <= math.sqrt(away[0] ** 2 + away[1] ** 2) < upper

    annotations = table(root, "sample_annotation")
    for row in annotations:
        if not inside(row):
            row["num_lidar_pts"] = row["num_radar_pts"] = 0
    (root / VERSION / "sample_annotation.json").write_text(json.dumps(annotations))
    content = json.loads(predictions.read_text())
    content["results"] = {token: [box for box in boxes if inside(box)] for token, boxes in content["results"].items()}
    return content


def assert_rows(rows, summary):
    for name, row in rows.items():
        assert row["ap"] == summary["mean_dist_aps"][name]
        for error, value in summary["label_tp_errors"][name].items():
            assert row[error] == value or (math.isnan(row[error]) and math.isnan(value))


@pytest.mark.parametrize("seed", range(4))
def test_detections_of_a_band_score_as_if_there_were_nothing_else(seed, tmp_path):
    root = box_database.write_database(tmp_path / "whole", seed, num_key_frames=5, num_objects=80)
    predictions = box_database.write_detections(tmp_path / "p.json", root, seed, num_boxes=80, awkward=False)
    found = nuscenes_detection_breakdown(predictions, root, VERSION, SPLIT)
    assert_rows(found["by_class"], nuscenes_detection(predictions, root, VERSION, SPLIT))
    assert list(found["by_range"]) == list(BOX_BANDS)
    for name, band in BOX_BANDS.items():
        copy = shutil.copytree(root, tmp_path / name)
        content = only_band(copy, predictions, *band)
        rows = found["by_range"][name]
        assert_rows(rows, nuscenes_detection(content, copy, VERSION, SPLIT))
        assert sum(row["ap"] > 0 for row in rows.values()) >= 4
    for name, row in found["by_class"].items():
        for count in ("num_true", "num_predicted"):
            assert row[count] == sum(rows[name][count] for rows in found["by_range"].values())
    assert found["by_range"]["35-50 m"]["barrier"]["num_predicted"] == 0  # its official range ends at 30 m


def test_a_detection_on_the_other_side_of_the_border_is_an_error_and_a_miss(tmp_path):
    root = box_database.write_database(tmp_path / "db", 1, num_key_frames=1, num_objects=5, num_scenes=1)
    annotations = table(root, "sample_annotation")
    poses = {row["token"]: row["translation"] for row in table(root, "ego_pose")}
    row = next(row for row in annotations if row["sample_token"] in poses)
    cars = [c["token"] for c in table(root, "category") if c["name"] == "vehicle.car"]
    samples = [row["token"] for row in table(root, "sample") if row["scene_token"] != "scene-0061"]
    row |= {"sample_token": samples[0], "num_lidar_pts": 9, "attribute_tokens": [], "size": [2, 4, 2]}
    x, y, _ = poses[samples[0]]
    row |= {"translation": [x + 19.9, y, 0], "prev": "", "next": ""}
    (root / VERSION / "sample_annotation.json").write_text(json.dumps([row]))
    (root / VERSION / "instance.json").write_text(
        json.dumps([{"token": row["instance_token"], "category_token": cars[0]}])
    )
    box = {"sample_token": samples[0], "translation": [x + 20.1, y, 0], "size": [2, 4, 2], "rotation": [1, 0, 0, 0]}
    box |= {"velocity": [0, 0], "detection_name": "car", "detection_score": 0.5, "attribute_name": ""}
    content = {"meta": {}, "results": {token: [box] if token == samples[0] else [] for token in samples}}
    found = nuscenes_detection_breakdown(content, root, VERSION, SPLIT)
    assert found["by_class"]["car"]["ap"] == pytest.approx(1)
    near, far = found["by_range"]["0-20 m"]["car"], found["by_range"]["20-35 m"]["car"]
    assert (near["num_true"], near["num_predicted"], near["ap"]) == (1, 0, 0)
    assert (far["num_true"], far["num_predicted"], far["ap"]) == (0, 1, 0)


def assert_point_rows(rows, scores):
    confusion = np.array(scores["confusion_matrix_gt_rows_pred_cols"])
    for name, row in rows.items():
        number = len(confusion) - len(rows) + list(rows).index(name)
        true, said, hits = confusion[number].sum(), confusion[:, number].sum(), confusion[number, number]
        assert (
            row["iou"] == scores["iou_per_class"][name] or np.isnan([row["iou"], scores["iou_per_class"][name]]).all()
        )
        assert (row["num_true"], row["num_predicted"]) == (true, said)
        assert row["precision"] == (pytest.approx(hits / said) if said else pytest.approx(math.nan, nan_ok=True))
        assert row["recall"] == (pytest.approx(hits / true) if true else pytest.approx(math.nan, nan_ok=True))


def write_scan(path, num_points, num_columns, rng):
    """Points up to 90 m away, some of them on the edges of bands; returns their distances."""
    points = rng.uniform(-52, 52, (num_points, num_columns)).astype(np.float32)
    points[:: num_points // 10, :3] = [12, 16, 0]
    path.parent.mkdir(parents=True, exist_ok=True)
    points.tofile(path)
    return np.sqrt((points[:, :3].astype(np.float64) ** 2).sum(axis=1))


@pytest.fixture
def lidarseg(tmp_path):
    """A database with LiDAR files, predictions, and the distances of points by token."""
    root = label_database.write_database(tmp_path / "db", 3, num_points=900)
    predictions = label_database.write_predictions(tmp_path / "p", root, 3)
    rng, distances = np.random.default_rng(3), {}
    for path in (root / "lidarseg" / VERSION).iterdir():
        token = path.name.removesuffix("_lidarseg.bin")
        distances[token] = write_scan(root / f"samples/LIDAR_TOP/{token}.pcd.bin", path.stat().st_size, 5, rng)
    return root, predictions, distances


def test_points_of_a_band_score_as_if_the_others_were_ignored(lidarseg, tmp_path):
    root, predictions, distances = lidarseg
    found = nuscenes_lidarseg_breakdown(predictions, root, VERSION, SPLIT)
    assert_point_rows(found["by_class"], nuscenes_lidarseg(predictions, root, VERSION, SPLIT))
    assert list(found["by_range"]) == list(POINT_BANDS)
    noise = next(row["index"] for row in table(root, "category") if row["name"] == "noise")
    for name, (lower, upper) in POINT_BANDS.items():
        copy = shutil.copytree(root, tmp_path / name)
        for token, distance in distances.items():
            path = copy / "lidarseg" / VERSION / f"{token}_lidarseg.bin"
            labels = np.fromfile(path, dtype=np.uint8)
            labels[(distance < lower) | (distance >= upper)] = noise
            labels.tofile(path)
        assert_point_rows(found["by_range"][name], nuscenes_lidarseg(predictions, copy, VERSION, SPLIT))
        assert sum(row["num_true"] for row in found["by_range"][name].values()) > 100


@pytest.mark.parametrize("num_threads", [1, 3])
def test_scans_of_semantickitti_likewise(num_threads, tmp_path):
    rng = np.random.default_rng(5)
    truth = [rng.choice(LABELS, 1500) for _ in range(3)]
    predicted = [np.where(rng.random(1500) < 0.6, labels, rng.choice(LABELS, 1500)) for labels in truth]
    write_labels(tmp_path, truth)
    write_labels(tmp_path, predicted, "predictions")
    distances = [write_scan(tmp_path / f"sequences/08/velodyne/{i:06d}.bin", 1500, 4, rng) for i in range(3)]
    found = semantickitti_breakdown(tmp_path, tmp_path, num_threads=num_threads)
    assert_point_rows(found["by_class"], semantickitti_segmentation(tmp_path, tmp_path))
    for name, (lower, upper) in POINT_BANDS.items():
        pairs = zip(truth, distances)
        part = [np.where((distance >= lower) & (distance < upper), labels, 0) for labels, distance in pairs]
        write_labels(tmp_path / name, part)
        assert_point_rows(found["by_range"][name], semantickitti_segmentation(tmp_path / name, tmp_path))
    other = semantickitti_breakdown(tmp_path, tmp_path, edges_m=[5, 12.5])
    assert list(other["by_range"]) == ["5-12.5 m"]


def test_without_lidar_files_there_is_a_warning_and_nothing_by_range(lidarseg, tmp_path, caplog):
    root, predictions, distances = lidarseg
    whole = nuscenes_lidarseg_breakdown(predictions, root, VERSION, SPLIT)
    token = sorted(distances)[2]
    scan = root / f"samples/LIDAR_TOP/{token}.pcd.bin"
    content = scan.read_bytes()
    scan.write_bytes(content[:-20])
    with pytest.raises(
        ValueError, match=rf"{scan} must hold the 900 points that have labels, 5 float32 each, got 4495"
    ):
        nuscenes_lidarseg_breakdown(predictions, root, VERSION, SPLIT)
    scan.unlink()
    with caplog.at_level(logging.WARNING):
        found = nuscenes_lidarseg_breakdown(predictions, root, VERSION, SPLIT)
    assert "by_range" not in found and json.dumps(found["by_class"]) == json.dumps(whole["by_class"])
    assert f"{scan} is missing: without the LiDAR files there are no scores by range" in caplog.text


@pytest.mark.parametrize("seed", range(3))
def test_ranges_of_waymo_are_in_the_same_form(seed):
    columns = random_case(seed, num_truths=30, spread_m=60.0)
    scores, curves = waymo_detection(**columns, details=True)
    found = waymo_breakdown(scores, curves)
    assert list(found["by_range"]) == ["0-30 m", "30-50 m", "50 m on"]
    assert list(found["by_class"]) == ["vehicle", "pedestrian", "sign", "cyclist"]
    assert found["by_class"]["sign"]["APH/L1"] == scores["OBJECT_TYPE_TYPE_SIGN_LEVEL_1"]["APH"]
    assert found["by_range"]["30-50 m"]["cyclist"]["AP/L2"] == scores["RANGE_TYPE_CYCLIST_[30, 50)_LEVEL_2"]["AP"]
    distance = np.linalg.norm(columns["ground_truth_bbox"][:, :2], axis=1)
    for lower, upper, name in ((0, 30, "0-30 m"), (30, 50, "30-50 m"), (50, np.inf, "50 m on")):
        inside = (distance >= lower) & (distance < upper)
        for number, kind in enumerate(found["by_class"], 1):
            of_kind = columns["ground_truth_type"] == number
            assert found["by_range"][name][kind]["num_true"] == np.sum(inside & of_kind)
            assert found["by_class"][kind]["num_true"] == np.sum(of_kind)


@pytest.mark.parametrize("edges_m", [[], [0], [0, 20, 20], [20, 0], [-1, 5], [0, math.nan]])
def test_edges_that_do_not_ascend_are_refused(edges_m):
    with pytest.raises(ValueError, match="bands: edges_m must be two or more ascending distances from 0 on"):
        bands(edges_m)


def test_the_command_shows_and_writes_ranges(score, tmp_path, caplog):
    write_labels(tmp_path, [[10, 10, 40, 0]])
    write_labels(tmp_path, [[10, 40, 40, 40]], "predictions")
    line = ["semantickitti-segmentation", "--predictions", tmp_path, "--data", tmp_path, "--out", tmp_path / "m.json"]
    code, out, err = score(*line, "--details")
    assert code == 0 and "mIoU 0.0526" in out and "IoU by range" in out and "20-35 m" not in out
    assert "without the LiDAR files" in caplog.text
    assert "by_range" not in json.loads((tmp_path / "m_details.json").read_text())
    scan = tmp_path / "sequences/08/velodyne/000000.bin"
    scan.parent.mkdir()
    np.array([[5, 0, 0, 0], [0, 25, 0, 0], [0, 26, 0, 0], [1, 1, 1, 1]], "<f4").tofile(scan)
    code, out, err = score(*line, "--details", "--split", "08")
    written = json.loads((tmp_path / "m_details.json").read_text())
    assert (code, err) == (0, "") and "20-35 m" in out
    assert written["by_range"]["0-20 m"]["car"]["iou"] == pytest.approx(1)
    assert written["by_range"]["20-35 m"]["car"] == {
        "iou": 0,
        "precision": None,
        "recall": 0,
        "num_true": 1,
        "num_predicted": 0,
    }
    assert written["by_range"]["20-35 m"]["road"]["iou"] == pytest.approx(0.5)
    row = next(line for line in out.splitlines() if "│ car " in line and line.count("│") > 4)
    assert [cell.strip() for cell in row.split("│")[1:-1]] == ["car", "0.500", "1.000", "0.000", "-", "-"]
