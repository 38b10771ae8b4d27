"""Rigid motions as the tables store them."""

from __future__ import annotations

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


def pose_of(rotation: Floats, translation: Floats) -> Pose:
    """Round a (3, 3) rotation and (3,) shift to a pose."""
    x, y, z, w = Rotation.from_matrix(rotation).as_quat(canonical=True).tolist()
    tx, ty, tz = translation.tolist()
    return Pose((w, x, y, z), (tx, ty, tz))
