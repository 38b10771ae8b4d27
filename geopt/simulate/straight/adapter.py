# mypy: ignore-errors
"""The straight street in the shape of a city, until the city is there."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from geopt.simulate.classes import ROAD, SIDEWALK, TERRAIN
from geopt.simulate.meshes import Mesh
from geopt.simulate.pose import Pose, pose_of
from geopt.simulate.randomness import stream
from geopt.simulate.straight.actors import BOX_BELOW_M, build_actors, ego_vehicle
from geopt.simulate.straight.road import plan_road
from geopt.simulate.straight.shapes import ego_roof
from geopt.simulate.straight.street import build_street


class Figure(NamedTuple):
    actor: object
    road: object

    label = property(lambda self: self.actor.label)
    kind = property(lambda self: "car")
    length_m = property(lambda self: self.actor.size_m[0] - 0.1)
    width_m = property(lambda self: self.actor.size_m[1] - 0.1)
    height_m = property(lambda self: self.actor.size_m[2] - 0.07)
    phase_per_m = property(lambda self: 0.0 if "walker" not in self.actor.name else 4.0)

    def mesh(self, phase_rad: float = 0.0) -> Mesh:
        return self.actor.shape(phase_rad)


class States(NamedTuple):
    xyz: np.ndarray
    yaw: np.ndarray
    velocity: np.ndarray
    phase: np.ndarray
    attribute: tuple


class City:
    def __init__(self, seed: int, name: str) -> None:
        self.key = seed, name
        self.speed = stream(seed, name, "world").uniform(3.0, 10.0)
        self.road = plan_road(seed, name, -105.0, self.speed * 30 + 105.0)

    def mesh(self) -> Mesh:
        return build_street(*self.key, self.road)

    def raster(self, resolution_m: float):
        x = np.arange(-120, self.road.end_m, resolution_m)[None]
        y = np.arange(-80, 80, resolution_m)[:, None]
        d = y - self.road.centre(x)
        return np.where(self.road.is_road(x, d) | self.road.is_sidewalk(x, d), 255, 0).astype(np.uint8)[::-1], (
            -120.0,
            -120 + resolution_m * x.size,
            -80.0,
            -80 + resolution_m * y.size,
        )

    def surface(self, xy):
        s, d = xy[:, 0], xy[:, 1] - self.road.centre(xy[:, 0])
        return np.where(
            self.road.is_road(s, d), ROAD, np.where(self.road.is_sidewalk(s, d), SIDEWALK, TERRAIN)
        ).astype(np.uint8)

    def height(self, xy):
        return self.road.height(xy[:, 0], xy[:, 1] - self.road.centre(xy[:, 0]))


class Traffic:
    def __init__(self, seed: int, name: str, city: City) -> None:
        self.road = city.road
        self.ego = ego_vehicle(seed, name, city.road, city.speed)
        self.actors = build_actors(seed, name, city.road, self.ego, 30.0)
        self.figures = tuple(Figure(a, city.road) for a in self.actors)
        self.names = tuple(a.name for a in self.actors)

    def states(self, time_s: float) -> States:
        poses = [a.pose(self.road, time_s) for a in self.actors]
        xyz, yaw = np.array([p[0] for p in poses]), np.array([p[1] for p in poses])
        return States(
            xyz,
            yaw,
            np.zeros_like(xyz),
            np.full(len(yaw), time_s),
            tuple(a.attribute for a in self.actors),
        )

    def ego_pose(self, time_s: float) -> Pose:
        s, d = self.ego.s0 + self.ego.speed_mps * time_s, self.ego.d
        forward = self.road.point(s + 2.6, d) - self.road.point(s, d)
        left = self.road.point(s, d + 0.75) - self.road.point(s, d - 0.75)
        up = np.cross(forward, left)
        axes = np.stack([forward, np.cross(up, forward), up], axis=1)
        return pose_of(axes / np.linalg.norm(axes, axis=0), self.road.point(s, d))


def box_size(figure: Figure) -> tuple[float, float, float]:
    return figure.actor.size_m


def ego_body() -> Mesh:
    return ego_roof()


__all__ = ["BOX_BELOW_M", "City", "Traffic", "box_size", "ego_body"]
