"""Beams, first hits and what comes back, on scenes of a few boxes whose answers can be written down."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from geopt.simulate.classes import CAR, EGO, MANMADE, ROAD, TRUCK
from geopt.simulate.meshes import STATIC, box, merged, sheet
from geopt.simulate.sensor import (
    SENSORS,
    Caster,
    Motion,
    Mover,
    Sensor,
    azimuths,
    directions,
    draw_light,
    scan,
    sensor,
    times,
)
from geopt.simulate.sensor.beams import window
from geopt.simulate.sensor.light import returns
from geopt.simulate.sensor.models import faintest, gain

pytest.importorskip("embreex")

HDL = SENSORS["hdl32e"]
PLAIN = draw_light(HDL, np.random.default_rng(0))._replace(ring_gain=np.ones(32))
NOTHING = Caster(merged([]))
STILL = Motion(np.eye(3)[None], np.zeros((1, 3)))


def room(half_m: float, reflectance: float = 0.5, label: int = MANMADE) -> Caster:
    """A cube about the origin, seen from within."""
    return Caster(box([-half_m] * 3, [half_m] * 3, label, reflectance))


def turn(static: Caster, movers: list[Mover] = (), lidar: Motion = STILL, body: Caster = NOTHING, model: Sensor = HDL):
    return scan(model, PLAIN, azimuths(model, 3.0), lidar, static, body, movers, len(movers), np.random.default_rng(0))


def about_z(angle_rad) -> Rotation:
    return Rotation.from_rotvec(np.asarray(angle_rad)[:, None] * [0.0, 0.0, 1.0])


def mover(mesh, origin, yaw_rad=0.0, owner=0) -> Mover:
    """A mesh at a place, (3,) or one for each column."""
    lower, upper = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    place = np.atleast_2d(np.asarray(origin, dtype=float))
    rotation = about_z(np.broadcast_to(yaw_rad, len(place))).as_matrix()
    return Mover(
        owner, Caster(mesh), Motion(rotation, place), (lower + upper) / 2, float(np.linalg.norm(upper - lower)) / 2
    )


def test_the_nearest_face_is_hit_at_the_right_distance_and_angle():
    caster = Caster(merged([box((3, -1, -1), (4, 1, 1), CAR, 0.5), box((6, -9, -9), (7, 9, 9), TRUCK, 0.5)]))
    slanted = np.array([np.cos(0.5), np.sin(0.5), 0.0])
    found = caster.cast(np.zeros((1, 3)), np.array([[1.0, 0, 0], slanted, [-1.0, 0, 0]]))
    assert found.distance == pytest.approx([3.0, 6.0 / np.cos(0.5), np.inf], rel=1e-6)
    assert found.cosine[:2] == pytest.approx([1.0, np.cos(0.5)], rel=1e-6)
    assert caster.label[found.face[:2]].tolist() == [CAR, TRUCK]
    assert found.face[2] == -1


@pytest.mark.parametrize("name", SENSORS)
def test_sensors_look_as_their_data_sheets_say(name):
    model = sensor(name)
    rings, columns, lowest, highest = {
        "hdl32e": (32, 1085, -30.67, 10.67),
        "hdl64e": (64, 2083, -24.33, 2.0),
        "waymo-top": (64, 2650, -17.6, 2.4),
        "vlp16": (16, 1800, -15.0, 15.0),
        "vlp32c": (32, 1800, -25.0, 15.0),
        "pandar64": (64, 1800, -25.0, 15.0),
        "os1-64": (64, 1024, -22.5, 22.5),
    }[name]
    assert (model.num_rings, model.num_columns) == (rings, columns)
    assert (model.elevations_deg[0], model.elevations_deg[-1]) == pytest.approx((lowest, highest), abs=0.01)
    assert round(0.5 / model.turn_s, 9) % 1 == 0  # whole turns between key frames


def test_an_unknown_sensor_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"sensor must be one of hdl32e, .*, got 'radar'"):
        sensor("radar")


def test_beams_turn_clockwise_and_point_where_their_ring_says():
    azimuth = azimuths(HDL, 1.0)
    rays = directions(HDL, azimuth)
    assert rays.shape == (1085, 32, 3)
    assert np.linalg.norm(rays, axis=-1) == pytest.approx(1.0)
    assert np.degrees(np.arcsin(rays[7, :, 2])) == pytest.approx(HDL.elevations_deg)
    step = np.cross(rays[:-1, 10], rays[1:, 10])
    assert (step[:, 2] < 0).all()
    assert azimuth[0] - azimuth[-1] == pytest.approx(2 * np.pi * 1084 / 1085)
    assert times(HDL, 5.0)[[0, -1]] == pytest.approx([5.0 - 0.05 * 1084 / 1085, 5.0])


@pytest.mark.parametrize(
    "place", [(8.0, 1.0, -1.0), (-5.0, 0.1, 0.5), (-5.0, -0.1, 1.5), (0.3, 0.2, -1.5), (0.0, 60.0, 4.0)]
)
def test_the_window_of_a_ball_holds_all_rays_that_meet_it(place):
    azimuth = azimuths(HDL, np.pi)
    columns, rings = window(HDL, azimuth, np.array([place]), radius_m=1.2)
    rays = directions(HDL, azimuth)
    along = rays @ np.array(place)
    meets = ((along**2 >= np.dot(place, place) - 1.2**2) & (along > 0)) | (np.linalg.norm(place) < 1.2)
    in_window = np.zeros(meets.shape, dtype=bool)
    in_window[columns, rings] = True
    assert meets.any() and not (meets & ~in_window).any()
    assert in_window.sum() < 3 * meets.sum() or np.linalg.norm(place) < 2


def test_all_points_of_a_room_lie_on_its_walls_within_the_range_noise():
    seen = turn(room(8.0))
    assert len(seen.points) > 0.98 * 1085 * 32
    xyz = seen.points[:, :3].astype(np.float64)
    distance = np.linalg.norm(xyz, axis=1)
    error = distance - 8.0 / (np.abs(xyz).max(axis=1) / distance)
    assert abs(error.mean()) < 0.001
    assert error.std() == pytest.approx(HDL.range_noise_m, rel=0.03)
    expected = np.array(HDL.elevations_deg)[seen.points[:, 4].astype(int)]
    assert np.degrees(np.arcsin(xyz[:, 2] / distance)) == pytest.approx(expected, abs=1e-3)
    assert (np.diff(seen.column * 32 + seen.points[:, 4]) > 0).all()


def test_movers_hide_what_is_behind_and_know_how_much_of_them_is_hidden():
    near, far = box((-1, -1, -1), (1, 1, 1), CAR, 0.5), box((-2, -2, -2), (2, 2, 2), TRUCK, 0.5)
    free, hidden = mover(near, (5, 0, 0)), mover(far, (12, 1.0, 0), owner=1)
    together, alone = turn(room(20.0), [free, hidden]), turn(room(20.0), [hidden._replace(owner=0)])
    assert together.num_first[0] == together.num_alone[0] > 500
    assert together.num_alone[1] == alone.num_alone[0] == alone.num_first[0]
    assert 0.1 < together.num_first[1] / together.num_alone[1] < 0.6
    for row, label in ((0, CAR), (1, TRUCK)):
        assert (together.label[together.owner == row] == label).all()
    assert (together.label[together.owner == STATIC] == MANMADE).all()
    x = together.points[together.owner == 0, 0]
    assert x.min() > 3.9 and np.median(x) == pytest.approx(4.0, abs=0.01)


def test_a_mover_behind_a_wall_has_no_points():
    seen = turn(room(3.0), [mover(box((-1, -1, -1), (1, 1, 1), CAR, 0.5), (6, 0, 0))])
    assert seen.num_first[0] == 0 < seen.num_alone[0]
    assert (seen.owner == STATIC).all()


def test_the_own_body_swallows_rays_and_gives_no_points():
    body = Caster(box((1, -1, -1), (2, 1, 1), EGO, 0.5))
    seen = turn(room(8.0), [mover(box((-1, -1, -1), (1, 1, 1), CAR, 0.5), (5, 0, 0))], body=body)
    assert EGO not in seen.label and not len(seen.label[seen.label == CAR])
    assert seen.num_first[0] == seen.num_alone[0] == 0
    level = seen.points[(seen.points[:, 4] == 23), :2]
    assert not ((level[:, 0] > 0) & (np.abs(level[:, 1] / level[:, 0]) < 0.5)).any()
    assert len(level) > 800


def test_each_column_sees_the_world_from_where_the_sensor_is_then():
    moments = times(HDL, 0.0)
    path = np.stack([20.0 * moments, -3.0 * moments, 0.5 * moments], axis=1)
    yaw = about_z(0.6 * moments)
    seen = turn(room(9.0), lidar=Motion(yaw.as_matrix(), path))
    xyz = yaw[seen.column].apply(seen.points[:, :3]) + path[seen.column]
    assert np.abs(np.abs(xyz).max(axis=1) - 9.0).max() < 6 * HDL.range_noise_m
    still = np.abs(np.abs(seen.points[:, :3]).max(axis=1) - 9.0)
    assert np.median(still) > 0.1  # without the motion the walls are not where they are


def test_each_column_sees_a_mover_where_it_is_then():
    moments = times(HDL, 0.0)
    path = np.stack([np.full(len(moments), 6.0), 25.0 * moments, np.zeros(len(moments))], axis=1)
    mesh = box((-1, -2, -1), (1, 2, 1), CAR, 0.5)
    seen = turn(room(30.0), [mover(mesh, path, yaw_rad=0.3 + 2.0 * moments)])
    own = seen.owner == 0
    local = about_z(-(0.3 + 2.0 * moments))[seen.column[own]].apply(seen.points[own, :3] - path[seen.column[own]])
    assert own.sum() > 300
    assert np.abs(np.abs(local / (1, 2, 1)).max(axis=1) - 1.0).max() < 6 * HDL.range_noise_m


def hits(
    distance: float, reflectance: float, cosine: float = 1.0, label: int = MANMADE, count: int = 6400, light=PLAIN
):
    full = np.full(count, distance), np.full(count, label, dtype=np.uint8)
    return returns(HDL, light, *full, np.full(count, reflectance), np.full(count, cosine), np.random.default_rng(1))


def test_returns_are_lost_with_distance_darkness_and_slant():
    assert hits(10.0, 0.3)[0].mean() > 0.99
    assert hits(60.0, 0.3)[0].mean() > 0.2 > hits(90.0, 0.3)[0].mean()
    assert hits(60.0, 0.05)[0].mean() < 0.01
    assert hits(30.0, 0.15)[0].mean() > 0.95 > 0.5 > hits(30.0, 0.15, cosine=0.02, label=CAR)[0].mean()
    assert not hits(np.inf, 1.0)[0].any() and not hits(0.5, 1.0)[0].any() and not hits(106.0, 9.0)[0].any()
    assert hits(10.0, 0.3)[0].mean() == pytest.approx(1 - HDL.random_loss, abs=0.005)


def test_intensities_are_whole_numbers_that_follow_reflectance_and_range():
    _, _, dark = hits(8.0, 0.1)
    _, _, bright = hits(8.0, 0.4)
    _, _, dip = hits(25.0, 0.4)
    assert np.array_equal(bright, np.rint(bright)) and bright.max() <= 255
    assert np.median(bright) == pytest.approx(4 * np.median(dark), rel=0.1)
    assert np.median(dip) == pytest.approx(0.4 * np.median(bright), rel=0.1)
    assert hits(8.0, 99.0)[2].max() == 255


def test_retro_reflectors_are_brighter_than_anything_else_at_any_angle():
    wall, film = hits(8.0, 0.89)[2], hits(8.0, 0.95, cosine=0.4)[2]
    assert np.median(film) > 110 > 100 == wall.max()


def test_scenes_differ_in_lasers_and_materials_and_a_laser_keeps_its_factor():
    first, second = (draw_light(HDL, np.random.default_rng(seed)) for seed in (1, 2))
    assert not np.allclose(first.ring_gain, second.ring_gain) and not np.allclose(first.brightness, second.brightness)
    _, _, intensity = hits(8.0, 0.2, light=first)
    by_ring = np.median(intensity.reshape(-1, 32), axis=0)
    assert by_ring / np.median(by_ring) == pytest.approx(first.ring_gain / np.median(first.ring_gain), rel=0.05)
    drawn = np.log([draw_light(HDL, np.random.default_rng(seed)).ring_gain for seed in range(40)])
    assert drawn.std() == pytest.approx(HDL.laser_spread, rel=0.1)


def test_the_faintest_return_and_the_gain_pass_through_their_knots():
    assert faintest(HDL, np.array([45.0, 90.0])) == pytest.approx([10.0, 40.0])
    assert gain(HDL, np.array([1.0, 4.5, 8.0, 200.0])) == pytest.approx([0.7, 0.9, 1.0, 0.75])


def test_a_flat_ground_gives_one_circle_for_each_low_ring():
    plane = sheet(
        np.stack(np.meshgrid([-60.0, 60.0], [-60.0, 60.0], [-1.84], indexing="ij"), axis=-1)[:, :, 0], ROAD, 0.1
    )
    seen = turn(Caster(plane))
    for ring in (3, 10, 18):
        xyz = seen.points[seen.points[:, 4] == ring, :3]
        radius = 1.84 / np.tan(np.radians(-HDL.elevations_deg[ring]))
        assert np.hypot(xyz[:, 0], xyz[:, 1]) == pytest.approx(radius, abs=0.15)
    assert not (seen.points[:, 4] > 22).any()
