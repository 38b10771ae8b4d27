"""The folder that simulate writes: links, counts, repeatability, refusals."""

import re
import subprocess
import sys

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from geopt import official
from geopt.data import NuScenes
from geopt.simulate import scene_names, simulate
from geopt.simulate.classes import CAR, CLASSES, ROAD

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
}


@pytest.mark.parametrize("name", REFERENCES)
def test_every_token_names_a_row(folder, name):
    for column, target in REFERENCES[name].items():
        assert {row[column] for row in folder.table(name)} <= set(folder.by_token(target))


def test_lists_of_tokens_name_rows(folder):
    attributes = folder.by_token("attribute")
    assert all(token in attributes for row in folder.table("sample_annotation") for token in row["attribute_tokens"])
    assert set(folder.table("map")[0]["log_tokens"]) == set(folder.by_token("log"))


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
    named = {row["filename"] for name in ("sample_data", "lidarseg", "map") for row in folder.table(name)}
    assert named == {name for name in folder.files() if name.split("/")[0] in ("samples", "sweeps", "lidarseg", "maps")}


def test_box_counts_equal_a_closed_test_of_the_stored_points(folder):
    mounts, poses = folder.by_token("calibrated_sensor"), folder.by_token("ego_pose")
    num_boxes = 0
    for row in folder.table("sample_data"):
        xyz = np.fromfile(folder.root / row["filename"], dtype="<f4").reshape(-1, 5)[:, :3].astype(np.float64)
        for motion in (mounts[row["calibrated_sensor_token"]], poses[row["ego_pose_token"]]):
            xyz = Rotation.from_quat(np.roll(motion["rotation"], -1)).apply(xyz) + motion["translation"]
        for box in folder.table("sample_annotation"):
            if row["is_key_frame"] and box["sample_token"] == row["sample_token"]:
                width, length, height = box["size"]
                edges = Rotation.from_quat(np.roll(box["rotation"], -1)).as_matrix() * [length, width, height]
                along = (xyz - box["translation"]) @ edges / (edges**2).sum(axis=0)
                assert (np.abs(along) <= 0.5).all(axis=1).sum() == box["num_lidar_pts"]
                num_boxes += 1
    assert num_boxes == len(folder.table("sample_annotation")) > 100


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


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(folder, tmp_path):
    again = simulate(tmp_path / "again", scenes=2, keyframes=2, sweeps=2, seed=0)
    assert type(folder)(again).files() == folder.files()
    other = type(folder)(simulate(tmp_path / "other", scenes=1, keyframes=1, sweeps=1, seed=1)).files()
    assert not set(other.values()) & {data for name, data in folder.files().items() if name.endswith(".bin")}


def test_a_scene_does_not_depend_on_the_others(folder, tmp_path):
    alone = type(folder)(simulate(tmp_path, scenes=1, keyframes=2, sweeps=2, seed=0))
    assert [row["name"] for row in alone.table("scene")] == ["scene-0916"]
    scans = {name: data for name, data in alone.files().items() if name.endswith(".bin")}
    assert len(scans) == 4 + 2
    assert scans.items() <= folder.files().items()
    for name in ("sample", "sample_data", "sample_annotation", "instance", "ego_pose"):
        together = folder.by_token(name)
        assert all(together[token] == row for token, row in alone.by_token(name).items())


def test_names_are_official_and_end_with_mini_val():
    assert scene_names(1) == ["scene-0916"]
    assert scene_names(4) == ["scene-0061", "scene-0553", "scene-0103", "scene-0916"]
    assert set(scene_names(10)) == {*official.splits()["mini_train"], *official.splits()["mini_val"]}
    assert scene_names(11)[8] == "scene-0001"
    assert len(set(scene_names(500))) == 500
    assert set(scene_names(500)) <= {*official.splits()["train"], *official.splits()["val"]}


def test_the_reader_opens_it(folder):
    dataset = NuScenes(folder.root, "v1.0-mini")
    assert len(dataset.select("mini_val").rows) == len(dataset.select("val").rows) == 4
    row = int(dataset.select("scene-0916").rows[1])
    cloud = dataset.cloud(row, dataset.past(row, 1))
    assert cloud.time_lag_s.max() == np.float32(0.05)
    labels = dataset.lidarseg(row)
    near = np.linalg.norm(cloud.xyz[: len(labels), :2], axis=1) < 6.0
    assert np.abs(cloud.xyz[: len(labels)][near & (labels == ROAD), 2]).max() < 0.3  # ego frame: z = 0 on the ground


def test_what_the_reader_finds_in_car_boxes_is_labelled_car(folder):
    dataset = NuScenes(folder.root, "v1.0-mini")
    is_car = []
    for row in dataset.select("val").rows.tolist():
        labels, boxes = dataset.lidarseg(row), dataset.boxes(row)
        xyz = dataset.cloud(row).xyz
        for name, (x, y, z, length, width, height, yaw, *_) in zip(boxes.names, boxes.geometry.tolist()):
            if name == "vehicle.car":
                turned = Rotation.from_euler("z", -yaw).apply(xyz - [x, y, z])
                is_car += (
                    labels[(np.abs(turned) <= np.array([length, width, height]) / 2).all(axis=1)] == CAR
                ).tolist()
    assert len(is_car) > 2000
    assert np.mean(is_car) > 0.98


@pytest.mark.parametrize("argument", [{"scenes": 0}, {"keyframes": 0}, {"sweeps": 11}, {"seed": -1}])
def test_numbers_out_of_range_are_refused(argument, tmp_path):
    with pytest.raises(ValueError, match=f"simulate: {next(iter(argument))} must be .*, got"):
        simulate(tmp_path / "out", **argument)
    assert not (tmp_path / "out").exists()


def test_a_folder_of_somebody_else_is_refused_and_stays_as_it_is(tmp_path):
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "mine.bin").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match="simulate: out must be a new or empty folder"):
        simulate(tmp_path)
    assert [p.name for p in tmp_path.rglob("*")] == ["samples", "mine.bin"]


def test_an_interrupted_run_leaves_no_tables_and_can_be_repeated(tmp_path):
    def stop(done: int, total: int) -> None:
        assert total == 2
        if done == 2:
            raise KeyboardInterrupt

    simulate(tmp_path, scenes=1, keyframes=1, sweeps=1)
    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path, scenes=1, keyframes=2, sweeps=1, progress=stop)
    assert not (tmp_path / "v1.0-mini").exists()
    simulate(tmp_path, scenes=1, keyframes=1, sweeps=1)
    assert len(list((tmp_path / "samples" / "LIDAR_TOP").iterdir())) == 1
    assert len(NuScenes(tmp_path, "v1.0-mini").key_rows) == 1


def test_torch_is_not_imported():
    code = "import geopt.simulate, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
