"""Trees, bushes and hedges: wood, and leaves that beams pass between. Root at the origin."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from geopt.simulate.classes import VEGETATION
from geopt.simulate.meshes import Mesh, box, merged, painted, tube
from geopt.simulate.randomness import Floats

WOOD, LEAF = 0.25, 0.42


def foliage(rng: np.random.Generator, middles: Floats, leaf_m: float) -> Mesh:
    """A random triangle around each of some middles (N, 3), corners about ``leaf_m`` away from it."""
    corners = middles[:, None, :] + rng.normal(scale=leaf_m, size=(len(middles), 3, 3))
    return painted(corners, np.arange(3 * len(middles)), VEGETATION, LEAF * rng.uniform(0.7, 1.2, size=len(middles)))


def cloud(rng: np.random.Generator, count: int, centre: ArrayLike, radii: ArrayLike) -> Floats:
    """Places (N, 3) in an ellipsoid, denser towards its surface."""
    direction = rng.normal(size=(count, 3))
    direction /= np.sqrt((direction * direction).sum(axis=1, keepdims=True))
    return np.asarray(centre) + np.asarray(radii) * direction * rng.uniform(size=(count, 1)) ** 0.22


def broad_tree(rng: np.random.Generator, num_leaves: int, leaf_m: float, clear_m: float) -> Mesh:
    """A trunk that forks into two to four leafy clouds; the lowest leaves about ``clear_m`` above the ground."""
    num_clouds = int(rng.integers(2, 5))
    stem, radius, lean = clear_m * rng.uniform(0.9, 1.2), rng.uniform(0.10, 0.24), rng.normal(scale=0.12, size=2)
    fork, root = np.array([*lean, stem]), np.array([(0, 0, -0.6), (0, 0, 0.15)])
    parts = [tube(np.vstack([root, fork]), radius * np.array([1.6, 1.15, 0.85]), VEGETATION, WOOD)]
    for k in range(num_clouds):
        radii = rng.uniform((1.1, 1.1, 1.0), (1.9, 1.9, 1.9))
        turn = 2 * np.pi * (k + rng.uniform()) / num_clouds
        away = rng.uniform(0.5, 1.3)
        centre = fork + (away * np.cos(turn), away * np.sin(turn), radii[2] * rng.uniform(0.8, 1.9))
        parts.append(tube([fork - (0, 0, 0.3), centre], radius * np.array([0.6, 0.25]), VEGETATION, WOOD, sides=5))
        parts.append(foliage(rng, cloud(rng, num_leaves // num_clouds, centre, radii), leaf_m))
    return merged(parts)


def slim_tree(rng: np.random.Generator, num_leaves: int, leaf_m: float, clear_m: float) -> Mesh:
    """A poplar, cypress or young tree: one tall narrow crown."""
    radius, height = rng.uniform(0.7, 1.2), rng.uniform(4.0, 7.0)
    crown = foliage(rng, cloud(rng, num_leaves, (0, 0, clear_m + height / 2), (radius, radius, height / 2)), leaf_m)
    stem = tube(
        [(0, 0, -0.6), (0, 0, 0.1), (0, 0, clear_m + 0.7 * height)], [0.16, 0.12, 0.04], VEGETATION, WOOD, sides=6
    )
    return merged([stem, crown])


def conifer(rng: np.random.Generator, num_leaves: int, leaf_m: float, clear_m: float) -> Mesh:
    """A fir or spruce: branches in a cone down to near the ground, whatever ``clear_m`` is."""
    height, radius, low = rng.uniform(6.0, 11.0), rng.uniform(1.6, 2.6), min(clear_m, 0.5)
    rise = 1 - np.sqrt(rng.uniform(size=num_leaves))  # as much as the cone is wide
    turn, out = rng.uniform(0, 2 * np.pi, size=num_leaves), rng.uniform(size=num_leaves) ** 0.35
    reach = radius * (1 - rise) * out
    middles = np.stack([reach * np.cos(turn), reach * np.sin(turn), low + rise * height - 0.15 * reach], axis=1)
    stem = tube([(0, 0, -0.6), (0, 0, 0.1), (0, 0, 0.95 * height)], [0.2, 0.17, 0.03], VEGETATION, WOOD, sides=6)
    return merged([stem, foliage(rng, middles, leaf_m)])


def bush(rng: np.random.Generator, num_leaves: int, leaf_m: float) -> Mesh:
    """A leafy ball, as wide as 1 m to 2.4 m."""
    radii = rng.uniform((0.5, 0.5, 0.4), (1.2, 1.2, 1.0))
    middles = cloud(rng, num_leaves, (0, 0, 0.75 * radii[2]), radii)
    twigs = tube([(0, 0, -0.4), (0, 0, 0.8 * radii[2])], [0.12, 0.3 * radii[0]], VEGETATION, WOOD, sides=5)
    return merged([twigs, foliage(rng, middles[middles[:, 2] > 0], leaf_m)])


def hedge(rng: np.random.Generator, length: float, width: float, height: float) -> Mesh:
    """A clipped hedge along x, its middle at the origin: a dense core in a shell of leaves."""
    a, b = length / 2, width / 2
    core = box((-a, -b + 0.15, -0.5), (a, b - 0.15, height - 0.15), VEGETATION, 0.3)
    count = int(15 * length * (height + width))
    middles = rng.uniform((-a, -b, 0.05), (a, b, height), size=(count, 3))
    face = rng.integers(0, 4, size=count)
    middles[face == 3, 2] = height - 0.08
    middles[face < 3, 1] = (np.where(face % 2, b, -b) * rng.uniform(0.75, 0.95, size=count))[face < 3]
    return merged([core, foliage(rng, middles, 0.12)])


def tuft(rng: np.random.Generator, radius_m: float, height_m: float) -> Mesh:
    """Tall grass or weeds."""
    count = int(35 * radius_m)
    places = rng.normal(scale=radius_m / 2, size=(count, 2))
    lean = rng.normal(scale=0.25 * height_m, size=(count, 2))
    tall = height_m * rng.uniform(0.5, 1.0, size=count)
    corners = np.zeros((count, 3, 3))
    corners[:, 0, :2], corners[:, 1, :2], corners[:, 2, :2] = places - 0.05, places + 0.05, places + lean
    corners[:, :2, 2], corners[:, 2, 2] = -0.1, tall
    return painted(corners, np.arange(3 * count), VEGETATION, LEAF)
