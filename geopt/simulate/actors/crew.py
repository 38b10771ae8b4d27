"""The vehicles that drive: the ego, those who share its way, and the traffic around."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from geopt.simulate.actors import cast, routes
from geopt.simulate.actors.bodies import Body, body_of
from geopt.simulate.actors.driving import Driving, Vehicle
from geopt.simulate.actors.following import Manner
from geopt.simulate.actors.junctions import Reservations
from geopt.simulate.actors.network import Network
from geopt.simulate.actors.wardrobe import Wardrobe
from geopt.simulate.meshes import Figure
from geopt.simulate.randomness import Floats, stream

EGO_BODY = Body(4.4, 2.0, 1.3)
"""The car that carries the sensor; the rear axle is 1.3 m behind the middle."""
EGO_MANNER = Manner(0.95, 12.0, 1.5, 1.9, 1.2, 2.4)
LONGEST_M, MAX_LONGEST = 15.0, 2
"""So many vehicles of such a length are on the road at most: junctions empty slowly behind them."""
EGO_HEAD_START_S = 8.0
NUM_DRAFTS = 16
"""Ways drawn for the ego, of which it takes the one with most to see."""
NUM_PLANNED, EGO_BEGINS = 60, 2
"""Lanes of the ego's way that others may share."""


@dataclasses.dataclass(frozen=True)
class Driver:
    """A vehicle with its figures; number 0 is the ego and has none."""

    vehicle: Vehicle
    figures: tuple[Figure, ...]


class Crew:
    """Everybody who drives, from ``begin_s`` on.

    Args:
        sights: (S, 3) places and weights of what the ego should come by.
        num_vehicles: About how many, the ego included.
        step_s: Seconds.
    """

    def __init__(
        self,
        seed: int,
        name: str,
        network: Network,
        reservations: Reservations,
        wardrobe: Wardrobe,
        sights: Floats,
        num_vehicles: int,
        step_s: float,
    ) -> None:
        self._seed, self._name, self._network, self._wardrobe = seed, name, network, wardrobe
        rng = stream(seed, name, "crew")
        wide = network.open_to(Body(11.0, 3.0, 3.2))
        drafts = [routes.ego_route(network, stream(seed, name, "ego", k), NUM_PLANNED, wide) for k in range(NUM_DRAFTS)]
        way = routes.liveliest(network, drafts, sights)
        self._guide = [*routes.before(network, way[0], wide), *way]
        """Lanes of the ego's way, the lane behind its first and the connector from there before them."""
        self.focus: Floats = network.middle[way[0]]
        """Where the ego is, about."""
        self.drivers: list[Driver] = []
        self._shares_way: dict[int, int] = {}
        self._open: list[frozenset[int]] = []
        self._queues: Sequence[Sequence[object]] = [()] * len(network.next)
        self._fill(rng, num_vehicles)
        signs = frozenset(k for k in range(len(network.grounds)) if stream(seed, name, "sign", k).uniform() < 0.05)
        self.driving = Driving(network, reservations, [d.vehicle for d in self.drivers], self._choose, signs, step_s)
        self._queues = self.driving.queues

    @property
    def ego(self) -> Vehicle:
        """The vehicle with the sensor."""
        return self.drivers[0].vehicle

    def ahead(self, distances_m: Floats) -> Floats:
        """(N, 2) places on the ego's way, metres from the middle of the ego; its planned lanes must reach so far."""
        lanes, along = [], []
        for distance in self.ego.x + distances_m:
            slot = int(np.searchsorted(self._way_starts(), distance, side="right")) - 1
            lanes.append(self._way()[slot])
            along.append(distance - self._way_starts()[slot])
        return self._network.lines.point(np.array(lanes), np.array(along))

    def _way(self) -> list[int]:
        route, guide = self.ego.route, self._guide[EGO_BEGINS:]
        return route + (guide[len(route) :] if route == guide[: len(route)] else [])

    def _way_starts(self) -> Floats:
        lengths = np.array([self._network.length_m[lane] for lane in self._way()])
        return np.concatenate([[0.0], np.cumsum(lengths)[:-1]])

    def _choose(self, vehicle: Vehicle, options: Sequence[int]) -> int:
        """The next lane: the ego's for those who share its way, else one that leads around the ego."""
        number = vehicle.number
        at = self._shares_way.get(number, len(self._guide))
        if at < len(self._guide) and self._guide[at] in options and self._guide[at] in self._open[number]:
            self._shares_way[number] = at + 1
            return self._guide[at]
        self._shares_way.pop(number, None)
        return routes.next_lane(self._network, vehicle.rng, options, self._open[number], self.focus, self._queues)

    def _fill(self, rng: np.random.Generator, num_vehicles: int) -> None:
        """Put the ego and those before and behind it on its lane, and the others on lanes around."""
        network, starts, lane = self._network, routes.Starts(self._network), self._guide[EGO_BEGINS]
        ego = self._make(0, "")
        everywhere = np.ones(len(network.next))
        self.drivers.append(ego)  # its number is 0, but on its lane others are before it
        self._open.append(network.open_to(EGO_BODY))
        self._shares_way[0] = EGO_BEGINS + 1
        for _ in range(int(rng.integers(1, 3))):
            self._add(starts, lane, rng, cast.LEADERS, everywhere, EGO_BODY.total_m + 12.0)
        place = starts.take(lane, EGO_BODY, float(rng.uniform(6.0, 10.0)))
        if place is None:
            raise ValueError(f"Crew: the ego's first lane must have room for it, got {network.length_m[lane]} m")
        ego.vehicle.route, ego.vehicle.x, ego.vehicle.v = [lane], place.middle_m, 0.6 * network.speed_mps[lane]
        self._add(starts, lane, rng, cast.COMPANIONS, everywhere)
        for _ in range(2):
            self._add(starts, self._guide[0], rng, cast.COMPANIONS, everywhere)
        near = np.exp(-np.hypot(*(network.middle - self.focus).T) / 90.0)
        for _ in range(4 * num_vehicles):
            if len(self.drivers) >= num_vehicles:
                break
            self._add(starts, -1, rng, cast.MOVING, near)

    def _add(
        self,
        starts: routes.Starts,
        lane: int,
        rng: np.random.Generator,
        shares: Mapping[str, float],
        near: Floats,
        keep_m: float = 0.5,
    ) -> None:
        """One more vehicle on a lane, -1 for any, if there is room and it gets through the junctions from there."""
        network = self._network
        kind = cast.draw_kind(shares, rng)
        num_longest = sum(driver.vehicle.body.total_m > LONGEST_M for driver in self.drivers)
        if kind in cast.LONGEST and num_longest >= MAX_LONGEST:
            kind = "car"
        driver = self._make(len(self.drivers), kind)
        is_open = network.open_to(driver.vehicle.body)
        rows = [row for row in (network.roads if lane < 0 else [lane]) if row in is_open]
        if not rows:
            return
        row = rows[routes.weighted(rng, [near[row] * network.length_m[row] for row in rows])]
        placed = starts.take(row, driver.vehicle.body, float(rng.uniform(7.0, 16.0)), keep_m)
        if placed is not None:
            self._begin(driver, placed)

    def _begin(self, driver: Driver, place: routes.Start) -> None:
        """Let a driver begin at a place."""
        vehicle = driver.vehicle
        vehicle.route, vehicle.x = [place.lane], place.middle_m
        vehicle.v = min(0.6 * self._network.speed_mps[place.lane], vehicle.manner.top_mps)
        self.drivers.append(driver)
        self._open.append(self._network.open_to(vehicle.body))
        if place.lane in (self._guide[0], self._guide[EGO_BEGINS]):
            self._shares_way[vehicle.number] = self._guide.index(place.lane) + 1

    def _make(self, number: int, kind: str) -> Driver:
        """A vehicle of a kind, nowhere yet; "" is the ego."""
        rng = stream(self._seed, self._name, "vehicle", number)
        if not kind:
            return Driver(Vehicle(number, EGO_BODY, EGO_MANNER, [], [0.0], 0.0, 0.0, rng, EGO_HEAD_START_S), ())
        figures: tuple[Figure, ...] = (self._wardrobe.draw(kind, rng),)
        if kind == "tractor":
            figures = (*figures, self._wardrobe.draw("trailer", rng))
        pauses = cast.PAUSES.get(kind, 0.01)
        manner = cast.draw_manner(kind, rng)
        return Driver(Vehicle(number, body_of(*figures), manner, [], [0.0], 0.0, 0.0, rng, pauses=pauses), figures)
