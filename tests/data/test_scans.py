"""Plain scan files."""

import re

import numpy as np
import pytest

from geopt.data.config import DataConfig
from geopt.data.folder import find_scans, read_scan
from geopt.data.scans import LIDAR_HEIGHT_M, ScansConfig, as_sample


@pytest.fixture
def points():
    return np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)


def test_bin_and_npy_hold_the_same(points, tmp_path):
    points[:, :4].tofile(tmp_path / "a.bin")
    np.save(tmp_path / "b.npy", points[:, :4].astype(np.float64))
    a, b = (read_scan(path) for path in find_scans(tmp_path))
    assert list(a.columns) == ["x", "y", "z", "intensity"]
    for name in a.columns:
        assert np.array_equal(a.columns[name], b.columns[name])


def test_five_numbers_are_told_from_four(points, tmp_path):
    points.tofile(tmp_path / "five.bin")
    assert np.array_equal(read_scan(tmp_path / "five.bin").columns["ring"], points[:, 4])


def test_a_size_that_fits_both_must_be_named(points, tmp_path):
    points[:4].tofile(tmp_path / "four.bin")  # 80 bytes: four points of five numbers or five of four
    with pytest.raises(ValueError, match=r"four.bin has 80 bytes, which could be"):
        read_scan(tmp_path / "four.bin")
    named = read_scan(tmp_path / "four.bin", ScansConfig(columns=("x", "y", "z", "skip", "intensity")))
    assert np.array_equal(named.columns["intensity"], points[:4, 4]) and "skip" not in named.columns


@pytest.mark.parametrize("content", [b"", b"x" * 17, b"\x93NUMPY garbage"])
def test_damaged_bin_files_are_named(content, tmp_path):
    (tmp_path / "bad.bin").write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(str(tmp_path / "bad.bin"))):
        read_scan(tmp_path / "bad.bin")


@pytest.mark.parametrize(
    "array",
    [np.zeros((3, 7)), np.zeros(12), np.zeros((0, 4)), np.zeros((3, 4), dtype=int), np.array([{}], dtype=object)],
)
def test_other_npy_files_are_refused(array, tmp_path):
    np.save(tmp_path / "bad.npy", array, allow_pickle=True)
    with pytest.raises(ValueError, match=r"bad.npy must"):
        read_scan(tmp_path / "bad.npy")


def test_a_cut_npy_file_is_refused(points, tmp_path):
    np.save(tmp_path / "cut.npy", points)
    data = (tmp_path / "cut.npy").read_bytes()
    for length in (3, 40, len(data) - 5):
        (tmp_path / "cut.npy").write_bytes(data[:length])
        with pytest.raises(ValueError, match=r"cut.npy must"):
            read_scan(tmp_path / "cut.npy")


def test_a_folder_without_scans_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"must be a folder with \.bin, "):
        find_scans(tmp_path / "missing")


def test_two_files_of_one_name_are_refused(points, tmp_path):
    points.tofile(tmp_path / "a.bin")
    np.save(tmp_path / "a.npy", points)
    with pytest.raises(ValueError, match="several suffixes"):
        find_scans(tmp_path)


def test_the_mounting_is_undone(points, tmp_path):
    points.tofile(tmp_path / "a.bin")
    config = ScansConfig(sensor_height_m=1.8, yaw_deg=-90.0, intensity_scale=255.0)
    sample = as_sample(read_scan(tmp_path / "a.bin"), config, DataConfig(features=("time_lag_s", "intensity")))
    # x of the files points right: right is -y, and their y, forward, is +x
    assert np.allclose(sample.xyz, np.stack([points[:, 1], -points[:, 0], points[:, 2] + 1.8], axis=1), atol=1e-6)
    assert np.allclose(sample.features[:, 1], points[:, 3], rtol=1e-6) and not sample.features[:, 0].any()
    assert np.allclose(sample.sensor_origins, [[0, 0, 1.8]])


def test_scans_of_the_lidar_of_nuscenes_come_out_as_they_are_in_its_frame(points, tmp_path):
    points.tofile(tmp_path / "a.bin")
    config = ScansConfig(sensor_height_m=LIDAR_HEIGHT_M, yaw_deg=-90.0)
    sample = as_sample(read_scan(tmp_path / "a.bin"), config, DataConfig(frame="lidar"))
    assert np.allclose(sample.xyz, points[:, :3], atol=1e-6) and np.allclose(sample.sensor_origins, 0)
    # A sensor elsewhere that looks forward: the ground, 0.5 m below it, is as far below 0 as in training.
    other = as_sample(read_scan(tmp_path / "a.bin"), ScansConfig(sensor_height_m=0.5), DataConfig(frame="lidar"))
    moved = np.stack([-points[:, 1], points[:, 0], points[:, 2] + 0.5 - LIDAR_HEIGHT_M], axis=1)
    assert np.allclose(other.xyz, moved, atol=1e-6)


def test_intensities_follow_the_curve_of_the_training_data(points, tmp_path):
    points.tofile(tmp_path / "a.bin")
    data = DataConfig(features=("intensity",), intensity_scale=2.0, intensity_curve="tanh")
    sample = as_sample(read_scan(tmp_path / "a.bin"), ScansConfig(), data)
    assert np.allclose(sample.features[:, 0], np.tanh(2 * points[:, 3]), atol=1e-6)


def test_a_missing_channel_is_named(points, tmp_path):
    points[:, :4].tofile(tmp_path / "a.bin")
    with pytest.raises(ValueError, match="the model needs ring as well"):
        as_sample(read_scan(tmp_path / "a.bin"), ScansConfig(), DataConfig(features=("ring",)))
