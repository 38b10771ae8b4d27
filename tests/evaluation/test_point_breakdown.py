"""IoU by range is that of the ordinary evaluator where the points outside the band have no class."""

from __future__ import annotations

import json
import logging
import math
import shutil

import label_database
import numpy as np
import pytest
from semantickitti_files import LABELS, write_labels

from geopt.evaluation import (
    nuscenes_lidarseg,
    nuscenes_lidarseg_breakdown,
    semantickitti_breakdown,
    semantickitti_segmentation,
)
from geopt.evaluation.breakdown import bands

VERSION, SPLIT = label_database.VERSION, label_database.SPLIT
BANDS = {"0-20 m": (0, 20), "20-35 m": (20, 35), "35-50 m": (35, 50), "50 m on": (50, math.inf)}


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
    assert list(found["by_range"]) == list(BANDS)
    noise = next(
        row["index"] for row in json.loads((root / VERSION / "category.json").read_text()) if row["name"] == "noise"
    )
    for name, (lower, upper) in BANDS.items():
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
    for name, (lower, upper) in BANDS.items():
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
