"""How the ego vehicle stands on the ground."""

from __future__ import annotations

import numpy as np

from geopt.simulate.actors.boxes import Ground
from geopt.simulate.pose import Pose, pose_of
from geopt.simulate.randomness import Floats

WHEEL_BASE_M = 2.6
TRACK_M = 1.5
"""Between the wheels of an axle."""


def ego_pose(ground: Ground, rear: Floats, yaw: float) -> Pose:
    """City from ego, for a car whose rear axle is above ``rear`` (2,): pitched and rolled as its wheels stand.

    The ego frame is on the ground below the rear axle, x forward and y left.
    """
    ahead, left = np.array([np.cos(yaw), np.sin(yaw)]), np.array([-np.sin(yaw), np.cos(yaw)])
    front = rear + WHEEL_BASE_M * ahead
    wheels = np.stack([axle + side * TRACK_M / 2 * left for axle in (rear, front) for side in (-1, 1)])
    z = ground.height(wheels)
    right_rear, left_rear, right_front, left_front = np.column_stack([wheels, z])
    forward = (left_front + right_front - left_rear - right_rear) / 2
    leftward = (left_front + left_rear - right_front - right_rear) / 2
    up = np.cross(forward, leftward)
    axes = np.stack([forward, np.cross(up, forward), up], axis=1)
    return pose_of(axes / np.sqrt((axes**2).sum(axis=0)), (left_rear + right_rear) / 2)
