"""Objects that stand on and beside the road: cones, barriers, debris."""

from __future__ import annotations

import math

import numpy as np

from geopt.simulate.meshes.figure import Draft
from geopt.simulate.meshes.parts import (
    DARK,
    FILM,
    RUBBER,
    STEEL,
    around,
    block,
    prism,
    rod,
)
from geopt.simulate.meshes.solids import Mesh, box, loft, merged, tube


def cone(rng: np.random.Generator, label: int) -> Draft:
    """A cone on a square foot, a post on a round one, or a drum; each with bands of retro-reflective film."""
    form = rng.choice(3, p=(0.55, 0.25, 0.20))
    if form == 0:
        height, foot = around(rng, 0.92, 0.08), around(rng, 0.205, 0.08)
        shares = [0.0, 0.30, 0.45, 0.60, 0.75, 0.97, 1.0]
        radii = [0.80 * foot * (1 - 0.86 * share) for share in shares[:-1]] + [0.02]
        parts = [block((-foot, -foot, 0.0), (foot, foot, 0.045), label, DARK, (0.02, 0.02))]
        parts.append(banded(label, [0.04 + share * (height - 0.04) for share in shares], radii, (1, 3), 0.35))
    elif form == 1:
        height, foot = around(rng, 1.10, 0.05), around(rng, 0.19, 0.06)
        parts = [tube([(0, 0, 0.0), (0, 0, 0.03), (0, 0, 0.07)], [foot, foot, 0.4 * foot], label, DARK, sides=10)]
        shares = [0.04, 0.55, 0.68, 0.76, 0.88, 1.0]
        parts.append(
            banded(label, [share * height for share in shares], [0.05, 0.048, 0.047, 0.046, 0.045, 0.03], (1, 3), 0.35)
        )
    else:
        height, radius = around(rng, 1.05, 0.04), around(rng, 0.24, 0.05)
        shares = [0.08, 0.30, 0.48, 0.66, 0.84, 0.97, 1.0]
        radii = [radius * share for share in (1.0, 0.95, 0.91, 0.87, 0.83, 0.80, 0.4)]
        parts = [tube([(0, 0, 0.0), (0, 0, 0.09)], [1.12 * radius, 1.08 * radius], label, DARK, sides=12)]
        parts.append(banded(label, [share * height for share in shares], radii, (1, 3), 0.35, sides=12))
    return Draft(merged(parts))


def banded(
    label: int, heights: list[float], radii: list[float], bands: tuple[int, ...], paint: float, sides: int = 10
) -> Mesh:
    """An upright round body whose sections named by ``bands`` carry film."""
    mesh = tube([(0, 0, z) for z in heights], radii, label, paint, sides=sides)
    half = sides * (len(heights) - 1)
    for band in bands:
        for start in (band * sides, half + band * sides):
            mesh.reflectance[start : start + sides] = FILM
    return mesh


def barrier(rng: np.random.Generator, label: int) -> Draft:
    """A barrier that faces along x, its short extent: concrete or plastic with a broad foot, planks, or a crowd fence."""
    form = rng.choice(4, p=(0.35, 0.25, 0.25, 0.15))
    half = around(rng, 1.25, 0.06)
    paint = float(rng.uniform(0.25, 0.55))
    if form < 2:
        height, foot = around(rng, 0.92, 0.06), around(rng, 0.25, 0.05)
        profile = [(0.0, 1.0), (0.09, 1.0), (0.34, 0.58), (0.97, 0.36), (1.0, 0.30)]
        parts = [_bulk(label, [(share * height, out * foot) for share, out in profile], half, paint)]
        if form == 1:  # plastic: hollows for the fork of a lift, joints between the elements, and film
            parts = []
            for low, high in ((-1.0, -0.35), (-0.31, 0.31), (0.35, 1.0)):
                middle, wide = (low + high) / 2 * half, (high - low) / 2 * half
                profile = [(0.10, 1.0), (0.35, 0.62), (0.95, 0.42), (1.0, 0.34)]
                parts.append(
                    _bulk(label, [(share * height, out * foot) for share, out in profile], wide, paint).moved(
                        (0, middle, 0)
                    )
                )
                for side in (1, -1):
                    parts.append(
                        box(
                            (-foot, middle + side * 0.66 * wide - 0.3 * wide, 0.0),
                            (foot, middle + side * 0.66 * wide + 0.3 * wide, 0.11 * height),
                            label,
                            paint,
                        )
                    )
                    x = side * 0.47 * foot
                    parts.append(
                        box(
                            (x - 0.02, middle - 0.6 * wide, 0.72 * height),
                            (x + 0.02, middle + 0.6 * wide, 0.88 * height),
                            label,
                            FILM,
                        )
                    )
                parts.append(
                    rod(
                        [(0, middle - wide - 0.03, 0.2), (0, middle - wide - 0.03, 0.9 * height)],
                        0.04,
                        label,
                        DARK,
                        sides=6,
                    )
                )
    elif form == 2:
        height, foot = around(rng, 1.0, 0.05), around(rng, 0.24, 0.08)
        parts = []
        for side in (1, -1):
            y = side * 0.82 * half
            for out in (1, -1):
                parts.append(rod([(out * foot, y, 0.0), (out * 0.03, y, height)], 0.03, label, STEEL, sides=4))
            parts.append(box((-foot, y - 0.06, 0.0), (foot, y + 0.06, 0.05), label, DARK))
        planks = int(rng.integers(2, 4))
        for k in range(planks):
            z = height * (0.36 + 0.56 * k / (planks - 1))
            x = 0.06 + foot * (1 - z / height)
            for piece in range(6):  # stripes: every other piece reflects
                y0 = half * (piece / 3.0 - 1.0)
                parts.append(
                    box(
                        (x - 0.015, y0, z - 0.09),
                        (x + 0.015, y0 + half / 3.0, z + 0.09),
                        label,
                        FILM if piece % 2 else paint,
                    )
                )
    else:
        height, foot = around(rng, 1.08, 0.03), around(rng, 0.27, 0.06)
        corners = [(0, -half, 0.16), (0, -half, height), (0, half, height), (0, half, 0.16)]
        parts = [rod([a, b], 0.02, label, STEEL, sides=5) for a, b in zip(corners, corners[1:] + corners[:1])]
        for y in np.linspace(-half, half, 17)[1:-1]:
            parts.append(rod([(0, y, 0.16), (0, y, height)], 0.009, label, STEEL, sides=4))
        for y in (-0.75 * half, 0.75 * half):
            for out in (1, -1):
                parts.append(rod([(0, y, 0.2), (out * foot, y, 0.02)], 0.018, label, STEEL, sides=4))
    return Draft(merged(parts))


def _bulk(label: int, profile: list[tuple[float, float]], half: float, paint: float) -> Mesh:
    """A wall along y through (height, half thickness) sections."""
    rings = [[(-x, -half, z), (x, -half, z), (x, half, z), (-x, half, z)] for z, x in profile]
    return loft(rings, label, paint)


def debris(rng: np.random.Generator, label: int) -> Draft:
    """Things lying about in a heap: bags, boxes, boards, a tyre."""
    parts = []
    for _ in range(int(rng.integers(3, 7))):
        place, yaw = rng.normal(scale=0.15, size=2), float(rng.uniform(0, math.pi))
        form, shine = int(rng.integers(4)), float(rng.uniform(0.08, 0.6))
        size = around(rng, 0.30, 0.2)
        if form == 0:
            knots = [(0.0, 0.5), (0.25, 0.95), (0.6, 0.9), (0.85, 0.4), (1.0, 0.12)]
            wobble = [r * size * rng.uniform(0.8, 1.1) for _, r in knots]
            piece = tube(
                [(*rng.normal(scale=0.02, size=2), z * 1.25 * size) for z, _ in knots], wobble, label, shine, sides=8
            )
        elif form == 1:
            piece = block(
                (-size, -0.7 * size, 0.0), (size, 0.7 * size, size * rng.uniform(0.4, 1.0)), label, shine, (0.05, 0.05)
            )
        elif form == 2:
            piece = prism(
                [(-1.3 * size, 0.0), (1.3 * size, size * 0.8), (1.3 * size, size * 0.8 + 0.03), (-1.3 * size, 0.03)],
                -0.12,
                0.12,
                label,
                shine,
            )
        else:
            ring = tube([(0, 0, z) for z in (0.0, 0.05, 0.13, 0.18)], [0.26, 0.31, 0.31, 0.26], label, RUBBER, sides=12)
            piece = ring
        parts.append(piece.moved((*place, 0.0), yaw))
    return Draft(merged(parts))
