"""The official devkit takes a simulated data set for nuScenes: it opens, aggregates, draws and scores it.

Runs where GEOPT_DEVKIT_PYTHON names the Python of an environment with nuscenes-devkit 1.2.0.
"""

from __future__ import annotations

import json
import math
import subprocess
from pathlib import Path
from typing import Any

import devkit
import numpy as np
import pytest
import simulated_oracle

from geopt.data import NuScenes
from geopt.evaluation import nuscenes_detection, nuscenes_lidarseg, nuscenes_panoptic
from geopt.simulate import scene_names

pytest.importorskip("embreex")

pytestmark = devkit.needed
VERSION = "v1.0-mini"


@pytest.fixture(scope="module")
def predictions(tmp_path_factory) -> Path:
    """Where the devkit's side leaves the ground truth as predictions."""
    return tmp_path_factory.mktemp("devkit")


@pytest.fixture(scope="module")
def official(folder, predictions) -> dict[str, Any]:
    words = [devkit.PYTHON, simulated_oracle.__file__, str(folder.root), VERSION, str(predictions)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_all_tables_are_read(folder, official):
    assert len(official["tables"]) == 15
    for name, count in official["tables"].items():
        assert count == len(folder.table(name)) > 0, name


def test_scenes_are_in_the_official_splits(folder, official):
    splits = {name: set(scenes) for name, scenes in official["splits"].items()}
    assert {row["name"] for row in folder.table("scene")} == splits["mini_val"]
    ten, all_scenes = scene_names(10), set(scene_names(850))
    assert (set(ten[:8]), set(ten[8:])) == (splits["mini_train"], splits["mini_val"])
    assert all_scenes == splits["train"] | splits["val"] >= splits["mini_train"] | splits["mini_val"]


def test_the_devkit_counts_the_same_points_in_every_box(folder, official):
    assert [count for count in official["counts"] if count[1] != count[2]] == []
    assert len(official["counts"]) == len(folder.table("sample_annotation"))
    assert sum(count for _, count, _ in official["counts"]) > 1000


def test_sweeps_are_aggregated(folder, official):
    sizes = {
        row["timestamp"]: (folder.root / row["filename"]).stat().st_size // 20 for row in folder.table("sample_data")
    }
    scans = folder.table("sample_data")
    for found in official["sweeps"]:
        assert found["dims"] == 4
        key = next(row for row in scans if row["sample_token"] == found["sample"] and row["is_key_frame"])
        assert found["lags_s"][:2] == [0.0, 0.05]
        for lag_s, points in zip(found["lags_s"], found["points"]):
            whole = sizes[key["timestamp"] - round(lag_s * 1e6)]
            assert 0.9 * whole < points <= whole  # it leaves out what is within a metre of the sensor


def test_velocities_are_those_of_our_reader(folder, official):
    dataset = NuScenes(folder.root, VERSION)
    for row in dataset.key_rows.tolist():
        boxes = dataset.boxes(row)
        turn = dataset.global_from_ego(row)[:2, :2]
        for token, ours in zip(boxes.tokens, (boxes.geometry.numpy()[:, 7:] @ turn.T).tolist()):
            theirs = [math.nan if v is None else v for v in official["velocities"][token][:2]]
            assert ours == pytest.approx(theirs, abs=0.05, nan_ok=True)  # the vehicle pitches, and the devkit is planar


def test_frames_are_drawn(official):
    assert official["pictures"].keys() == {"boxes", "lidarseg", "panoptic"}
    assert min(official["pictures"].values()) > 20  # different colours


def test_perfect_boxes_get_a_perfect_score(folder, official, predictions):
    summary, num_boxes = official["detection"]["summary"], official["detection"]["num_boxes"]
    assert {"car", "pedestrian"} <= num_boxes.keys()
    seen = [name for name, aps in summary["label_aps"].items() if aps["0.5"] > 0]
    assert set(seen) <= num_boxes.keys()
    for name in seen:
        assert list(summary["label_aps"][name].values()) == pytest.approx([1.0] * 4), name
        assert summary["label_tp_errors"][name]["trans_err"] == pytest.approx(0.0, abs=1e-9)
    assert "car" in seen and "pedestrian" in seen
    ours = nuscenes_detection(predictions / "detections.json", folder.root, VERSION, "mini_val")
    assert ours["nd_score"] == pytest.approx(summary["nd_score"], abs=1e-12)


def test_true_labels_get_a_perfect_score(folder, official, predictions):
    labels = official["labels"]
    present = {name for name, points in labels["points"].items() if points and name != "ignore"}
    assert {"car", "driveable_surface", "manmade", "vegetation"} <= present
    for name, iou in labels["lidarseg"]["iou_per_class"].items():
        assert iou == 1.0 if name in present else iou is None or math.isnan(iou) or name == "ignore", name
    panoptic = labels["panoptic"]
    for name in present:
        assert panoptic["segmentation"][name]["IoU"] == 1.0
        if labels["points"][name] > 2000:  # smaller ones may be below the least number of points of a segment
            assert panoptic["segmentation"][name]["PQ"] == panoptic["tracking"][name]["PTQ"] == 1.0, name
    ours = nuscenes_lidarseg(predictions, folder.root, VERSION, "mini_val")
    assert ours["miou"] == labels["lidarseg"]["miou"] == 1.0
    whole = nuscenes_panoptic(predictions, folder.root, VERSION, "mini_val", task="tracking")
    for part in ("segmentation", "tracking"):
        got, expected = whole[part]["all"], panoptic[part]["all"]
        assert [got[key] for key in expected] == pytest.approx(np.array(list(expected.values()), float), nan_ok=True)
