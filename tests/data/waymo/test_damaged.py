"""Damaged files are refused by name; nothing crashes, hangs or asks for gigabytes."""

import subprocess
import sys
import zlib

import fuzzing
import numpy as np
import pytest
import waymo_files
import waymo_fuzz

from geopt import _host
from geopt.data import Waymo
from geopt.data.waymo.segment import MAX_PIXELS


@pytest.fixture(scope="module")
def small():
    return waymo_files.make_drive(num_frames=2, sizes=waymo_fuzz.SIZES)


def read_all(root):
    waymo = Waymo(root)
    return [waymo.points(row).xyz for row in range(len(waymo))]


@pytest.mark.parametrize("version, cases", [("v1", 2000), ("v2", 250)])
def test_damage_is_refused_by_a_value_error_that_names_the_folder(version, cases, tmp_path):
    if version == "v2":
        pytest.importorskip("pyarrow")
    found = fuzzing.run(waymo_fuzz.read_all, tmp_path, cases, damage=waymo_fuzz.write(version, tmp_path))
    assert found.good + found.refused == cases and found.refused > cases / 2
    assert found.memory_mb < 300 and found.slowest_s < 5


@pytest.mark.long
@pytest.mark.parametrize("version, cases", [("v1", 10_000), ("v2", 3000)])
def test_much_damage_is_refused(version, cases, tmp_path):
    found = fuzzing.run(waymo_fuzz.read_all, tmp_path, cases, seed=1, damage=waymo_fuzz.write(version, tmp_path))
    assert found.refused > cases / 2 and found.memory_mb < 300 and found.slowest_s < 5


def test_every_bit_of_a_record_is_covered_by_its_crc(small, tmp_path):
    path = waymo_files.write_v1(small, tmp_path / "a.tfrecord")
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    places = [*range(20), *range(len(whole) - 4, len(whole)), *rng.integers(len(whole), size=150)]
    for place in places:
        data = bytearray(whole)
        data[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(data)
        with pytest.raises(ValueError, match=r"a\.tfrecord is damaged"):
            read_all(tmp_path)
    path.write_bytes(whole)
    assert len(read_all(tmp_path)) == 2


def test_every_end_but_that_of_a_record_is_refused(small, tmp_path):
    path = waymo_files.write_v1(small, tmp_path / "a.tfrecord")
    whole = path.read_bytes()
    first = len(whole) - len(waymo_files.record(waymo_files.frame_message(small, small.frames[1])))
    for size in [0, 1, 8, 11, 12, 15, first - 1, first + 1, first + 12, len(whole) - 1]:
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=r"a\.tfrecord is damaged"):
            read_all(tmp_path)
    path.write_bytes(whole[:first])
    assert len(read_all(tmp_path)) == 1


def lone_frame(small, message, tmp_path):
    path = tmp_path / "a.tfrecord"
    path.write_bytes(waymo_files.record(message, _host.masked_crc32c))
    return tmp_path


def with_top_image(small, compressed):
    """The first frame, with other bytes in place of its first range image."""
    original = waymo_files.matrix
    try:
        waymo_files.matrix = lambda image: (
            compressed if image is small.frames[0].returns[1, 0].image else original(image)
        )
        return waymo_files.frame_message(small, small.frames[0])
    finally:
        waymo_files.matrix = original


def test_a_matrix_that_would_fill_the_memory_is_refused(small, tmp_path):
    bomb = zlib.compress(bytes(64 * MAX_PIXELS), 9)
    assert len(bomb) < MAX_PIXELS / 4
    with pytest.raises(ValueError, match="cut off, or has more than 16,777,216 bytes"):
        read_all(lone_frame(small, with_top_image(small, bomb), tmp_path))


@pytest.mark.parametrize(
    "dims, message",
    [
        ((64, 6), r"must be \(rows, columns, 4\), got"),
        ((64, 6, 5), "fewer numbers than its shape says"),
        ((64, 6, 3), "more numbers than its shape says"),
        ((1 << 20, 1 << 20, 1 << 20), "fewer numbers than its shape says"),
        ((1 << 21, 1, 1), "too many or too large dimensions"),
        ((1, 1, 64, 6, 4), "too many or too large dimensions"),
        ((0, 0, 4), "more numbers than its shape says"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(dims, message, small, tmp_path):
    data = bytes(4 * 64 * 6 * (1 if len(dims) == 2 else 4))
    shape = b"".join(waymo_files.whole(1, side) for side in dims)
    compressed = zlib.compress(waymo_files.text(1, data) + waymo_files.text(2, shape))
    with pytest.raises(ValueError, match=message):
        read_all(lone_frame(small, with_top_image(small, compressed), tmp_path))


def test_frames_of_two_segments_in_a_file_are_refused(small, tmp_path):
    other = waymo_files.make_drive(num_frames=1, sizes=waymo_fuzz.SIZES, name="other")
    messages = [waymo_files.frame_message(drive, drive.frames[0]) for drive in (small, other)]
    (tmp_path / "a.tfrecord").write_bytes(b"".join(map(waymo_files.record, messages)))
    with pytest.raises(ValueError, match="one segment, got 2"):
        Waymo(tmp_path)


def test_a_record_that_is_no_frame_is_refused(tmp_path):
    (tmp_path / "a.tfrecord").write_bytes(waymo_files.record(b""))
    with pytest.raises(ValueError, match="is it a Frame"):
        Waymo(tmp_path)


def test_a_pose_that_is_no_motion_is_refused(version, tmp_path):
    drive = waymo_files.make_drive(num_frames=1, sizes=waymo_fuzz.SIZES)
    drive.frames[0].pose = 2 * drive.frames[0].pose
    with pytest.raises(ValueError, match="must be a rotation and a shift"):
        Waymo(waymo_files.write(drive, version, tmp_path))


@pytest.mark.parametrize(
    "component, remedy",
    [("lidar_calibration", "no calibration"), ("lidar_pose", "no poses of their pixels"), ("lidar", "no range images")],
)
def test_missing_components_are_named(component, remedy, small, tmp_path):
    pytest.importorskip("pyarrow")
    path = waymo_files.write_v2(small, tmp_path) / component / f"{small.name}.parquet"
    path.unlink()
    waymo = Waymo(tmp_path)
    with pytest.raises(ValueError, match=rf"{small.name}/0 .* {remedy}"):
        waymo.points(0)


def test_missing_columns_are_named(small, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    path = waymo_files.write_v2(small, tmp_path) / "lidar" / f"{small.name}.parquet"
    name = "[LiDARComponent].range_image_return2.values"
    pq.write_table(pq.read_table(path).drop_columns([name]), path)
    with pytest.raises(ValueError, match=r"lidar/.*must have column \[LiDARComponent\]\.range_image_return2\.values"):
        Waymo(tmp_path).points(0)


def test_without_pyarrow_the_remedy_is_named(small, tmp_path):
    pytest.importorskip("pyarrow")
    waymo_files.write_v2(small, tmp_path)
    code = f"import sys; sys.modules['pyarrow'] = None\nfrom geopt.data import Waymo\nWaymo({str(tmp_path)!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "ImportError: pyarrow could not be imported" in done.stderr and "geopt-lidar[data]" in done.stderr
