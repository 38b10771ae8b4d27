"""Triangle meshes whose faces know their class, reflectance and owner, and the few solids that build a street."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

STATIC = -1
"""Owner of a face that belongs to no actor."""


def rotated(xyz: NDArray, rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn (N, 3) points; written out, because the bits of BLAS depend on its threads."""
    points = np.asarray(xyz, dtype=np.float64)
    return points[:, 0:1] * rotation[:, 0] + points[:, 1:2] * rotation[:, 1] + points[:, 2:3] * rotation[:, 2]


class Mesh(NamedTuple):
    """Triangles in metres, z up; frames are named by whoever makes them."""

    vertices: NDArray[np.float64]
    """(V, 3)."""
    faces: NDArray[np.int32]
    """(F, 3) rows of ``vertices``."""
    label: NDArray[np.uint8]
    """(F,) fine nuScenes class, a row of ``geopt.simulate.classes.CLASSES``."""
    reflectance: NDArray[np.float32]
    """(F,) share of the light that comes back at normal incidence, 0 to 1."""
    owner: NDArray[np.int32]
    """(F,) row of the actor, or STATIC."""

    def moved(self, xyz: ArrayLike, yaw_rad: float = 0.0) -> Mesh:
        """The mesh turned about z, then shifted."""
        cos, sin = np.cos(yaw_rad), np.sin(yaw_rad)
        turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
        return self._replace(vertices=rotated(self.vertices, turn) + np.asarray(xyz, dtype=np.float64))

    def owned_by(self, actor: int) -> Mesh:
        """The mesh as a part of an actor."""
        return self._replace(owner=np.full(len(self.faces), actor, dtype=np.int32))


def painted(vertices: ArrayLike, faces: ArrayLike, label: ArrayLike, reflectance: ArrayLike) -> Mesh:
    """A static mesh; ``label`` and ``reflectance`` are one value, or one for each face."""
    triangles = np.asarray(faces, dtype=np.int32).reshape(-1, 3)
    return Mesh(
        np.asarray(vertices, dtype=np.float64).reshape(-1, 3),
        triangles,
        np.broadcast_to(np.asarray(label, dtype=np.uint8), len(triangles)).copy(),
        np.broadcast_to(np.asarray(reflectance, dtype=np.float32), len(triangles)).copy(),
        np.full(len(triangles), STATIC, dtype=np.int32),
    )


def merged(meshes: list[Mesh]) -> Mesh:
    """All meshes as one; an empty list gives a mesh without faces."""
    if not meshes:
        return painted([], [], 0, 0)
    starts = np.cumsum([0] + [len(m.vertices) for m in meshes[:-1]])
    return Mesh(
        np.concatenate([m.vertices for m in meshes]),
        np.concatenate([m.faces + np.int32(s) for m, s in zip(meshes, starts)]),
        np.concatenate([m.label for m in meshes]),
        np.concatenate([m.reflectance for m in meshes]),
        np.concatenate([m.owner for m in meshes]),
    )


def loft(rings: ArrayLike, label: int, reflectance: float) -> Mesh:
    """Skin a stack of convex rings, (R, K, 3) corners, and close both ends."""
    corners = np.asarray(rings, dtype=np.float64)
    num_rings, k = corners.shape[:2]
    here = (np.arange(num_rings - 1)[:, None] * k + np.arange(k)).ravel()
    along = (np.arange(num_rings - 1)[:, None] * k + (np.arange(k) + 1) % k).ravel()
    fan = np.stack([np.zeros(k - 2, dtype=int), np.arange(1, k - 1), np.arange(2, k)], axis=1)
    faces = [np.stack([here, along, along + k], 1), np.stack([here, along + k, here + k], 1)]
    return painted(corners, np.concatenate([*faces, fan, fan + (num_rings - 1) * k]), label, reflectance)


def box(lower: ArrayLike, upper: ArrayLike, label: int, reflectance: float) -> Mesh:
    """An upright box between two corners (x, y, z)."""
    (x0, y0, z0), (x1, y1, z1) = np.asarray(lower), np.asarray(upper)
    ring = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    return loft([[(x, y, z) for x, y in ring] for z in (z0, z1)], label, reflectance)


def tube(centres: ArrayLike, radii: ArrayLike, label: int, reflectance: float, sides: int = 8) -> Mesh:
    """Horizontal ellipses at ``centres`` (R, 3), skinned: posts, trunks, limbs.

    ``radii`` is (R,), or (R, 2) along x and y.
    """
    middle, radius = np.asarray(centres, dtype=np.float64), np.asarray(radii, dtype=np.float64)
    radius = radius[:, None] if radius.ndim == 1 else radius
    angle = np.arange(sides) * (2 * np.pi / sides)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    rings = np.repeat(middle[:, None, :], sides, axis=1)
    rings[..., :2] += radius[:, None, :] * circle
    return loft(rings, label, reflectance)


def sheet(points: NDArray[np.float64], label: ArrayLike, reflectance: ArrayLike) -> Mesh:
    """A surface over a (U, V, 3) net of points; ``label`` and ``reflectance`` are one value or (U - 1, V - 1) cells."""
    nu, nv = points.shape[:2]
    a = (np.arange(nu - 1)[:, None] * nv + np.arange(nv - 1)).ravel()
    faces = np.concatenate([np.stack([a, a + nv, a + nv + 1], 1), np.stack([a, a + nv + 1, a + 1], 1)])

    def per_face(value: ArrayLike) -> NDArray:
        return np.tile(np.broadcast_to(value, (nu - 1, nv - 1)).ravel(), 2)

    return painted(points, faces, per_face(label), per_face(reflectance))


def leaves(
    rng: np.random.Generator, centre: ArrayLike, radii: ArrayLike, num_leaves: int, label: int, reflectance: float
) -> Mesh:
    """Small random triangles in an ellipsoid, denser towards its surface: light passes between them."""
    direction = rng.normal(size=(num_leaves, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    depth = rng.uniform(size=(num_leaves, 1)) ** 0.2
    middle = np.asarray(centre) + np.asarray(radii) * direction * depth
    corners = middle[:, None, :] + rng.normal(scale=0.13, size=(num_leaves, 3, 3))
    return painted(corners, np.arange(3 * num_leaves), label, reflectance)
