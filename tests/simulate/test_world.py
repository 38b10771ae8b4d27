"""A scene: what the sensor sees of its city and its traffic, and the boxes around the traffic."""

import functools

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from geopt.simulate import world as world_module
from geopt.simulate.classes import CAR, CLASSES, EGO, ROAD, SIDEWALK
from geopt.simulate.meshes import STATIC
from geopt.simulate.pose import Pose, pose_of, upright
from geopt.simulate.sensor import SENSORS, Scan, directions, times
from geopt.simulate.world import BoxTruth, World, count_inside

pytest.importorskip("embreex")

HDL = SENSORS["hdl32e"]


@functools.cache
def world() -> World:
    return World(0, "scene-0061", HDL)


@pytest.fixture
def same_city(monkeypatch):
    """Makes further worlds with the city and the traffic of :func:`world`: a city takes seconds."""
    first = world()  # made before the names are replaced, whichever test runs first
    monkeypatch.setattr(world_module, "City", lambda seed, name: first.city)
    monkeypatch.setattr(world_module, "Traffic", lambda seed, name, city: first.traffic)
    return functools.partial(World, 0, "scene-0061")


@functools.cache
def seen(time_s: float = 0.5) -> Scan:
    return world().observe(time_s)


@functools.cache
def boxes(time_s: float = 0.5) -> list[BoxTruth]:
    return world().boxes(time_s, seen(time_s))


def in_city(place: World, time_s: float, xyz: np.ndarray) -> np.ndarray:
    return place.ego_pose(time_s).apply(place.ego_from_lidar.apply(xyz))


def test_a_scan_has_the_returns_rings_and_ranges_of_the_sensor():
    points = seen().points
    assert 20_000 < len(points) < 34_720
    ring, distance = points[:, 4], np.linalg.norm(points[:, :3], axis=1)
    assert set(ring.tolist()) == set(range(32))
    assert distance.max() < HDL.max_range_m + 6 * HDL.range_noise_m
    assert len(np.unique(points[:, 3])) > 30


def test_ground_returns_lie_on_the_ground_within_the_range_noise():
    xyz = seen().points[:, :3].astype(np.float64)
    city = in_city(world(), 0.5, xyz)
    distance = np.linalg.norm(xyz, axis=1, keepdims=True)
    along_ray = (city - in_city(world(), 0.5, np.zeros((1, 3)))) / distance
    around = np.concatenate([city[:, :2] + 0.2 * np.array(step) for step in ((1, 0), (-1, 0), (0, 1), (0, -1))])
    is_even = np.ptp(world().city.height(around).reshape(4, -1), axis=0) < 0.03  # no kerb
    for label in (ROAD, SIDEWALK):
        chosen = (seen().label == label) & (distance[:, 0] < 20) & is_even
        assert chosen.sum() > 200
        assert (world().city.surface(city[chosen, :2]) == label).mean() > 0.98
        error_m = (city[:, 2] - world().city.height(city[:, :2]))[chosen] / along_ray[chosen, 2]
        assert abs(np.median(error_m)) < 0.005
        assert (
            0.8 * HDL.range_noise_m
            < 0.7413 * np.subtract(*np.quantile(error_m, [0.75, 0.25]))
            < 1.5 * HDL.range_noise_m
        )


def test_the_vehicle_does_not_see_itself_but_hides_the_ground_around_it():
    ego = world().ego_from_lidar.apply(seen().points[:, :3].astype(np.float64))
    assert EGO not in seen().label
    assert np.linalg.norm(ego[:, :2] - world().ego_from_lidar.translation[:2], axis=1).min() > 2.0
    counts = np.bincount(seen().points[:, 4].astype(int), minlength=32)
    assert counts[0] < 0.35 * HDL.num_columns < 0.9 * counts[12]


def test_the_lidar_looks_forward_along_its_y_axis():
    assert world().ego_from_lidar.rotation[:, 1] @ [1, 0, 0] > 0.99
    assert world().ego_from_lidar.rotation[:, 0] @ [0, -1, 0] > 0.99


def test_turns_begin_at_the_left_side():
    first = seen().points[seen().column < 20, :2].astype(np.float64)
    assert (np.abs(np.degrees(np.arctan2(first[:, 1], first[:, 0]))) > 160).all()


def test_the_same_moment_gives_the_same_scan_whatever_was_asked_before():
    first, later = seen().points, world().observe(1.0).points
    assert np.array_equal(world().observe(0.5).points, first)
    assert not np.array_equal(later[:1000], first[:1000])


def test_points_of_actors_lie_in_their_boxes():
    xyz = world().to_global(world().ego_pose(0.5)).apply(world().ego_from_lidar.apply(seen().points[:, :3]))
    num_points = 0
    for box in boxes():
        own = seen().owner == box.row
        local = (xyz[own] - np.array(box.pose.translation)) @ box.pose.rotation
        assert (np.abs(local) <= np.array(box.size_lwh) / 2 + 0.05).all(), box.name
        assert (seen().label[own] == box.figure.label).all()
        num_points += own.sum()
    assert num_points == (seen().owner != STATIC).sum() > 500


def test_nearly_all_points_in_a_box_carry_its_class():
    xyz = world().to_global(world().ego_pose(0.5)).apply(world().ego_from_lidar.apply(seen().points[:, :3]))
    right = []
    for box in boxes():
        local = (xyz - np.array(box.pose.translation)) @ box.pose.rotation
        inside = (np.abs(local) <= np.array(box.size_lwh) / 2).all(axis=1)
        assert inside.sum() == box.num_lidar_points
        right += (seen().label[inside] == box.figure.label).tolist()
    assert len(right) > 500
    assert np.mean(right) >= 0.98


def test_meshes_stay_in_their_boxes_with_two_centimetres_to_spare():
    states = world().traffic.states(0.5)
    for box in boxes():
        mesh = box.figure.mesh(float(states.phase[box.row])).moved(states.xyz[box.row], float(states.yaw[box.row]))
        shift = np.array(world().to_global(Pose((1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0))).translation)
        local = (mesh.vertices + shift - np.array(box.pose.translation)) @ box.pose.rotation
        assert (np.abs(local).max(axis=0) <= np.array(box.size_lwh) / 2 - 0.0195).all(), box.name


def test_visibility_is_the_share_of_the_rays_that_reach_an_actor():
    shares = np.array([box.visible_share for box in boxes()])
    points = np.array([seen().num_first[box.row] for box in boxes()])
    assert ((shares > 0) == (points > 0)).all()
    assert shares.max() == 1.0 and (shares == 0).any() and ((shares > 0) & (shares < 0.4)).any()


def test_what_is_rounded_for_the_tables_is_what_the_points_were_measured_with():
    pose = world().to_global(world().ego_pose(0.5))
    assert pose == pose.rounded()
    assert all(box.pose == box.pose.rounded() for box in boxes())
    assert all(value >= 0 for box in boxes() for value in box.pose.translation[:2])


def test_the_map_shows_the_road_under_the_ego_vehicle():
    x, y, _ = world().to_global(world().ego_pose(0.5)).translation
    picture = world().map_picture
    assert picture.dtype == np.uint8
    row, column = picture.shape[0] - round(y / 0.1), round(x / 0.1)
    assert (picture[row - 5 : row + 5, column - 5 : column + 5] == 255).all()
    assert 0.05 < (picture == 255).mean() < 0.8


def test_a_distorted_scan_is_the_world_as_each_column_saw_it(same_city):
    """Points put back by the ego pose of their own time lie on what a ray of that time meets."""
    place = same_city(HDL, motion_distortion=True)
    scan = place.observe(0.5)
    moments = times(HDL, 0.5)[scan.column]
    static = (scan.owner == STATIC) & (scan.label == ROAD) & (np.linalg.norm(scan.points[:, :3], axis=1) < 12)
    rows = np.flatnonzero(static)[::40]
    assert len(rows) > 50
    own = np.concatenate([in_city(place, moments[r], scan.points[[r], :3].astype(np.float64)) for r in rows])
    end = in_city(place, 0.5, scan.points[rows, :3].astype(np.float64))
    error = np.abs(own[:, 2] - place.city.height(own[:, :2]))
    assert np.median(error) < 0.02
    moved = np.linalg.norm(place.lidar_motion(np.array([0.5])).origin - place.lidar_motion(np.array([0.45])).origin)
    assert np.abs(np.linalg.norm(own - end, axis=1).max() - moved) < 0.3 * moved + 0.01


def test_the_motion_within_a_turn_is_that_of_the_ego_pose():
    moments = times(HDL, 0.7)
    motion = world().lidar_motion(moments)
    assert motion.rotation.shape == (1085, 3, 3)
    for k in (0, 300, 1084):
        pose = world().ego_pose(float(moments[k]))
        expected = in_city(world(), float(moments[k]), np.zeros((1, 3)))[0]
        assert motion.origin[k] == pytest.approx(expected, abs=3e-3)
        assert motion.rotation[k] == pytest.approx(pose.rotation @ world().ego_from_lidar.rotation, abs=1e-3)


def test_points_on_a_face_of_a_box_count():
    pose = Pose((1.0, 0.0, 0.0, 0.0), (10.0, 0.0, 0.0))
    xyz = np.array([[12.0, 0, 0], [12.000001, 0, 0], [10, 1, 0.5], [10, -1, -0.5], [10, 0, 0.51]])
    assert count_inside(xyz, pose, (4.0, 2.0, 1.0)) == 3


def test_a_pose_keeps_its_rotation():
    turn = Rotation.from_euler("ZYX", [2.5, 0.1, -0.2]).as_matrix()
    pose = pose_of(turn, np.array([1.0, 2.0, 3.0]))
    assert pose.rotation == pytest.approx(turn, abs=1e-15)
    assert pose.apply(np.zeros((1, 3))).tolist() == [[1.0, 2.0, 3.0]]


def test_rounding_moves_a_pose_by_less_than_a_tenth_of_a_millimetre():
    turn = Rotation.from_euler("ZYX", [2.5, 0.1, -0.2]).as_matrix()
    pose = pose_of(turn, np.array([1.00004, -2.00002, -0.00001]))
    far = np.array([[60.0, -40.0, 3.0]])
    assert np.linalg.norm(pose.rounded().apply(far) - pose.apply(far)) < 1.2e-4
    assert str(pose.rounded().translation) == "(1.0, -2.0, 0.0)"
    assert upright(-0.7, np.zeros(3)).rotation == pytest.approx(Rotation.from_euler("z", -0.7).as_matrix())


def test_another_sensor_sees_the_same_city(same_city):
    place = same_city(SENSORS["vlp16"])
    scan = place.observe(0.5)
    assert set(scan.points[:, 4].tolist()) == set(range(16))
    assert 10_000 < len(scan.points) < 16 * 1800
    assert place.ego_pose(0.5) == world().ego_pose(0.5)
    elevation = np.degrees(np.arcsin(directions(place.sensor, np.zeros(1))[0, :, 2]))
    assert elevation == pytest.approx(place.sensor.elevations_deg)
    assert {CLASSES[label] for label in np.unique(scan.label)} >= {CLASSES[CAR], CLASSES[ROAD]}
