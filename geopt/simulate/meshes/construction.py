"""Machines of work sites: excavator and wheel loader."""

from __future__ import annotations

import math

import numpy as np

from geopt.simulate.meshes.figure import Draft
from geopt.simulate.meshes.parts import (
    DARK,
    FILM,
    GLASS,
    LAMP,
    RUBBER,
    STEEL,
    around,
    block,
    prism,
    rod,
    turned_about_y,
    wheel,
)
from geopt.simulate.meshes.solids import Mesh, box, merged


def excavator(rng: np.random.Generator, label: int) -> Draft:
    """Tracks, a house with its cab on the left, and a boom of two parts with a bucket that rests or hangs."""
    size = around(rng, 1.0, 0.07)
    half, paint = 1.28 * size, float(rng.uniform(0.3, 0.6))
    parts = []
    for side in (1, -1):
        track = [
            (-1.75, 0.45),
            (-1.45, 0.12),
            (-1.25, 0.0),
            (1.25, 0.0),
            (1.45, 0.12),
            (1.75, 0.45),
            (1.45, 0.78),
            (-1.45, 0.78),
        ]
        outline = [(size * x, size * z) for x, z in track]
        parts.append(prism(outline, side * half, side * (half - 0.52 * size), label, RUBBER))
        for x in (-1.2, -0.4, 0.4, 1.2):  # rollers
            hub = [(size * x, side * (half - 0.1), 0.36 * size), (size * x, side * (half + 0.02), 0.36 * size)]
            parts.append(rod(hub, 0.17 * size, label, STEEL, sides=8))
    parts.append(box((-0.9 * size, -half + 0.3, 0.35 * size), (0.9 * size, half - 0.3, 0.75 * size), label, DARK))
    parts.append(rod([(0, 0, 0.7 * size), (0, 0, 1.0 * size)], 0.65 * size, label, DARK, sides=12))
    deck, inner = 0.98 * size, 1.22 * size
    parts.append(block((-1.6 * size, -inner, deck), (1.0 * size, inner, deck + 0.25 * size), label, paint))
    weight = [(-1.95, 1.05), (-1.6, 0.98), (-1.2, 0.98), (-1.2, 2.05), (-1.6, 2.05), (-1.85, 1.85)]
    parts.append(prism([(size * x, size * z) for x, z in weight], -inner, inner, label, 0.7 * paint))
    parts.append(
        block((-1.25 * size, -inner, deck + 0.2 * size), (0.2 * size, inner, 1.9 * size), label, paint, (0.08, 0.10))
    )
    parts.append(
        block(
            (0.1 * size, -inner, deck + 0.2 * size),
            (0.95 * size, -0.35 * size, 1.55 * size),
            label,
            paint,
            (0.05, 0.05),
        )
    )
    parts += _cab(label, (0.05 * size, 0.38 * size, deck + 0.2 * size), (1.4 * size, inner, 2.85 * size), paint)
    knee_x, knee_z = around(rng, 2.7, 0.06) * size, around(rng, 3.05, 0.03) * size
    tip_x, tip_z = around(rng, 4.3, 0.05) * size, around(rng, 2.45, 0.08) * size
    end_x, end_z = tip_x - around(rng, 0.35, 0.5) * size, around(rng, 0.95, 0.2) * size
    root = (0.75 * size, 0, 1.45 * size)
    beam = np.array([0.20, 0.27, 0.19]) * size
    parts.append(
        rod([root, (knee_x - 0.5 * size, 0, knee_z - 0.1 * size), (tip_x, 0, tip_z)], beam, label, paint, sides=4)
    )
    parts.append(
        rod(
            [(tip_x - 0.25 * size, 0, tip_z + 0.45 * size), (tip_x, 0, tip_z), (end_x, 0, end_z)],
            np.array([0.12, 0.2, 0.11]) * size,
            label,
            paint,
            sides=4,
        )
    )
    for side in (1, -1):  # pistons beside and over the boom
        y = side * 0.24 * size
        parts.append(
            rod(
                [(1.15 * size, y, 1.2 * size), (knee_x - 0.50 * size, y, knee_z - 0.12 * size)],
                0.07 * size,
                label,
                STEEL,
            )
        )
    parts.append(
        rod(
            [(knee_x - 0.45 * size, 0, knee_z + 0.05 * size), (tip_x - 0.2 * size, 0, tip_z + 0.42 * size)],
            0.06 * size,
            label,
            STEEL,
        )
    )
    scoop = _bucket(label, 0.55 * size, 0.55 * size, paint)
    tilt = float(rng.uniform(-0.6, 0.3))
    scoop = turned_about_y(scoop, tilt, (0, 0, 0))
    lowest = end_z + scoop.vertices[:, 2].min()
    parts.append(scoop.moved((end_x, 0.0, end_z - min(0.0, lowest))))
    parts.append(
        rod([(0.3 * size, 0.8 * size, 2.83 * size), (0.3 * size, 0.8 * size, 2.83 * size + 0.2)], 0.07, label, LAMP)
    )
    return Draft(merged(parts))


def wheel_loader(rng: np.random.Generator, label: int) -> Draft:
    """Four large wheels, engine behind, cab in the middle, and two arms that carry a wide bucket."""
    size = around(rng, 1.0, 0.07)
    half, paint = 1.22 * size, float(rng.uniform(0.3, 0.6))
    tyre, broad = 0.72 * size, 0.52 * size
    parts = []
    for x in (-1.75 * size, 1.05 * size):
        for side in (1, -1):
            parts.append(wheel((x, side * (half - broad / 2), tyre), tyre, side * broad, label, sides=14, rim=paint))
        parts.append(rod([(x, -half + 0.2, tyre), (x, half - 0.2, tyre)], 0.2 * size, label, DARK))
    hood = [(-3.05, 0.75), (-0.75, 0.75), (-0.75, 2.0), (-2.75, 1.9), (-3.05, 1.55)]
    parts.append(prism([(size * x, size * z) for x, z in hood], -0.62 * size, 0.62 * size, label, paint))
    for side in (1, -1):  # mudguards
        guard = [(-2.4, 1.48), (-1.1, 1.48), (-1.0, 1.6), (-2.4, 1.6)]
        parts.append(prism([(size * x, size * z) for x, z in guard], side * 0.6 * size, side * half, label, paint))
    parts += _cab(label, (-0.85 * size, -0.68 * size, 1.25 * size), (0.6 * size, 0.68 * size, 3.15 * size), paint)
    parts.append(box((-0.9 * size, -0.5 * size, 0.6 * size), (1.7 * size, 0.5 * size, 1.3 * size), label, DARK))
    raised = float(rng.uniform(0.0, 1.1)) * size
    wrist_x, wrist_z = (2.55 - 0.12 * raised) * size, 0.45 * size + raised
    for side in (1, -1):
        y = side * 0.48 * size
        parts.append(
            rod(
                [(0.75 * size, y, 1.75 * size), (1.75 * size, y, 1.45 * size + 0.5 * raised), (wrist_x, y, wrist_z)],
                0.19 * size,
                label,
                paint,
                sides=4,
            )
        )
        parts.append(
            rod([(0.9 * size, y, 0.95 * size), (1.8 * size, y, 1.3 * size + 0.45 * raised)], 0.08 * size, label, STEEL)
        )
    parts.append(
        rod(
            [
                (1.0 * size, 0, 1.65 * size),
                (1.8 * size, 0, 1.75 * size + 0.6 * raised),
                (wrist_x, 0, wrist_z + 0.4 * size),
            ],
            0.1 * size,
            label,
            STEEL,
            sides=4,
        )
    )
    scoop = turned_about_y(_bucket(label, 0.62 * size, 1.28 * size, paint), float(rng.uniform(1.35, 1.75)), (0, 0, 0))
    sink = min(0.0, wrist_z + scoop.vertices[:, 2].min())
    parts.append(scoop.moved((wrist_x - 0.1 * size, 0.0, wrist_z - sink)))
    parts.append(rod([(-0.3, 0, 3.13 * size), (-0.3, 0, 3.13 * size + 0.18)], 0.07, label, LAMP))
    parts.append(box((-3.07 * size, -0.55 * size, 0.95 * size), (-3.04 * size, 0.55 * size, 1.1 * size), label, FILM))
    return Draft(merged(parts))


def _bucket(label: int, radius: float, half: float, paint: float) -> Mesh:
    """A curved scoop hung at the origin, open towards -x, with teeth at its lower lip."""
    turns = [math.radians(a) for a in (75, 35, -10, -60, -110, -150)]
    middle = (-0.15 * radius, -0.75 * radius)
    rim = [(middle[0] + radius * math.cos(t), middle[1] + radius * math.sin(t)) for t in turns]
    parts = []
    for (x0, z0), (x1, z1) in zip(rim[:-1], rim[1:]):
        inner = [
            (middle[0] + 0.93 * (x - middle[0]), middle[1] + 0.93 * (z - middle[1])) for x, z in ((x1, z1), (x0, z0))
        ]
        parts.append(prism([(x0, z0), (x1, z1), *inner], -half, half, label, paint))
    for side in (1, -1):
        parts.append(prism(rim, side * half, side * (half - 0.04), label, paint))
    lip_x, lip_z = rim[-1]
    for y in np.linspace(-0.9 * half, 0.9 * half, 5):
        parts.append(
            block((lip_x - 0.14, y - 0.05, lip_z - 0.03), (lip_x + 0.05, y + 0.05, lip_z + 0.05), label, STEEL)
        )
    return merged(parts)


def _cab(label: int, lower: tuple[float, float, float], upper: tuple[float, float, float], paint: float) -> list[Mesh]:
    """A glass cab: sill, panes that lean in a little, four posts and a roof."""
    (x0, y0, z0), (x1, y1, z1) = lower, upper
    sill, lean = z0 + 0.22 * (z1 - z0), 0.06
    parts = [box((x0, y0, z0), (x1, y1, sill), label, paint)]
    parts.append(
        block((x0 + 0.03, y0 + 0.03, sill - 0.01), (x1 - 0.03, y1 - 0.03, z1 - 0.1), label, GLASS, (lean, lean))
    )
    for x, tx in ((x0, lean), (x1, -lean)):
        for y, ty in ((y0, lean), (y1, -lean)):
            a, b = 0.04 if tx > 0 else -0.04, 0.04 if ty > 0 else -0.04
            parts.append(rod([(x + a, y + b, sill), (x + a + tx, y + b + ty, z1 - 0.1)], 0.06, label, paint, sides=4))
    parts.append(block((x0 + 0.02, y0 + 0.02, z1 - 0.11), (x1 + 0.03, y1 - 0.02, z1), label, paint, (0.06, 0.06)))
    return parts
