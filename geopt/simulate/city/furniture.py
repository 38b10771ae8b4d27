"""Things beside streets. Own frame: on the ground at the origin, the street towards -y, x along it."""

from __future__ import annotations

import numpy as np

from geopt.simulate.city.shapes import boxes, quads
from geopt.simulate.classes import MANMADE, STATIC_OTHER
from geopt.simulate.meshes import Mesh, box, loft, merged, tube

METAL = 0.45
SIGN = 1.0
"""Retro-reflecting sheets return all."""


def lamp(rng: np.random.Generator) -> Mesh:
    """A street lamp whose arm reaches over the street."""
    height, reach = rng.uniform(6.0, 9.0), rng.uniform(0.6, 2.2)
    post = tube([(0, 0, -0.5), (0, 0, 1.0), (0, 0, 1.05), (0, 0, height)], [0.13, 0.12, 0.09, 0.06], MANMADE, METAL)
    arm = box((-0.04, -reach, height - 0.08), (0.04, 0.0, height), MANMADE, METAL)
    return merged([post, arm, box((-0.12, -reach - 0.5, height - 0.15), (0.12, -reach, height), MANMADE, METAL)])


def sign(rng: np.random.Generator) -> Mesh:
    """A traffic sign on a thin post: round, three-cornered or square, facing along the street."""
    height, half, sides = rng.uniform(2.2, 2.8), rng.uniform(0.25, 0.38), int(rng.choice([3, 4, 8, 12]))
    post = tube([(0, 0, -0.4), (0, 0, height + half)], [0.035, 0.035], MANMADE, METAL, sides=6)
    angle = np.arange(sides) * (2 * np.pi / sides) + np.pi / 2 + (np.pi / 4 if sides == 4 else 0.0)
    x = 0.045 * rng.choice([-1, 1])
    plate = [[(x + e, half * np.cos(a), height + half * np.sin(a)) for a in angle] for e in (-0.008, 0.008)]
    return merged([post, loft(plate, MANMADE, SIGN)])


def traffic_light(rng: np.random.Generator, reach_m: float) -> Mesh:
    """A signal on a pole; with ``reach_m`` > 0 a second one on an arm over the street."""
    parts = [tube([(0, 0, -0.5), (0, 0, 3.4)], [0.09, 0.08], MANMADE, METAL)]
    heads = [(0.0, 0.16, 2.5)]
    if reach_m > 0:
        height = rng.uniform(5.6, 6.2)
        parts.append(tube([(0, 0, 3.4), (0, 0, height + 0.1)], [0.08, 0.07], MANMADE, METAL))
        parts.append(box((-0.06, -reach_m, height - 0.06), (0.06, 0.0, height + 0.06), MANMADE, METAL))
        heads.append((0.0, -reach_m + 0.3, height - 0.75))
    for x, y, z in heads:
        limits = [[(x - 0.16, y - 0.15, z), (x + 0.16, y + 0.15, z + 0.95)]]
        limits += [[(x - 0.3, y - 0.12, z + 0.24 + up), (x - 0.16, y + 0.12, z + 0.28 + up)] for up in (0.0, 0.3, 0.6)]
        parts.append(boxes(limits, 0.12))  # a head and its visors
    parts.append(box((-0.1, -0.16, 1.0), (0.1, -0.05, 1.25), MANMADE, 0.5))
    return merged(parts)


def utility_pole(rng: np.random.Generator) -> Mesh:
    """A wooden pole with cross-arms and sometimes a transformer."""
    height = rng.uniform(8.0, 10.0)
    parts = [tube([(0, 0, -0.6), (0, 0, height)], [0.16, 0.11], MANMADE, 0.3)]
    for z in (height - 0.5, height - 1.3):
        parts.append(box((-0.05, -0.9, z), (0.05, 0.9, z + 0.12), MANMADE, 0.3))
    if rng.uniform() < 0.4:
        parts.append(tube([(0.3, 0, height - 2.8), (0.3, 0, height - 1.8)], [0.22, 0.22], MANMADE, METAL, sides=10))
    return merged(parts)


def bollard(rng: np.random.Generator) -> Mesh:
    """A post that keeps vehicles off."""
    return tube([(0, 0, -0.3), (0, 0, 0.85), (0, 0, 0.95)], [0.07, 0.07, 0.04], MANMADE, rng.uniform(0.3, 0.6))


def hydrant(rng: np.random.Generator) -> Mesh:
    """A fire hydrant."""
    body = tube([(0, 0, -0.2), (0, 0, 0.5), (0, 0, 0.6), (0, 0, 0.72)], [0.12, 0.12, 0.14, 0.04], MANMADE, 0.35)
    return merged([body, box((-0.2, -0.06, 0.38), (0.2, 0.06, 0.5), MANMADE, 0.35)])


def parking_meter(rng: np.random.Generator) -> Mesh:
    """A meter on a post."""
    post = tube([(0, 0, -0.3), (0, 0, 1.1)], [0.035, 0.035], MANMADE, METAL, sides=6)
    return merged([post, box((-0.13, -0.1, 1.1), (0.13, 0.1, 1.45), MANMADE, 0.3)])


def cabinet(rng: np.random.Generator) -> Mesh:
    """A box of a power or telephone company."""
    length, height = rng.uniform(0.5, 1.3), rng.uniform(0.9, 1.5)
    return box((-length / 2, -0.2, -0.3), (length / 2, 0.2, height), MANMADE, rng.uniform(0.3, 0.6))


def litter_bin(rng: np.random.Generator) -> Mesh:
    """A litter bin with a lid on short posts."""
    body = tube([(0, 0, -0.2), (0, 0, 0.85)], [0.22, 0.25], MANMADE, 0.3, sides=10)
    return merged([body, tube([(0, 0, 0.95), (0, 0, 1.05)], [0.28, 0.2], MANMADE, 0.3, sides=10)])


def bench(rng: np.random.Generator) -> Mesh:
    """A bench with a back, looking towards -y."""
    parts = [
        box((-0.9, -0.25, 0.4), (0.9, 0.2, 0.46), MANMADE, 0.4),
        box((-0.9, 0.2, 0.5), (0.9, 0.26, 0.9), MANMADE, 0.4),
    ]
    parts += [box((x - 0.05, -0.2, -0.2), (x + 0.05, 0.26, 0.9 if x else 0.4), MANMADE, METAL) for x in (-0.7, 0.7)]
    return merged(parts)


def shelter(rng: np.random.Generator) -> Mesh:
    """A bus shelter, 4 m by 1.4 m, open towards -y."""
    parts = [
        box((-2.0, -0.7, 2.35), (2.0, 0.7, 2.5), MANMADE, 0.4),
        box((-2.0, 0.62, 0.15), (2.0, 0.68, 2.35), MANMADE, 0.15),
    ]
    parts.append(box((-2.0, -0.3, 0.15), (-1.94, 0.62, 2.3), MANMADE, 0.2))
    parts += [
        box((x - 0.05, y - 0.05, -0.3), (x + 0.05, y + 0.05, 2.4), MANMADE, METAL)
        for x in (-1.9, 1.9)
        for y in (-0.6, 0.6)
    ]
    parts.append(box((-1.2, 0.15, 0.42), (1.2, 0.5, 0.48), MANMADE, 0.4))
    return merged(parts)


def fence(rng: np.random.Generator, length: float, kind: str) -> Mesh:
    """A piece of fence or wall along x, its middle at the origin: rail, mesh, pickets or wall."""
    a, paint = length / 2, rng.uniform(0.25, 0.6)
    if kind == "wall":
        return box((-a, -0.12, -0.7), (a, 0.12, 1.1 + rng.uniform(-0.03, 0.03)), MANMADE, paint)
    height = {"rail": 1.1, "pickets": 1.15, "mesh": 1.9}[kind]
    rails = {"rail": (0.35, 0.7, 1.05), "pickets": (0.3, 0.95), "mesh": (0.05, 1.85)}[kind]
    limits = [[(x - 0.04, -0.04, -0.5), (x + 0.04, 0.04, height + 0.05)] for x in (-a + 0.04, 0.0)]
    limits += [[(-a, -0.025, z - 0.04), (a, 0.025, z + 0.04)] for z in rails]
    parts = [boxes(limits, paint)]
    if kind != "rail":
        gap, half = (0.22, 0.045) if kind == "pickets" else (0.25, 0.012)
        x = np.arange(-a + gap / 2, a, gap)
        corners = np.zeros((len(x), 4, 3))
        corners[:, :, 0] = x[:, None] + np.array([-half, half, half, -half])
        corners[:, :, 1], corners[:, :, 2] = -0.03, np.array([0.08, 0.08, height, height])
        parts.append(quads(corners, paint))
    return merged(parts)


def pallets(rng: np.random.Generator) -> Mesh:
    """Stacked pallets or rubble: what no class names."""
    parts, top = [], -0.2
    for _ in range(rng.integers(2, 7)):
        x, y = rng.normal(scale=0.06, size=2)
        parts.append(box((x - 0.6, y - 0.5, top), (x + 0.6, y + 0.5, top + 0.15), STATIC_OTHER, 0.35))
        top += 0.2
    return merged(parts)


def billboard(rng: np.random.Generator) -> Mesh:
    """A board on two posts, facing the street."""
    parts = [tube([(x, 0, -0.5), (x, 0, 4.5)], [0.12, 0.12], MANMADE, METAL) for x in (-1.4, 1.4)]
    parts.append(box((-2.2, -0.15, 2.4), (2.2, -0.02, 4.8), MANMADE, 0.5))
    return merged(parts)
