"""One turn of the sensor among things that stand and things that move."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geopt.simulate.classes import EGO
from geopt.simulate.meshes import STATIC
from geopt.simulate.randomness import Floats
from geopt.simulate.sensor import beams
from geopt.simulate.sensor.caster import Caster
from geopt.simulate.sensor.light import Light, returns
from geopt.simulate.sensor.models import Sensor


class Motion(NamedTuple):
    """Where something is while the sensor turns: C is the number of columns, or 1 if nothing moves meanwhile."""

    rotation: Floats
    """(C, 3, 3) city from own frame."""
    origin: Floats
    """(C, 3) metres."""


class Mover(NamedTuple):
    """A thing with a box, for one turn."""

    owner: int
    """Its row among all actors."""
    caster: Caster
    """In its own frame."""
    motion: Motion
    middle: Floats
    """(3,) metres, of a ball in its own frame that holds the mesh."""
    radius_m: float


class Scan(NamedTuple):
    """One turn of the sensor."""

    points: NDArray[np.float32]
    """(N, 5) x, y, z in the lidar frame at the time of measuring (metres), intensity 0 to 255, ring; ordered by column,
    then ring."""
    label: NDArray[np.uint8]
    """(N,) fine class."""
    owner: NDArray[np.int32]
    """(N,) row of the actor that was hit, or STATIC."""
    column: NDArray[np.int32]
    """(N,) in the order of measuring."""
    num_first: NDArray[np.int64]
    """(A,) rays that meet each actor before anything else, lost returns counted."""
    num_alone: NDArray[np.int64]
    """(A,) rays that would meet it if it stood alone."""


def turned(xyz: Floats, rotation: Floats) -> Floats:
    """Turn (C, n, 3) vectors by (C or 1, 3, 3); written out, because the bits of BLAS depend on its threads."""
    turn = rotation[:, None]
    return xyz[..., 0:1] * turn[..., 0] + xyz[..., 1:2] * turn[..., 1] + xyz[..., 2:3] * turn[..., 2]


def scan(
    sensor: Sensor,
    light: Light,
    azimuth_rad: Floats,
    lidar: Motion,
    static: Caster,
    body: Caster,
    movers: Sequence[Mover],
    num_actors: int,
    rng: np.random.Generator,
) -> Scan:
    """Turn the sensor once.

    Args:
        light: Materials and lasers of the scene.
        azimuth_rad: (columns,) of the turn, see :func:`beams.azimuths`.
        lidar: City from lidar.
        static: What stands, in the frame of the city.
        body: The vehicle that carries the sensor, in the lidar frame; it swallows the rays that meet it.
        movers: Actors that could be met.
        num_actors: Rows that their owners may name.
    """
    rays = beams.directions(sensor, azimuth_rad)
    num_columns, num_rings = rays.shape[:2]
    in_city = turned(rays, lidar.rotation)
    origins = np.broadcast_to(lidar.origin, (num_columns, 3))
    own = body.cast(np.zeros((1, 3)), rays.reshape(-1, 3)).distance
    starts = lidar.origin if len(lidar.origin) == 1 else np.repeat(origins, num_rings, axis=0)
    distance, face, cosine = static.cast(starts, in_city.reshape(-1, 3))
    label = np.where(face >= 0, static.label[face], EGO).astype(np.uint8)  # -1: a face that is there, and not asked for
    reflectance = static.reflectance[face]
    owner = np.full(len(face), STATIC, dtype=np.int32)
    num_alone = np.zeros(num_actors, dtype=np.int64)
    distance[own < distance] = np.inf  # also hides the movers behind: the ray ends on the vehicle
    is_open = ~np.isfinite(own)
    for mover in movers:
        middle = turned(mover.middle[None, None], mover.motion.rotation)[:, 0] + mover.motion.origin - lidar.origin
        centre = turned(middle[:, None], lidar.rotation.swapaxes(1, 2))[:, 0]
        columns, rings = beams.window(sensor, azimuth_rad, centre, mover.radius_m)
        rows = (columns[:, None] * num_rings + np.arange(num_rings)[rings]).ravel()
        if not len(rows):
            continue
        then = Motion(*(part[columns] if len(part) > 1 else part for part in mover.motion))
        to_own = then.rotation.swapaxes(1, 2)
        begin = turned((origins[columns] - then.origin)[:, None], to_own)
        towards = turned(in_city[columns, rings], to_own)
        begin = np.broadcast_to(begin, towards.shape).reshape(-1, 3)
        hit = mover.caster.cast(begin, towards.reshape(-1, 3))
        hit_open = (hit.distance <= sensor.max_range_m) & is_open[rows]
        num_alone[mover.owner] = hit_open.sum()
        chosen = hit_open & (hit.distance < distance[rows])
        nearer, faces = rows[chosen], hit.face[chosen]
        distance[nearer], cosine[nearer], owner[nearer] = hit.distance[chosen], hit.cosine[chosen], mover.owner
        label[nearer], reflectance[nearer] = mover.caster.label[faces], mover.caster.reflectance[faces]
    num_first = np.bincount(owner[owner >= 0], minlength=num_actors)
    back = returns(sensor, light, distance, label, reflectance, cosine, rng)
    kept = np.flatnonzero(back.is_measured)
    points = np.empty((len(kept), 5), dtype=np.float32)
    points[:, :3] = rays.reshape(-1, 3)[kept] * back.distance[kept, None]
    points[:, 3] = back.intensity[kept]
    points[:, 4] = kept % num_rings
    column = (kept // num_rings).astype(np.int32)
    return Scan(points, label[kept], owner[kept], column, num_first, num_alone)
