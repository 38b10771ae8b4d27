"""Frames, labels and sweeps of both versions."""

import json
import logging
import pickle

import numpy as np
import pytest
import torch
import waymo_files

from geopt import _host, cache
from geopt.data import DataConfig, ResumableSampler, Waymo, WaymoConfig, build_dataset, build_labelled, collate
from geopt.data.folder import read_scan
from geopt.data.scans import ScansConfig, as_sample
from geopt.official import class_map
from geopt.structures import VoxelGrid

GRID = VoxelGrid((-76.8, -76.8, -3.2), (76.8, 76.8, 4.8), (0.48, 0.48, 8.0))


def config(root, **changes):
    return DataConfig(kind="waymo", root=str(root), train="all", val="all", workers=0, **changes)


def test_frames_have_names_times_and_poses(waymo, made_up):
    assert waymo.scenes == (waymo_files.NAME,) and len(waymo) == 3
    for row, frame in enumerate(made_up.frames):
        assert waymo.name(row) == f"{waymo_files.NAME}/{row}" and waymo.row(waymo.name(row)) == row
        assert waymo.timestamp_us(row) == frame.timestamp_us
        assert waymo.token(row) == f"{waymo_files.NAME}:{frame.timestamp_us}"
        assert np.array_equal(waymo.global_from_ego(row), frame.pose[:3])
    assert waymo.stats(0) == ("Day", "location_sf", "sunny")
    for name in ("nothing/0", f"{waymo_files.NAME}/3", waymo_files.NAME):
        with pytest.raises(ValueError, match=r"Waymo\.row: name must be like"):
            waymo.row(name)


def test_laser_labels_are_what_was_written(waymo, made_up):
    for row, frame in enumerate(made_up.frames):
        labels = waymo.laser_labels(row)
        names = {"box": "box", "speed": "speed", "acceleration": "acceleration", "type": "type"}
        names |= {"detection_difficulty": "detection", "tracking_difficulty": "tracking"}
        names |= {"num_points": "num_points", "num_top_points": "num_top_points"}
        for name, own in names.items():
            assert np.array_equal(getattr(labels, name), [box[own] for box in frame.boxes]), name
        assert [name.decode() for name in labels.id] == [box["id"] for box in frame.boxes]


def test_boxes_are_in_the_vehicle_frame_and_their_velocity_too(waymo, made_up):
    frame, boxes = made_up.frames[1], waymo.boxes(1)
    assert np.array_equal(boxes.geometry[:, :7], [box["box"] for box in frame.boxes])
    turned = np.array([frame.pose[:3, :3].T @ box["speed"] for box in frame.boxes])
    assert np.allclose(boxes.geometry[:, 7:], turned[:, :2], atol=1e-12)
    assert boxes.names == ("vehicle", "pedestrian", "sign", "cyclist", "vehicle")
    assert boxes.instances == waymo.boxes(2).instances and not set(boxes.tokens) & set(waymo.boxes(2).tokens)
    objects = waymo.objects(1)
    assert objects.categories == boxes.names and np.array_equal(objects.num_points, boxes.num_points)


def test_boxes_in_the_lidar_frame_hold_the_same_points(waymo):
    from geopt import ops

    owners = []
    for frame in ("ego", "lidar"):
        xyz = torch.from_numpy(waymo.cloud(0, frame=frame).xyz)
        owners.append(ops.points_in_boxes(xyz, waymo.boxes(0, frame).geometry[:, :7]))
    assert (owners[0] >= 0).sum() > 5 and (
        owners[0] != owners[1]
    ).float().mean() < 1e-3  # the lidar is askew by 0.3 degrees


def test_speed_is_nan_where_nobody_knows_it(version, tmp_path):
    drive = waymo_files.make_drive(num_frames=1)
    if version == "v1":
        message = waymo_files.frame_message(drive, drive.frames[0])
        no_motion = waymo_files.text(6, waymo_files.text(1, waymo_files.double(1, 3.0)) + waymo_files.whole(3, 1))
        (tmp_path / "a.tfrecord").write_bytes(waymo_files.record(message + no_motion))
    else:
        pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        path = waymo_files.write_v2(drive, tmp_path) / "lidar_box" / f"{drive.name}.parquet"
        table, name = pq.read_table(path), "[LiDARBoxComponent].speed.y"
        cells = pa.array([*table[name].to_pylist()[:-1], None], pa.float64())
        pq.write_table(table.set_column(table.schema.get_field_index(name), name, cells), path)
    velocity = Waymo(tmp_path).boxes(0).geometry[:, 7:]
    assert not torch.isnan(velocity[:-1]).any() and torch.isnan(velocity[-1]).all()


def test_past_frames_lie_where_they_were_in_the_world(waymo, made_up, truth):
    cloud = waymo.cloud(2, waymo.past(2, 5))
    assert waymo.past(2, 5) == [1, 0] and waymo.past(0, 5) == [] and waymo.past(2, 5, oldest_key_frame=1) == [1]
    pose = made_up.frames[2].pose
    for sweep, row in enumerate((2, 1, 0)):
        old = made_up.frames[row]
        world = truth(old) @ old.pose[:3, :3].T + old.pose[:3, 3]
        wanted = (world - pose[:3, 3]) @ pose[:3, :3]
        assert np.abs(cloud.xyz[cloud.sweep == sweep] - wanted).max() < 1e-3
        assert np.allclose(cloud.time_lag_s[cloud.sweep == sweep], 0.1 * sweep)
        sensor = old.pose @ made_up.lidars[1].extrinsic
        assert np.allclose(cloud.sensor_origins[sweep], (sensor[:3, 3] - pose[:3, 3]) @ pose[:3, :3], atol=1e-5)


def test_the_lidar_frame_is_that_of_the_top_lidar(waymo, made_up):
    ego, lidar = waymo.cloud(0), waymo.cloud(0, frame="lidar")
    extrinsic = made_up.lidars[1].extrinsic
    assert np.allclose((ego.xyz - extrinsic[:3, 3]) @ extrinsic[:3, :3], lidar.xyz, atol=2e-5)
    assert np.allclose(lidar.sensor_origins, 0, atol=1e-6)
    moved = waymo.global_from_model(0, "lidar")
    assert np.allclose(moved, (made_up.frames[0].pose @ extrinsic)[:3])
    with pytest.raises(ValueError, match="frame must be 'ego' or 'lidar'"):
        waymo.cloud(0, frame="world")


def test_selections_are_folders_segments_and_slices(made_up, version, tmp_path):
    drives = {part: waymo_files.make_drive(num_frames=4, name=f"{part}_1", seed=i) for i, part in enumerate("ab")}
    for part, drive in drives.items():
        folder = tmp_path / {"a": "training", "b": "validation"}[part]
        waymo_files.write_v1(drive, folder / "x.tfrecord") if version == "v1" else waymo_files.write_v2(drive, folder)
    waymo = Waymo(tmp_path)
    assert waymo.scenes == ("a_1", "b_1")
    for selection, rows in (("train", [0, 1, 2, 3]), ("validation", [4, 5, 6, 7]), ("b_1[1:3]", [5, 6])):
        assert waymo.select(selection).rows.tolist() == rows
    assert waymo.select("all", "all_sweeps").rows.tolist() == list(range(8))
    assert waymo.select("all", fraction="every-5").rows.tolist() == [0, 6]  # in the order of time: a, b, a, b, a, b
    assert waymo.select("b_1[1:3]").oldest_key_frame.tolist() == [1, 1] and waymo.past(6, 9, 1) == [5]
    (tmp_path / "splits.json").write_text(json.dumps({"train": ["b_1"]}))
    assert Waymo(tmp_path).select("train").rows.tolist() == [4, 5, 6, 7]
    with pytest.raises(ValueError, match="'trian' is neither a split nor a scene; did you mean train"):
        waymo.select("trian")


def test_a_run_reads_the_same_frames_however_often_it_starts(waymo):
    frames = build_dataset(config(waymo.root, num_sweeps=3), "train", GRID, seed=0)
    again = pickle.loads(pickle.dumps(frames))
    batch = collate([frames[item] for item in next(iter(ResumableSampler(len(frames), 0, 2)))])
    assert batch.features.shape[1] == 2 and bool((batch.features[:, 0].abs() <= 1).all())  # tanh
    assert torch.equal(torch.from_numpy(frames[0, 1].xyz), torch.from_numpy(again[0, 1].xyz))


def test_defaults_of_waymo_give_way_to_what_is_said():
    assert DataConfig(kind="waymo").intensity_curve == "tanh" and DataConfig(kind="waymo").num_sweeps == 1
    assert DataConfig(kind="waymo", num_sweeps=4).num_sweeps == 4
    assert DataConfig().intensity_curve == "linear" and DataConfig().num_sweeps == 10


def test_frames_without_labels_of_points_are_left_out_when_labels_are_read(waymo, caplog):
    with caplog.at_level(logging.INFO, "geopt.data.dataset"):
        frames = build_dataset(config(waymo.root, labels="coarse"), "val", GRID, seed=0)
    assert frames.frames.rows.tolist() == [0, 2] and "2 of the 3 frames are labelled" in caplog.text
    sample = frames.read(0)
    assert np.array_equal(sample.labels, waymo.point_labels(0)) and sample.labels.max() == 22


def test_objects_are_pasted_from_other_frames(waymo):
    from geopt.data import PasteConfig

    classes = class_map("detection", "waymo")
    paste = PasteConfig(objects={"vehicle": 9, "cyclist": 3}, min_points=1, fade_out=0)
    frames = build_labelled(
        config(waymo.root, boxes=True),
        "train",
        GRID,
        0,
        class_map=classes,
        training=True,
        paste_config=paste,
        balance=True,
    )
    assert len(frames.bank.places["vehicle"]) >= 2 and frames.bank.places["cyclist"].shape[1] == 2
    assert frames[0, 0].boxes is not None


def test_nuscenes_has_no_elongation(tiny_root):
    nuscenes = DataConfig(root=str(tiny_root), version="v1.0-mini", train="mini_train", features=("elongation",))
    with pytest.raises(ValueError, match="nuscenes has no elongation"):
        build_dataset(nuscenes, "train", GRID, 0)[0]


@pytest.mark.parametrize("layout", ["nothing", "both", "twice"])
def test_folders_that_are_no_dataset_are_refused(layout, made_up, tmp_path):
    if layout == "nothing":
        with pytest.raises(FileNotFoundError, match="holds no segment; a Waymo folder holds training/"):
            Waymo(tmp_path)
        with pytest.raises(FileNotFoundError, match="root must be a folder"):
            Waymo(tmp_path / "missing")
        with pytest.raises(ValueError, match="got ''"):
            Waymo("")
        return
    waymo_files.write(made_up, "v1", tmp_path)
    if layout == "both":
        (tmp_path / "training" / "vehicle_pose").mkdir(parents=True)
        (tmp_path / "training" / "vehicle_pose" / "x.parquet").write_bytes(b"PAR1")
        with pytest.raises(ValueError, match=r"damaged|one version"):
            Waymo(tmp_path)
    else:
        waymo_files.write_v1(made_up, tmp_path / "training" / "b.tfrecord")
        with pytest.raises(ValueError, match="each segment once"):
            Waymo(tmp_path)


def test_an_index_is_cached_until_the_file_changes(version, made_up, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "MIN_SOURCE_BYTES", 0)
    monkeypatch.setattr(cache.arrays, "__defaults__", (0,))
    root = waymo_files.write(made_up, version, tmp_path / "data")
    first = Waymo(root)
    assert len(list((tmp_path / "cache" / "geopt").glob("waymo-segment-*"))) == 1
    again = Waymo(root)
    assert torch.equal(first.boxes(1).geometry, again.boxes(1).geometry)
    assert np.array_equal(first.points(1).xyz, again.points(1).xyz) and first.stats(0) == again.stats(0)


def test_frames_of_a_file_come_in_the_order_of_time(made_up, tmp_path):
    messages = [waymo_files.record(waymo_files.frame_message(made_up, made_up.frames[k])) for k in (2, 0, 1)]
    (tmp_path / "a.tfrecord").write_bytes(b"".join(messages))
    waymo = Waymo(tmp_path)
    for row, frame in enumerate(made_up.frames):
        assert waymo.timestamp_us(row) == frame.timestamp_us
        assert np.array_equal(waymo.boxes(row).geometry[:, :7], [box["box"] for box in frame.boxes])


@pytest.mark.parametrize("row_group_size", [1, 4, 1000])
def test_row_groups_do_not_matter(row_group_size, made_up, tmp_path, truth):
    pytest.importorskip("pyarrow")
    waymo = Waymo(waymo_files.write_v2(made_up, tmp_path, row_group_size=row_group_size, compression="zstd"))
    for row in (2, 0, 1, 1):
        assert np.abs(waymo.points(row).xyz - truth(made_up.frames[row])).max() < 1e-3


def test_crc_equals_a_plain_loop():
    rng = np.random.default_rng(3)
    for size in (0, 1, 7, 8, 9, 1000):
        data = rng.bytes(size)
        assert _host.masked_crc32c(data) == waymo_files.masked_crc(data)
    assert waymo_files.masked_crc(b"123456789") == ((0xE3069283 >> 15 | 0xE3069283 << 17) + 0xA282EAD8) & 0xFFFFFFFF


def test_a_real_frame_without_lasers_opens(shared_data):
    waymo = Waymo(shared_data / "waymo_mmdet3d_tests" / "waymo_format")
    assert waymo.scenes == ("1071392229495085036_1844_790_1864_790",) and waymo.select("val").rows.tolist() == [0]
    boxes, labels = waymo.boxes(0), waymo.laser_labels(0)
    assert sorted(set(boxes.names)) == ["sign", "vehicle"] and len(boxes.names) == 18
    assert labels.num_points.min() == 3 and (labels.num_top_points == -1).all()  # the field is younger than the file
    with pytest.raises(ValueError, match=r"1071392229495085036_1844_790_1864_790/0 .* no range images"):
        waymo.cloud(0)


def test_real_poses_of_version_2_open(shared_data):
    pytest.importorskip("pyarrow")
    waymo = Waymo(shared_data / "waymo_v2_testdata" / "dataset")
    assert len(waymo) == 199 and np.allclose(np.diff([waymo.timestamp_us(row) for row in range(199)]), 1e5, atol=2e3)
    step = np.diff([waymo.global_from_ego(row)[:, 3] for row in range(199)], axis=0)
    assert np.linalg.norm(step, axis=1).max() < 3.0  # 30 m/s
    with pytest.raises(ValueError, match="has no boxes"):
        waymo.boxes(0)


def test_scans_of_waymo_as_others_convert_them_open(shared_data):
    paths = sorted((shared_data / "waymo_mmdet3d_tests" / "kitti_format" / "training" / "velodyne").glob("*.bin"))
    config = ScansConfig(columns=("x", "y", "z", "intensity", "elongation", "skip"))
    for path in paths:
        sample = as_sample(read_scan(path, config), config, DataConfig(kind="waymo"))
        assert sample.xyz.shape == (800, 3) and 1 < np.linalg.norm(sample.xyz, axis=1).max() < 90
        assert (sample.features >= 0).all() and (sample.features[:, 0] <= 1).all()
    with pytest.raises(ValueError, match="lidar frame of waymo"):
        as_sample(read_scan(paths[0], config), config, DataConfig(kind="waymo", frame="lidar"))


def test_config_of_the_reader_is_checked():
    with pytest.raises(ValueError, match="lidars"):
        WaymoConfig(lidars="front")
