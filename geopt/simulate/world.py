"""One scene: its city, its traffic, the ego in it, and what the sensor sees at a moment."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from geopt.simulate.actors import Traffic, box_centre, box_size
from geopt.simulate.city import City
from geopt.simulate.meshes import Figure, Mesh, ego_body, rotated
from geopt.simulate.pose import Pose, pose_of, upright
from geopt.simulate.randomness import Floats, stream
from geopt.simulate.sensor import SENSORS, Caster, Motion, Mover, Scan, Sensor, azimuths, draw_light, scan, times

KNOTS = 9
"""Moments of a turn at which everything is asked for its place; in between it moves evenly."""
SEAM_RAD = 0.15
"""A turn begins at most this far past the left side, as those of nuScenes do."""
MAP_M = 0.1
"""Size of a pixel of the map's picture; what nuScenes prescribes."""
MAP_BLOCK = 5
"""Pixels that are drawn as one: the ground is known no better."""


SLACK_M = 10.0
"""What an actor beyond the sensor's range may come nearer within a turn, and the sensor be away from the ego's origin."""


class BoxTruth(NamedTuple):
    """The box of an actor in the global frame at a key frame."""

    row: int
    """Of the actor in the traffic."""
    name: str
    figure: Figure
    attribute: str
    """nuScenes attribute, or ""."""
    pose: Pose
    size_lwh: tuple[float, float, float]
    """Length, width, height in metres."""
    num_lidar_points: int
    """Stored points in the closed box."""
    visible_share: float
    """Of the rays that would hit the actor if it stood alone, those that do."""


class World:
    """A scene by seed and name.

    The frame of the city and the global frame differ by a shift, so that all of the global map has positive places.
    """

    def __init__(
        self, seed: int, name: str, sensor: Sensor = SENSORS["hdl32e"], motion_distortion: bool = False
    ) -> None:
        self.seed, self.name, self.sensor, self.motion_distortion = seed, name, sensor, motion_distortion
        self.city = City(seed, name)
        self.traffic = Traffic(seed, name, self.city)
        self._static = Caster(self.city.mesh())
        self._rigid: dict[int, Caster] = {}
        self._light = draw_light(sensor, stream(seed, name, "light"))
        tilt = stream(seed, name, "mount").normal(scale=0.01, size=3)
        mount = Rotation.from_euler("ZYX", [-np.pi / 2 + tilt[0], tilt[1], tilt[2]]).as_matrix()
        self.ego_from_lidar = pose_of(mount, np.array(sensor.mount_m)).rounded()
        self._body = Caster(_in_frame(ego_body(), self.ego_from_lidar))
        self._picture, (left, _, bottom, _) = self.city.raster(MAP_M * MAP_BLOCK)
        self._shift = np.round([-left, -bottom, 0.0], 4)

    @property
    def map_picture(self) -> NDArray[np.uint8]:
        """(H, W) from north to south, 255 on road and sidewalk, pixels of MAP_M; the global origin is its lower left."""
        return self._picture.repeat(MAP_BLOCK, axis=0).repeat(MAP_BLOCK, axis=1)

    def ego_pose(self, time_s: float) -> Pose:
        """City from ego, as the tables round it: on the ground below the rear axle, tilted as the wheels stand."""
        return self.traffic.ego_pose(time_s).rounded()

    def to_global(self, pose: Pose) -> Pose:
        """Global from X, for a pose that is city from X."""
        return Pose(pose.quat_wxyz, tuple((np.array(pose.translation) + self._shift).tolist())).rounded()

    def observe(self, time_s: float, first_azimuth_rad: float | None = None) -> Scan:
        """What the sensor has seen when a turn ends at a time; the same each time it is asked.

        Args:
            first_azimuth_rad: Where the turn began, in the lidar frame; None draws it, near the left side.
        """
        rng = stream(self.seed, self.name, "sensor", round(time_s * 1e6))
        drawn = np.pi - rng.uniform(0.0, SEAM_RAD)
        azimuth = azimuths(self.sensor, drawn if first_azimuth_rad is None else first_azimuth_rad)
        moments = times(self.sensor, time_s) if self.motion_distortion else np.array([time_s])
        movers = self._movers(moments)
        lidar, num_actors = self.lidar_motion(moments), len(self.traffic.figures)
        return scan(self.sensor, self._light, azimuth, lidar, self._static, self._body, movers, num_actors, rng)

    def lidar_motion(self, moments_s: Floats) -> Motion:
        """City from lidar at ascending times (C,)."""
        knots = _knots(moments_s)
        poses = [self.ego_pose(float(time_s)) for time_s in knots]
        places = [pose.apply(np.array([self.ego_from_lidar.translation]))[0] for pose in poses]
        turns = [pose.rotation @ self.ego_from_lidar.rotation for pose in poses]
        if len(knots) == 1:
            return Motion(np.stack(turns), np.stack(places))
        rotation = Slerp(knots, Rotation.from_matrix(np.stack(turns)))(moments_s).as_matrix()
        return Motion(rotation, np.stack([np.interp(moments_s, knots, axis) for axis in np.transpose(places)], axis=1))

    def boxes(self, time_s: float, seen: Scan) -> list[BoxTruth]:
        """Boxes of all actors that the sensor could reach, with the points of the scan that ends then counted."""
        states, ego_pose = self.traffic.states(time_s), self.ego_pose(time_s)
        xyz = self.to_global(ego_pose).apply(self.ego_from_lidar.apply(seen.points[:, :3]))
        truths = []
        for row, (figure, name) in enumerate(zip(self.traffic.figures, self.traffic.names)):
            away = states.xyz[row] - ego_pose.translation
            if float(np.hypot(away[0], away[1])) > self.sensor.max_range_m:
                continue
            length, width, height = (round(side, 4) for side in box_size(figure))
            pose = self.to_global(upright(float(states.yaw[row]), box_centre(figure, states.xyz[row])))
            size, share = (length, width, height), seen.num_first[row] / max(1, seen.num_alone[row])
            inside = count_inside(xyz, pose, size)
            truths.append(BoxTruth(row, name, figure, states.attribute[row], pose, size, inside, float(share)))
        return truths

    def _movers(self, moments_s: Floats) -> list[Mover]:
        """The actors during a turn; their limbs and wheels keep the phase of its end."""
        knots = _knots(moments_s)
        states = [self.traffic.states(float(time_s)) for time_s in knots]
        xyz = _between(moments_s, knots, np.stack([state.xyz for state in states]))
        yaw = _between(moments_s, knots, np.unwrap(np.stack([state.yaw for state in states]), axis=0))
        turn = np.zeros((*yaw.shape, 3, 3))
        turn[..., 0, 0] = turn[..., 1, 1] = np.cos(yaw)
        turn[..., 1, 0] = np.sin(yaw)
        turn[..., 0, 1], turn[..., 2, 2] = -turn[..., 1, 0], 1.0
        ego, movers = np.array(self.ego_pose(float(moments_s[-1])).translation), []
        for row, figure in enumerate(self.traffic.figures):
            radius = float(np.linalg.norm([figure.length_m, figure.width_m, figure.height_m])) / 2
            away = xyz[-1, row] - ego
            if float(np.hypot(away[0], away[1])) > self.sensor.max_range_m + radius + SLACK_M:
                continue
            middle = np.array([0.0, 0.0, figure.height_m / 2])
            caster = self._caster(row, float(states[-1].phase[row]))
            movers.append(Mover(row, caster, Motion(turn[:, row], xyz[:, row]), middle, radius))
        return movers

    def _caster(self, row: int, phase_rad: float) -> Caster:
        figure = self.traffic.figures[row]
        if figure.phase_per_m:
            return Caster(figure.mesh(phase_rad))
        if row not in self._rigid:
            self._rigid[row] = Caster(figure.mesh())
        return self._rigid[row]


def _in_frame(mesh: Mesh, pose: Pose) -> Mesh:
    """A mesh in the frame that the pose leads from."""
    return mesh._replace(vertices=rotated(mesh.vertices - np.array(pose.translation), pose.rotation.T))


def _knots(moments_s: Floats) -> Floats:
    """KNOTS times from the first to the last, or the only one."""
    return np.linspace(moments_s[0], moments_s[-1], KNOTS) if len(moments_s) > 1 else moments_s


def _between(moments_s: Floats, knots_s: Floats, values: Floats) -> Floats:
    """(C, ...) values at ascending times from those (K, ...) at the knots."""
    if len(knots_s) == 1:
        return values
    right = np.clip(np.searchsorted(knots_s, moments_s, side="right"), 1, len(knots_s) - 1)
    share = (moments_s - knots_s[right - 1]) / (knots_s[right] - knots_s[right - 1])
    share = share.reshape(-1, *(1,) * (values.ndim - 1))
    return values[right - 1] + share * (values[right] - values[right - 1])


def count_inside(xyz: Floats, box: Pose, size_lwh: tuple[float, float, float]) -> int:
    """Points (N, 3) in a closed box of length, width, height, in the frame that the box's pose leads to."""
    radius, (x, y, _) = np.linalg.norm(size_lwh), box.translation
    near = (np.abs(xyz[:, 0] - x) <= radius) & (np.abs(xyz[:, 1] - y) <= radius)
    local = rotated(xyz[near] - np.array(box.translation), box.rotation.T)
    return int((np.abs(local) <= np.array(size_lwh) / 2).all(axis=1).sum())
