"""The parts of the city's traffic: trailers, drivers, junctions, lanes, rectangles, lines, and what is put where."""

import math

import numpy as np
import pytest
from traffic_scenes import scene

from geopt.simulate.actors import trailers
from geopt.simulate.actors.bodies import Body, body_of, enclosing
from geopt.simulate.actors.boxes import Footprints, corners, overlapping
from geopt.simulate.actors.following import Manner, acceleration
from geopt.simulate.actors.junctions import Claim, Ground, Reservations, Wish
from geopt.simulate.actors.lines import Lines
from geopt.simulate.actors.network import Network
from geopt.simulate.actors.sites import Spot, furnish
from geopt.simulate.actors.stage import Stage
from geopt.simulate.actors.wardrobe import Wardrobe
from geopt.simulate.meshes import KINDS
from geopt.simulate.randomness import stream


def test_footprints_find_the_highest_ground():
    class Step:
        def height(self, xy):
            return np.where(xy[:, 0] > 1.9, 0.15, 0.0)

    feet = Footprints(np.array([[4.0, 2.0], [4.0, 2.0]]), np.zeros(2))
    z = feet.stand(Step(), np.zeros((2, 2)), np.array([0.0, np.pi / 2]))
    assert z == pytest.approx([0.185, 0.035])


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
