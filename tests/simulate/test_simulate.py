"""The folder that simulate writes: links, counts, repeatability, refusals."""

import itertools
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from geopt import official
from geopt.data import NuScenes
from geopt.simulate import scene_names, simulate, version_of
from geopt.simulate.city import City
from geopt.simulate.classes import CLASSES, ROAD
from geopt.simulate.dataset import split_names

pytest.importorskip("embreex")

REFERENCES = {  # column: table that it names a row of
    "sample": {"scene_token": "scene"},
    "sample_data": {
        "sample_token": "sample",
        "ego_pose_token": "ego_pose",
        "calibrated_sensor_token": "calibrated_sensor",
    },
    "calibrated_sensor": {"sensor_token": "sensor"},
    "scene": {"log_token": "log", "first_sample_token": "sample", "last_sample_token": "sample"},
    "sample_annotation": {"sample_token": "sample", "instance_token": "instance", "visibility_token": "visibility"},
    "instance": {
        "category_token": "category",
        "first_annotation_token": "sample_annotation",
        "last_annotation_token": "sample_annotation",
    },
    "lidarseg": {"sample_data_token": "sample_data"},
    "panoptic": {"sample_data_token": "sample_data"},
}


@pytest.mark.parametrize("name", REFERENCES)
def test_every_token_names_a_row(folder, name):
    for column, target in REFERENCES[name].items():
        assert {row[column] for row in folder.table(name)} <= set(folder.by_token(target))


def test_lists_of_tokens_name_rows(folder):
    attributes = folder.by_token("attribute")
    assert all(token in attributes for row in folder.table("sample_annotation") for token in row["attribute_tokens"])
    assert sorted(token for row in folder.table("map") for token in row["log_tokens"]) == sorted(folder.by_token("log"))


def test_tokens_are_32_hexadecimal_digits(folder):
    tokens = [t for name in (*REFERENCES, "category", "ego_pose", "log", "map") for t in folder.by_token(name)]
    assert all(re.fullmatch("[0-9a-f]{32}", token) for token in tokens)


def test_rows_are_linked_in_order_of_time(folder):
    samples = folder.by_token("sample")
    time_of = {
        "sample": lambda row: row["timestamp"],
        "sample_data": lambda row: row["timestamp"],
        "sample_annotation": lambda row: samples[row["sample_token"]]["timestamp"],
    }
    num_chains = {"sample": 2, "sample_data": 2, "sample_annotation": len(folder.table("instance"))}
    for name, time in time_of.items():
        rows = folder.by_token(name)
        assert sum(row["prev"] == "" for row in rows.values()) == num_chains[name]
        for token, row in rows.items():
            if row["next"]:
                assert rows[row["next"]]["prev"] == token
                assert time(rows[row["next"]]) > time(row)


def test_scans_are_a_twentieth_of_a_second_apart_and_key_frames_half_a_second(folder):
    rows = [row for row in folder.table("sample_data") if "scene-0103" in row["filename"]]
    assert [row["is_key_frame"] for row in rows] == [False, True, False, True]
    assert np.diff([row["timestamp"] for row in rows]).tolist() == [50_000, 450_000, 50_000]
    assert [row["filename"].split("/")[0] for row in rows] == ["sweeps", "samples", "sweeps", "samples"]


def test_instances_count_their_annotations(folder):
    annotations = folder.table("sample_annotation")
    for instance in folder.table("instance"):
        own = [row for row in annotations if row["instance_token"] == instance["token"]]
        assert len(own) == instance["nbr_annotations"]
        assert (own[0]["token"], own[-1]["token"]) == (
            instance["first_annotation_token"],
            instance["last_annotation_token"],
        )


def test_every_file_that_a_row_names_exists_and_no_other(folder):
    tables = ("sample_data", "lidarseg", "panoptic", "map")
    named = {row["filename"] for name in tables for row in folder.table(name)}
    places = ("samples", "sweeps", "lidarseg", "panoptic", "maps")
    assert named == {name for name in folder.files() if name.split("/")[0] in places}


def in_global(xyz: np.ndarray, motions) -> np.ndarray:
    """Points of a scan after the motions of a mount and an ego pose."""
    for motion in motions:
        xyz = Rotation.from_quat(np.roll(motion["rotation"], -1)).apply(xyz) + motion["translation"]
    return xyz


def in_box(xyz: np.ndarray, box) -> np.ndarray:
    """Points as shares of the sides of a box, 0 in its middle."""
    width, length, height = box["size"]
    edges = Rotation.from_quat(np.roll(box["rotation"], -1)).as_matrix() * [length, width, height]
    return (xyz - box["translation"]) @ edges / (edges**2).sum(axis=0)


def test_box_counts_equal_a_closed_test_of_the_stored_points(folder):
    mounts, poses = folder.by_token("calibrated_sensor"), folder.by_token("ego_pose")
    num_boxes = 0
    for row in folder.table("sample_data"):
        xyz = np.fromfile(folder.root / row["filename"], dtype="<f4").reshape(-1, 5)[:, :3].astype(np.float64)
        xyz = in_global(xyz, (mounts[row["calibrated_sensor_token"]], poses[row["ego_pose_token"]]))
        for box in folder.table("sample_annotation"):
            if row["is_key_frame"] and box["sample_token"] == row["sample_token"]:
                assert (np.abs(in_box(xyz, box)) <= 0.5).all(axis=1).sum() == box["num_lidar_pts"]
                num_boxes += 1
    assert num_boxes == len(folder.table("sample_annotation")) > 60


def test_numbers_in_tables_are_rounded(folder):
    for name in ("ego_pose", "sample_annotation", "calibrated_sensor"):
        for row in folder.table(name):
            assert all(value == round(value, 4) for value in (*row["translation"], *row.get("size", ())))
            assert all(value == round(value, 7) for value in row["rotation"])
            assert np.linalg.norm(row["rotation"]) == pytest.approx(1.0, abs=1e-6)


def test_attributes_fit_their_categories_and_motion(folder):
    attributes, categories = folder.by_token("attribute"), folder.by_token("category")
    instances, annotations = folder.by_token("instance"), folder.by_token("sample_annotation")
    speeds: dict[str, list[float]] = {}
    for row in annotations.values():
        category = categories[instances[row["instance_token"]]["category_token"]]["name"]
        names = [attributes[token]["name"] for token in row["attribute_tokens"]]
        family = "cycle" if category.split(".")[-1] in ("bicycle", "motorcycle") else category.split(".")[0]
        wanted = {"vehicle": "vehicle", "cycle": "cycle", "human": "pedestrian"}.get(family)
        assert [name.split(".")[0] for name in names] in ([wanted], []), (category, names)
        assert names or wanted is None or category.split(".")[-1] in ("stroller", "wheelchair", "personal_mobility"), (
            category
        )
        if row["next"] and names:
            step = np.subtract(annotations[row["next"]]["translation"], row["translation"])
            speeds.setdefault(names[0], []).append(float(np.linalg.norm(step[:2])) / 0.5)
    assert np.mean(np.array(speeds["vehicle.moving"]) > 0.1) > 0.9
    assert max(speeds["vehicle.parked"]) == 0.0


def test_first_and_last_annotation_of_an_instance_hold_points(folder):
    annotations = folder.by_token("sample_annotation")
    for instance in folder.table("instance"):
        assert annotations[instance["first_annotation_token"]]["num_lidar_pts"] > 0
        assert annotations[instance["last_annotation_token"]]["num_lidar_pts"] > 0


def test_there_is_one_label_for_each_key_frame_point(folder):
    scans = folder.by_token("sample_data")
    seen = set()
    for row in folder.table("lidarseg"):
        labels = np.fromfile(folder.root / row["filename"], dtype=np.uint8)
        assert 20 * len(labels) == (folder.root / scans[row["sample_data_token"]]["filename"]).stat().st_size
        seen |= {CLASSES[label] for label in labels.tolist()}
    assert len(folder.table("lidarseg")) == 4
    wanted = "vehicle.car human.pedestrian.adult flat.sidewalk flat.terrain static.manmade static.vegetation"
    assert {*wanted.split(), "flat.driveable_surface"} <= seen
    assert "vehicle.ego" not in seen


def test_categories_are_the_official_ones(folder):
    rows = folder.table("category")
    assert [row["index"] for row in rows] == list(range(32))
    assert {row["name"] for row in rows} == set(official.class_map("lidarseg").class_of_category)
    assert (rows[17]["name"], rows[24]["name"]) == ("vehicle.car", "flat.driveable_surface")


def test_two_processes_write_the_same_bytes_as_one_that_made_one_scene_after_the_other(folder, tmp_path):
    """So a scene depends neither on the others nor on who makes it."""
    again = type(folder)(simulate(tmp_path / "again", scenes=2, keyframes=2, sweeps=2, seed=0, workers=2))
    assert again.files() == folder.files()
    assert len([name for name in again.files() if name.endswith(".pcd.bin")]) == 8


def test_cities_differ_by_seed_and_by_name():
    lines = [City(seed, name).lanes[0].line for seed, name in ((0, "scene-0061"), (0, "scene-0103"), (1, "scene-0061"))]
    assert all(not np.array_equal(first, second) for first, second in itertools.combinations(lines, 2))


def test_names_are_official_and_end_with_mini_val():
    splits = official.splits()
    assert scene_names(1) == ["scene-0916"]
    assert scene_names(4) == ["scene-0061", "scene-0553", "scene-0103", "scene-0916"]
    assert set(scene_names(10)) == {*splits["mini_train"], *splits["mini_val"]}
    assert set(scene_names(850)) == {*splits["train"], *splits["val"]}
    for count in (11, 40, 500):
        assert scene_names(count)[-2:] == list(splits["mini_val"])
        assert set(scene_names(count - 1)) < set(scene_names(count)) and len(set(scene_names(count))) == count
        is_val = [name in splits["val"] for name in scene_names(count)]
        assert 0.15 < sum(is_val) / count < 0.4


def test_splits_are_the_last_two_of_a_mini_version_and_the_official_ones_of_a_larger():
    assert split_names(scene_names(4)) == {"train": scene_names(4)[:2], "val": ["scene-0103", "scene-0916"]}
    large = split_names(scene_names(40))
    assert set(large["val"]) <= set(official.splits()["val"]) and len(large["val"]) == 10
    assert set(large["train"]) <= set(official.splits()["train"]) and len(large["train"]) == 30
    assert (version_of(10), version_of(11)) == ("v1.0-mini", "v1.0-trainval")


def test_splits_json_names_the_scenes(folder):
    text = (folder.root / "v1.0-mini" / "splits.json").read_text()
    assert json.loads(text) == {"train": [], "val": ["scene-0103", "scene-0916"]}


def test_there_is_one_panoptic_label_for_each_key_frame_point(folder):
    scans, instances = folder.by_token("sample_data"), set()
    for lidarseg, row in zip(folder.table("lidarseg"), folder.table("panoptic")):
        assert lidarseg["sample_data_token"] == row["sample_data_token"]
        with np.load(folder.root / row["filename"]) as file:
            panoptic = file["data"]
        assert panoptic.dtype == np.uint16
        labels = np.fromfile(folder.root / lidarseg["filename"], dtype=np.uint8)
        assert np.array_equal(panoptic // 1000, labels)
        scene = scans[row["sample_data_token"]]["filename"].split("__")[0]
        is_thing = np.array([CLASSES[label].split(".")[0] not in ("flat", "static") for label in labels])
        assert ((panoptic % 1000 > 0) == is_thing).all()
        instances |= {(scene, int(value)) for value in np.unique(panoptic[is_thing])}
    assert len(instances) > 20


def test_an_instance_keeps_its_panoptic_number_and_no_two_share_one(folder):
    """The number that most points in the boxes of an instance carry is the same in all key frames of the scene."""
    scans = {row["sample_token"]: row for row in folder.table("sample_data") if row["is_key_frame"]}
    panoptic = {row["sample_data_token"]: row["filename"] for row in folder.table("panoptic")}
    poses, mounts = folder.by_token("ego_pose"), folder.by_token("calibrated_sensor")
    numbers: dict[str, set[int]] = {}
    for box in folder.table("sample_annotation"):
        if box["num_lidar_pts"] >= 20:
            row = scans[box["sample_token"]]
            motions = mounts[row["calibrated_sensor_token"]], poses[row["ego_pose_token"]]
            xyz = np.fromfile(folder.root / row["filename"], dtype="<f4").reshape(-1, 5)[:, :3].astype(np.float64)
            inside = (np.abs(in_box(in_global(xyz, motions), box)) <= 0.5).all(axis=1)
            with np.load(folder.root / panoptic[row["token"]]) as file:
                values, counts = np.unique(file["data"][inside], return_counts=True)
            numbers.setdefault(box["instance_token"], set()).add(int(values[counts.argmax()]))
    assert len(numbers) > 10
    assert all(len(own) == 1 for own in numbers.values())
    scene_of = {
        box["instance_token"]: scans[box["sample_token"]]["filename"].split("__")[0]
        for box in folder.table("sample_annotation")
    }
    assert len({(scene_of[token], *own) for token, own in numbers.items()}) == len(numbers)


def test_the_reader_opens_it(folder):
    dataset = NuScenes(folder.root, "v1.0-mini")
    assert len(dataset.select("mini_val").rows) == len(dataset.select("val").rows) == 4
    row = int(dataset.select("scene-0916").rows[1])
    cloud = dataset.cloud(row, dataset.past(row, 1))
    assert cloud.time_lag_s.max() == np.float32(0.05)
    labels = dataset.lidarseg(row)
    near = np.linalg.norm(cloud.xyz[: len(labels), :2], axis=1) < 6.0
    assert np.abs(cloud.xyz[: len(labels)][near & (labels == ROAD), 2]).max() < 0.3  # ego frame: z = 0 on the ground


def test_what_the_reader_finds_in_boxes_has_their_category(folder):
    dataset = NuScenes(folder.root, "v1.0-mini")
    is_own: dict[str, list[bool]] = {}
    for row in dataset.select("val").rows.tolist():
        labels, boxes = dataset.lidarseg(row), dataset.boxes(row)
        xyz = dataset.cloud(row).xyz
        for name, (x, y, z, length, width, height, yaw, *_) in zip(boxes.names, boxes.geometry.tolist()):
            turned = Rotation.from_euler("z", -yaw).apply(xyz - [x, y, z])
            held = labels[(np.abs(turned) <= np.array([length, width, height]) / 2).all(axis=1)]
            is_own.setdefault(name, []).extend((held == CLASSES.index(name)).tolist())
    found = [own for of_category in is_own.values() for own in of_category]
    assert len(found) > 1000 and len(is_own["vehicle.car"]) > 100
    assert np.mean(found) > 0.98


def test_torch_is_not_imported():
    code = "import geopt.simulate, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
