"""A folder of scans as a dataset."""

import logging
import pickle

import numpy as np
import pytest
import scan_writers as writers
from scipy.spatial.transform import Rotation

from geopt.data import DataConfig, build_dataset
from geopt.data.folder import Folder, FolderConfig, read_scan
from geopt.data.formats import open_source
from geopt.inspection import inspect

BEGIN_NS = 1_700_000_000_000_000_000


def write_scans(folder, names, **more):
    folder.mkdir(parents=True, exist_ok=True)
    clouds = [writers.cloud(seed=seed, **more) for seed in range(len(names))]
    for name, points in zip(names, clouds):
        (folder / name).write_bytes(writers.pcd(points, "binary"))
    return clouds


def motion(yaw=0.0, x=0.0, y=0.0, z=0.0):
    return np.concatenate([Rotation.from_euler("z", yaw).as_matrix(), [[x], [y], [z]]], axis=1)


def write_poses(path, poses):
    np.savetxt(path, np.reshape(poses, (-1, 12)))


def test_sub_folders_are_scenes_and_numbers_sort(tmp_path):
    write_scans(tmp_path / "b" / "lidar", ["scan_10.pcd", "scan_9.pcd", "scan_100.pcd"])
    write_scans(tmp_path / "a", ["0.pcd"])
    (tmp_path / "a" / "readme.txt").write_text("not a scan")
    found = Folder(tmp_path)
    assert found.scenes == ("a", "b/lidar") and len(found) == 4
    assert [found.recordings[1].paths[n].name for n in range(3)] == ["scan_9.pcd", "scan_10.pcd", "scan_100.pcd"]
    assert found.name(3) == "b/lidar/2" and found.row("b/lidar/2") == 3
    assert found.select("b/lidar[1:]").rows.tolist() == [2, 3]
    assert found.past(3, 5) == [] and not found.is_key_frame(0) and not found.has_labels(0)
    assert np.array_equal(pickle.loads(pickle.dumps(found)).cloud(0).xyz, found.cloud(0).xyz)


def test_a_folder_without_sub_folders_has_its_own_name(tmp_path):
    write_scans(tmp_path / "drive", ["0.pcd", "1.pcd"])
    assert Folder(tmp_path / "drive").name(1) == "drive/1"


def test_folders_that_links_lead_to_are_scenes(tmp_path):
    write_scans(tmp_path / "disk", ["0.pcd"])
    write_scans(tmp_path / "drives" / "a", ["0.PCD"])
    (tmp_path / "drives" / "b").symlink_to(tmp_path / "disk")
    assert Folder(tmp_path / "drives").scenes == ("a", "b") and inspect(tmp_path / "drives").facts.scenes == ("a", "b")


@pytest.mark.parametrize("look", [Folder, inspect])
def test_packed_scans_are_refused_by_name(look, tmp_path):
    write_scans(tmp_path, ["0.pcd", "1.pcd.gz"])
    with pytest.raises(ValueError, match=r"1\.pcd\.gz is packed; unpack it, or leave it out with folder\.pattern"):
        look(tmp_path)
    assert len(Folder(tmp_path, FolderConfig(pattern="**/*.pcd"))) == 1


@pytest.mark.parametrize(
    "root, message",
    [("scans/0.pcd", "got a file; name its folder"), ("nowhere", "does not exist"), (".", "got none there")],
)
def test_what_is_no_folder_of_scans_is_told_apart(root, message, tmp_path):
    write_scans(tmp_path / "scans", ["0.pcd"])
    with pytest.raises(FileNotFoundError, match=message):
        Folder(tmp_path / root, FolderConfig(pattern="*.pcd"))


def test_what_would_be_ignored_is_refused(tmp_path):
    write_scans(tmp_path, ["0.pcd"])
    with pytest.raises(ValueError, match=r"topic must be left out, for .* holds no log, got '/lidar'"):
        Folder(tmp_path, FolderConfig(topic="/lidar"))
    with pytest.raises(ValueError, match="root must be the folder of the scans, got ''"):
        Folder("")


def test_a_scan_among_others_that_is_not_named_by_a_time_is_told(tmp_path, caplog):
    write_scans(tmp_path / "drive", [f"{BEGIN_NS + 100_000_000 * number}.pcd" for number in range(3)] + ["extra.pcd"])
    assert not Folder(tmp_path / "drive").order.timestamp_us.any()
    assert "3 of 4 scans of drive are named by a time, extra.pcd is not" in caplog.text


def test_the_mounting_is_undone(tmp_path):
    (points,) = write_scans(tmp_path, ["0.pcd"])
    config = FolderConfig(sensor_height_m=1.8, yaw_deg=-90, unit_m=2.0)
    cloud = Folder(tmp_path, config).cloud(0)
    expected = np.stack([2 * points["y"], -2 * points["x"], 2 * points["z"] + 1.8], axis=1)
    assert np.allclose(cloud.xyz, expected, atol=1e-4)
    assert np.allclose(cloud.sensor_origins, [[0, 0, 1.8]]) and np.array_equal(cloud.intensity, points["intensity"])
    in_lidar = Folder(tmp_path, config).cloud(0, frame="lidar")
    assert np.allclose(in_lidar.xyz, 2 * np.stack([points[axis] for axis in "xyz"], axis=1), atol=1e-4)


def test_points_without_a_position_are_left_out_and_told_once(tmp_path, caplog):
    for number in range(2):
        points = writers.cloud()
        points["y"][5], points["x"][6] = np.nan, np.inf
        for axis in "xyz":
            points[axis][7] = 0
        (tmp_path / f"{number}.pcd").write_bytes(writers.pcd(points, "binary"))
    folder = Folder(tmp_path)
    with caplog.at_level(logging.WARNING):
        sizes = [len(folder.cloud(row).xyz) for row in (0, 1)]
    assert sizes == [297, 297] and len(folder.scan(0).columns["x"]) == 300
    assert [record.getMessage()[:40] for record in caplog.records] == [f"3 of 300 points of {tmp_path}"[:40]]
    points = writers.cloud()
    for axis in "xyz":
        points[axis] = 0
    (tmp_path / "0.pcd").write_bytes(writers.pcd(points, "binary"))
    with pytest.raises(ValueError, match=r"0\.pcd must hold points with a position, got 300"):
        folder.cloud(0)


@pytest.mark.parametrize("of", ["sensor", "ego"])
def test_sweeps_are_put_together_by_poses(of, tmp_path):
    """One world, seen from two places: past points come to lie where the newest scan sees them."""
    world = writers.cloud()
    xyz = np.stack([world[axis] for axis in "xyz"], axis=1).astype(np.float64)
    ego_from_sensor = motion(np.radians(30), z=1.5)
    poses = [motion(0.3 * n, 5.0 * n, 2.0) for n in range(3)]
    sensor = [
        np.concatenate([pose[:, :3] @ ego_from_sensor[:, :3], pose[:, :3] @ ego_from_sensor[:, 3:] + pose[:, 3:]], 1)
        for pose in poses
    ]
    for number, pose in enumerate(sensor):
        seen = world.copy()
        for axis, values in zip("xyz", ((xyz - pose[:, 3]) @ pose[:, :3]).T):
            seen[axis] = values
        (tmp_path / f"{number}.pcd").write_bytes(writers.pcd(seen, "binary"))
    write_poses(tmp_path / "poses.txt", sensor if of == "sensor" else poses)
    (tmp_path / "times.txt").write_text("0\n0.1\n0.2\n")
    folder = Folder(tmp_path, FolderConfig(yaw_deg=30, sensor_height_m=1.5, poses_of=of))
    cloud = folder.cloud(2, folder.past(2, 5))
    assert len(cloud.xyz) == 900
    assert (
        np.abs(cloud.xyz[300:600] - cloud.xyz[:300]).max() < 1e-4
        and np.abs(cloud.xyz[600:] - cloud.xyz[:300]).max() < 1e-4
    )
    assert np.allclose(folder.global_from_ego(1), poses[1]) and np.allclose(np.unique(cloud.time_lag_s), [0, 0.1, 0.2])


def test_poses_with_times_are_taken_between_them(tmp_path):
    write_scans(tmp_path / "a", ["1700000000.05.pcd", "1700000000.15.pcd"])
    lines = [f"{1700000000 + t / 10} {t} 0 0 0 0 0 1" for t in range(4)]
    (tmp_path / "poses.tum").write_text("\n".join(lines))
    folder = Folder(tmp_path)  # the file lies above the scene
    assert np.allclose([folder.global_from_ego(row)[0, 3] for row in (0, 1)], [0.5, 1.5])
    assert folder.timestamp_us(1) == 1_700_000_000_150_000


def test_files_named_by_times_are_in_their_order(tmp_path):
    write_scans(tmp_path, ["b_1700000000000000.pcd", "a_1700000001000000.pcd"])
    folder = Folder(tmp_path)
    assert [folder.timestamp_us(row) for row in (0, 1)] == [1_700_000_000_000_000, 1_700_000_001_000_000]
    assert folder.recordings[0].paths[0].name.startswith("b")
    assert Folder(tmp_path, FolderConfig(times="none")).timestamp_us(0) == 0


def test_what_does_not_fit_is_told(tmp_path):
    write_scans(tmp_path / "a", ["0.pcd", "1.pcd"])
    poses = tmp_path / "a" / "poses.txt"
    write_poses(poses, [motion()] * 3)
    with pytest.raises(ValueError, match=r"poses\.txt must have poses for 2 scans of a, got 3; .*folder\.poses=none"):
        Folder(tmp_path)
    assert Folder(tmp_path, FolderConfig(poses="none")).index.global_from_ego is None
    (tmp_path / "a" / "calib.txt").write_text("Tr: 1 0 0 0")
    with pytest.raises(ValueError, match=r"poses\.txt lies beside a calib\.txt"):
        Folder(tmp_path)
    poses.rename(tmp_path / "a" / "poses.tum")
    (tmp_path / "a" / "poses.tum").write_text("0 0 0 0 0 0 0 1\n1 0 0 0 0 0 0 1\n")
    with pytest.raises(ValueError, match=r"poses\.tum has poses with times, but the scans of a have none"):
        Folder(tmp_path)
    (tmp_path / "times.txt").write_text("1\n0\n")
    with pytest.raises(ValueError, match=r"times\.txt must ascend, got a line 2 that"):
        Folder(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"gps\.csv must lie in"):
        Folder(tmp_path, FolderConfig(poses="gps.csv", times="none"))
    (tmp_path / "times.txt").write_text("0\n1\n")
    write_scans(tmp_path / "b", ["0.pcd", "1.pcd"])
    with pytest.raises(ValueError, match="must have poses of all scenes or of none, got none of b"):
        Folder(tmp_path)
    with pytest.raises(FileNotFoundError, match="must be a folder with"):
        Folder(tmp_path / "nowhere")


def test_other_files_are_left_out_by_a_pattern(tmp_path):
    write_scans(tmp_path / "velodyne", ["0.pcd"])
    np.save(tmp_path / "poses.npy", np.zeros(3))
    assert Folder(tmp_path, FolderConfig(pattern="velodyne/*")).scenes == ("velodyne",)


def write_turning(folder, time_kind="f8", absolute=False):
    """Three scans, 0.1 s each, from a car that turns and drives, and what a still one would have seen at their times."""
    poses = [motion(0.08 * n, 1.5 * n) for n in range(4)]
    still = []
    for number in range(3):
        points = writers.cloud(seed=number, t=time_kind)
        parts = np.linspace(0, 0.999, len(points))
        xyz = np.stack([points[axis] for axis in "xyz"], axis=1).astype(np.float64)
        still.append(xyz)
        here = poses[number]
        for row, part in enumerate(parts):
            yaw, x = 0.08 * (number + part), 1.5 * (number + part)
            there = motion(yaw, x)
            seen = (here[:, :3] @ xyz[row] + here[:, 3] - there[:, 3]) @ there[:, :3]
            for axis, value in zip("xyz", seen):
                points[axis][row] = value
        points["t"] = parts * 0.1 / (1 if time_kind == "f8" else 1e-9) + (
            1_700_000_000 + 0.1 * number if absolute else 0
        )
        (folder / f"{number}.pcd").write_bytes(writers.pcd(points, "binary"))
    write_poses(folder / "poses.txt", poses[:3])
    (folder / "times.txt").write_text("\n".join(f"{1_700_000_000 + 0.1 * n:.1f}" for n in range(3)))
    return still


@pytest.mark.parametrize("kind, absolute", [("f8", False), ("u4", False), ("f8", True)])
def test_scans_are_deskewed(kind, absolute, tmp_path):
    still = write_turning(tmp_path, kind, absolute)
    moving, straight = Folder(tmp_path), Folder(tmp_path, FolderConfig(deskew=True))
    for row in range(3):
        assert np.abs(moving.cloud(row).xyz - still[row]).max() > 1
        assert np.abs(straight.cloud(row).xyz - still[row]).max() < 2e-3  # the last scan is beyond the last pose
        assert np.allclose(straight.read(row).time_offset_s, np.linspace(0, 0.0999, 300), atol=1e-6)


def test_deskewing_needs_times_and_poses(tmp_path):
    write_turning(tmp_path)
    with pytest.raises(ValueError, match="deskew needs poses and times of"):
        Folder(tmp_path, FolderConfig(deskew=True, poses="none")).read(0)
    write_scans(tmp_path, ["0.pcd"])
    with pytest.raises(ValueError, match=r"deskew needs the time of each point of .*0\.pcd"):
        Folder(tmp_path, FolderConfig(deskew=True)).read(0)


def test_the_default_features_are_none_and_intensity_is_to_be_had(tmp_path, grid):
    write_scans(tmp_path, ["0.pcd", "1.pcd"])
    data = DataConfig(kind="folder", root=str(tmp_path), folder=FolderConfig(sensor_height_m=1.8))
    assert data.features == () and data.num_sweeps == 1 and isinstance(open_source(data), Folder)
    assert build_dataset(data, "train", grid, seed=0)[0].features.shape[1] == 0
    seen = build_dataset(data.model_copy(update={"features": ("intensity",)}), "train", grid, seed=0)[0]
    assert seen.features.shape[1] == 1 and seen.features.max() > 0
    with pytest.raises(ValueError, match="folder has no ring; leave it out"):
        build_dataset(data.model_copy(update={"features": ("ring",)}), "train", grid, seed=0)[0]


def test_real_scans_of_every_kind_open(shared_data):
    for name, config, number, size in [
        ("kitti_raw_drive", FolderConfig(), 10, 110_000),
        ("kitti_raw_pcd", FolderConfig(), 1, 120_000),
        ("kitti_object", FolderConfig(pattern="**/velodyne/*"), 3, 110_000),
        ("nuscenes_single", FolderConfig(yaw_deg=-90, sensor_height_m=1.84), 2, 34_000),
        ("nuscenes_lidarseg_projected", FolderConfig(columns=("x", "y", "z", "intensity", "skip", "skip")), 32, 19_000),
    ]:
        folder = Folder(shared_data / name, config)
        cloud = folder.cloud(0)
        assert len(folder) == number and len(cloud.xyz) > size and cloud.intensity is not None
        assert 20 < np.abs(cloud.xyz).max() < 200


def test_the_pcd_of_kitti_is_its_bin(shared_data, tmp_path):
    """The same scanner in two formats: magnitudes agree, as do the columns' names."""
    found = read_scan(shared_data / "kitti_raw_pcd" / "0000000000.pcd")
    assert list(found.columns) == ["x", "y", "z", "intensity"] and len(found.columns["x"]) == 123_398
