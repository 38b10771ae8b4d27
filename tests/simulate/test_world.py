"""The world that is ray-cast: ground, rays, actors and their boxes, whatever the seed."""

import functools
import itertools

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from geopt.simulate.classes import CAR, EGO, ROAD, SIDEWALK
from geopt.simulate.meshes import STATIC, box, merged
from geopt.simulate.sensor import Caster, SensorConfig
from geopt.simulate.world import Pose, World, count_inside, pose_of

pytest.importorskip("embreex")

CONFIG = SensorConfig()


@functools.cache
def world(seed: int = 0, name: str = "scene-0061", duration_s: float = 2.0) -> World:
    return World(seed, name, duration_s, CONFIG)


def in_street(place: World, time_s: float, xyz: np.ndarray) -> np.ndarray:
    return place.ego_pose(time_s).apply(place.ego_from_lidar.apply(xyz))


def test_ground_returns_lie_on_the_ground_within_the_range_noise():
    scan = world().observe(0.5)
    xyz = scan.points[:, :3].astype(np.float64)
    street = in_street(world(), 0.5, xyz)
    s, d = street[:, 0], street[:, 1] - world().road.centre(street[:, 0])
    origin = in_street(world(), 0.5, np.zeros((1, 3)))
    along_ray = (street - origin) / np.linalg.norm(xyz, axis=1, keepdims=True)
    for label in (ROAD, SIDEWALK):
        chosen = (scan.label == label) & (np.linalg.norm(xyz, axis=1) < 20) & ~at_kerb(s, d)
        assert chosen.sum() > 400
        error_m = (street[:, 2] - world().road.height(s, d))[chosen] / along_ray[chosen, 2]
        assert abs(error_m.mean()) < 0.005
        assert 0.8 * CONFIG.range_noise_m < error_m.std() < 1.5 * CONFIG.range_noise_m


def at_kerb(s: np.ndarray, d: np.ndarray) -> np.ndarray:
    road = world().road
    edges = [np.abs(np.abs(d) - road.half_width_m), np.abs(np.abs(d) - road.half_width_m - road.sidewalk_m)]
    edges += [
        np.abs(np.abs(s - middle) - half - extra) for middle, half in road.junctions for extra in (0, road.sidewalk_m)
    ]
    return np.min(edges, axis=0) < 0.15


def test_points_have_the_rings_ranges_and_intensities_of_the_sensor():
    points = world().observe(0.0).points
    assert 20_000 < len(points) < 34_720
    ring, distance = points[:, 4], np.linalg.norm(points[:, :3], axis=1)
    assert set(ring.tolist()) == set(range(32))
    expected = np.linspace(CONFIG.lowest_deg, CONFIG.highest_deg, 32)[ring.astype(int)]
    assert np.abs(np.degrees(np.arcsin(points[:, 2] / distance)) - expected).max() < 1e-3
    assert distance.max() < CONFIG.max_range_m + 6 * CONFIG.range_noise_m
    assert np.array_equal(points[:, 3], np.clip(np.rint(points[:, 3]), 0, 255))
    assert len(np.unique(points[:, 3])) > 30


def test_the_vehicle_does_not_see_itself_but_hides_the_ground_around_it():
    scan = world().observe(0.0)
    ego = world().ego_from_lidar.apply(scan.points[:, :3].astype(np.float64))
    assert EGO not in scan.label
    assert np.linalg.norm(ego[:, :2] - world().ego_from_lidar.translation[:2], axis=1).min() > 2.0
    counts = np.bincount(scan.points[:, 4].astype(int), minlength=32)
    assert counts[0] < 0.35 * CONFIG.num_columns < 0.9 * counts[12]


def test_the_lidar_looks_forward_along_its_y_axis():
    assert world().ego_from_lidar.rotation[:, 1] @ [1, 0, 0] > 0.99
    assert world().ego_from_lidar.rotation[:, 0] @ [0, -1, 0] > 0.99


def test_a_longer_scene_begins_the_same():
    longer = world(duration_s=6.0)
    assert len(longer.actors) > len(world().actors)
    assert np.array_equal(longer.observe(1.5).points, world().observe(1.5).points)


def test_scenes_differ():
    first, second = world(), world(name="scene-0553")
    assert first.road.junctions != second.road.junctions
    assert first.road.half_width_m != second.road.half_width_m
    assert not {(a.name, a.size_m) for a in first.actors} & {(a.name, a.size_m) for a in second.actors}
    assert not np.array_equal(first.observe(0.0).points, second.observe(0.0).points)


@pytest.mark.parametrize("seed", range(4))
def test_every_mesh_stays_in_its_box_with_two_centimetres_to_spare(seed):
    place = world(seed)
    for actor, time_s in itertools.product(place.actors, (0.0, 0.35, 1.9)):
        centre, yaw = actor.box_centre(place.road, time_s)
        local = Rotation.from_euler("z", -yaw).apply(actor.mesh(place.road, time_s).vertices - centre)
        assert (np.abs(local).max(axis=0) <= np.array(actor.size_m) / 2 - 0.0199).all(), actor.name


@pytest.mark.parametrize("seed", range(4))
def test_vehicles_do_not_run_into_each_other(seed):
    place = world(seed, duration_s=8.0)
    vehicles = [a for a in place.actors if not a.category.startswith("human")]
    assert len(vehicles) > 30
    for time_s in (0.0, 3.0, 8.0):
        boxes = [(a.name, *a.pose(place.road, time_s), a.size_m) for a in vehicles]
        ego_s = place.ego.speed_mps * time_s + 1.35  # middle of a car of 4.1 x 1.75 m whose rear axle is the ego's
        boxes.append(("ego", place.road.point(ego_s, place.ego.d), place.road.heading(ego_s), (4.1, 1.75, 1.5)))
        for first, second in itertools.combinations(boxes, 2):
            if np.linalg.norm((first[1] - second[1])[:2]) < 13.0:
                assert not overlap(first[1:], second[1:]), f"{first[0]} and {second[0]} at {time_s} s"


def overlap(first: tuple, second: tuple) -> bool:
    """Whether two rectangles overlap: no edge direction separates them."""
    corners = []
    for centre, yaw, (length, width, _) in (first, second):
        turn = np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])
        corners.append(np.array([(1, 1), (1, -1), (-1, -1), (-1, 1)]) / 2 * [length, width] @ turn.T + centre[:2])
    for yaw in (first[1], second[1]):
        for axis in ((np.cos(yaw), np.sin(yaw)), (-np.sin(yaw), np.cos(yaw))):
            a, b = (c @ axis for c in corners)
            if a.max() < b.min() or b.max() < a.min():
                return False
    return True


def test_moving_actors_keep_their_speed_and_parked_ones_their_place():
    place = world()
    for actor in place.actors:
        (first, _), (second, _) = actor.box_centre(place.road, 0.0), actor.box_centre(place.road, 0.5)
        moved_m = np.linalg.norm((second - first)[:2])
        if actor.attribute.endswith("moving"):
            assert moved_m == pytest.approx(0.5 * abs(actor.speed_mps), rel=0.05)
            assert abs(actor.speed_mps) > 0.5
        else:
            assert moved_m == 0.0


def test_actors_face_where_they_go():
    place = world()
    movers = [a for a in place.actors if a.attribute.endswith("moving")]
    assert len(movers) > 10
    for actor in movers:
        (first, yaw), (second, _) = actor.pose(place.road, 0.0), actor.pose(place.road, 0.01)
        assert (second - first)[:2] @ [np.cos(yaw), np.sin(yaw)] > 0


def test_a_lonely_actor_is_fully_visible_and_a_hidden_one_is_not():
    place = world()
    scan = place.observe(0.0)
    share = {box.actor.name: box.visible_share for box in place.boxes(0.0, scan)}
    rays = {actor.name: scan.num_rays[row] for row, actor in enumerate(place.actors)}
    assert all((share[name] > 0) == (rays[name] > 0) for name in share)
    assert max(share.values()) > 0.95
    assert 0.0 < min(s for s in share.values() if s) < 0.4


def test_the_nearest_face_is_hit_at_the_right_distance_and_angle():
    caster = Caster(merged([box((3, -1, -1), (4, 1, 1), CAR, 0.5), box((6, -9, -9), (7, 9, 9), CAR, 0.5).owned_by(4)]))
    slanted = np.array([np.cos(0.5), np.sin(0.5), 0.0])
    distance, face, cosine = caster.cast(np.zeros(3), np.array([[1.0, 0, 0], slanted, [-1.0, 0, 0]]))
    assert distance == pytest.approx([3.0, 6.0 / np.cos(0.5), np.inf], rel=1e-6)
    assert cosine[:2] == pytest.approx([1.0, np.cos(0.5)], rel=1e-6)
    assert caster.mesh.owner[face[:2]].tolist() == [STATIC, 4]
    assert face[2] == -1


def test_points_on_a_face_of_a_box_count():
    pose = Pose((1.0, 0.0, 0.0, 0.0), (10.0, 0.0, 0.0))
    xyz = np.array([[12.0, 0, 0], [12.000001, 0, 0], [10, 1, 0.5], [10, -1, -0.5], [10, 0, 0.51]])
    assert count_inside(xyz, pose, (4.0, 2.0, 1.0)) == 3


def test_a_pose_keeps_its_rotation():
    turn = Rotation.from_euler("ZYX", [2.5, 0.1, -0.2]).as_matrix()
    pose = pose_of(turn, np.array([1.0, 2.0, 3.0]))
    assert pose.rotation == pytest.approx(turn, abs=1e-15)
    assert pose.apply(np.zeros((1, 3))).tolist() == [[1.0, 2.0, 3.0]]
