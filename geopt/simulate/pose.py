"""Rigid motions as the tables store them."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from geopt.simulate.meshes import rotated
from geopt.simulate.randomness import Floats


class Pose(NamedTuple):
    """A rigid motion, stored as the tables store it."""

    quat_wxyz: tuple[float, float, float, float]
    translation: tuple[float, float, float]
    """Metres."""

    @property
    def rotation(self) -> Floats:
        """(3, 3), from the stored quaternion."""
        return Rotation.from_quat(np.roll(self.quat_wxyz, -1)).as_matrix()

    def apply(self, xyz: NDArray) -> Floats:
        """Move (N, 3) points."""
        return rotated(xyz, self.rotation) + np.array(self.translation)

    def rounded(self) -> Pose:
        """To 1e-7 in the quaternion and 1e-4 m, so that a table does not depend on the last bits of sines."""
        turn, shift = (tuple(round(v, digits) + 0.0 for v in part) for part, digits in ((self[0], 7), (self[1], 4)))
        return Pose(turn, shift)  # type: ignore[arg-type]  # + 0.0: no minus before a zero


def upright(yaw_rad: float, translation: Floats) -> Pose:
    """A pose that only turns about z."""
    x, y, z = translation.tolist()
    return Pose((math.cos(yaw_rad / 2), 0.0, 0.0, math.sin(yaw_rad / 2)), (x, y, z))


def pose_of(rotation: Floats, translation: Floats) -> Pose:
    """Round a (3, 3) rotation and (3,) shift to a pose."""
    x, y, z, w = Rotation.from_matrix(rotation).as_quat(canonical=True).tolist()
    tx, ty, tz = translation.tolist()
    return Pose((w, x, y, z), (tx, ty, tz))
