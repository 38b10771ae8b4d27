"""A spinning 32-beam LiDAR: which rays it shoots and what it makes of what they hit."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geopt.optional import require
from geopt.schema import Frozen
from geopt.simulate.classes import EGO
from geopt.simulate.meshes import STATIC, Mesh, rotated
from geopt.simulate.straight.road import Floats


class SensorConfig(Frozen):
    """Shaped after the sensor of nuScenes: 32 beams, 20 turns a second, about 1,085 columns a turn.

    Elevations and the returns of each ring were compared with real key frames; noise, losses and intensities are
    plausible, not fitted.
    """

    lowest_deg: float = -30.67
    highest_deg: float = 10.67
    num_rings: int = 32
    num_columns: int = 1085
    turn_s: float = 0.05
    max_range_m: float = 95.0
    range_noise_m: float = 0.02
    sensitivity: float = 30.0
    """A return arrives with probability 1 - exp(-sensitivity * energy)."""
    random_loss: float = 0.005


class Caster:
    """First hits of rays with a mesh."""

    def __init__(self, mesh: Mesh) -> None:
        scenes = require("embreex.rtcore_scene", extra="sim")
        construction = require("embreex.mesh_construction", extra="sim")
        self.mesh = mesh
        self._scene = scenes.EmbreeScene()
        if len(mesh.faces):
            construction.TriangleMesh(self._scene, mesh.vertices.astype(np.float32), mesh.faces)

    def cast(self, origin: Floats, directions: Floats) -> tuple[Floats, NDArray[np.int32], Floats]:
        """Shoot rays from one point.

        Args:
            origin: (3,) metres, in the frame of the mesh.
            directions: (N, 3) unit vectors in that frame.

        Returns:
            Distance (N,) metres, inf for a miss; face (N,) row of the mesh or -1; cosine (N,) of the angle between
            ray and surface normal, 0 to 1.
        """
        if not len(self.mesh.faces):
            return np.full(len(directions), np.inf), np.full(len(directions), -1, np.int32), np.zeros(len(directions))
        origins = np.broadcast_to(origin.astype(np.float32), directions.shape).copy()
        hit = self._scene.run(origins, directions.astype(np.float32), output=True)
        face, normal = hit["primID"], hit["Ng"].astype(np.float64)
        length = np.maximum(np.linalg.norm(normal, axis=1), 1e-30)
        cosine = np.abs(np.einsum("nk,nk->n", normal, directions)) / length
        return np.where(face >= 0, hit["tfar"].astype(np.float64), np.inf), face, cosine


class Scan(NamedTuple):
    """One turn of the sensor."""

    points: NDArray[np.float32]
    """(N, 5) x, y, z in the lidar frame (metres), intensity 0 to 255, ring; ordered by column, then ring."""
    label: NDArray[np.uint8]
    """(N,) fine class."""
    owner: NDArray[np.int32]
    """(N,) row of the actor that was hit, or STATIC."""
    num_rays: NDArray[np.int64]
    """(A,) rays whose first hit is each actor, lost returns counted."""


def ray_directions(config: SensorConfig, first_azimuth_rad: float) -> Floats:
    """(columns * rings, 3) unit vectors in the lidar frame (x right, y forward, z up), turning clockwise."""
    azimuth = first_azimuth_rad - np.arange(config.num_columns) * (2 * np.pi / config.num_columns)
    elevation = np.radians(np.linspace(config.lowest_deg, config.highest_deg, config.num_rings))
    rays = np.empty((config.num_columns, config.num_rings, 3))
    rays[..., 0] = np.cos(elevation) * np.cos(azimuth[:, None])
    rays[..., 1] = np.cos(elevation) * np.sin(azimuth[:, None])
    rays[..., 2] = np.sin(elevation)
    return rays.reshape(-1, 3)


def scan(
    config: SensorConfig,
    casters: list[Caster],
    origin: Floats,
    world_from_lidar: Floats,
    num_actors: int,
    rng: np.random.Generator,
) -> Scan:
    """Turn the sensor once; nothing moves meanwhile.

    Args:
        casters: The world in parts; the nearest hit among them counts. Faces of class EGO swallow the ray.
        origin: (3,) place of the sensor in the casters' frame, metres.
        world_from_lidar: (3, 3) rotation into the casters' frame.
        num_actors: Rows that owners may name.
    """
    rays = ray_directions(config, rng.uniform(-np.pi, np.pi))
    directions = rotated(rays, world_from_lidar)
    distance = np.full(len(rays), np.inf)
    cosine, reflectance = np.zeros(len(rays)), np.zeros(len(rays))
    label, owner = np.full(len(rays), EGO, dtype=np.uint8), np.full(len(rays), STATIC, dtype=np.int32)
    for caster in casters:
        far, face, cos = caster.cast(origin, directions)
        nearer = far < distance
        hit = face[nearer]
        distance[nearer], cosine[nearer] = far[nearer], cos[nearer]
        label[nearer], owner[nearer] = caster.mesh.label[hit], caster.mesh.owner[hit]
        reflectance[nearer] = caster.mesh.reflectance[hit]

    is_seen = (distance <= config.max_range_m) & (label != EGO)
    num_rays = np.bincount(owner[is_seen & (owner >= 0)], minlength=num_actors)
    energy = reflectance * cosine * (100.0 / np.maximum(distance, 1.0)) ** 2  # 1: a white wall at 100 m
    arrives = rng.uniform(size=len(rays)) < (1 - config.random_loss) * (1 - np.exp(-config.sensitivity * energy))
    measured = distance + rng.normal(scale=config.range_noise_m, size=len(rays))
    brightness = 110.0 * reflectance * np.sqrt(cosine) * np.exp(rng.normal(scale=0.15, size=len(rays)))
    kept = np.flatnonzero(is_seen & arrives)
    points = np.empty((len(kept), 5), dtype=np.float32)
    points[:, :3] = rays[kept] * measured[kept, None]
    points[:, 3] = np.clip(np.rint(brightness[kept]), 0, 255)
    points[:, 4] = kept % config.num_rings
    return Scan(points, label[kept], owner[kept], num_rays)


def num_unoccluded_rays(config: SensorConfig, mesh: Mesh, origin: Floats, directions: Floats) -> int:
    """How many of the rays from a point would hit a mesh that stands alone.

    ``origin`` (3,) and ``directions`` (N, 3) are in the frame of the mesh.
    """
    lower, upper = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    towards, radius = (lower + upper) / 2 - origin, np.linalg.norm(upper - lower) / 2
    reach = float(np.linalg.norm(towards))
    cosine = directions @ (towards / reach)  # only chooses rays: its last bits do not matter
    near = cosine >= math.sqrt(max(0.0, 1.0 - (float(radius) / reach) ** 2)) - 1e-6
    distance, _, _ = Caster(mesh).cast(origin, directions[near])
    return int((distance <= config.max_range_m).sum())
