"""KITTI object: boxes stand where they were put, on made-up frames and on real ones."""

import pickle
import shutil

import fuzzing
import kitti_folder
import numpy as np
import pytest
import torch
from kitti_folder import Camera, label_line, points_in, some_points, write_frame
from scipy.spatial.transform import Rotation

from geopt.data import DataConfig, Kitti, build_dataset
from geopt.data.kitti_boxes import difficulty
from geopt.structures import VoxelGrid

GRID = VoxelGrid((-51.2, -51.2, -3.2), (51.2, 51.2, 4.8), (0.512, 0.512, 8.0))
BOXES = {
    "Car": (12.0, 3.0, 0.8, 4.0, 1.7, 1.5, 0.4),
    "Van": (20.0, -6.0, 1.1, 5.1, 1.9, 2.2, -2.9),
    "Pedestrian": (7.0, 0.5, 0.9, 0.8, 0.6, 1.8, np.pi / 2),
    "Cyclist": (30.0, 10.0, 1.0, 1.8, 0.5, 1.7, 3.1),
}


def frame_with_boxes(root, camera):
    rng = np.random.default_rng(3)
    counts = {name: 5 * place + 2 for place, name in enumerate(BOXES)}
    inside = [points_in(box, counts[name], rng) for name, box in BOXES.items()]
    outside, _ = some_points(200, rng, (-40, -40, 4), (40, 40, 8))  # above all of them
    xyz = np.concatenate([*inside, outside])
    lines = [label_line(name, box, camera) for name, box in BOXES.items()]
    write_frame(root, "000008", xyz, np.zeros(len(xyz)), lines, camera)
    return counts


def test_boxes_are_where_they_were_put(tmp_path):
    counts = frame_with_boxes(tmp_path, Camera())
    found = Kitti(tmp_path).boxes(0)
    assert found.frame == "ego" and found.names == tuple(BOXES)
    assert np.allclose(found.geometry[:, :6], [box[:6] for box in BOXES.values()], atol=1e-9)
    turns = found.geometry[:, 6].numpy() - [box[6] for box in BOXES.values()]
    assert np.allclose((turns + np.pi) % (2 * np.pi) - np.pi, 0, atol=1e-9)
    assert found.num_points.tolist() == list(counts.values())
    assert found.geometry[:, 7:].isnan().all()


def test_a_tilted_camera_tilts_no_box(tmp_path):
    frame_with_boxes(tmp_path, Camera(turn=Rotation.from_euler("zyx", [1.5, 0.8, -0.6], degrees=True)))
    found = Kitti(tmp_path).boxes(0)
    for box, true in zip(found.geometry.numpy(), BOXES.values()):
        ahead = Rotation.from_euler("z", box[6]).apply([1, 0, 0]) @ Rotation.from_euler("z", true[6]).apply([1, 0, 0])
        assert ahead > np.cos(np.radians(0.02))
        # the middle of the bottom is what the label says, and the way up from it is that of the camera
        assert np.abs(box[:3] - true[:3]).max() < true[5] / 2 * np.sin(np.radians(1.1))


def test_frames_of_the_lidar_are_those_of_the_files(tmp_path):
    frame_with_boxes(tmp_path, Camera())
    kitti = Kitti(tmp_path)
    stored = np.fromfile(tmp_path / "training/velodyne/000008.bin", "<f4").reshape(-1, 4)
    lidar, ego = kitti.cloud(0, frame="lidar"), kitti.cloud(0)
    assert np.allclose(lidar.xyz, stored[:, :3], atol=1e-6)
    assert np.allclose(ego.xyz - lidar.xyz, [0, 0, 1.73], atol=2e-6)
    assert np.allclose(ego.sensor_origins, [[0, 0, 1.73]]) and np.allclose(lidar.sensor_origins, 0)
    assert np.array_equal(ego.intensity, stored[:, 3]) and ego.ring is None
    moved = kitti.boxes(0, "lidar").geometry - kitti.boxes(0).geometry
    assert np.allclose(moved[:, :7], [0, 0, -1.73, 0, 0, 0, 0], atol=1e-12)


def test_regions_that_nobody_labelled_are_no_boxes(tmp_path):
    kitti = Kitti(kitti_folder.write_kitti(tmp_path))
    assert kitti.boxes(1).names == ("Car",) and kitti.objects(1).num_points.tolist() == [9]
    labels = kitti.labels(1)
    assert labels.category.tolist() == ["Car", "DontCare"]
    assert labels.image[1].tolist() == [503.89, 169.71, 590.61, 190.13]


@pytest.mark.parametrize(
    "truncation, occlusion, height, level",
    [
        (0.0, 0, 40, 0),
        (0.15, 0, 40, 0),
        (0.16, 0, 40, 1),
        (0.0, 1, 40, 1),
        (0.0, 0, 39.9, 1),
        (0.3, 1, 25, 1),
        (0.31, 1, 25, 2),
        (0.5, 2, 25, 2),
        (0.51, 0, 100, 3),
        (0.0, 3, 100, 3),
        (0.0, 0, 24.9, 3),
    ],
)
def test_difficulty_is_that_of_the_benchmark(truncation, occlusion, height, level, tmp_path):
    line = label_line(
        "Car", BOXES["Car"], Camera(), truncation=truncation, occlusion=occlusion, image=(100, 100, 150, 100 + height)
    )
    write_frame(tmp_path, "000000", *some_points(5, np.random.default_rng(0)), [line])
    assert difficulty(Kitti(tmp_path).labels(0)).tolist() == [level]


def test_both_parts_count_from_zero(tmp_path):
    kitti = Kitti(kitti_folder.write_kitti(tmp_path))
    names = [kitti.name(row) for row in range(len(kitti))]
    assert names == [f"{n:06}/0" for n in range(4)] + ["testing/000000/0", "testing/000001/0"]
    assert [kitti.row(name) for name in names] == list(range(6))
    assert [kitti.token(row) for row in range(6)] == ["000000", "000001", "000002", "000003", "000000", "000001"]
    assert [kitti.is_key_frame(row) for row in range(6)] == [True] * 4 + [False] * 2
    assert not np.array_equal(kitti.read(0).xyz[:50], kitti.read(4).xyz[:50])
    with pytest.raises(FileNotFoundError, match=r"testing/label_2/000000\.txt"):
        kitti.boxes(4)


@pytest.mark.parametrize(
    "selection, rows",
    [
        ("training", [0, 1, 2, 3]),
        ("testing", [4, 5]),
        ("all", [0, 1, 2, 3, 4, 5]),
        ("train", [0, 2]),
        ("val", [1]),
        ("test", [4, 5]),
        ("train+val", [0, 2, 1]),
        ("000003,testing/000001", [3, 5]),
    ],
)
def test_splits_are_folders_and_lists(selection, rows, tmp_path):
    assert Kitti(kitti_folder.write_kitti(tmp_path)).select(selection).rows.tolist() == rows


def test_without_lists_the_remedy_is_named(tmp_path):
    kitti = Kitti(kitti_folder.write_kitti(tmp_path))
    (tmp_path / "ImageSets" / "train.txt").unlink()
    with pytest.raises(
        ValueError, match=r"'trainval' is listed in .*ImageSets/trainval\.txt, which is missing; .*data\.train=training"
    ):
        kitti.select("trainval")
    with pytest.raises(ValueError, match="'train' is listed"):
        Kitti(tmp_path).select("000003,train")


def test_frames_stand_alone(tmp_path):
    kitti_folder.write_kitti(tmp_path)
    config = DataConfig(
        kind="kitti", root=str(tmp_path), num_sweeps=5, features=("intensity", "time_lag_s"), boxes=True
    )
    sample = build_dataset(config, "train", GRID, seed=0, augment=False)[1]
    assert sample.frame == "000002/0" and sample.sweep.max() == 0 and len(sample.xyz) == 69
    assert np.array_equal(sample.features[:, 1], np.zeros(69)) and sample.features[:, 0].max() <= 1
    assert sample.boxes.tokens == ("000002:0",)


def test_a_channel_that_kitti_has_not_is_named(tmp_path):
    config = DataConfig(kind="kitti", root=str(kitti_folder.write_kitti(tmp_path)), features=("ring",))
    with pytest.raises(ValueError, match="kitti has no ring"):
        build_dataset(config, "train", GRID, seed=0)[0]


def test_the_reader_can_be_given_to_workers(tmp_path):
    kitti = Kitti(kitti_folder.write_kitti(tmp_path))
    again = pickle.loads(pickle.dumps(kitti))
    assert np.array_equal(again.cloud(2).xyz, kitti.cloud(2).xyz) and again.splits() == kitti.splits()


@pytest.mark.parametrize("root, error", [("", ValueError), ("nothing", FileNotFoundError)])
def test_other_folders_are_refused(root, error, tmp_path):
    with pytest.raises(error, match="a KITTI folder holds training/ with velodyne/"):
        Kitti(str(tmp_path / root) if root else "")


LINE = label_line("Car", BOXES["Car"], Camera())
CALIBRATION = kitti_folder.calibration_text(Camera())


@pytest.mark.parametrize(
    "file, content, message",
    [
        ("velodyne/000001.bin", b"", "whole points of 16 bytes, got 0"),
        ("velodyne/000001.bin", bytes(39), "whole points of 16 bytes, got 39"),
        ("velodyne/000001.bin", np.float32([1, 2, np.nan, 0]).tobytes(), "finite numbers"),
        ("label_2/000001.txt", LINE.rsplit(" ", 1)[0].encode(), "line 1: must have 15 columns"),
        ("label_2/000001.txt", f"{LINE}\n{LINE} 0.5".encode(), "line 2: must have 15 columns"),
        ("label_2/000001.txt", LINE.replace("100", "left").encode(), "finite numbers .* got 'left'"),
        (
            "label_2/000001.txt",
            LINE.replace(" 4 ", " -4 ").encode(),
            "object 0: height, width and length must be above 0",
        ),
        ("label_2/000001.txt", b"\xff" + LINE.encode(), "ASCII"),
        ("calib/000001.txt", CALIBRATION.replace("R0_rect", "R_rect").encode(), "must have a line 'R0_rect: ...'"),
        (
            "calib/000001.txt",
            CALIBRATION.replace("Tr_velo_to_cam: ", "Tr_velo_to_cam: 1 ").encode(),
            "12 numbers, got 13",
        ),
        ("calib/000001.txt", CALIBRATION.replace("P2: 7", "P2: p").encode(), "P2 must hold numbers"),
        ("calib/000001.txt", CALIBRATION.replace("P2: 7", "P2: inf 7").encode(), "12 numbers, got 13"),
        ("calib/000001.txt", CALIBRATION.replace("R0_rect: 9", "R0_rect: 7").encode(), "R0_rect must be a rotation$"),
        ("calib/000001.txt", CALIBRATION.encode() + b"\xe9", "ASCII"),
    ],
)
def test_damaged_files_are_named(file, content, message, tmp_path):
    kitti = Kitti(kitti_folder.write_kitti(tmp_path))
    path = tmp_path / "training" / file
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"{path.parent.name}/000001.*{message}"):
        kitti.boxes(1)
    assert len(kitti.boxes(2).names) == 1


@pytest.mark.parametrize("folder", ["velodyne", "label_2", "calib"])
def test_missing_files_are_named(folder, tmp_path):
    kitti = Kitti(kitti_folder.write_kitti(tmp_path))
    shutil.rmtree(tmp_path / "training" / folder)
    with pytest.raises(FileNotFoundError, match=rf"training/{folder}/000000"):
        kitti.boxes(0)


@pytest.mark.parametrize("file", ["velodyne/000008.bin", "label_2/000008.txt"])
@pytest.mark.parametrize("end", [".gz", ".upper"])
def test_packed_files_and_capital_ends_are_refused_by_name(file, end, tmp_path):
    frame_with_boxes(tmp_path, Camera())
    path = tmp_path / "training" / file
    path.rename(path.with_suffix(path.suffix.upper()) if end == ".upper" else f"{path}.gz")
    with pytest.raises(ValueError, match=rf"training/{file[:-4]}\.(?i:...)\S* must end in"):
        Kitti(tmp_path)


def test_text_files_of_windows_are_those_of_linux(tmp_path):
    frame_with_boxes(tmp_path, Camera())
    boxes = Kitti(tmp_path).boxes(0)
    for folder in ("label_2", "calib"):
        path = tmp_path / "training" / folder / "000008.txt"
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    again = Kitti(tmp_path).boxes(0)
    assert again.names == boxes.names and torch.equal(again.geometry[:, :7], boxes.geometry[:, :7])


@pytest.mark.parametrize("content", [b"", b"000001\nfirst\n", b"000001\n\xff"])
def test_damaged_lists_are_named(content, tmp_path):
    (kitti_folder.write_kitti(tmp_path) / "ImageSets" / "val.txt").write_bytes(content)
    with pytest.raises(ValueError, match=r"ImageSets/val\.txt"):
        Kitti(tmp_path)


def read_all(folder):
    kitti = Kitti(folder)
    for row in range(len(kitti)):
        kitti.cloud(row)
        if kitti.is_key_frame(row):
            kitti.boxes(row)


def test_damage_is_refused_by_name(tmp_path):
    found = fuzzing.run(read_all, kitti_folder.write_kitti(tmp_path, num_frames=2), cases=1000)
    assert found.refused > 300 and found.slowest_s < 5 and found.memory_mb < 200


@pytest.mark.long
def test_much_damage_is_refused_by_name(tmp_path):
    found = fuzzing.run(read_all, kitti_folder.write_kitti(tmp_path, num_frames=2), cases=6000, seed=1)
    assert found.refused > 1800 and found.slowest_s < 5 and found.memory_mb < 200


@pytest.fixture(scope="module")
def real(shared_data):
    root = shared_data / "kitti_object"
    if not (root / "training").is_dir():
        pytest.skip(f"no KITTI frames in {root}")
    return Kitti(root)


def corners(box):
    """(8, 3) of a box (x, y, z, length, width, height, yaw)."""
    signs = np.array([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)]) / 2
    return Rotation.from_euler("z", box[6]).apply(signs * box[3:6]) + box[:3]


def image_overlap(a, b):
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = np.prod(np.maximum(sides, 0))
    return shared / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared)


def test_real_boxes_cover_what_was_drawn_in_the_image(real):
    overlaps = []
    for row in range(len(real)):
        labels, calibration = real.labels(row), real.calibration(row)
        drawn = labels.image[labels.category != "DontCare"]
        for box, rectangle in zip(real.boxes(row).geometry.numpy(), drawn):
            lidar = corners(box) - [0, 0, 1.73]
            rect = lidar @ calibration.rect_from_velodyne[:, :3].T + calibration.rect_from_velodyne[:, 3]
            u, v, w = calibration.image_from_rect @ np.c_[rect, np.ones(8)].T
            around = np.array([(u / w).min(), (v / w).min(), (u / w).max(), (v / w).max()])
            overlaps.append(image_overlap(around, rectangle))
    assert len(overlaps) == 6 and min(overlaps) > 0.85 and np.mean(overlaps) > 0.95


def test_real_boxes_hold_their_points(real):
    counts = {}
    for row in range(len(real)):
        boxes, xyz = real.boxes(row), real.read(row).xyz.astype(np.float64)
        for box, name, count in zip(boxes.geometry.numpy(), boxes.names, boxes.num_points.tolist()):
            local = Rotation.from_euler("z", -box[6]).apply(xyz - box[:3])
            assert count == (np.abs(local) <= box[3:6] / 2).all(axis=1).sum()
            across = (np.abs(local[:, [1, 0, 2]]) <= box[3:6] / 2).all(axis=1).sum()
            assert count > across  # a box that lies across its object holds fewer
            counts[real.name(row), name] = count
    assert counts["000000/0", "Pedestrian"] > 300 and counts["000001/0", "Truck"] > 50


def test_real_headings_are_those_that_the_camera_saw(real):
    for row in range(len(real)):
        labels = real.labels(row)
        kept = labels.category != "DontCare"
        # of the observation angle, which was labelled apart: the camera sees the object under its heading less its bearing
        x, _, z = labels.xyz[kept].T
        heading = real.boxes(row).geometry[:, 6].numpy()
        seen = -heading - np.pi / 2 - np.arctan2(x, z) - labels.alpha_rad[kept]
        assert np.abs((seen + np.pi) % (2 * np.pi) - np.pi).max() < 0.015  # labels have two decimals


def test_the_road_of_real_frames_is_at_height_zero(real):
    for row in range(len(real)):
        xyz = real.cloud(row).xyz
        near = xyz[(np.hypot(xyz[:, 0], xyz[:, 1]) < 10) & (np.abs(xyz[:, 1]) < 3)]
        counts, edges = np.histogram(near[:, 2], bins=np.arange(-1, 1, 0.1))
        assert abs(edges[counts.argmax()] + 0.05) < 0.16
