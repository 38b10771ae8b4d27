"""Solids that figures are made of: rods, hoops, wheels, closed shells; and what their surfaces send back."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from geopt.simulate.meshes.solids import Mesh, loft, painted

Triple = tuple[float, float, float]

GLASS = 0.004
"""Reflectance of a window: most light passes or is mirrored away."""
RUBBER, DARK, STEEL = 0.04, 0.06, 0.3
LAMP, PLATE, FILM = 0.9, 1.0, 0.95
"""Lamps with reflectors, licence plates, retro-reflective film on signs, vests and cones: as bright as it gets."""
SKIN = 0.4


def around(rng: np.random.Generator, mean: float, spread: float) -> float:
    """A draw with a mean and a relative standard deviation from a triangle: nothing beyond 2.45 deviations."""
    reach = mean * spread * math.sqrt(6.0)
    return float(rng.triangular(mean - reach, mean, mean + reach))


def block(lower: ArrayLike, upper: ArrayLike, label: int, reflectance: float, taper: tuple = (0.0, 0.0)) -> Mesh:
    """An upright box whose top is smaller by ``taper`` metres at each end along x and y."""
    (x0, y0, z0), (x1, y1, z1) = np.asarray(lower), np.asarray(upper)
    tx, ty = taper
    foot = [(x0, y0, z0), (x1, y0, z0), (x1, y1, z0), (x0, y1, z0)]
    head = [(x0 + tx, y0 + ty, z1), (x1 - tx, y0 + ty, z1), (x1 - tx, y1 - ty, z1), (x0 + tx, y1 - ty, z1)]
    return loft([foot, head], label, reflectance)


def rod(points: ArrayLike, radii: ArrayLike, label: int, reflectance: float, sides: int = 6) -> Mesh:
    """A round bar through points (R, 3) with a radius at each, or one; its cross-sections stand upright on the path."""
    path = np.asarray(points, dtype=np.float64)
    radius = np.broadcast_to(np.asarray(radii, dtype=np.float64), len(path))
    whole = path[-1] - path[0]
    side = [0.0, 0.0, 0.0]
    side[int(np.abs(whole).argmin())] = 1.0  # the axis that is most across the rod
    turns = [2 * math.pi * (k + 0.5) / sides for k in range(sides)]
    rings = []
    for row, (x, y, z) in enumerate(path.tolist()):
        before, after = path[max(row - 1, 0)].tolist(), path[min(row + 1, len(path) - 1)].tolist()
        along = _unit((after[0] - before[0], after[1] - before[1], after[2] - before[2]))
        first = _unit(_cross(along, (side[0], side[1], side[2])))
        second, r = _cross(along, first), float(radius[row])
        weights = [(r * math.cos(t), r * math.sin(t)) for t in turns]
        rings.append(
            [
                (x + c * first[0] + s * second[0], y + c * first[1] + s * second[1], z + c * first[2] + s * second[2])
                for c, s in weights
            ]
        )
    return loft(rings, label, reflectance)


def _cross(a: Triple, b: Triple) -> Triple:
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def _unit(a: Triple) -> Triple:
    length = math.sqrt(a[0] * a[0] + a[1] * a[1] + a[2] * a[2])
    return a[0] / length, a[1] / length, a[2] / length


def wheel(centre: ArrayLike, radius: float, width: float, label: int, sides: int = 10, rim: float = 0.35) -> Mesh:
    """A car's wheel about the y axis: tyre, and towards ``width`` > 0 (left) or < 0 (right) a rim set back into it."""
    x, y, z = np.asarray(centre, dtype=np.float64)
    dish = 0.12 * width
    rings = []
    for share, offset in ((1.0, -width / 2), (1.0, width / 2), (0.62, width / 2 - dish)):
        turns = [2 * math.pi * (k + 0.5) / sides for k in range(sides)]
        reach = share * radius / math.cos(math.pi / sides)  # a flat side stands on the ground
        rings.append([(x + reach * math.cos(t), y + offset, z + reach * math.sin(t)) for t in turns])
    mesh = loft(rings, label, RUBBER)
    mesh.reflectance[-(sides - 2) :] = rim
    return mesh


def hoop(
    centre: ArrayLike, radius: float, half_width: float, label: int, reflectance: float, segments: int = 16
) -> Mesh:
    """A thin tyre about the y axis through ``centre``, open in the middle; ``radius`` is its outermost."""
    sides = 4
    x, y, z = np.asarray(centre, dtype=np.float64)
    corners = []
    for k in range(segments):
        turn = 2 * math.pi * (k + 0.5) / segments
        for side in range(sides):
            out = radius - half_width * (1.0 - math.cos(math.pi * side / 2))
            across = half_width * math.sin(math.pi * side / 2)
            corners.append((x + out * math.cos(turn), y + across, z + out * math.sin(turn)))
    faces = []
    for k in range(segments):
        for side in range(sides):
            a, b = k * sides + side, k * sides + (side + 1) % sides
            c, d = ((k + 1) % segments) * sides + side, ((k + 1) % segments) * sides + (side + 1) % sides
            faces += [(a, c, d), (a, d, b)]
    return painted(corners, faces, label, reflectance)


def shell(stations: ArrayLike, halves: ArrayLike, label: int, reflectance: ArrayLike) -> Mesh:
    """A closed body, the same on both sides of the x axis, through cross-sections along x.

    Args:
        stations: (U,) x of the sections, metres, ascending.
        halves: (U, K, 2) y > 0 and z of the left half of each section, from the underside to the ridge.
        label: Class of all faces.
        reflectance: One value, or (U - 1, K + 1): of the K - 1 strips from the underside up, of the strip over the
            ridge, and of the underside.
    """
    left = np.asarray(halves, dtype=np.float64)
    num_stations, k = left.shape[:2]
    x = np.broadcast_to(np.asarray(stations, dtype=np.float64)[:, None], (num_stations, 2 * k))
    section = np.concatenate([left, left[:, ::-1] * (-1.0, 1.0)], axis=1)
    rings = np.concatenate([x[..., None], section], axis=2)
    mesh = loft(rings, label, 0.0)
    cells = np.broadcast_to(np.asarray(reflectance, dtype=np.float64), (num_stations - 1, k + 1))
    around_ring = np.concatenate([cells[:, :k], cells[:, k - 2 :: -1], cells[:, k:]], axis=1)
    num_side, num_cap = around_ring.size, 2 * k - 2
    mesh.reflectance[: 2 * num_side] = np.tile(around_ring.ravel(), 2)
    mesh.reflectance[2 * num_side :] = np.repeat([cells[0, 0], cells[-1, 0]], num_cap)
    return mesh


def prism(outline: ArrayLike, y0: float, y1: float, label: int, reflectance: float) -> Mesh:
    """An upright plate between two y, its convex outline (K, 2) given as x and z."""
    sides = np.asarray(outline, dtype=np.float64)
    rings = [np.insert(sides, 1, y, axis=1) for y in (y0, y1)]
    return loft(rings, label, reflectance)


def turned_about_y(mesh: Mesh, angle_rad: float, pivot: ArrayLike) -> Mesh:
    """The mesh turned about an axis along y through ``pivot``; a positive angle lifts what lies in front of it."""
    cos, sin = math.cos(angle_rad), math.sin(angle_rad)
    centre = np.asarray(pivot, dtype=np.float64)
    x, y, z = (mesh.vertices - centre).T
    return mesh._replace(vertices=np.stack([cos * x - sin * z, y, sin * x + cos * z], axis=1) + centre)
