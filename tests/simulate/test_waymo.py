"""The simulated city as segments of the Waymo Open Dataset."""

import json

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from geopt import ops
from geopt.data import NuScenes, Waymo
from geopt.simulate import simulate
from geopt.simulate.sensor import SENSORS
from geopt.simulate.world import World

pytest.importorskip("embreex")
pq = pytest.importorskip("pyarrow.parquet")

SETTINGS = {"keyframes": 2, "sweeps": 2, "seed": 0, "sensor": "waymo-top", "format": "waymo-v2"}
SCENE = "scene-0103"


@pytest.fixture(scope="module", params=[False, True], ids=["at one moment", "while turning"])
def is_distorted(request):
    return request.param


@pytest.fixture(scope="module")
def root(is_distorted, tmp_path_factory):
    """One scene of four frames, two of them key frames."""
    return simulate(tmp_path_factory.mktemp("waymo"), scenes=1, motion_distortion=is_distorted, **SETTINGS)


@pytest.fixture(scope="module")
def waymo(root):
    return Waymo(root)


@pytest.fixture(scope="module")
def world(waymo, is_distorted):
    return World(0, waymo.scenes[0], SENSORS["waymo-top"], is_distorted)


def test_the_reader_finds_frames_and_splits(waymo, root):
    assert len(waymo) == 4 and waymo.select("val").rows.tolist() == [0, 1, 2, 3]
    assert np.diff([waymo.timestamp_us(row) for row in range(4)]).tolist() == [100_000, 400_000, 100_000]
    assert [waymo.has_labels(row) for row in range(4)] == [False, True, False, True]
    assert json.loads((root / "splits.json").read_text()) == {"train": [], "val": list(waymo.scenes)}


def test_points_are_where_the_rays_met_the_city(waymo, world, is_distorted):
    """The scan of the simulator itself, moved to the vehicle frame by its own poses, against the reader."""
    time_s = 0.5
    row = 3
    points = waymo.points(row)
    columns = world.sensor.num_columns
    yaw = np.arctan2(*waymo._indices[0].calibrations[1].extrinsic[[1, 0], 0])
    scan = world.observe(time_s, 1.5 * np.pi - np.pi / columns - yaw)
    moments = (
        time_s - np.arange(columns)[::-1] * (world.sensor.turn_s / columns) if is_distorted else np.array([time_s])
    )
    lidar = world.lidar_motion(moments)
    own = scan.column if is_distorted else np.zeros(len(scan.column), dtype=int)
    in_city = np.einsum("nij,nj->ni", lidar.rotation[own], scan.points[:, :3]) + lidar.origin[own]
    ego = world.ego_pose(time_s)
    wanted = (in_city - ego.translation) @ ego.rotation
    order = np.lexsort((scan.column, -scan.points[:, 4]))  # the reader goes row by row from the highest beam
    assert len(points.xyz) == len(wanted) > 50_000
    assert np.array_equal(points.column, scan.column[order]) and np.array_equal(points.ring, scan.points[order, 4])
    assert np.linalg.norm(points.xyz - wanted[order], axis=1).max() < 1e-3
    assert np.abs(points.intensity - scan.points[order, 3] / 255).max() < 1e-6


def test_the_first_column_looks_back(waymo):
    points = waymo.points(1)
    place = waymo._indices[0].calibrations[1].extrinsic[:2, 3]
    azimuth = np.arctan2(*(points.xyz[:, :2] - place)[:, ::-1].T)
    first, middle = points.column < 20, np.abs(points.column - 1325) < 20
    assert np.abs(np.abs(azimuth[first]) - np.pi).max() < 0.1 and np.abs(azimuth[middle]).max() < 0.1


def test_boxes_hold_the_points_that_they_count(waymo):
    for row in range(4):
        boxes, labels, points = waymo.boxes(row), waymo.laser_labels(row), waymo.points(row)
        inside = ops.points_in_boxes(torch.from_numpy(points.xyz), boxes.geometry[:, :7])
        counts = torch.bincount(inside + 1, minlength=len(boxes.names) + 1)[1:]
        assert len(boxes.names) > 5 and (boxes.num_points > 0).all()
        assert (counts - boxes.num_points).abs().float().mean() < 1  # a point on a face, or in two boxes
        assert np.array_equal(labels.num_points, labels.num_top_points)
        assert set(boxes.names) <= {"vehicle", "pedestrian", "cyclist"}


def test_points_in_boxes_have_the_class_of_the_box(waymo):
    points, boxes = waymo.points(3, with_labels=True), waymo.boxes(3)
    owner = ops.points_in_boxes(torch.from_numpy(points.xyz), boxes.geometry[:, :7]).numpy()
    classes = {"vehicle": [1, 2, 3, 4, 5, 13], "pedestrian": [7], "cyclist": [6]}
    for name in set(boxes.names):
        own = np.isin(owner, np.flatnonzero(np.array(boxes.names) == name)) & (points.instance > 0)
        assert own.sum() > 0 and np.isin(points.semantic[own], classes[name]).mean() > 0.95
    assert (points.semantic[points.instance == 0] != 7).all() and (points.semantic == 18).mean() > 0.05  # road


def test_speeds_say_where_objects_go(waymo):
    """Between two frames 0.1 s apart in the world; the same in the vehicle frame after turning."""
    now, later = waymo.boxes(2), waymo.boxes(3)
    pose = waymo.global_from_ego(2), waymo.global_from_ego(3)
    moved = 0
    for i, name in enumerate(now.instances):
        if name not in later.instances:
            continue
        places = [
            p[:, :3] @ b.geometry[k, :3].numpy() + p[:, 3]
            for p, b, k in ((pose[0], now, i), (pose[1], later, later.instances.index(name)))
        ]
        speed = waymo.laser_labels(2).speed[i]
        assert np.abs((places[1] - places[0])[:2] / 0.1 - speed[:2]).max() < 0.6  # accelerations are a few m/s2
        turned = pose[0][:, :3].T @ speed
        assert np.allclose(now.geometry[i, 7:].numpy(), turned[:2])
        moved += np.linalg.norm(speed) > 1
    assert moved > 0


def test_poses_of_pixels_lead_to_that_of_the_frame(waymo, root, world, is_distorted):
    cells = pq.read_table(root / "lidar_pose" / f"{waymo.scenes[0]}.parquet").to_pydict()
    prefix = "[LiDARPoseComponent].range_image_return1"
    poses = np.array(cells[f"{prefix}.values"][1]).reshape(cells[f"{prefix}.shape"][1])
    assert poses.shape == (64, 2650, 6) and np.array_equal(poses[0], poses[63])
    pose = waymo.global_from_ego(1)
    assert np.allclose(poses[0, -1, 3:], pose[:, 3], atol=1e-3)
    assert np.allclose(Rotation.from_euler("ZYX", poses[0, -1, 2::-1]).as_matrix(), pose[:, :3], atol=1e-5)
    travelled = np.linalg.norm(poses[0, 0, 3:] - poses[0, -1, 3:])
    places = [np.array(world.ego_pose(time_s).translation) for time_s in (-0.1, 0.0)]
    assert travelled == pytest.approx(np.linalg.norm(places[1] - places[0]) if is_distorted else 0, abs=0.01)


def test_the_city_is_that_of_the_nuscenes_format(waymo, is_distorted, tmp_path):
    """Same scene, same time, other seam: boxes of vehicles stand in the same places."""
    if is_distorted:
        pytest.skip("once is enough")
    plain = {key: value for key, value in SETTINGS.items() if key not in ("format", "sweeps")}
    other = NuScenes(simulate(tmp_path / "city", scenes=1, sweeps=1, **plain), "v1.0-mini")
    row = int(other.key_rows[1])
    boxes, own = other.boxes(row), waymo.boxes(3)
    assert np.allclose(other.global_from_ego(row), waymo.global_from_ego(3), atol=1e-6)
    seen = (boxes.num_points > 0).numpy() & np.char.startswith(np.array(boxes.names), "vehicle")
    places = own.geometry[np.array(own.names) != "pedestrian", :3].numpy()
    apart = np.linalg.norm(boxes.geometry[seen, :3].numpy()[:, None] - places, axis=2).min(axis=1)
    assert (
        seen.sum() > 5 and np.mean(apart < 0.01) > 0.7
    )  # some have their only points in one of the scans; parked cycles


def test_a_run_goes_on_where_it_was_cut_off(tmp_path):
    settings = SETTINGS | {"keyframes": 1, "sweeps": 1, "sensor": "vlp16"}
    root = simulate(tmp_path / "city", scenes=2, **settings)
    whole = {path: pq.read_table(path) for path in sorted(root.rglob("*.parquet"))}
    kept = root / "lidar" / "scene-0916.parquet"
    stamp = kept.stat().st_mtime_ns
    (root / "lidar_box" / "scene-0103.parquet").unlink()
    (root / "splits.json").unlink()
    simulate(root, scenes=2, **settings)
    assert len(whole) == 14 and kept.stat().st_mtime_ns == stamp
    assert all(pq.read_table(path).equals(table) for path, table in whole.items())
    assert not list(root.rglob("*.tmp")) and len(Waymo(root)) == 2
    with pytest.raises(FileExistsError, match="format waymo-v2 there and unknown now"):
        simulate(root, scenes=2, **(settings | {"format": "nuscenes"}))
    with pytest.raises(ValueError, match=r"format must be one of nuscenes, waymo-v2, got 'kitti'"):
        simulate(tmp_path / "x", scenes=1, **(settings | {"format": "kitti"}))


def test_the_command_line_writes_it_too(tmp_path):
    from typer.testing import CliRunner

    from geopt.cli import app

    words = ["simulate", str(tmp_path / "city"), "--scenes", "1", "--keyframes", "1", "--sweeps", "1", "--workers", "1"]
    done = CliRunner().invoke(app, [*words, "--sensor", "waymo-top", "--format", "waymo-v2"])
    assert done.exit_code == 0, done.output
    assert len(Waymo(tmp_path / "city")) == 1
