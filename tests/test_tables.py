import json
import subprocess
import sys

import numpy as np
import pytest

from geopt import official, resources, tables


@pytest.mark.parametrize("module", ["geopt.tables", "geopt.official", "geopt.cache"])
def test_tables_need_no_torch(module):
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_real_sweep_is_in_order_with_its_poses(nuscenes_root):
    folder = nuscenes_root / "v1.0-mini"
    sweeps = tables.read_sweeps(folder)
    data = {row["token"]: row for row in json.loads((folder / "sample_data.json").read_text())}
    poses = {row["token"]: row for row in json.loads((folder / "ego_pose.json").read_text())}
    assert sorted(token.decode() for token in sweeps.token) == sorted(data)
    assert (np.diff(sweeps.timestamp_us) > 0).all()
    for row, token in enumerate(sweeps.token):
        source = data[token.decode()]
        assert sweeps.ego_translation[row].tolist() == poses[source["ego_pose_token"]]["translation"]
        assert sweeps.ego_quat_wxyz[row].tolist() == poses[source["ego_pose_token"]]["rotation"]
        assert sweeps.timestamp_us[row] == source["timestamp"] and sweeps.filename[row].decode() == source["filename"]
        previous = sweeps.token[sweeps.previous[row]].decode() if sweeps.previous[row] >= 0 else ""
        assert previous == source["prev"]
    assert sweeps.key_frame.tolist() == list(range(40)) and sweeps.scene_names.tolist() == [b"scene-0523"]


def test_every_real_box_is_with_its_key_frame(nuscenes_root):
    folder = nuscenes_root / "v1.0-mini"
    sweeps = tables.read_sweeps(folder)
    boxes = tables.read_annotations(folder, sweeps.sample_token)
    rows = json.loads((folder / "sample_annotation.json").read_text())
    assert len(boxes.token) == len(rows) == boxes.offsets[-1] and len(boxes.offsets) == 41
    for k in range(40):
        found = boxes.token[boxes.offsets[k] : boxes.offsets[k + 1]].tolist()
        expected = [row["token"].encode() for row in rows if row["sample_token"].encode() == sweeps.sample_token[k]]
        assert found == expected
    by_token = {row["token"]: row for row in rows}
    for i in range(0, len(rows), 97):
        row = by_token[boxes.token[i].decode()]
        assert boxes.translation[i].tolist() == row["translation"] and boxes.size_wlh[i].tolist() == row["size"]
        assert boxes.num_lidar_points[i] == row["num_lidar_pts"] and boxes.instance[i].decode() == row["instance_token"]


def test_a_folder_without_boxes_has_none(tmp_path):
    for name in tables.ANNOTATION_TABLES:
        (tmp_path / f"{name}.json").write_text("[]")
    boxes = tables.read_annotations(tmp_path, np.array([b"a", b"b"]))
    assert boxes.offsets.tolist() == [0, 0, 0] and boxes.velocity.shape == (0, 3)


def test_class_maps_are_those_of_the_benchmarks():
    detection, lidarseg = official.class_map("detection"), official.class_map("lidarseg")
    assert len(detection.classes) == 10 and set(detection.class_of_category.values()) == set(detection.classes)
    assert len(lidarseg.classes) == 17 and set(lidarseg.class_of_category.values()) == set(lidarseg.classes)
    assert len(lidarseg.class_of_category) == 32 and lidarseg.classes[0] == "ignore"
    assert lidarseg.classes[4] == "car" and lidarseg.classes[11] == "driveable_surface"
    # a category that both know has the same class in both
    assert detection.class_of_category.items() <= lidarseg.class_of_category.items()
    tracking = official.class_map("tracking")
    assert tracking.classes == ("bicycle", "bus", "car", "motorcycle", "pedestrian", "trailer", "truck")
    assert tracking.class_of_category.items() <= detection.class_of_category.items()
    with pytest.raises(ValueError, match="benchmark must be one of detection, tracking, lidarseg, got 'panoptic'"):
        official.class_map("panoptic")


def test_labels_of_unknown_categories_have_no_class():
    classes = official.lidarseg_class_of_index({17: "vehicle.car", 31: "vehicle.ego", 24: "flat.driveable_surface"})
    assert {i: int(c) for i, c in enumerate(classes) if c >= 0} == {17: 4, 24: 11, 31: 0}
    with pytest.raises(ValueError, match=r"category must be one of the 32 of lidarseg, got 'vehicle.tank'"):
        official.lidarseg_class_of_index({3: "vehicle.tank"})


def test_resources_are_those_of_the_wheel_before_those_of_the_checkout(tmp_path, monkeypatch):
    package = tmp_path / "geopt"
    monkeypatch.setattr(resources, "__file__", str(package / "resources.py"))
    with pytest.raises(FileNotFoundError, match=r"datasets/x.json is neither .*geopt/_resources/datasets/x.json nor"):
        resources.path("datasets", "x.json")
    for place in (tmp_path / "datasets", package / "_resources" / "datasets"):
        place.mkdir(parents=True)
        (place / "x.json").write_text("{}")
        assert resources.path("datasets", "x.json") == place / "x.json"
    with pytest.raises(ValueError, match="kind must be one of configs, datasets, got 'docs'"):
        resources.path("docs")


def test_what_moves_in_semantickitti_has_the_class_of_what_stands():
    labels, classes = official.semantickitti_labels(), official.class_map("lidarseg", "semantickitti").classes
    class_of = official.semantickitti_class_of_label()
    assert len(labels) == 34 and np.flatnonzero(class_of >= 0).tolist() == sorted(labels)
    moving = {label: name for label, name in labels.items() if name.startswith("moving-")}
    assert set(moving) == set(range(252, 260))
    still = {name: label for label, name in labels.items()}
    for label, name in moving.items():
        assert class_of[label] == class_of[still[name.removeprefix("moving-")]] > 0
    assert [label for label in labels if class_of[label] == 0] == [0, 1, 52, 99]
    assert classes[class_of[13]] == classes[class_of[16]] == "other-vehicle" and classes[class_of[60]] == "road"
    assert set(class_of[list(labels)].tolist()) == set(range(20))
    parts = official.splits("semantickitti")
    assert sorted(name for part in parts.values() for name in part) == [f"{i:02d}" for i in range(22)]
    assert parts["val"] == ("08",)
