"""First hits of rays with a mesh."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geopt.optional import require
from geopt.simulate.meshes import Mesh
from geopt.simulate.randomness import Floats


class Hits(NamedTuple):
    """What rays meet first."""

    distance: Floats
    """(N,) metres, inf for a miss."""
    face: NDArray[np.int32]
    """(N,) row of the mesh's faces, or -1."""
    cosine: Floats
    """(N,) of the angle between ray and surface normal, 0 to 1."""


class Caster:
    """A mesh that can be asked for first hits, in its own frame.

    The distances are those of single precision: a mesh should not reach farther than some hundred metres from its origin.
    """

    def __init__(self, mesh: Mesh) -> None:
        scenes = require("embreex.rtcore_scene", extra="sim")
        construction = require("embreex.mesh_construction", extra="sim")
        self.label, self.reflectance, self._is_empty = mesh.label, mesh.reflectance, not len(mesh.faces)
        self._scene = scenes.EmbreeScene()
        if not self._is_empty:
            construction.TriangleMesh(self._scene, mesh.vertices.astype(np.float32), mesh.faces)

    def cast(self, origins: Floats, directions: Floats) -> Hits:
        """Shoot rays.

        Args:
            origins: (N, 3) metres, or (1, 3) if all rays begin at one place.
            directions: (N, 3) unit vectors.
        """
        if self._is_empty or not len(directions):
            count = len(directions)
            return Hits(np.full(count, np.inf), np.full(count, -1, np.int32), np.zeros(count))
        starts = np.broadcast_to(origins.astype(np.float32), directions.shape)
        found = self._scene.run(np.ascontiguousarray(starts), directions.astype(np.float32), output=True)
        face, normal = found["primID"], found["Ng"].astype(np.float64)
        length = np.sqrt(normal[:, 0] ** 2 + normal[:, 1] ** 2 + normal[:, 2] ** 2)
        along = normal[:, 0] * directions[:, 0] + normal[:, 1] * directions[:, 1] + normal[:, 2] * directions[:, 2]
        cosine = np.minimum(np.abs(along) / np.maximum(length, 1e-30), 1.0)
        return Hits(np.where(face >= 0, found["tfar"].astype(np.float64), np.inf), face, cosine)
