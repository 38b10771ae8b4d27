"""Damaged scans, poses and logs are refused by name; nothing crashes, hangs or asks for gigabytes."""

import fuzzing
import numpy as np
import pytest
import scan_writers as writers

from geopt.data.folder import Folder, FolderConfig, ScanLayout, find_scans, read_scan
from geopt.data.folder.poses import read_poses, read_times

LAYOUT = ScanLayout()
BEGIN_NS = 1_700_000_000_000_000_000


def write_scans(folder):
    points = writers.cloud(21, t="u4", ring="u2")
    points["t"] = np.arange(21) * 5_000_000
    table = np.stack([points[name] for name in ("x", "y", "z", "intensity")], axis=1)
    contents = {
        f"{encoding}.pcd": writers.pcd(points, encoding) for encoding in ("ascii", "binary", "binary_compressed")
    }
    for encoding in ("ascii", "binary_little_endian", "binary_big_endian"):
        contents[f"ply_{encoding}.ply"] = writers.ply(points, encoding, faces_first=True)
    contents |= {"two.las": writers.las(points), "four.las": writers.las(points, 4, 6), "floats.bin": table.tobytes()}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    np.save(folder / "array.npy", table)
    np.save(folder / "records.npy", points)
    np.savez_compressed(folder / "arrays.npz", x=points["x"], y=points["y"], z=points["z"])
    np.savez(folder / "one.npz", table)
    writers.npy_gz(folder / "packed.npy.gz", table)


def read_scans(folder):
    for path in find_scans(folder):
        scan = read_scan(path, LAYOUT)
        LAYOUT.xyz_m(scan)
        scan.time_s()


def write_poses(folder):
    one = "1 0 0 0.5 0 1 0 0.25 0 0 1 0\n"
    (folder / "poses.txt").write_text(one * 5)
    (folder / "poses.tum").write_text("".join(f"{1_700_000_000 + n / 10} {n} 0 0 0 0 0 1\n" for n in range(5)))
    (folder / "poses.csv").write_text("time,x,y,z,qx,qy,qz,qw\n" + "".join(f"{n},{n},0,0,0,0,0,1\n" for n in range(5)))
    record = '{"timestamp_us": 1700000000000000, "matrix": [[1, 0, 0, 2.5], [0, 1, 0, 0], [0, 0, 1, 0]]}'
    (folder / "poses.json").write_text(f"[{record}, {record}]")
    (folder / "times.txt").write_text("0.0\n0.1\n0.2\n")
    (folder / "timestamps.txt").write_text("2011-09-26 13:02:25.951199337\n2011-09-26 13:02:26.055\n")


def read_all_poses(folder):
    for path in sorted(folder.iterdir()):
        (read_poses if path.name.startswith("poses") else read_times)(path)


def write_logs(folder):
    points = writers.cloud(30, t="u4")
    points["t"] = np.arange(30) * 3_000_000
    topics = {"/points": "sensor_msgs/msg/PointCloud2", "/odom": "nav_msgs/msg/Odometry"}
    messages = []
    for number in range(3):
        time_ns = BEGIN_NS + number * 100_000_000
        messages.append(("/points", time_ns, writers.cloud_message(points, time_ns)))
        messages.append(("/odom", time_ns, writers.odometry_message(time_ns, (number, 0, 0), (0, 0, 0, 1))))
    writers.rosbag(folder / "a.db3", topics, messages)
    writers.mcap(folder / "b.mcap", topics, messages, checksum=False)
    writers.mcap(folder / "c.mcap", topics, messages, chunked=False)


def read_logs(folder):
    found = Folder(folder, FolderConfig(poses="/odom", deskew=True))
    for row in range(len(found)):
        found.read(row)


KINDS = {"scans": (write_scans, read_scans), "poses": (write_poses, read_all_poses), "logs": (write_logs, read_logs)}


def assert_damage_is_refused(kind, folder, cases, seed=0):
    write, read = KINDS[kind]
    write(folder)
    found = fuzzing.run(read, folder, cases, seed=seed)
    assert found.good + found.refused == cases and found.refused > cases / 5
    assert found.memory_mb < 300 and found.slowest_s < 5


@pytest.mark.parametrize("kind, cases", [("scans", 2300), ("poses", 400), ("logs", 300)])
def test_damage_is_refused_by_a_value_error_that_names_the_folder(kind, cases, tmp_path):
    assert_damage_is_refused(kind, tmp_path, cases)


@pytest.mark.long
@pytest.mark.parametrize("kind, cases", [("scans", 10_000), ("poses", 4000), ("logs", 4000)])
def test_much_damage_is_refused(kind, cases, tmp_path):
    assert_damage_is_refused(kind, tmp_path, cases, seed=1)
