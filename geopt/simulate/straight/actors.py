"""Who is on the street and where at what time: parked, waiting and driving vehicles, pedestrians, cones, the ego."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator

import numpy as np

from geopt.simulate.classes import BUS, CAR, CLASSES, CONE, EGO, PEDESTRIAN, TRUCK
from geopt.simulate.meshes import Mesh
from geopt.simulate.straight.road import Floats, Road, stream
from geopt.simulate.straight.shapes import bus, car, cone, ego_roof, pedestrian, truck

Kinds = tuple[tuple[int, Callable[[np.random.Generator], Mesh], float], ...]
"""(class, shape, share) of the vehicles to draw from."""

BOX_MARGIN_M = 0.05  # at the sides and above: 2.5 times the range noise
BOX_BELOW_M = 0.02
STANDS_ABOVE_M = 0.03  # over the highest ground under the box, so that no ground return lies in it
CARS: Kinds = ((CAR, car, 1.0),)
TRAFFIC: Kinds = ((CAR, car, 0.85), (TRUCK, truck, 0.1), (BUS, bus, 0.05))
CAR_SPACING_M = 20.0  # the longest bus, 5 m of jitter and 2 m between bumpers


@dataclasses.dataclass(frozen=True)
class Actor:
    """One object with a box; it keeps its d and moves along s."""

    name: str
    label: int
    attribute: str
    """nuScenes attribute, or "" where the category has none."""
    s0: float
    d: float
    speed_mps: float
    """Along s; negative towards -x."""
    yaw_offset_rad: float
    """From the direction of the street."""
    shape: Callable[[float], Mesh]
    """Mesh at a time in seconds, in the actor's own frame."""
    size_m: tuple[float, float, float]
    """Length, width, height of the box, which holds the mesh at all times with a margin."""

    @property
    def category(self) -> str:
        return CLASSES[self.label]

    def pose(self, road: Road, time_s: float) -> tuple[Floats, float]:
        """Where the mesh's origin is, (3,) metres, and its yaw in radians, in the street frame."""
        s = self.s0 + self.speed_mps * time_s
        yaw = road.heading(s) + self.yaw_offset_rad
        point = road.point(s, self.d)
        half_length, half_width = self.size_m[0] / 2, self.size_m[1] / 2
        along, across = half_length * np.array([1, 1, 0, -1, -1]), half_width * np.array([1, -1, 0, -1, 1])
        x = point[0] + along * np.cos(yaw) - across * np.sin(yaw)
        y = point[1] + along * np.sin(yaw) + across * np.cos(yaw)
        point[2] = road.height(x, y - road.centre(x)).max() + STANDS_ABOVE_M
        return point, yaw

    def mesh(self, road: Road, time_s: float) -> Mesh:
        """The mesh where it is at a time, in the street frame."""
        point, yaw = self.pose(road, time_s)
        return self.shape(time_s).moved(point, yaw)

    def box_centre(self, road: Road, time_s: float) -> tuple[Floats, float]:
        """Centre of the box (3,) metres and its yaw in radians, in the street frame."""
        point, yaw = self.pose(road, time_s)
        return point + (0.0, 0.0, self.size_m[2] / 2 - BOX_BELOW_M), yaw


def _still(mesh: Mesh) -> Callable[[float], Mesh]:
    return lambda time_s: mesh


def _box_around(meshes: list[Mesh]) -> tuple[float, float, float]:
    """Size of the box about the origin's vertical that holds all meshes and the margin."""
    vertices = np.concatenate([m.vertices for m in meshes])
    length, width = 2 * (np.abs(vertices[:, :2]).max(axis=0) + BOX_MARGIN_M)
    return float(length), float(width), float(vertices[:, 2].max() + BOX_MARGIN_M + BOX_BELOW_M)


def _vehicle(
    rng: np.random.Generator, name: str, s: float, d: float, speed: float, attribute: str, yaw: float, kinds: Kinds
) -> Actor:
    """A vehicle of a drawn kind."""
    label, make, _ = kinds[rng.choice(len(kinds), p=[share for _, _, share in kinds])]
    mesh = make(np.random.default_rng(rng.integers(2**63)))
    return Actor(name, label, attribute, s, d, speed, yaw, _still(mesh), _box_around([mesh]))


def ego_vehicle(seed: int, scene: str, road: Road, speed_mps: float) -> Actor:
    """The car that carries the sensor; its frame starts below the rear axle, at s = 0 when the time is 0."""
    lane = int(stream(seed, scene, "ego").integers(road.lanes))
    mesh = ego_roof()
    d = road.lane_centre(lane, direction=1)
    return Actor("ego", EGO, "", 0.0, d, speed_mps, 0.0, _still(mesh), _box_around([mesh]))


def build_actors(seed: int, scene: str, road: Road, ego: Actor, duration_s: float) -> list[Actor]:
    """Everybody but the ego, by (seed, scene) only; a longer duration adds actors at the street's far end."""
    actors: list[Actor] = []
    for side in (-1, 1):
        actors += _parked(stream(seed, scene, "parked", side), road, side)
        actors += _walkers(stream(seed, scene, "walkers", side), road, side)
        for lane in range(road.lanes):
            actors += _driving(seed, scene, road, side, lane, ego, duration_s)
    actors += _waiting(stream(seed, scene, "waiting"), road)
    actors += _cones(stream(seed, scene, "cones"), road)
    return actors


def _parked(rng: np.random.Generator, road: Road, side: int) -> Iterator[Actor]:
    share, s = rng.uniform(0.2, 0.9), road.start_m
    d = side * (road.half_width_m - road.parking_m / 2)
    yaw = 0.0 if side < 0 else np.pi
    while s < road.end_m:
        is_taken, turn = rng.uniform() < share, rng.normal(scale=0.015)
        actor = _vehicle(rng, f"parked{side}/{s:.2f}", s, d, 0.0, "vehicle.parked", yaw + turn, CARS)
        length = actor.size_m[0]
        if is_taken and not road.is_near_junction(np.linspace(s, s + length, 9), 3.0).any():
            yield dataclasses.replace(actor, s0=s + length / 2)
        s += length + rng.uniform(0.6, 2.5)


def _driving(seed: int, scene: str, road: Road, side: int, lane: int, ego: Actor, duration_s: float) -> Iterator[Actor]:
    """One lane's traffic, all at one speed, so that nobody runs into anybody; the ego's lane moves with it."""
    rng, direction = stream(seed, scene, "driving", side, lane), -side
    d = road.lane_centre(lane, direction)
    is_ego_lane = abs(d - ego.d) < 0.1
    speed = ego.speed_mps if is_ego_lane else direction * rng.uniform(4.0, 12.0)
    density = rng.uniform(0.2, 0.7)
    travel = speed * duration_s  # cars must stand so far behind the street's ends that new ones keep arriving
    first, last = road.start_m - max(travel, 0.0), road.end_m - min(travel, 0.0)
    for place in range(round(first / CAR_SPACING_M), round(last / CAR_SPACING_M)):
        rng = stream(seed, scene, "driving", side, lane, place)
        s = CAR_SPACING_M * place + rng.uniform(-2.5, 2.5)
        if rng.uniform() < density and not (is_ego_lane and place == 0):
            yaw = 0.0 if direction > 0 else np.pi
            yield _vehicle(rng, f"driving{side}/{lane}/{place}", s, d, speed, "vehicle.moving", yaw, TRAFFIC)


def _waiting(rng: np.random.Generator, road: Road) -> Iterator[Actor]:
    """Cars that wait in the side streets, nose to the main street."""
    for middle, half in road.junctions:
        for side in (-1, 1):
            if rng.uniform() < 0.6:
                d = side * (road.half_width_m + road.sidewalk_m + rng.uniform(3.0, 11.0))
                s = middle - side * half / 2  # right-hand traffic there too
                yaw = -side * np.pi / 2 - road.heading(s)
                yield _vehicle(rng, f"waiting{side}/{middle:.2f}", s, d, 0.0, "vehicle.stopped", yaw, CARS)


def _walkers(rng: np.random.Generator, road: Road, side: int) -> Iterator[Actor]:
    """Pedestrians behind the strip with trees and lamps, each on a line of their own."""
    spacing, s = rng.uniform(5.0, 18.0), road.start_m
    while s < road.end_m:
        d = side * (road.half_width_m + rng.uniform(1.4, road.sidewalk_m - 0.3))
        speed = rng.uniform(0.7, 1.7) * rng.choice([-1.0, 0.0, 1.0], p=[0.38, 0.24, 0.38])
        figure = rng.uniform(1.45, 1.95), rng.uniform(0.85, 1.25), rng.uniform(0.1, 0.6)
        phase = rng.uniform(0.0, 2 * np.pi)
        yaw = (0.0 if speed > 0 else np.pi) if speed else rng.uniform(-np.pi, np.pi)
        stride = 0.45 if speed else 0.05
        step_rate = np.pi * abs(speed) / 0.75  # a step of 0.75 m is half a swing
        size = _box_around([pedestrian(*figure, swing) for swing in (0.0, stride, -stride)])
        shape = functools.partial(_striding, figure, stride, step_rate, phase)
        attribute = "pedestrian.moving" if speed else "pedestrian.standing"
        yield Actor(f"walker{side}/{s:.2f}", PEDESTRIAN, attribute, s, d, speed, yaw, shape, size)
        s += spacing * rng.uniform(0.3, 1.7)


def _striding(figure: tuple[float, float, float], stride: float, rate: float, phase: float, time_s: float) -> Mesh:
    return pedestrian(*figure, stride * np.sin(rate * time_s + phase))


def _cones(rng: np.random.Generator, road: Road) -> Iterator[Actor]:
    """Here and there a row of cones along the parking strip's edge."""
    s = road.start_m + rng.uniform(0.0, 60.0)
    while s < road.end_m:
        side, height = int(rng.choice([-1, 1])), rng.uniform(0.5, 0.9)
        mesh = cone(height)
        for number in range(int(rng.integers(3, 7))):
            place = s + 2.5 * number
            d = side * (road.half_width_m - road.parking_m - 0.05)  # between parked cars and passing buses
            yield Actor(f"cone{side}/{place:.2f}", CONE, "", place, d, 0.0, 0.0, _still(mesh), _box_around([mesh]))
        s += rng.uniform(60.0, 140.0)
