"""Scores by range are those of the ordinary evaluator where the inputs have nothing outside the band."""

from __future__ import annotations

import json
import math
import shutil

import argoverse2_database
import box_database
import kitti_database
import numpy as np
import pytest
from waymo_database import random_case

from geopt.evaluation import (
    argoverse2_breakdown,
    argoverse2_detection,
    kitti_breakdown,
    kitti_detection,
    nuscenes_detection,
    nuscenes_detection_breakdown,
    waymo_breakdown,
    waymo_detection,
)

VERSION, SPLIT = box_database.VERSION, box_database.SPLIT
BANDS = {"0-20 m": (0, 20), "20-35 m": (20, 35), "35-50 m": (35, 50)}


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
    assert list(found["by_range"]) == list(BANDS)
    for name, band in BANDS.items():
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


def cut(table, lower, upper):
    inside = [lower <= np.linalg.norm(box[:3]) < upper for box in table["cuboids"]]
    return {name: column[inside] for name, column in table.items()}


@pytest.mark.parametrize("seed", range(3))
def test_categories_of_argoverse2_in_a_band_score_as_if_there_were_nothing_else(seed):
    predictions, truth = argoverse2_database.random_case(seed, num_boxes=60)
    found = argoverse2_breakdown(predictions, truth)
    assert list(found["by_range"]) == ["0-50 m", "50-100 m", "100-150 m"]
    parts = [(found["by_class"], 0, 150)]
    parts += [(rows, *map(int, name.removesuffix(" m").split("-"))) for name, rows in found["by_range"].items()]
    for rows, *band in parts:
        mine, theirs = cut(predictions, *band), cut(truth, *band)
        for name, scores in argoverse2_detection(mine, theirs)["per_category"].items():
            row = dict(rows[name])
            assert row.pop("num_predicted") == np.sum(mine["category"] == name)
            assert row.pop("num_true") == np.sum((theirs["category"] == name) & (theirs["last"] > 0))
            assert row == scores
        assert sum(row["AP"] > 0 for row in rows.values()) >= 2


def write_cut(source, target, lower, upper):
    """The lines of KITTI files whose z is in the band, and DontCare."""
    target.mkdir(parents=True)
    for path in source.iterdir():
        lines = path.read_text().splitlines(keepends=True)
        kept = [line for line in lines if line.startswith("DontCare") or lower <= float(line.split()[13]) < upper]
        (target / path.name).write_text("".join(kept))
    return target


@pytest.mark.parametrize("seed", range(3))
def test_classes_of_kitti_at_a_depth_score_as_if_there_were_nothing_else(seed, tmp_path):
    labels, predictions = kitti_database.write_case(tmp_path, seed, num_frames=30, image_only=0.1)
    found = kitti_breakdown(labels, predictions, edges_m=(0, 15, 30, 60))
    for name, rows in {"0-1e9 m": found["by_class"], **found["by_range"]}.items():
        band = [float(edge) for edge in name.removesuffix(" m").split("-")]
        folders = labels, predictions
        if name in found["by_range"]:
            folders = tuple(write_cut(path, tmp_path / name / path.name, *band) for path in folders)
        scores = kitti_detection(*folders)
        for kind, row in rows.items():
            for space, called in (("3d", "_3d"), ("bev", "_ground"), ("2d", "")):
                for level in ("easy", "moderate", "hard"):
                    assert row[f"AP_{space}_{level}"] == scores[f"{kind}_detection{called}"][level]["AP_R40"]
            for count, folder in zip(("num_true", "num_predicted"), folders):
                text = "".join(path.read_text() for path in folder.iterdir())
                assert row[count] == text.count(f"{kind.capitalize()} ")
        assert any(row["AP_3d_moderate"] > 0 for row in rows.values())
    assert next(iter(found["by_class"]["car"])) == "AP_3d_moderate"  # what the table shows


def test_a_class_that_is_not_predicted_at_a_depth_has_ap_0(tmp_path):
    line = "Car 0.00 0 0.10 100.00 100.00 200.00 200.00 1.50 1.60 3.90 0.00 1.65 {z} 0.10"
    for folder, end in (("label_2", ""), ("data", " 0.9")):
        (tmp_path / folder).mkdir()
        for frame in range(10):
            (tmp_path / folder / f"{frame:06d}.txt").write_text(line.format(z=30 if end else 10) + end)
    found = kitti_breakdown(tmp_path, tmp_path, edges_m=(0, 20, 40))
    near = found["by_range"]["0-20 m"]["car"]
    assert (near["AP_2d_easy"], near["num_true"], near["num_predicted"]) == (0, 10, 0)
    assert found["by_class"]["car"]["AP_2d_easy"] > 0 == found["by_class"]["car"]["AP_3d_easy"]


def test_the_commands_show_and_write_ranges(score, tmp_path):
    labels, predictions = kitti_database.write_case(tmp_path / "kitti", 1)
    dts, gts = argoverse2_database.write_npz(tmp_path, argoverse2_database.random_case(1))
    for name, mine, theirs, found, shows in (
        (
            "kitti-detection",
            predictions,
            labels,
            kitti_breakdown(labels, predictions),
            "AP in 3D, moderate, %, by range",
        ),
        ("argoverse2-detection", dts, gts, argoverse2_breakdown(dts, gts), "AP by range"),
    ):
        line = [name, "--predictions", mine, "--ground-truth", theirs, "--out", tmp_path / "m.json"]
        code, out, err = score(*line, "--details")
        assert (code, err) == (0, "") and shows in out
        assert json.loads((tmp_path / "m_details.json").read_text()) == found
        shown = out.split(shows)[1]
        for band in found["by_range"]:
            assert band in shown
        values = {}
        for text in shown.splitlines():
            if text.startswith("│"):
                name, value, *_ = (cell.strip() for cell in text.split("│")[1:])
                values[name] = value
        present = {kind: row for kind, row in found["by_class"].items() if row["num_true"]}
        assert list(values) == [*map(str.lower, present), "mean (present)"]
        for kind, row in present.items():
            assert values[kind.lower()] == f"{next(iter(row.values())):.3f}"
