"""Boxes of the actors as Waymo labels them: in the vehicle frame, upright in it, with their motion."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geopt.simulate.actors import box_centre, box_size
from geopt.simulate.pose import Pose, upright
from geopt.simulate.randomness import Floats
from geopt.simulate.world import World, count_inside
from geopt.simulate.writer.waymo_classes import CYCLIST, WITH_RIDER

STEP_S = 0.1
"""Between the places that speeds and accelerations are told from."""


class Label(NamedTuple):
    """A box with at least one point."""

    name: str
    type: int
    box: tuple[float, ...]
    """Centre x, y, z, length, width, height, heading in the vehicle frame."""
    speed: Floats
    """(3,) metres per second in the world."""
    acceleration: Floats
    num_points: int

    def columns(self) -> dict[str, Any]:
        """Values by the name of their column."""
        sides = [*(f"box.center.{axis}" for axis in "xyz"), *(f"box.size.{axis}" for axis in "xyz"), "box.heading"]
        found: dict[str, Any] = dict(zip(sides, self.box))
        found |= {f"speed.{axis}": value for axis, value in zip("xyz", self.speed.tolist())}
        found |= {f"acceleration.{axis}": value for axis, value in zip("xyz", self.acceleration.tolist())}
        found |= {"type": self.type, "num_lidar_points_in_box": self.num_points}
        return found | {"num_top_lidar_points_in_box": self.num_points}


def labels_of(world: World, time_s: float, pose: Floats, types: NDArray[np.int64], xyz: Floats) -> list[Label]:
    """Labels of all actors with a point.

    Args:
        world: The scene.
        time_s: Of the frame.
        pose: (4, 4) world from vehicle.
        types: (A,) of :func:`geopt.simulate.writer.waymo_classes.box_types`.
        xyz: (N, 3) points in the vehicle frame.
    """
    before, now, after = (world.traffic.states(time_s + step) for step in (-STEP_S, 0.0, STEP_S))
    found = []
    for row, (figure, name) in enumerate(zip(world.traffic.figures, world.traffic.names)):
        if not types[row] or (types[row] == CYCLIST and now.attribute[row] != WITH_RIDER):
            continue
        place = world.to_global(upright(float(now.yaw[row]), box_centre(figure, now.xyz[row])))
        centre = (np.array(place.translation) - pose[:3, 3]) @ pose[:3, :3]
        if float(np.hypot(centre[0], centre[1])) > world.sensor.max_range_m + figure.length_m:
            continue
        forward = place.rotation[:, 0] @ pose[:3, :3]
        heading = math.atan2(forward[1], forward[0])
        size = tuple(round(side, 4) for side in box_size(figure))
        own: Pose = upright(heading, centre)
        count = count_inside(xyz, own, (size[0], size[1], size[2]))
        if not count:
            continue
        speed = (after.xyz[row] - before.xyz[row]) / (2 * STEP_S)
        acceleration = (after.xyz[row] - 2 * now.xyz[row] + before.xyz[row]) / STEP_S**2
        found.append(Label(name, int(types[row]), (*centre.tolist(), *size, heading), speed, acceleration, count))
    return found
