"""SemanticKITTI: labels, motions and times come back as they were written, and the real scan as it is."""

import logging
import pickle
import shutil

import fuzzing
import numpy as np
import pytest
from kitti_folder import NUMBERS, make_drive, write_sequence

from geopt import official
from geopt.data import DataConfig, SemanticKitti, build_dataset
from geopt.data.semantickitti import CATEGORIES, _warn_of_single_scans
from geopt.structures import VoxelGrid

GRID = VoxelGrid((-51.2, -51.2, -3.2), (51.2, 51.2, 4.8), (0.512, 0.512, 8.0))


@pytest.fixture(autouse=True)
def warn_again():
    _warn_of_single_scans.cache_clear()


def test_points_that_stand_still_stay_where_they_are(tmp_path):
    drive = make_drive(num_scans=4)
    dataset = SemanticKitti(write_sequence(tmp_path, "00", drive))
    assert dataset.past(3, 5) == [2, 1, 0] and dataset.past(3, 2) == [2, 1] and dataset.past(3, 5, 2) == [2]
    cloud = dataset.cloud(3, dataset.past(3, 3))
    assert np.bincount(cloud.sweep).tolist() == [50] * 4
    assert np.allclose(cloud.xyz.reshape(4, 50, 3), drive.xyz[3], atol=1e-5)
    lags = cloud.time_lag_s.reshape(4, 50)
    assert np.allclose(lags, (drive.times_s[3] - drive.times_s[::-1])[:, None], atol=2e-6)
    for row in range(4):
        assert np.allclose(dataset.global_from_ego(row), drive.ego[row][:3], atol=1e-9)
        sensor = np.linalg.inv(drive.ego[3]) @ drive.ego[3 - row] @ [0, 0, 1.73, 1]
        assert np.allclose(cloud.sensor_origins[row], sensor[:3], atol=1e-6)


def test_frames_of_the_lidar_are_those_of_the_files(tmp_path):
    drive = make_drive()
    dataset = SemanticKitti(write_sequence(tmp_path, "05", drive))
    stored = np.fromfile(tmp_path / "sequences/05/velodyne/000002.bin", "<f4").reshape(-1, 4)
    cloud = dataset.cloud(2, [1], "lidar")
    assert np.allclose(cloud.xyz[:50], stored[:, :3], atol=1e-6) and np.array_equal(cloud.intensity[:50], stored[:, 3])
    assert np.allclose(cloud.xyz[50:], stored[:, :3], atol=1e-5)


def test_lines_of_poses_and_times_belong_to_the_numbers_of_files(tmp_path):
    drive = make_drive(num_scans=3)
    dataset = SemanticKitti(write_sequence(tmp_path, "00", drive, numbers=(2, 5, 9)))
    assert [dataset.token(row) for row in range(3)] == ["00/000002", "00/000005", "00/000009"]
    assert [dataset.name(row) for row in range(3)] == ["00/0", "00/1", "00/2"]
    assert [dataset.timestamp_us(row) for row in range(3)] == np.round(drive.times_s * 1e6).tolist()
    assert np.allclose(dataset.global_from_ego(2), drive.ego[2][:3], atol=1e-9)


def test_labels_are_those_of_the_files(tmp_path):
    drive = make_drive(num_points=500)
    dataset = SemanticKitti(write_sequence(tmp_path, "00", drive))
    class_of = official.class_map("lidarseg", "semantickitti")
    names = official.semantickitti_labels()
    for row in range(3):
        assert dataset.has_labels(row) and not dataset.is_key_frame(row)
        expected = [names[number] for number in drive.semantic[row]]
        assert [CATEGORIES[label] for label in dataset.point_labels(row)] == expected
        coarse = dataset.point_labels(row, "coarse")
        assert coarse.dtype == np.uint8
        assert [class_of.classes[label] for label in coarse] == [class_of.class_of_category[name] for name in expected]
        assert np.array_equal(dataset.instances(row), drive.instance[row])
    assert set(np.concatenate(drive.semantic)) == set(NUMBERS)


def test_what_moves_has_the_class_of_what_stands(tmp_path):
    drive = make_drive(num_scans=1, num_points=8)
    drive.semantic[0][:] = [10, 252, 60, 256, 259, 258, 99, 0]
    dataset = SemanticKitti(write_sequence(tmp_path, "00", drive))
    assert dataset.point_labels(0, "coarse").tolist() == [1, 1, 9, 5, 5, 4, 0, 0]


def test_splits_are_the_official_ones(tmp_path):
    drive = make_drive(num_scans=2)
    for name in ("08", "00", "10", "11", "21"):
        write_sequence(tmp_path, name, drive, labels=int(name) < 11)
    dataset = SemanticKitti(tmp_path)
    assert dataset.scenes == ("00", "08", "10", "11", "21")
    assert dataset.select("train").rows.tolist() == [0, 1, 4, 5]
    assert dataset.select("val").rows.tolist() == [2, 3]
    assert dataset.select("test").rows.tolist() == [6, 7, 8, 9]
    assert dataset.select("all").rows.tolist() == list(range(10))
    assert dataset.select("08[1:],21").rows.tolist() == [3, 8, 9]
    assert [dataset.has_labels(row) for row in range(10)] == [True] * 6 + [False] * 4
    with pytest.raises(FileNotFoundError, match=r"sequences/11/labels/000000\.label"):
        dataset.point_labels(6)


def test_sequences_without_poses_give_single_scans_and_one_warning(tmp_path, caplog):
    drive = make_drive()
    write_sequence(tmp_path, "00", drive)
    for name in ("01", "02"):
        write_sequence(tmp_path, name, drive, poses=False)
    with caplog.at_level(logging.WARNING, logger="geopt"):
        dataset, _ = SemanticKitti(tmp_path), SemanticKitti(tmp_path)
    assert len(caplog.messages) == 1
    assert "2 of the 3 sequences" in caplog.text and "(01, 02); their clouds are single scans" in caplog.text
    assert dataset.past(2, 5) == [1, 0] and dataset.past(5, 5) == [] and dataset.past(8, 1) == []


def test_without_any_poses_nobody_knows_the_motion(tmp_path):
    dataset = SemanticKitti(write_sequence(tmp_path, "00", make_drive(), poses=False))
    assert dataset.index.global_from_ego is None and dataset.past(2, 3) == []


def test_without_times_scans_are_a_tenth_of_a_second_apart(tmp_path):
    dataset = SemanticKitti(write_sequence(tmp_path, "00", make_drive(), numbers=(0, 1, 7), times=False))
    assert [dataset.timestamp_us(row) for row in range(3)] == [0, 100_000, 700_000]


def test_frames_carry_labels_of_their_own_scan_alone(tmp_path):
    drive = make_drive()
    write_sequence(tmp_path, "00", drive)
    write_sequence(tmp_path, "08", drive)
    (tmp_path / "sequences/08/labels/000001.label").unlink()
    config = DataConfig(kind="semantickitti", root=str(tmp_path), num_sweeps=2, labels="coarse")
    assert config.features == ("intensity",) and config.intensity_scale == 1
    sample = build_dataset(config, "train", GRID, seed=0, augment=False).read(1)
    own = SemanticKitti(tmp_path).point_labels(1, "coarse")
    assert np.array_equal(sample.labels, np.concatenate([own, np.zeros(50, np.uint8)]))
    val = build_dataset(config, "val", GRID, seed=0)
    assert [val.describe(place) for place in range(len(val))] == ["08/0", "08/2"]


def test_the_reader_can_be_given_to_workers(tmp_path):
    dataset = SemanticKitti(write_sequence(tmp_path, "00", make_drive()))
    again = pickle.loads(pickle.dumps(dataset))
    assert np.array_equal(again.cloud(2, [1]).xyz, dataset.cloud(2, [1]).xyz)


@pytest.mark.parametrize("root, error", [("", ValueError), ("nothing", FileNotFoundError)])
def test_other_folders_are_refused(root, error, tmp_path):
    with pytest.raises(error, match="a SemanticKITTI folder holds sequences/00/velodyne"):
        SemanticKitti(str(tmp_path / root) if root else "")


POSE = "1 0 0 0 0 1 0 0 0 0 1 0\n"


@pytest.mark.parametrize(
    "file, content, message",
    [
        ("velodyne/000001.bin", b"", "whole points of 16 bytes, got 0"),
        ("velodyne/000001.bin", bytes(793), "whole points of 16 bytes, got 793"),
        ("velodyne/000001.bin", np.full(200, np.inf, "<f4").tobytes(), "finite numbers"),
        ("labels/000001.label", bytes(196), "4 bytes for each of the 50 points of 000001.bin, got 196"),
        ("labels/000001.label", bytes(201), "4 bytes for each of the 50 points of 000001.bin, got 201"),
        ("labels/000001.label", np.full(50, 2, "<u4").tobytes(), "labels of the dataset, got 2;"),
        ("labels/000001.label", np.full(50, 260, "<u4").tobytes(), "labels of the dataset, got 260;"),
        ("poses.txt", POSE * 2, "a line for each of 3 scans, got 2"),
        ("poses.txt", POSE * 2 + POSE[:-3], "pose 2 must have 12 numbers, got 11"),
        ("poses.txt", POSE * 2 + POSE.replace("0", "o"), "must hold numbers"),
        ("poses.txt", POSE * 2 + POSE.replace("1", "nan"), "finite numbers"),
        ("poses.txt", POSE * 2 + POSE.replace("1", "2"), "must be a rotation and a shift"),
        ("poses.txt", POSE * 2 + POSE.replace("1", "-1"), "must be a rotation and a shift"),
        ("poses.txt", b"\xe4", "ASCII"),
        ("calib.txt", "P0: 1 2 3\n", "must have a line 'Tr: ...'"),
        ("calib.txt", "Tr: 1 2 3\n", "Tr must have 12 numbers, got 3"),
        ("calib.txt", "Tr: " + POSE.replace("1", "0"), "Tr must be a rotation and a shift"),
        ("times.txt", "0\n0.1\n", "a line for each of 3 scans, got 2"),
        ("times.txt", "0\n0.2\n0.1\n", "seconds that ascend"),
        ("times.txt", "0\n0.2\n1e300\n", "seconds that ascend"),
        ("times.txt", "0\n0.2\nnoon\n", "must hold numbers"),
    ],
)
def test_damaged_files_are_named(file, content, message, tmp_path):
    path = write_sequence(tmp_path, "00", make_drive()) / "sequences" / "00" / file
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ValueError, match=rf"sequences/00/{file}.*{message}"):
        read_all(tmp_path)


def test_poses_without_a_calibration_are_refused(tmp_path):
    write_sequence(tmp_path, "00", make_drive())
    (tmp_path / "sequences/00/calib.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"sequences/00/calib\.txt"):
        SemanticKitti(tmp_path)


def test_scans_without_a_number_are_refused(tmp_path):
    folder = write_sequence(tmp_path, "00", make_drive()) / "sequences" / "00" / "velodyne"
    shutil.copy(folder / "000000.bin", folder / "first.bin")
    with pytest.raises(ValueError, match=r"first\.bin must be named by its number"):
        SemanticKitti(tmp_path)


def test_scans_are_in_the_order_of_their_numbers(tmp_path):
    drive = make_drive(num_scans=12)
    root = write_sequence(tmp_path, "00", drive)
    for path in root.glob("sequences/00/*/*"):
        path.rename(path.with_name(f"{int(path.stem)}{path.suffix}"))
    dataset = SemanticKitti(root)
    assert [dataset.token(row) for row in range(12)] == [f"00/{number}" for number in range(12)]
    assert dataset.cloud(11, dataset.past(11, 1)).time_lag_s.max() == pytest.approx(
        np.diff(drive.times_s)[-1], abs=2e-6
    )


@pytest.mark.parametrize(
    "name, message", [("1", "one scan for each number, got 000001.bin and 1.bin"), ("9" * 20, "by its number")]
)
def test_numbers_that_mean_nothing_are_refused(name, message, tmp_path):
    folder = write_sequence(tmp_path, "00", make_drive()) / "sequences" / "00" / "velodyne"
    shutil.copy(folder / "000000.bin", folder / f"{name}.bin")
    with pytest.raises(ValueError, match=message):
        SemanticKitti(tmp_path)


def read_all(folder):
    dataset = SemanticKitti(folder)
    for row in range(len(dataset)):
        dataset.cloud(row, dataset.past(row, 1))
        dataset.point_labels(row)
        dataset.instances(row)


def small(folder):
    write_sequence(folder, "00", make_drive(num_scans=2, num_points=30))
    return write_sequence(folder, "08", make_drive(num_scans=1, num_points=30), poses=False)


def test_damage_is_refused_by_name(tmp_path):
    found = fuzzing.run(read_all, small(tmp_path), cases=1000)
    assert found.refused > 300 and found.slowest_s < 5 and found.memory_mb < 200


@pytest.mark.long
def test_much_damage_is_refused_by_name(tmp_path):
    found = fuzzing.run(read_all, small(tmp_path), cases=6000, seed=1)
    assert found.refused > 1800 and found.slowest_s < 5 and found.memory_mb < 200


def test_the_real_scan(shared_data):
    root = shared_data / "semantickitti"
    if not (root / "sequences").is_dir():
        pytest.skip(f"no sequences in {root}")
    dataset = SemanticKitti(root)
    cloud, coarse = dataset.cloud(0), dataset.point_labels(0, "coarse")
    assert len(cloud.xyz) == len(coarse) == 124_668 and 0 <= cloud.intensity.min() and cloud.intensity.max() <= 1
    classes = official.class_map("lidarseg", "semantickitti").classes
    road, car = (cloud.xyz[coarse == classes.index(name)] for name in ("road", "car"))
    assert abs(np.median(road[:, 2])) < 0.15  # the ego frame lies on the ground
    assert 0.2 < np.median(car[:, 2]) < 1.5
    cars = np.unique(dataset.instances(0)[coarse == classes.index("car")])
    assert len(cars) > 5  # each one an object of its own
