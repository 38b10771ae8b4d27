"""Vehicles on their lanes: who goes before whom, who waits at a junction, who goes on."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from geopt.simulate.actors import trailers
from geopt.simulate.actors.bodies import Body, enclosing
from geopt.simulate.actors.following import Manner, acceleration, approach_mps
from geopt.simulate.actors.junctions import STOP_BEFORE_M, Claim, Reservations, Sweep, Swings, Wish
from geopt.simulate.actors.lines import DIGITS, rounded
from geopt.simulate.actors.network import Network
from geopt.simulate.randomness import Floats

TOUCH_M = 0.5
"""Nobody comes nearer to the bumper before him, whatever happens."""
ROOM_M = 2.5
"""Left free behind a vehicle that has passed a junction."""
AHEAD = 5
"""Lanes that a driver plans ahead."""
WINDOW = 8
"""Lanes of a route that are looked up at once: from the last one under the tail on."""
NEVER_S = -1e9
CLEAR_M = 0.5
"""Between a long vehicle that swings over a lane and who waits there."""
TIRED_S = 12.0
"""Waiting after which a driver tries another way."""

Choose = Callable[["Vehicle", tuple[int, ...]], int]
"""Who drives, and the lanes to choose from; the lane that follows."""


@dataclasses.dataclass(eq=False)
class Vehicle:
    """Somebody who drives; places on its route are metres from where the middle of its box began."""

    number: int
    body: Body
    manner: Manner
    route: list[int]
    starts: list[float]
    """Where each lane of the route begins."""
    x: float
    """Middle of the box."""
    v: float
    rng: np.random.Generator
    """Decides only what this vehicle does, in the order in which it happens."""
    head_start_s: float = 0.0
    """Waiting that others see before it has begun, also of those before it in its lane: the ego gets through sooner."""
    pauses: float = 0.0
    """Chance to stop for a while on a road."""
    front: int = 0
    """Row of ``route`` under the nose."""
    back: int = 0
    """Row of ``route`` under the tail."""
    granted: int = -1
    """Last row of ``route`` that the driver may enter."""
    asked_s: float = NEVER_S
    has_stopped: bool = False
    pause_at_m: float = math.inf
    pause_left_s: float = 0.0
    claims: list[tuple[int, Claim, Sweep, float]] = dataclasses.field(default_factory=list)
    """Junction, claim, sweep, and where its connector begins."""

    @property
    def nose(self) -> float:
        return self.x + self.body.nose_m

    @property
    def tail(self) -> float:
        return self.x - self.body.tail_m

    def begin_of(self, lane: int) -> float:
        """Where a lane that the vehicle is on begins."""
        for slot in range(self.front, self.back - 1, -1):
            if self.route[slot] == lane:
                return self.starts[slot]
        raise ValueError(f"Vehicle.begin_of: lane must be one under vehicle {self.number}, got {lane}")


class Driving:
    """All vehicles, and one step of time for them.

    Args:
        network: Their lanes.
        reservations: Shared with those on foot.
        vehicles: Each on the lanes of its route already; no two overlap.
        choose: Picks each next lane of a route.
        stop_signs: Junctions before which everybody stops.
        step_s: Seconds.
    """

    def __init__(
        self,
        network: Network,
        reservations: Reservations,
        vehicles: list[Vehicle],
        choose: Choose,
        stop_signs: frozenset[int],
        step_s: float,
    ) -> None:
        self._network, self._reservations, self._choose = network, reservations, choose
        self.vehicles, self._stop_signs, self._step_s = vehicles, stop_signs, step_s
        self.queues: list[list[Vehicle]] = [[] for _ in network.next]
        """Vehicles on each lane in the order in which their noses came."""
        self._lanes = np.zeros((len(vehicles), WINDOW), dtype=np.int64)
        self._starts = np.zeros((len(vehicles), WINDOW))
        for vehicle in sorted(vehicles, key=lambda v: -v.x + v.starts[v.front]):
            for slot in range(vehicle.back, vehicle.front + 1):
                self.queues[vehicle.route[slot]].append(vehicle)
            vehicle.granted = max(vehicle.granted, vehicle.front)
            self._plan(vehicle)
        self._half_base = np.array([v.body.half_base_m for v in vehicles])
        self._pulling = [v for v in vehicles if v.body.trailer is not None]
        self.xy, self.yaw = self._poses()
        self.trailer_yaw = {v.number: float(self.yaw[v.number]) for v in self._pulling}

    def _plan(self, vehicle: Vehicle) -> None:
        """Make the route long enough, and note its lanes near the vehicle."""
        network = self._network
        while len(vehicle.route) < vehicle.front + AHEAD + 1:
            last = vehicle.route[-1]
            vehicle.starts.append(vehicle.starts[-1] + network.length_m[last])
            vehicle.route.append(self._choose(vehicle, network.next[last]))
        lanes = vehicle.route[vehicle.back : vehicle.back + WINDOW]
        starts = vehicle.starts[vehicle.back : vehicle.back + WINDOW]
        pad = WINDOW - len(lanes)
        self._lanes[vehicle.number] = lanes + pad * [0]
        self._starts[vehicle.number] = starts + pad * [math.inf]

    def step(self, time_s: float) -> None:
        """Move everybody by one step from ``time_s`` on."""
        speeds = [self._speed(vehicle, time_s) for vehicle in self.vehicles]
        for vehicle, speed in zip(self.vehicles, speeds):
            vehicle.v = round(speed, DIGITS)
            vehicle.x = round(vehicle.x + vehicle.v * self._step_s, DIGITS)
            self._settle(vehicle)
        old = {v.number: trailers.hitch_of(v.body.trailer, self.xy[v.number], float(self.yaw[v.number]))
               for v in self._pulling if v.body.trailer is not None}  # fmt: skip
        self.xy, self.yaw = self._poses()
        for number, before in old.items():
            trailer = self.vehicles[number].body.trailer
            assert trailer is not None
            hitch = trailers.hitch_of(trailer, self.xy[number], float(self.yaw[number]))
            self.trailer_yaw[number] = round(trailers.follow(trailer, before, hitch, self.trailer_yaw[number]), DIGITS)

    def places(self, along: Floats) -> Floats:
        """(V, 2) points of the vehicles' routes at ``along`` (V,), which must lie under or near the vehicles."""
        slot = np.clip((along[:, None] >= self._starts).sum(axis=1) - 1, 0, None)
        rows = np.arange(len(along))
        return self._network.lines.point(self._lanes[rows, slot], along - self._starts[rows, slot])

    def _poses(self) -> tuple[Floats, Floats]:
        x = np.array([v.x for v in self.vehicles])
        front, rear = self.places(x + self._half_base), self.places(x - self._half_base)
        away = front - rear
        return rounded((front + rear) / 2), rounded(np.arctan2(away[:, 1], away[:, 0]))

    def _settle(self, vehicle: Vehicle) -> None:
        """Enter and leave lanes, and give back the ground that is passed."""
        lengths, is_changed = self._network.length_m, False
        while vehicle.nose >= vehicle.starts[vehicle.front] + lengths[vehicle.route[vehicle.front]]:
            vehicle.front += 1
            is_changed = True
            self.queues[vehicle.route[vehicle.front]].append(vehicle)
            self._enter(vehicle)
        while vehicle.tail >= vehicle.starts[vehicle.back] + lengths[vehicle.route[vehicle.back]]:
            self.queues[vehicle.route[vehicle.back]].remove(vehicle)
            vehicle.back += 1
            is_changed = True
        if is_changed:
            self._plan(vehicle)
        for entry in list(vehicle.claims):
            junction, claim, sweep, begin = entry
            claim.left = sweep.at(vehicle.x - begin)
            if not claim.left:
                self._reservations.release(junction, claim)
                vehicle.claims.remove(entry)

    def _enter(self, vehicle: Vehicle) -> None:
        """The nose has come to another lane."""
        lane = vehicle.route[vehicle.front]
        if self._network.junction[lane] >= 0:
            return
        for _, claim, _, _ in vehicle.claims:
            if claim.exit == lane:
                claim.exit = -1  # it is seen in the lane now
        vehicle.asked_s, vehicle.has_stopped = NEVER_S, False
        if vehicle.pauses and self._network.length_m[lane] > 40.0:
            chance, share, patience = vehicle.rng.uniform(size=3)
            if chance < vehicle.pauses:
                vehicle.pause_at_m = vehicle.starts[vehicle.front] + (0.3 + 0.35 * share) * self._network.length_m[lane]
                vehicle.pause_left_s = 4.0 + 8.0 * patience

    def _speed(self, car: Vehicle, time_s: float) -> float:
        """Speed over the next step."""
        network, manner, v = self._network, car.manner, car.v
        slot, lane = car.front, car.route[car.front]
        nose = car.nose
        wished = min(network.speed_mps[lane] * manner.hurry, manner.top_mps)
        gap, lead, stop = math.inf, 0.0, math.inf
        queue = self.queues[lane]
        place = queue.index(car)
        is_head = True
        if place:
            other = queue[place - 1]
            gap, lead = other.tail - other.begin_of(lane) - (nose - car.starts[slot]), other.v
            is_head = other.front > other.route.index(lane, other.back) or other.granted > other.front
        ahead = car.starts[slot] + network.length_m[lane] - nose
        look = 15.0 + 2.0 * v + v * v / 3.0
        while ahead < look and is_head:
            slot += 1
            lane = car.route[slot]
            if network.junction[lane] >= 0 and slot > car.granted:
                if not self._may_pass(car, slot, ahead, time_s):
                    stop = ahead - self._setback_m(car, slot, ahead)
                    break
                car.granted = slot + 1
            wished = min(wished, approach_mps(min(network.speed_mps[lane] * manner.hurry, manner.top_mps), ahead))
            if gap == math.inf and self.queues[lane] and self.queues[lane][-1] is not car:
                other = self.queues[lane][-1]
                gap, lead = ahead + other.tail - other.begin_of(lane), other.v
            ahead += network.length_m[lane]
        if car.pause_at_m < math.inf:
            stop = min(stop, self._pause(car))
        rate = acceleration(manner, v, wished, gap, lead)
        if stop < math.inf:
            rate = min(rate, acceleration(manner, v, wished, max(stop, 0.0) + manner.gap_m - 0.3, 0.0))
        speed = max(0.0, v + rate * self._step_s)
        return min(speed, max(0.0, gap - TOUCH_M) / self._step_s, max(0.0, stop) / self._step_s)

    def _pause(self, car: Vehicle) -> float:
        """Distance to where the driver wants to stop for a while."""
        if car.v < 0.05 and car.pause_at_m - car.x < 1.0:
            car.pause_left_s -= self._step_s
            if car.pause_left_s <= 0.0:
                car.pause_at_m = math.inf
                return math.inf
        return max(0.0, car.pause_at_m - car.x)

    def _setback_m(self, car: Vehicle, slot: int, ahead: float) -> float:
        """How far before the junction a driver stops who may not pass."""
        junction = self._network.junction[car.route[slot]]
        taken, wished = self._reservations.setback_m(junction, car.route[slot - 1], car.number)
        if wished > taken and ahead > _zone_m(wished, car.v):
            taken = wished
        return max(STOP_BEFORE_M, _zone_m(taken, 0.0) + 0.1 if taken else 0.0)

    def _may_pass(self, car: Vehicle, slot: int, ahead: float, time_s: float) -> bool:
        """Whether a driver, ``ahead`` metres before a junction, gets the way through it."""
        network, reservations = self._network, self._reservations
        connector, out = car.route[slot], car.route[slot + 1]
        junction = network.junction[connector]
        if ahead > 5.0 + 0.6 * car.v + car.v * car.v / 4.0 or car.pause_at_m < math.inf:
            return False
        if junction in self._stop_signs and not car.has_stopped:
            car.has_stopped = car.v < 0.3 and ahead < 3.0
            return False
        if car.asked_s == NEVER_S:
            car.asked_s = time_s
        taken, wished = reservations.setback_m(junction, car.route[slot - 1], car.number)
        if taken or (wished and ahead > _zone_m(wished, car.v)) or not reservations.is_clear(junction, out):
            reservations.forget(junction, car.number)
            return False
        body = enclosing(car.body)
        swings = network.swings(connector, body)
        if not self._is_clear(junction, swings):
            reservations.forget(junction, car.number)
            if time_s - car.asked_s > 1.0:
                reservations.ask_to_keep_clear(junction, car.number, swings)
            if time_s - car.asked_s > TIRED_S:
                self._turn_elsewhere(car, slot, time_s)
            return False
        room = network.length_m[out]
        if self.queues[out]:
            last = self.queues[out][-1]
            room = last.tail - last.begin_of(out)
        need = car.body.total_m + ROOM_M
        if room - reservations.promised_m(junction, out) < min(need, network.length_m[out] - 1.0):
            reservations.forget(junction, car.number)
            if time_s - car.asked_s > TIRED_S:
                self._turn_elsewhere(car, slot, time_s)
            return False
        sweep = network.sweep(connector, body)
        before = car.route[slot - 1]
        head_start = max(other.head_start_s for other in self.queues[before])
        wish = Wish(car.asked_s - head_start, (before, connector), sweep.left[0], before)
        if not reservations.ask(junction, car.number, wish, time_s):
            return False
        claim = Claim(car.number, wish.way, sweep.left[0], out, need, swings)
        reservations.take(junction, claim)
        car.claims.append((junction, claim, sweep, car.starts[slot]))
        return True

    def _is_clear(self, junction: int, swings: Swings) -> bool:
        """Whether nobody is, or will soon be, in the lanes over which a long vehicle swings."""
        lengths = self._network.length_m
        for lane, reach in swings.arriving_m.items():
            for other in self.queues[lane]:
                if lengths[lane] + other.begin_of(lane) - other.nose < _zone_m(reach, other.v):
                    return False
        for lane, reach in swings.leaving_m.items():
            if self._reservations.promised_m(junction, lane):
                return False
            if any(other.tail - other.begin_of(lane) < reach + CLEAR_M for other in self.queues[lane]):
                return False
        return True

    def _turn_elsewhere(self, car: Vehicle, slot: int, time_s: float) -> None:
        """Who has waited too long tries another way, if there is one."""
        options = tuple(row for row in self._network.next[car.route[slot - 1]] if row != car.route[slot])
        car.asked_s = time_s
        lane = self._choose(car, options)
        if lane >= 0:
            del car.route[slot:], car.starts[slot:]
            car.starts.append(car.starts[-1] + self._network.length_m[car.route[-1]])
            car.route.append(lane)
            self._plan(car)


def _zone_m(reach_m: float, speed_mps: float) -> float:
    """How far before the end of a lane somebody still gets in the way of who swings over its last metres."""
    return reach_m + CLEAR_M + speed_mps * speed_mps / 4.0
