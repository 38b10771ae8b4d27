"""Everybody in the city keeps the rules, whatever the seed: no contact, no jam, no jump, and one history."""

import math

import numpy as np
import pytest
from traffic_scenes import NAMES, scene

from geopt.simulate.actors import Traffic, box_centre, box_size
from geopt.simulate.actors.traffic import STEP_S
from geopt.simulate.classes import CLASSES, OTHER_FLAT, ROAD, SIDEWALK

EGO_SIZE = 4.1, 1.75
DETECTION = {
    "car": ("vehicle.car",),
    "truck": ("vehicle.truck",),
    "bus": ("vehicle.bus.rigid", "vehicle.bus.bendy"),
    "trailer": ("vehicle.trailer",),
    "construction_vehicle": ("vehicle.construction",),
    "pedestrian": ("human.pedestrian.adult", "human.pedestrian.child", "human.pedestrian.construction_worker"),
    "motorcycle": ("vehicle.motorcycle",),
    "bicycle": ("vehicle.bicycle",),
    "traffic_cone": ("movable_object.trafficcone",),
    "barrier": ("movable_object.barrier",),
}


def categories(traffic: Traffic) -> np.ndarray:
    return np.array([CLASSES[figure.label] for figure in traffic.figures])


def is_vehicle(traffic: Traffic) -> np.ndarray:
    return np.array([figure.family == "vehicle" for figure in traffic.figures])


def ego_xy(traffic: Traffic, time_s: float) -> np.ndarray:
    return np.array(traffic.ego_pose(time_s).translation[:2])


# ---- contact


def rectangles(traffic: Traffic, time_s: float) -> np.ndarray:
    """(A + 1, 4, 2) corners of all boxes, that of the ego last; written apart from the code under test."""
    states, pose = traffic.states(time_s), traffic.ego_pose(time_s)
    forward = pose.rotation[:2, 0] / np.linalg.norm(pose.rotation[:2, 0])
    found = []
    for xyz, yaw, figure in zip(states.xyz, states.yaw, traffic.figures):
        length, width, _ = box_size(figure)
        turn = np.array([[math.cos(yaw), -math.sin(yaw)], [math.sin(yaw), math.cos(yaw)]])
        corner = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)]) / 2 * [length, width]
        found.append(corner @ turn.T + xyz[:2])
    left = np.array([-forward[1], forward[0]])
    middle = np.array(pose.translation[:2]) + 1.3 * forward
    along, across = EGO_SIZE[0] / 2 * forward, EGO_SIZE[1] / 2 * left
    found.append(middle + np.stack([along + across, across - along, -along - across, along - across]))
    return np.stack(found)


def do_touch(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two rectangles overlap: no side of either parts them."""
    for corner in (a, b):
        for side in (corner[1] - corner[0], corner[2] - corner[1]):
            normal = np.array([-side[1], side[0]])
            if (a @ normal).max() <= (b @ normal).min() or (b @ normal).max() <= (a @ normal).min():
                return False
    return True


def contacts(traffic: Traffic, times: np.ndarray) -> list[tuple[str, str, float]]:
    names, found = (*traffic.names, "ego"), []
    for time_s in times.tolist():
        boxes = rectangles(traffic, time_s)
        lower, upper = boxes.min(axis=1), boxes.max(axis=1)
        near = (lower[:, None] < upper[None]).all(axis=2) & (lower[None] < upper[:, None]).all(axis=2)
        for i, j in zip(*np.nonzero(np.triu(near, 1))):
            if do_touch(boxes[i], boxes[j]):
                found.append((names[i], names[j], time_s))
    return found


@pytest.mark.parametrize("seed", [0, 1])
def test_no_two_boxes_ever_overlap(seed):
    traffic = scene(seed).traffic
    assert len(traffic.figures) > 200
    assert contacts(traffic, np.arange(-2.0, 12.0, 0.25)) == []


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 8))
def test_no_two_boxes_overlap_for_a_minute(seed):
    assert contacts(scene(seed).traffic, np.arange(-2.0, 60.0, 0.25)) == []


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 6))
def test_traffic_flows_after_two_minutes(seed):
    traffic = scene(seed).traffic
    moves = [np.array([a == "vehicle.moving" for a in traffic.states(t).attribute]) for t in np.arange(0.0, 60.0, 4.0)]
    drives = np.any(moves, axis=0)
    assert drives.sum() > 45
    speeds = [np.hypot(*traffic.states(t).velocity[drives, :2].T) for t in np.arange(100.0, 120.0, 1.0)]
    assert np.mean(speeds) > 1.8
    far = np.hypot(*(traffic.states(120.0).xyz - traffic.states(60.0).xyz)[drives, :2].T)
    assert (far > 20.0).mean() > 0.75  # nobody is forgotten at a junction
    walks = np.array([a == "pedestrian.moving" for a in traffic.states(60.0).attribute])
    assert np.mean(np.array(traffic.states(119.0).attribute)[walks] == "pedestrian.moving") > 0.5


# ---- one history


def test_what_was_asked_before_does_not_change_the_history():
    city, asked = scene(0)
    asked.states(20.0)
    fresh = Traffic(0, NAMES[0], city)
    for time_s in (3.0, 1.27):
        for a, b in zip(asked.states(time_s), fresh.states(time_s)):
            assert np.array_equal(np.asarray(a), np.asarray(b))
        assert asked.ego_pose(time_s) == fresh.ego_pose(time_s)
    assert asked.names == fresh.names
    assert len(set(asked.names)) == len(asked.names)


def test_scenes_differ():
    first, second = scene(0).traffic, scene(1).traffic
    assert first.ego_pose(0.0) != second.ego_pose(0.0)
    assert {f.size_m for f in first.figures}.isdisjoint(f.size_m for f in second.figures)


def test_nobody_is_there_before_the_scene_opens():
    with pytest.raises(ValueError, match=r"time_s must be at least -2\.0, got -2\.5"):
        scene(0).traffic.states(-2.5)


# ---- motion


@pytest.mark.parametrize("seed", [0, 1])
def test_velocity_is_the_derivative_of_the_place(seed):
    traffic = scene(seed).traffic
    for time_s in (0.05, 4.33, 9.71):
        before, now, after = (traffic.states(time_s + dt) for dt in (-0.01, 0.0, 0.01))
        assert now.velocity == pytest.approx((after.xyz - before.xyz) / 0.02, abs=1e-6)


def test_nobody_jumps_from_one_step_to_the_next():
    traffic = scene(0).traffic
    person = np.array([figure.family == "pedestrian" for figure in traffic.figures])
    states = [traffic.states(t) for t in np.arange(0.0, 15.0, STEP_S) + 0.5 * STEP_S]
    for first, second in zip(states, states[1:]):
        step = np.abs(second.xyz - first.xyz)
        assert step[:, :2].max() < 15.0 * STEP_S and step[:, 2].max() < 0.09
        assert np.hypot(*step[person, :2].T).max() < 3.6 * STEP_S
        turn = (second.yaw - first.yaw + np.pi) % (2 * np.pi) - np.pi
        assert np.abs(turn).max() < 3.2 * STEP_S
        change = np.hypot(*(second.velocity - first.velocity)[is_vehicle(traffic), :2].T)
        assert change.max() < 9.0 * STEP_S


@pytest.mark.parametrize("seed", [0, 1])
def test_attributes_agree_with_motion(seed):
    traffic = scene(seed).traffic
    seen = set()
    for time_s in (0.02, 5.02, 10.02):
        states = traffic.states(time_s)
        speed = np.hypot(*states.velocity[:, :2].T)
        for figure, attribute, v in zip(traffic.figures, states.attribute, speed):
            seen.add(attribute)
            if figure.family == "vehicle":
                assert (attribute == "vehicle.moving") == (v > 0.1)
                assert attribute in ("vehicle.moving", "vehicle.stopped", "vehicle.parked")
            elif figure.family == "cycle":
                assert attribute == ("cycle.with_rider" if figure.has_rider else "cycle.without_rider")
                assert figure.has_rider or v == 0.0
            elif figure.family == "pedestrian":
                assert (attribute == "pedestrian.moving") == (v > 0.1)
                assert attribute.startswith("pedestrian.")
            else:
                assert attribute == ""
    assert {"vehicle.moving", "vehicle.stopped", "vehicle.parked", "pedestrian.moving", "pedestrian.standing"} <= seen
    assert "cycle.without_rider" in seen


def test_parked_vehicles_stay_where_they_are():
    traffic = scene(0).traffic
    first, later = traffic.states(0.0), traffic.states(15.0)
    parked = np.array([a == "vehicle.parked" for a in first.attribute])
    assert parked.sum() > 10
    assert np.array_equal(first.xyz[parked], later.xyz[parked])
    assert np.array_equal(first.yaw[parked], later.yaw[parked])


@pytest.mark.parametrize("seed", [0, 1])
def test_vehicles_look_where_they_drive_stop_and_go_again_and_turn(seed):
    traffic = scene(seed).traffic
    moves = np.array(["moving" in a or "stopped" in a for a in traffic.states(0.0).attribute]) & is_vehicle(traffic)
    speed, yaw = [], []
    for time_s in np.arange(0.05, 20.0, 0.5):
        states = traffic.states(time_s)
        v = np.hypot(*states.velocity[moves, :2].T)
        ahead = states.velocity[moves, 0] * np.cos(states.yaw[moves]) + states.velocity[moves, 1] * np.sin(
            states.yaw[moves]
        )
        assert (ahead >= 0.94 * v)[v > 0.5].all()
        speed.append(v)
        yaw.append(states.yaw[moves])
    history = np.array(speed)
    assert history.max() < 16.0
    assert np.percentile(history.max(axis=0), 80) > 5.0
    stopped = history < 0.05
    assert (stopped[:20].any(axis=0) & (history[20:] > 2.0).any(axis=0)).sum() >= 3
    turned = np.abs(np.sum((np.diff(yaw, axis=0) + np.pi) % (2 * np.pi) - np.pi, axis=0))
    assert (turned > 1.0).sum() >= 3


@pytest.mark.parametrize("seed", [0, 1])
def test_vehicles_keep_to_the_road_and_walkers_to_walks_and_crosswalks(seed):
    city, traffic = scene(seed)
    ways = [(walk, walk.width_m + 0.2) for walk in city.walks] + [(way, way.width_m + 0.3) for way in city.crossings]
    lines = np.concatenate([way.point(np.arange(0.0, way.length_m, 0.2)) for way, _ in ways])
    limit = np.concatenate([np.full(len(np.arange(0.0, way.length_m, 0.2)), width) for way, width in ways])
    is_walk = np.arange(len(lines)) < sum(len(np.arange(0.0, walk.length_m, 0.2)) for walk in city.walks)
    person = np.array([figure.family == "pedestrian" for figure in traffic.figures])
    num_crossing = 0
    for time_s in np.arange(0.0, 20.0, 2.0):
        states = traffic.states(time_s)
        surface = city.surface(states.xyz[:, :2])
        drives = np.array([a == "vehicle.moving" for a in states.attribute])
        assert (surface[drives] == ROAD).all()
        walks = np.array([a == "pedestrian.moving" for a in states.attribute]) & person
        for xy in states.xyz[walks & ~np.char.startswith(traffic.names, "pushed"), :2]:
            beyond = np.hypot(*(lines - xy).T) - limit
            assert beyond.min() < 0.12
            num_crossing += beyond[is_walk].min() > 0.12
        assert np.isin(surface[walks], [SIDEWALK, OTHER_FLAT, ROAD]).mean() > 0.7
    assert num_crossing > 0


# ---- boxes and ground


def test_boxes_are_larger_than_their_figures():
    for figure in scene(0).traffic.figures[::7]:
        size, centre = np.array(box_size(figure)), box_centre(figure, np.array([1.0, 2.0, 3.0]))
        vertices = figure.mesh(0.7).vertices + (1.0, 2.0, 3.0)
        assert (centre + size / 2 - vertices.max(axis=0) > [0.0499, 0.0499, 0.0499]).all()
        assert (vertices.min(axis=0) - (centre - size / 2) > [0.0499, 0.0499, 0.0199]).all()


@pytest.mark.parametrize("time_s", [0.0, 7.37])
def test_no_ground_reaches_into_a_box(time_s):
    city, traffic = scene(1)
    states = traffic.states(time_s)
    for row, figure in enumerate(traffic.figures):
        length, width, _ = box_size(figure)
        x, y = (
            part.ravel()
            for part in np.meshgrid(np.linspace(-length, length, 21) / 2, np.linspace(-width, width, 9) / 2)
        )
        cos, sin = np.cos(states.yaw[row]), np.sin(states.yaw[row])
        places = states.xyz[row, :2] + np.stack([x * cos - y * sin, x * sin + y * cos], axis=1)
        clear = states.xyz[row, 2] - city.height(places).max()
        assert clear > 0.024, traffic.names[row]  # the box begins 0.02 m below its mesh
        assert clear < 0.25, traffic.names[row]


@pytest.mark.parametrize("seed", [0, 1])
def test_the_ego_stands_on_its_wheels_on_the_road(seed):
    city, traffic = scene(seed)
    wheels = np.array([(0, 0.75, 0), (0, -0.75, 0), (2.6, 0.75, 0), (2.6, -0.75, 0), (1.3, 0, 0)], dtype=float)
    tilts = []
    for time_s in np.arange(0.0, 20.0, 0.5):
        pose = traffic.ego_pose(time_s)
        places = pose.apply(wheels)
        assert np.abs(places[:, 2] - city.height(places[:, :2])).max() < 0.04
        assert (city.surface(places[:, :2]) == ROAD).all()
        tilts.append(pose.rotation[2, :2])
    assert np.ptp(np.array(tilts), axis=0).min() > 1e-4
    path = np.array([ego_xy(traffic, t) for t in np.arange(0.0, 40.0, 0.5)])
    assert np.hypot(*np.diff(path, axis=0).T).sum() > 15.0


# ---- who is there


@pytest.mark.long
@pytest.mark.parametrize("seed", [0, 1])
def test_four_scenes_show_everything_near_the_ego(seed):
    near, shares, counts, people = set(), [], [], []
    for name in NAMES:
        traffic = scene(seed, name).traffic
        kinds, vehicles = categories(traffic), is_vehicle(traffic)
        for time_s in np.arange(0.0, 10.1, 0.5):
            states = traffic.states(time_s)
            away = np.hypot(*(states.xyz[:, :2] - ego_xy(traffic, time_s)).T)
            counts.append((away < 50.0).sum())
            people.append((np.char.startswith(kinds, "human") & (away < 50.0)).sum())
            near |= set(kinds[away < 50.0])
            moving = np.hypot(*states.velocity[:, :2].T) > 0.5
            shares.append(moving[vehicles & (away < 60.0)].mean())
    assert {label for label, members in DETECTION.items() if near.isdisjoint(members)} == set()
    assert len(near) >= 19
    assert np.mean(shares) > 1 / 3
    assert min(counts) >= 15 and 25 < np.mean(counts) < 90
    assert np.mean(people) > 5


def test_strollers_are_pushed():
    for seed in (0, 1):
        traffic = scene(seed).traffic
        rows = [k for k, name in enumerate(traffic.names) if name.startswith("pushed/")]
        for time_s in (0.0, 5.0):
            states = traffic.states(time_s)
            adults = np.array([k for k, figure in enumerate(traffic.figures) if figure.kind == "adult"])
            for row in rows:
                gap = states.xyz[row, :2] - states.xyz[adults, :2]
                nearest = adults[np.hypot(*gap.T).argmin()]
                forward = np.array([np.cos(states.yaw[row]), np.sin(states.yaw[row])])
                away = states.xyz[row, :2] - states.xyz[nearest, :2]
                assert away @ forward == pytest.approx(np.hypot(*away), rel=0.02)
                assert np.hypot(*away) < 1.3
