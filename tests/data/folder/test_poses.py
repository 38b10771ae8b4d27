"""Files of poses and times."""

import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from geopt.data.folder.poses import read_poses, read_times, time_in_name

TURNS = Rotation.random(4, random_state=0)
PLACES = np.random.default_rng(0).normal(0, 100, (4, 3))
MATRICES = np.concatenate([TURNS.as_matrix(), PLACES[:, :, None]], axis=2)
TIMES_NS = np.array([1_532_402_927_647_951_123 + 100_000_000 * n for n in range(4)])


def csv(time_name, times):
    quats = TURNS.as_quat()
    rows = [f"{t},{','.join(map(repr, [*p.tolist(), *q.tolist()]))}" for t, p, q in zip(times, PLACES, quats)]
    return f"{time_name},x,y,z,qx,qy,qz,qw\n" + "\n".join(rows) + "\n"


def test_kitti(tmp_path):
    np.savetxt(tmp_path / "poses.txt", MATRICES.reshape(4, 12))
    found = read_poses(tmp_path / "poses.txt")
    assert found.time_ns is None and np.allclose(found.matrices, MATRICES, atol=1e-12)


def test_tum_keeps_nanoseconds(tmp_path):
    lines = [
        f"{t // 10**9}.{t % 10**9:09d} {' '.join(map(repr, [*p.tolist(), *q.tolist()]))}"
        for t, p, q in zip(TIMES_NS.tolist(), PLACES, TURNS.as_quat())
    ]
    (tmp_path / "a.tum").write_text("# time x y z qx qy qz qw\n" + "\n".join(lines))
    found = read_poses(tmp_path / "a.tum")
    assert np.array_equal(found.time_ns, TIMES_NS) and np.allclose(found.matrices, MATRICES, atol=1e-12)


@pytest.mark.parametrize(
    "name, times, expected",
    [
        ("timestamp_us", TIMES_NS // 1000, TIMES_NS // 1000 * 1000),
        ("timestamp", TIMES_NS, TIMES_NS),  # nanoseconds, or it would be the year 48 billion
        ("time", np.arange(4) * 0.25, np.arange(4) * 250_000_000),
        ("t_ms", np.arange(4) * 250, np.arange(4) * 250_000_000),
        ("number", np.arange(4), None),
    ],
)
def test_csv(name, times, expected, tmp_path):
    (tmp_path / "poses.csv").write_text(csv(name, times.tolist()))
    found = read_poses(tmp_path / "poses.csv")
    assert np.allclose(found.matrices, MATRICES, atol=1e-12)
    assert found.time_ns is None if expected is None else np.array_equal(found.time_ns, expected)


@pytest.mark.parametrize("matrix", [False, True])
def test_json(matrix, tmp_path):
    records = []
    for t, m, p, q in zip(TIMES_NS.tolist(), MATRICES, PLACES, TURNS.as_quat()):
        pose = {"matrix": [*m.tolist(), [0, 0, 0, 1]]}
        quat = dict(zip(["tx", "ty", "tz", "qx", "qy", "qz", "qw"], [*p.tolist(), *q.tolist()]))
        records.append({"timestamp_ns": t} | (pose if matrix else quat))
    (tmp_path / "poses.json").write_text(json.dumps(records))
    found = read_poses(tmp_path / "poses.json")
    assert np.array_equal(found.time_ns, TIMES_NS) and np.allclose(found.matrices, MATRICES, atol=1e-12)


@pytest.mark.parametrize(
    "name, text",
    [
        ("poses.txt", ""),
        ("poses.txt", "1 2 3\n"),
        ("poses.txt", "1 0 0 0 0 1 0 0 0 0 1\n" * 2),
        ("poses.txt", "1 0 0 0 0 1 0 0 0 0 x 0\n"),
        ("poses.txt", "2 0 0 0 0 1 0 0 0 0 1 0\n"),
        ("poses.txt", "-1 0 0 0 0 1 0 0 0 0 1 0\n"),
        ("poses.txt", "1 0 0 nan 0 1 0 0 0 0 1 0\n"),
        ("a.tum", "0 0 0 0 0 0 0 0\n"),
        ("a.tum", "1e400 0 0 0 0 0 0 1\n"),
        ("a.tum", "nan 0 0 0 0 0 0 1\n"),
        ("poses.csv", "t,x,y,z\n0,0,0,0\n"),
        ("poses.csv", "t,x,y,z,qx,qy,qz,qw\n0,0,0\n"),
        ("poses.csv", "t,x,y,z,qx,qy,qz,qw\n"),
        ("poses.json", "{}"),
        ("poses.json", "[[1]]"),
        ("poses.json", '[{"matrix": [[1]]}]'),
        ("poses.json", '[{"matrix": {}}]'),
        ("poses.json", "[" * 100_000),
        ("poses.json", '[{"t": [], "x": 0, "y": 0, "z": 0, "qx": 0, "qy": 0, "qz": 0, "qw": 1}]'),
    ],
)
def test_what_is_no_pose_is_refused_by_name(name, text, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=f"poses: .*{name} must hold poses"):
        read_poses(tmp_path / name)


@pytest.mark.parametrize(
    "text, message",
    [
        ("x;y;z;qx;qy;qz;qw\n0;0;0;0;0;0;1\n", "columns qw, qx, qy, qz, x, y, z, got x;y;z;qx;qy;qz;qw"),
        ("x,y,z,qx,qy,qz,qw\n0,0,0,0,0,0,1\n0,0,0\n", "fewer or more in row 2"),
        ("x,y,z,qx,qy,qz,qw\n0,0,0,0,0,0,1,7\n", "fewer or more in row 1"),
    ],
)
def test_what_a_table_lacks_is_said(text, message, tmp_path):
    (tmp_path / "poses.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_poses(tmp_path / "poses.csv")


def test_times_in_seconds_and_as_dates(tmp_path):
    (tmp_path / "times.txt").write_text("0.000000e+00\n1.036224e-01\n")
    assert read_times(tmp_path / "times.txt").tolist() == [0, 103_622_400]
    (tmp_path / "timestamps.txt").write_text("2011-09-26 13:02:25.951199337\n2011-09-26 13:02:26.055\n")
    assert read_times(tmp_path / "timestamps.txt").tolist() == [1_317_042_145_951_199_337, 1_317_042_146_055_000_000]
    for text in ("", "tomorrow\n", "1e999999\n", "NaT\n", "nan\n"):
        (tmp_path / "times.txt").write_text(text)
        with pytest.raises(ValueError, match=r"times: .*times\.txt must hold times"):
            read_times(tmp_path / "times.txt")


def test_times_in_names():
    assert (
        time_in_name("n015-2018-07-24-11-22-45+0800__LIDAR_TOP__1532402927647951.pcd.bin") == 1_532_402_927_647_951_000
    )
    assert time_in_name("1532402927.6479.pcd") == 1_532_402_927_647_900_000
    assert time_in_name("1532402927647951123.bin") == 1_532_402_927_647_951_123
    assert time_in_name("1532402927647.npy") == 1_532_402_927_647_000_000
    for name in ("0000000024.bin", "000012.bin", "1532402927.bin", "9999999999999999.bin", "scan.bin"):
        assert time_in_name(name) is None
