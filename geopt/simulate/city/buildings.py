"""Buildings: front at y = 0 looking towards -y, x from the middle of the front, ground at z = 0 with a skirt below it."""

from __future__ import annotations

import numpy as np

from geopt.simulate.city.shapes import boxes, quads
from geopt.simulate.classes import MANMADE
from geopt.simulate.meshes import Mesh, box, loft, merged, tube
from geopt.simulate.randomness import Floats

SKIRT_M = 2.0
"""How far walls reach below the ground in front, for slopes."""
DETAIL_M = 13.0
"""Above this height windows are not cut out: few beams rise so high."""


def wall(
    length: float,
    top: float,
    middles: Floats,
    half_m: float,
    floors: Floats,
    rise: tuple[float, float],
    reveal: float,
    paint: float,
) -> Mesh:
    """A wall at y = 0 facing -y, x from 0 to ``length``, with windows set back.

    Args:
        middles: (B,) x of the windows' middles.
        half_m: Half their width.
        floors: (F,) z of the floors that have windows.
        rise: From where to where above its floor a window reaches.
        reveal: How far the panes are set back.
    """
    sills, lintels = floors + rise[0], floors + rise[1]
    left, right = middles - half_m, middles + half_m
    solid = [_grid(np.array([0.0]), np.array([length]), np.append(-SKIRT_M, lintels), np.append(sills, top))]
    solid.append(_grid(np.append(0.0, right), np.append(left, length), sills, lintels))
    pane = _grid(left, right, sills, lintels)
    inner = pane + (0.0, reveal, 0.0)
    edges = [np.stack([pane[:, k], pane[:, k - 1], inner[:, k - 1], inner[:, k]], axis=1) for k in range(4)]
    faces = np.concatenate([*solid, *edges, inner])
    return quads(faces, np.where(np.arange(len(faces)) < len(faces) - len(inner), paint, 0.25 * paint))


def _grid(x0: Floats, x1: Floats, z0: Floats, z1: Floats) -> Floats:
    """Upright rectangles (N, 4, 3) for every pair of an x range and a z range."""
    xa, za = (grid.ravel() for grid in np.meshgrid(x0, z0, indexing="ij"))
    xb, zb = (grid.ravel() for grid in np.meshgrid(x1, z1, indexing="ij"))
    corners = np.zeros((len(xa), 4, 3))
    corners[:, :, 0] = np.stack([xa, xb, xb, xa], axis=1)
    corners[:, :, 2] = np.stack([za, za, zb, zb], axis=1)
    return corners


def _walls(
    rng: np.random.Generator, length: float, depth: float, floors: Floats, top: float, bay_m: float, paint: float
) -> list[Mesh]:
    """Four walls with windows around (-length / 2, 0) to (length / 2, depth)."""
    half, reveal = bay_m * rng.uniform(0.2, 0.33), rng.uniform(0.08, 0.3)
    rise = (rng.uniform(0.5, 1.0), rng.uniform(2.1, 2.45))
    shown = floors[floors < DETAIL_M]
    parts = []
    for side, (x, y, size) in enumerate(
        ((-length / 2, 0.0, length), (length / 2, 0.0, depth), (length / 2, depth, length), (-length / 2, depth, depth))
    ):
        bays = max(1, round(size / bay_m))
        some = shown if side != 2 else shown[:2]
        middles = (np.arange(bays) + 0.5) * size / bays
        if side % 2 and rng.uniform() < 0.35:
            some = some[:0]  # a bare wall towards the neighbour
        parts.append(
            wall(size, top, middles, min(half, 0.4 * size / bays), some, rise, reveal, paint).moved(
                (x, y, 0.0), side * np.pi / 2
            )
        )
    return parts


def block(rng: np.random.Generator, length: float, depth: float, storeys: int) -> Mesh:
    """A town house or office: flat roof behind a parapet, balconies or pilasters, shops with awnings."""
    storey_m, bay_m, paint = rng.uniform(2.9, 3.6), rng.uniform(2.6, 4.2), rng.uniform(0.15, 0.6)
    floors, top = storey_m * np.arange(storeys, dtype=np.float64), storeys * storey_m
    parts = _walls(rng, length, depth, floors, top + rng.uniform(0.2, 0.9), bay_m, paint)
    parts.append(_roof(length, depth, top, 0.2))
    bays = max(1, round(length / bay_m))
    joints = np.linspace(-length / 2, length / 2, bays + 1)
    trim, blocks = rng.uniform(), []
    if trim < 0.35:
        out, half = rng.uniform(0.1, 0.25), rng.uniform(0.15, 0.3)
        for x in np.clip(joints, half - length / 2, length / 2 - half):
            blocks.append([(x - half, -out, -SKIRT_M), (x + half, 0.0, top)])
    elif trim < 0.7:
        half = 0.42 * length / bays
        for x in (joints[:-1] + joints[1:]) / 2:
            for floor in floors[1:5]:
                if rng.uniform() < 0.5:
                    blocks.append([(x - half, -1.0, floor), (x + half, 0.0, floor + 0.14)])
                    blocks.append([(x - half, -1.0, floor + 0.14), (x + half, -0.94, floor + 1.05)])
    parts.append(boxes(blocks, 0.9 * paint))
    if rng.uniform() < 0.45:
        edge, out, high = rng.uniform(0.25, 0.48) * length, rng.uniform(0.7, 1.3), rng.uniform(2.7, 3.0)
        awning = np.array([(-edge, 0.0, high + 0.4), (edge, 0.0, high + 0.4), (edge, -out, high), (-edge, -out, high)])
        parts.append(loft(np.stack([awning, awning + (0.0, 0.0, 0.06)]), MANMADE, 0.4))
    for _ in range(rng.integers(0, 4)):  # machines on the roof
        x, y = rng.uniform(-0.35, 0.35) * length, rng.uniform(0.3, 0.7) * depth
        parts.append(box((x - 1, y - 1, top), (x + 1, y + 1, top + rng.uniform(1, 2.5)), MANMADE, 0.4))
    for x in rng.uniform(-0.5, 0.5, size=rng.integers(1, 4)) * (length - 0.4):  # downpipes
        parts.append(tube([(x, -0.08, 0.0), (x, -0.08, min(top, DETAIL_M))], [0.06, 0.06], MANMADE, 0.4, sides=5))
    return merged(parts)


def house(rng: np.random.Generator, length: float, depth: float, storeys: int) -> Mesh:
    """A house with a pitched roof, a porch, a chimney, sometimes an annexe."""
    storey_m, paint = rng.uniform(2.6, 3.0), rng.uniform(0.2, 0.7)
    top = storeys * storey_m
    parts = _walls(
        rng, length, depth, storey_m * np.arange(storeys, dtype=np.float64), top, rng.uniform(2.4, 3.6), paint
    )
    parts.append(_gable(rng, length, depth, top, paint))
    x = rng.uniform(-0.3, 0.3) * length
    parts.append(box((x - 0.8, -1.0, -SKIRT_M), (x + 0.8, 0.0, 0.25), MANMADE, 0.3))  # steps
    parts.append(box((x - 0.5, -0.06, 0.25), (x + 0.5, 0.0, 2.3), MANMADE, 0.35))  # a door
    if rng.uniform() < 0.5:
        parts.append(box((x - 1.0, -1.1, 2.55), (x + 1.0, 0.0, 2.7), MANMADE, 0.3))
        for post in (x - 0.95, x + 0.95):
            parts.append(tube([(post, -1.0, 0.0), (post, -1.0, 2.55)], [0.06, 0.06], MANMADE, 0.4, sides=6))
    x, y = rng.uniform(-0.3, 0.3) * length, rng.uniform(0.3, 0.7) * depth
    parts.append(box((x - 0.35, y - 0.35, top), (x + 0.35, y + 0.35, top + 0.5 * depth), MANMADE, 0.25))
    return merged(parts)


def _gable(rng: np.random.Generator, length: float, depth: float, top: float, paint: float) -> Mesh:
    """A pitched roof with eaves, its ridge along x or y, and the gables below it."""
    eave, pitch, tiles = rng.uniform(0.2, 0.5), rng.uniform(0.45, 0.9), rng.uniform(0.1, 0.3)
    swap = rng.uniform() < 0.35
    along, across = (depth, length) if swap else (length, depth)
    rise = pitch * across / 2
    drop, a, b = pitch * eave, along / 2 + eave, across / 2 + eave
    ridge = [(-a, 0.0, rise), (a, 0.0, rise)]
    slopes = [[(-a, s * b, -drop), (a, s * b, -drop), ridge[1], ridge[0]] for s in (-1, 1)]
    gables = [
        [(x, -across / 2, 0.0), (x, across / 2, 0.0), (x, 0.0, rise), (x, 0.0, rise)] for x in (-along / 2, along / 2)
    ]
    roof = quads(np.array(slopes + gables), np.array([tiles, tiles, paint, paint]))
    return roof.moved((0.0, depth / 2, top), np.pi / 2 if swap else 0.0)


def _roof(length: float, depth: float, top: float, reflectance: float) -> Mesh:
    a = length / 2
    return quads(np.array([[(-a, 0.0, top), (a, 0.0, top), (a, depth, top), (-a, depth, top)]]), reflectance)


def hall(rng: np.random.Generator, length: float, depth: float, storeys: int) -> Mesh:
    """A works hall or warehouse: ribbed walls, roller doors, a strip of windows, a ramp, tanks or ducts on the roof."""
    top, paint = 3.0 + 1.6 * storeys + rng.uniform(0, 1.5), rng.uniform(0.25, 0.65)
    parts = [_roof(length, depth, top, 0.25)]
    rib_m, out = rng.uniform(2.0, 4.0), rng.uniform(0.08, 0.25)
    doors = max(1, round(length / rng.uniform(7.0, 14.0)))
    middles = (np.arange(doors) + 0.5) * length / doors
    parts.append(
        wall(length, top, middles, min(2.0, 0.35 * length / doors), np.zeros(1), (0.0, 3.6), 0.4, paint).moved(
            (-length / 2, 0, 0)
        )
    )
    for side, (x, y, size) in enumerate(
        ((length / 2, 0.0, depth), (length / 2, depth, length), (-length / 2, depth, depth)), 1
    ):
        windows = np.arange(2.5, size, 5.0, dtype=np.float64)
        high = np.array([top - 2.4])
        parts.append(
            wall(size, top, windows[windows < size - 2], 1.8, high, (0.6, 1.7), 0.12, paint).moved(
                (x, y, 0.0), side * np.pi / 2
            )
        )
    ribs = np.arange(-length / 2 + 0.2, length / 2, rib_m)
    gap = np.abs(ribs[:, None] + length / 2 - middles).min(axis=1) > min(2.0, 0.35 * length / doors) + 0.2
    parts.append(boxes([[(x - 0.12, -out, -SKIRT_M), (x + 0.12, 0.0, top)] for x in ribs[gap]], 0.9 * paint))
    for _ in range(rng.integers(0, 4)):
        x, y = rng.uniform(-0.4, 0.4) * length, rng.uniform(0.2, 0.8) * depth
        parts.append(tube([(x, y, top), (x, y, top + rng.uniform(0.8, 3.0))], [0.7, 0.7], MANMADE, 0.5, sides=10))
    return merged(parts)


def shed(rng: np.random.Generator, length: float, depth: float, storeys: int) -> Mesh:
    """A garage, hut or kiosk with a roof that leans; ``storeys`` is not used."""
    top, lean, paint = rng.uniform(2.2, 2.9), rng.uniform(0.1, 0.6), rng.uniform(0.2, 0.6)
    a = length / 2
    parts = [box((-a, 0.0, -SKIRT_M), (a, depth, top), MANMADE, paint)]
    low = np.array(
        [
            (-a - 0.2, -0.25, top + lean),
            (a + 0.2, -0.25, top + lean),
            (a + 0.2, depth + 0.2, top),
            (-a - 0.2, depth + 0.2, top),
        ]
    )
    parts.append(loft(np.stack([low, low + (0, 0, 0.1)]), MANMADE, 0.3))
    parts.append(box((-0.4 * length, -0.05, 0.0), (0.1 * length, 0.0, 2.0), MANMADE, 0.6 * paint))
    return merged(parts)
