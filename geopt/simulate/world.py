"""One scene: its street, its actors, the ego that drives along it, and what the sensor sees at a moment."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from geopt.simulate.meshes import merged, rotated
from geopt.simulate.pose import Pose, pose_of
from geopt.simulate.sensor import Caster, Scan, SensorConfig, num_unoccluded_rays, ray_directions, scan
from geopt.simulate.straight.actors import Actor, build_actors, ego_vehicle
from geopt.simulate.straight.road import Floats, plan_road, stream
from geopt.simulate.straight.street import build_street

NEAR_M = 105.0
"""Actors farther than this from the ego along the street are left out."""


class BoxTruth(NamedTuple):
    """The box of an actor in the global frame at a key frame."""

    actor: Actor
    pose: Pose
    num_lidar_points: int
    """Stored points in the closed box."""
    visible_share: float
    """Of the rays that would hit the actor if it stood alone, those that do."""


class World:
    """A scene by (seed, name); ``duration_s`` only says how much street is needed."""

    def __init__(self, seed: int, name: str, duration_s: float, config: SensorConfig) -> None:
        rng = stream(seed, name, "world")
        self.seed, self.name, self.config = seed, name, config
        speed_mps = rng.uniform(3.0, 10.0)
        self.road = plan_road(seed, name, -NEAR_M, speed_mps * duration_s + NEAR_M)
        self.ego = ego_vehicle(seed, name, self.road, speed_mps)
        self.actors = build_actors(seed, name, self.road, self.ego, duration_s)
        self._street = Caster(build_street(seed, name, self.road))
        tilt = rng.normal(scale=0.01, size=3)
        mount = Rotation.from_euler("ZYX", [-np.pi / 2 + tilt[0], tilt[1], tilt[2]]).as_matrix()
        self.ego_from_lidar = pose_of(mount, np.array([0.94, 0.0, 1.84]))
        self._global_yaw_rad = rng.uniform(-np.pi, np.pi)
        self._global_origin = np.array([*rng.uniform(500.0, 1500.0, size=2), 0.0])

    def ego_pose(self, time_s: float) -> Pose:
        """Street from ego: on the ground below the rear axle, pitched and rolled as the wheels stand."""
        s, d = self.ego.s0 + self.ego.speed_mps * time_s, self.ego.d
        forward = self.road.point(s + 2.6, d) - self.road.point(s, d)
        left = self.road.point(s, d + 0.75) - self.road.point(s, d - 0.75)
        up = np.cross(forward, left)
        axes = np.stack([forward, np.cross(up, forward), up], axis=1)
        return pose_of(axes / np.linalg.norm(axes, axis=0), self.road.point(s, d))

    def to_global(self, pose: Pose) -> Pose:
        """Global from X, for a pose that is street from X."""
        turn = Rotation.from_euler("Z", self._global_yaw_rad).as_matrix()
        return pose_of(turn @ pose.rotation, turn @ np.array(pose.translation) + self._global_origin)

    def observe(self, time_s: float) -> Scan:
        """What the sensor sees at a time; the same each time it is asked."""
        near = [row for row, actor in enumerate(self.actors) if self._is_near(actor, time_s)]
        meshes = [self.actors[row].mesh(self.road, time_s).owned_by(row) for row in near]
        ego_pose = self.ego_pose(time_s)
        body = self.ego.shape(time_s)
        meshes.append(body._replace(vertices=ego_pose.apply(body.vertices)))
        rng = stream(self.seed, self.name, "sensor", round(time_s * 1e6))
        casters = [self._street, Caster(merged(meshes))]
        return scan(self.config, casters, *self._sensor(ego_pose), len(self.actors), rng)

    def boxes(self, time_s: float, seen: Scan) -> list[BoxTruth]:
        """Boxes of all actors near the ego, with the points of a scan from the same time counted."""
        ego_pose = self.ego_pose(time_s)
        place, rotation = self._sensor(ego_pose)
        rays = rotated(ray_directions(self.config, 0.0), rotation)
        xyz = self.to_global(ego_pose).apply(self.ego_from_lidar.apply(seen.points[:, :3]))
        truths = []
        for row, actor in enumerate(self.actors):
            if not self._is_near(actor, time_s):
                continue
            centre, yaw = actor.box_centre(self.road, time_s)
            pose = self.to_global(pose_of(Rotation.from_euler("Z", yaw).as_matrix(), centre))
            share = 0.0
            if seen.num_rays[row]:
                alone = num_unoccluded_rays(self.config, actor.mesh(self.road, time_s), place, rays)
                share = min(1.0, seen.num_rays[row] / max(alone, 1))
            truths.append(BoxTruth(actor, pose, count_inside(xyz, pose, actor.size_m), share))
        return truths

    def _is_near(self, actor: Actor, time_s: float) -> bool:
        return abs(actor.s0 - self.ego.s0 + (actor.speed_mps - self.ego.speed_mps) * time_s) < NEAR_M

    def _sensor(self, ego_pose: Pose) -> tuple[Floats, Floats]:
        """Place (3,) and rotation (3, 3) of the sensor in the street frame."""
        place = ego_pose.apply(np.array([self.ego_from_lidar.translation]))[0]
        return place, ego_pose.rotation @ self.ego_from_lidar.rotation


def count_inside(xyz: Floats, box: Pose, size_lwh: tuple[float, float, float]) -> int:
    """Points (N, 3) in a closed box of length, width, height, in the frame that the box's pose leads to."""
    radius, (x, y, _) = np.linalg.norm(size_lwh), box.translation
    near = (np.abs(xyz[:, 0] - x) <= radius) & (np.abs(xyz[:, 1] - y) <= radius)
    local = rotated(xyz[near] - np.array(box.translation), box.rotation.T)
    return int((np.abs(local) <= np.array(size_lwh) / 2).all(axis=1).sum())
