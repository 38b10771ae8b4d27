"""Everybody in the city keeps the rules, whatever the seed: no contact, no jam, no jump, and one history."""

import functools
import math
from typing import NamedTuple

import numpy as np
import pytest

from geopt.simulate.actors import Traffic, box_centre, box_size, trailers
from geopt.simulate.actors.bodies import Body, body_of, enclosing
from geopt.simulate.actors.boxes import Footprints, corners, overlapping
from geopt.simulate.actors.following import Manner, acceleration
from geopt.simulate.actors.junctions import Claim, Ground, Reservations, Wish
from geopt.simulate.actors.lines import Lines
from geopt.simulate.actors.network import Network
from geopt.simulate.actors.sites import Spot, furnish
from geopt.simulate.actors.stage import Stage
from geopt.simulate.actors.traffic import STEP_S
from geopt.simulate.actors.wardrobe import Wardrobe
from geopt.simulate.city import City
from geopt.simulate.classes import CLASSES, OTHER_FLAT, ROAD, SIDEWALK
from geopt.simulate.meshes import KINDS
from geopt.simulate.randomness import stream

NAMES = ("scene-0061", "scene-0553", "scene-0103", "scene-0916")
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


class Scene(NamedTuple):
    city: City
    traffic: Traffic


@functools.cache
def scene(seed: int, name: str = NAMES[0]) -> Scene:
    city = City(seed, name)
    return Scene(city, Traffic(seed, name, city))


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


def test_footprints_find_the_highest_ground():
    class Step:
        def height(self, xy):
            return np.where(xy[:, 0] > 1.9, 0.15, 0.0)

    feet = Footprints(np.array([[4.0, 2.0], [4.0, 2.0]]), np.zeros(2))
    z = feet.stand(Step(), np.zeros((2, 2)), np.array([0.0, np.pi / 2]))
    assert z == pytest.approx([0.185, 0.035])


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


# ---- the parts


def test_a_trailer_in_a_bend_settles_where_geometry_says():
    trailer = trailers.Trailer(-4.0, 10.0, 2.6)
    radius, yaw = 20.0, np.pi / 2
    angles = np.linspace(0.0, 6 * np.pi, 6000)
    hitches = radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    for before, after in zip(hitches, hitches[1:]):
        yaw = trailers.follow(trailer, before, after, yaw)
    axle = hitches[-1] - trailer.axle_m * np.array([np.cos(yaw), np.sin(yaw)])
    assert np.hypot(*axle) == pytest.approx(math.sqrt(radius**2 - trailer.axle_m**2), abs=0.02)
    middle = trailers.middle_of(trailer, hitches[-1], yaw)
    assert np.hypot(*(hitches[-1] - middle)) == pytest.approx(trailers.DRAWBAR_M + 5.0)


MANNER = Manner(1.0, 14.0, 1.5, 2.0, 1.2, 2.0)


def test_a_driver_stops_behind_an_obstacle_without_touching_it():
    x, v, hardest = 0.0, 13.0, 0.0
    for _ in range(600):
        rate = acceleration(MANNER, v, 13.9, 100.0 - x, 0.0)
        hardest = min(hardest, rate)
        v = max(0.0, v + 0.1 * rate)
        x += 0.1 * v
    assert v < 0.05
    assert 97.0 < x < 99.9
    assert hardest > -3.5


def test_followers_keep_the_gap_of_the_model():
    v, gap = 8.0, 30.0
    for _ in range(3000):
        rate = acceleration(MANNER, v, 13.9, gap, 8.0)
        v += 0.1 * rate
        gap += 0.1 * (8.0 - v)
    assert v == pytest.approx(8.0, abs=1e-3)
    assert gap == pytest.approx((2.0 + 8.0 * 1.2) / math.sqrt(1 - (8.0 / 13.9) ** 4), rel=1e-3)


def test_ground_is_given_to_one_at_a_time_and_in_the_order_of_waiting():
    reservations = Reservations(1)
    first = Claim("a", "west to east", 0b0110)
    assert reservations.ask(0, "a", Wish(0.0, "west to east", 0b0110, "west"), 0.0)
    reservations.take(0, first)
    assert not reservations.ask(0, "b", Wish(1.0, "south to north", 0b0100, "south"), 1.0)
    assert reservations.ask(0, "c", Wish(1.0, "north to west", 0b1000, "north"), 1.0)
    assert reservations.ask(0, "d", Wish(1.0, "west to east", 0b0110, "west"), 1.0)  # follows a
    assert not reservations.ask(0, "e", Wish(15.0, "east to south", 0b1100, "east"), 15.0)
    first.left = 0b0010
    assert reservations.ask(0, "b", Wish(1.0, "south to north", 0b0100, "south"), 16.0)
    reservations.release(0, first)
    assert not reservations.ask(0, "e", Wish(15.0, "east to south", 0b1100, "east"), 16.0)  # b has waited 15 s
    reservations.forget(0, "b")
    assert reservations.ask(0, "e", Wish(15.0, "east to south", 0b1100, "east"), 16.0)


def test_a_sweep_shrinks_as_it_is_passed():
    steps = np.array([(0.3, 0.3), (1.3, 0.3), (2.3, 0.3)])
    left = Ground(np.zeros(2), 4.0).sweep([steps[:, None, :]])
    assert [cells.bit_count() for cells in left] == [3, 2, 1]
    assert left[0] & left[1] == left[1]


@pytest.mark.parametrize("kind", [(2.0, 0.8), (5.0, 2.0), (8.0, 2.7), (12.0, 3.0)])
def test_a_sweep_holds_the_body_all_the_way(kind):
    network = Network(scene(0).city)
    body = Body(*kind, 0.29 * kind[0])
    for connector in sorted(network.entry)[::9]:
        sweep = network.sweep(connector, enclosing(body))
        middle, parts = network.way(connector, body)
        ground = network.grounds[network.junction[connector]]
        for at, rim in zip(middle, parts[0].cover(0.0, 0.5)):
            rows = ground.rows(rim)
            cells = sum(1 << int(row) for row in set(rows.tolist()) if row < ground.num_cells)
            assert cells & ~sweep.at(float(at)) == 0


def test_lanes_open_to_a_body_lead_on_for_ever():
    network = Network(scene(0).city)
    everything, bus = network.open_to(Body(4.5, 2.0, 1.3)), network.open_to(Body(11.5, 3.0, 3.3))
    assert len(everything) == len(network.next)
    assert 0 < len(bus) < len(everything)
    for lane in bus:
        assert bus.intersection(network.next[lane])


def test_overlap_of_rectangles_is_exact():
    place = np.zeros((1, 2))
    square = corners(place, np.zeros(1), np.array([2.0]), np.array([2.0]))
    for gap, expected in ((0.001, False), (-0.001, True)):
        away = np.array([[1.0 + math.sqrt(2.0) + gap, 0.0]])
        turned = corners(away, np.array([np.pi / 4]), np.array([2.0]), np.array([2.0]))
        assert overlapping(square, turned).tolist() == [expected]


def test_lines_know_their_length_and_bend():
    angles = np.linspace(0.0, 2 * np.pi, 400)
    circle = Lines([10.0 * np.stack([np.cos(angles), np.sin(angles)], axis=1)], is_closed=True)
    assert circle.length_m == pytest.approx([20 * np.pi], rel=1e-3)
    s = np.array([-1.0, 0.0, 5.0, 70.0])
    place, along, bend = circle.frame(np.zeros(4, dtype=np.int64), s)
    assert place == pytest.approx(10.0 * np.stack([np.cos(s / 10), np.sin(s / 10)], axis=1), abs=0.02)
    assert along == pytest.approx(np.stack([-np.sin(s / 10), np.cos(s / 10)], axis=1), abs=0.01)
    assert bend == pytest.approx(np.full(4, 0.1), rel=0.02)


def test_things_are_put_only_where_there_is_room():
    city = scene(0).city
    network, wardrobe = Network(city), Wardrobe(0, "test")
    walks = Lines([walk.line for walk in city.walks], is_closed=True)
    stage = Stage(city, wardrobe, network.lines, walks, Lines([crossing.line for crossing in city.crossings]))
    rng = stream(0, "test")
    on_lane = network.lines.point(np.array([network.roads[0]]), np.array([20.0]))[0]
    assert stage.draw("a", "cone", rng, on_lane, 0.0) is None
    assert stage.draw("b", "cone", rng, city.walks[0].line[10], 0.0) is None
    site = next(site for site in city.sites if site.kind == "plaza")
    assert stage.draw("c", "bin", rng, site.xy, 0.0) is not None
    assert stage.draw("d", "bin", rng, site.xy + 0.3, 0.0) is None
    assert stage.draw("e", "bin", rng, site.xy + 1.5, 0.0) is not None
    spot = Spot(stage, "row", rng, site.xy + np.array([0.0, 3.0]), 0.3, 6.0, 2.0)
    assert spot.row("cone", 0.0, 1.5, 0.0) == 4


def test_mistakes_are_named():
    wardrobe = Wardrobe(0, "test")
    car, trailer = wardrobe.draw("car", stream(0, "a")), wardrobe.draw("trailer", stream(0, "b"))
    with pytest.raises(ValueError, match="body_of: figure must have a hitch to pull a trailer, got 'car' without one"):
        body_of(car, trailer)
    with pytest.raises(ValueError, match="enclosing: body must be at most"):
        enclosing(Body(30.0, 2.0, 5.0))
    city = scene(0).city
    site = city.sites[0].__class__(
        "pond", *(getattr(city.sites[0], name) for name in ("xy", "yaw", "length_m", "width_m", "outline"))
    )
    with pytest.raises(ValueError, match="furnish: site must be of a known kind, got 'pond'"):
        furnish(None, stream(0, "c"), "x", site)  # type: ignore[arg-type]


def test_every_kind_that_is_cast_exists():
    from geopt.simulate.actors import cast, parked, walking

    kinds = {
        *cast.MOVING,
        *cast.COMPANIONS,
        *cast.LEADERS,
        *cast.PARKED,
        *(k for party in walking.PARTIES for k in party),
    }
    kinds |= {kind for kind, _ in parked.GUESTS} - {"works", "loader"}
    assert kinds <= set(KINDS)
