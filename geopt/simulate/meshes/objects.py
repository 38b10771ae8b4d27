"""Objects that stand about: cones, barriers, debris, bins and carts, bicycle racks, strollers, wheelchairs, and dogs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from geopt.simulate.meshes.cycles import bicycle_mesh, spoked
from geopt.simulate.meshes.figure import Draft, Floats
from geopt.simulate.meshes.parts import DARK, FILM, RUBBER, SKIN, STEEL, around, block, prism, rod, wheel
from geopt.simulate.meshes.people import draw_person, sitting
from geopt.simulate.meshes.solids import Mesh, box, loft, merged, tube


def cone(rng: np.random.Generator, label: int) -> Draft:
    """A cone on a square foot, a post on a round one, or a drum; each with bands of retro-reflective film."""
    form = rng.choice(3, p=(0.55, 0.25, 0.20))
    if form == 0:
        height, foot = around(rng, 0.92, 0.08), around(rng, 0.205, 0.08)
        shares = (0.0, 0.30, 0.45, 0.60, 0.75, 0.97, 1.0)
        radii = [0.80 * foot * (1 - 0.86 * share) for share in shares[:-1]] + [0.02]
        parts = [block((-foot, -foot, 0.0), (foot, foot, 0.045), label, DARK, (0.02, 0.02))]
        parts.append(banded(label, [0.04 + share * (height - 0.04) for share in shares], radii, (1, 3), 0.35))
    elif form == 1:
        height, foot = around(rng, 1.10, 0.05), around(rng, 0.19, 0.06)
        parts = [tube([(0, 0, 0.0), (0, 0, 0.03), (0, 0, 0.07)], [foot, foot, 0.4 * foot], label, DARK, sides=10)]
        shares = (0.04, 0.55, 0.68, 0.76, 0.88, 1.0)
        parts.append(
            banded(label, [share * height for share in shares], [0.05, 0.048, 0.047, 0.046, 0.045, 0.03], (1, 3), 0.35)
        )
    else:
        height, radius = around(rng, 1.05, 0.04), around(rng, 0.24, 0.05)
        shares = (0.08, 0.30, 0.48, 0.66, 0.84, 0.97, 1.0)
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
        height, foot = around(rng, 0.92, 0.06), around(rng, 0.27, 0.05)
        profile = ((0.0, 1.0), (0.09, 1.0), (0.34, 0.58), (0.97, 0.36), (1.0, 0.30))
        parts = [_bulk(label, [(share * height, out * foot) for share, out in profile], half, paint)]
        if form == 1:  # plastic: hollows for the fork of a lift, joints between the elements, and film
            parts = []
            for low, high in ((-1.0, -0.35), (-0.31, 0.31), (0.35, 1.0)):
                middle, wide = (low + high) / 2 * half, (high - low) / 2 * half
                profile = ((0.10, 1.0), (0.35, 0.62), (0.95, 0.42), (1.0, 0.34))
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
        height, foot = around(rng, 1.0, 0.05), around(rng, 0.28, 0.08)
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
        place, yaw = rng.normal(scale=0.20, size=2), float(rng.uniform(0, math.pi))
        form, shine = int(rng.integers(4)), float(rng.uniform(0.08, 0.6))
        size = around(rng, 0.34, 0.2)
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
                [(-1.6 * size, 0.0), (1.6 * size, size * 0.8), (1.6 * size, size * 0.8 + 0.03), (-1.6 * size, 0.03)],
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


def pushable(rng: np.random.Generator, label: int) -> Draft:
    """A dustbin with two wheels, a market trolley of wire, or a flat cart with boxes."""
    form = rng.choice(3, p=(0.5, 0.25, 0.25))
    parts = []
    if form == 0:
        wide, deep, height = around(rng, 0.29, 0.08), around(rng, 0.33, 0.08), around(rng, 1.05, 0.04)
        shine = float(rng.uniform(0.08, 0.4))
        parts.append(block((-deep, -wide, 0.09), (deep, wide, 0.93 * height), label, shine, (-0.03, -0.03)))
        lid = [
            (-deep - 0.05, 0.93 * height),
            (deep + 0.05, 0.91 * height),
            (deep + 0.02, 0.95 * height),
            (-deep, height),
        ]
        parts.append(prism(lid, -wide - 0.04, wide + 0.04, label, shine))
        parts.append(
            rod(
                [(-deep - 0.08, -0.8 * wide, 0.94 * height), (-deep - 0.08, 0.8 * wide, 0.94 * height)],
                0.02,
                label,
                DARK,
                sides=5,
            )
        )
        for side in (1, -1):
            parts.append(wheel((-deep + 0.05, side * (wide - 0.02), 0.11), 0.11, side * 0.06, label, sides=10))
            parts.append(
                block(
                    (deep - 0.12, side * (wide - 0.1) - 0.04, 0.0),
                    (deep - 0.04, side * (wide - 0.1) + 0.04, 0.1),
                    label,
                    shine,
                )
            )
    else:
        length, wide, height = around(rng, 0.36, 0.06), around(rng, 0.29, 0.06), around(rng, 1.04, 0.03)
        for x in (-0.85 * length, 0.85 * length):
            for side in (1, -1):
                parts.append(wheel((x, side * 0.85 * wide, 0.07), 0.07, side * 0.04, label, sides=8))
        for side in (1, -1):
            y = side * wide
            post = [(-length, 0.9 * y, 0.14), (-length, y, 0.5 * height), (-length - 0.08, y, height)]
            parts.append(rod(post, 0.016, label, STEEL, sides=5))
            parts.append(rod([(-length, 0.9 * y, 0.15), (length, 0.8 * y, 0.15)], 0.014, label, STEEL, sides=5))
        parts.append(
            rod(
                [(-length - 0.08, -wide, height - 0.01), (-length - 0.08, wide, height - 0.01)],
                0.02,
                label,
                DARK,
                sides=5,
            )
        )
        if form == 1:  # basket of wire
            for z, grow in ((0.42, 0.85), (0.60, 0.92), (0.78, 0.97), (0.90, 1.0)):
                ring = [
                    (-length, -grow * wide, z),
                    (length * (0.75 + 0.25 * grow), -0.8 * grow * wide, z),
                    (length * (0.75 + 0.25 * grow), 0.8 * grow * wide, z),
                    (-length, grow * wide, z),
                ]
                parts += [rod([a, b], 0.008, label, STEEL, sides=4) for a, b in zip(ring, ring[1:] + ring[:1])]
            for x in np.linspace(-length, 0.9 * length, 6):
                for side in (1, -1):
                    parts.append(
                        rod([(x, side * 0.75 * wide, 0.42), (x, side * 0.9 * wide, 0.9)], 0.007, label, STEEL, sides=3)
                    )
            parts.append(box((-length, -0.75 * wide, 0.41), (0.9 * length, 0.75 * wide, 0.43), label, STEEL))
        else:
            parts.append(box((-length, -wide, 0.14), (length, wide, 0.18), label, DARK))
            base = 0.18
            for _ in range(int(rng.integers(1, 4))):
                tall, shy = float(rng.uniform(0.18, 0.3)), float(rng.uniform(0.02, 0.1))
                parts.append(
                    box(
                        (shy - length, shy - wide, base),
                        (length - shy, wide - shy, base + tall),
                        label,
                        float(rng.uniform(0.2, 0.6)),
                    )
                )
                base += tall
    return Draft(merged(parts))


def bicycle_rack(rng: np.random.Generator, label: int) -> Draft:
    """Bows of steel side by side along y, most of them with a bicycle; all of it belongs to the rack's class."""
    places = int(rng.integers(4, 7))
    gap, parts = around(rng, 0.68, 0.06), []
    bikes = 0
    for k in range(places):
        y = gap * (k - (places - 1) / 2)
        bow = [(-0.35, y, 0.0), (-0.35, y, 0.6), (-0.2, y, 0.8), (0.2, y, 0.8), (0.35, y, 0.6), (0.35, y, 0.0)]
        parts.append(rod(bow, 0.025, label, STEEL, sides=4))
        if bikes < 4 and rng.uniform() < 0.7:
            bikes += 1
            bike = bicycle_mesh(rng, label, segments=10, spokes=4)
            parts.append(
                bike.moved(
                    (rng.normal(scale=0.06), y + 0.11, 0.0), float(rng.choice([0.0, math.pi]) + rng.normal(scale=0.04))
                )
            )
    for side in (1, -1):
        half = gap * (places - 1) / 2 + 0.1
        parts.append(box((side * 0.35 - 0.04, -half, 0.0), (side * 0.35 + 0.04, half, 0.03), label, STEEL))
    return Draft(merged(parts))


def stroller(rng: np.random.Generator, label: int) -> Draft:
    """A push-chair with canopy and the child in it; who pushes it is a figure of its own, behind it."""
    parts, cloth = [], float(rng.uniform(0.08, 0.5))
    wide, height, length = around(rng, 0.27, 0.06), around(rng, 1.04, 0.03), around(rng, 1.0, 0.06)
    for x, radius in ((-0.36 * length, 0.14), (0.36 * length, 0.10)):
        for side in (1, -1):
            parts.append(wheel((x, side * wide, radius), radius, side * 0.05, label, sides=10))
    for side in (1, -1):
        y = side * (wide - 0.04)
        parts.append(
            rod(
                [(0.36 * length, y, 0.12), (-0.15 * length, y, 0.62), (-0.5 * length, y, height)],
                0.016,
                label,
                STEEL,
                sides=5,
            )
        )
        parts.append(rod([(-0.36 * length, y, 0.14), (0.12 * length, y, 0.55)], 0.014, label, STEEL, sides=5))
    y = wide - 0.04
    parts.append(rod([(-0.5 * length, -y, height), (-0.5 * length, y, height)], 0.02, label, DARK, sides=5))
    seat = [
        (-0.22 * length, 0.42),
        (0.20 * length, 0.36),
        (0.34 * length, 0.50),
        (0.05 * length, 0.52),
        (-0.30 * length, 0.56),
    ]
    parts.append(prism(seat, -wide + 0.05, wide - 0.05, label, cloth))
    parts.append(
        prism(
            [(-0.26 * length, 0.5), (-0.15 * length, 0.5), (-0.30 * length, 0.92), (-0.36 * length, 0.90)],
            -wide + 0.05,
            wide - 0.05,
            label,
            cloth,
        )
    )
    hood = [(-0.36 * length, 0.86), (-0.06 * length, 0.94), (-0.14 * length, 1.0), (-0.28 * length, 1.0)]
    if rng.uniform() < 0.75:
        parts.append(prism(hood, -wide + 0.02, wide - 0.02, label, cloth))
    parts.append(box((-0.3 * length, 0.07 - wide, 0.2), (0.2 * length, wide - 0.07, 0.32), label, DARK))  # basket
    parts.append(
        tube(
            [(-0.14 * length, 0, z) for z in (0.66, 0.70, 0.78, 0.84)], [0.04, 0.075, 0.075, 0.03], label, SKIN, sides=7
        )
    )
    body = [(-0.12 * length, 0, 0.52), (-0.12 * length, 0, 0.60), (-0.14 * length, 0, 0.68)]
    parts.append(tube(body, [(0.10, 0.12), (0.09, 0.12), (0.05, 0.07)], label, float(rng.uniform(0.1, 0.6)), sides=8))
    for side in (1, -1):
        parts.append(
            rod(
                [
                    (-0.10 * length, side * 0.06, 0.54),
                    (0.20 * length, side * 0.07, 0.53),
                    (0.30 * length, side * 0.07, 0.38),
                ],
                0.04,
                label,
                0.2,
                sides=5,
            )
        )
    return Draft(merged(parts))


def wheelchair(rng: np.random.Generator, label: int) -> Draft:
    """A wheelchair with open wheels and the person in it."""
    radius, half = 0.30, around(rng, 0.29, 0.03)
    parts = [spoked(label, radius, 0.016, 8, 16).moved((-0.1, side * half, radius)) for side in (1, -1)]
    for side in (1, -1):
        y = side * (half - 0.06)
        parts.append(wheel((0.36, y, 0.09), 0.09, side * 0.04, label, sides=8))
        parts.append(
            rod([(-0.32, y, 0.98), (-0.22, y, 0.45), (0.30, y, 0.44), (0.42, y, 0.12)], 0.014, label, STEEL, sides=5)
        )
        parts.append(rod([(-0.32, y, 0.97), (-0.44, y, 0.96)], 0.018, label, DARK, sides=5))
        parts.append(rod([(-0.25, y, 0.66), (0.14, y, 0.66), (0.16, y, 0.45)], 0.02, label, DARK, sides=5))
    parts.append(box((-0.22, 0.07 - half, 0.42), (0.25, half - 0.07, 0.47), label, DARK))
    parts.append(
        prism([(-0.25, 0.47), (-0.21, 0.47), (-0.28, 0.95), (-0.32, 0.95)], 0.07 - half, half - 0.07, label, DARK)
    )
    parts.append(box((0.34, 0.1 - half, 0.08), (0.55, half - 0.1, 0.10), label, STEEL))
    person = sitting(draw_person(rng, label), rng, seat_m=0.46 - 0.10)
    return Draft(merged([*parts, person.moved((-0.08, 0.0, 0.10))]), has_rider=True)


@dataclass(frozen=True)
class Trot:
    """The motion of a dog: legs swing in pairs across the body."""

    hips: tuple[tuple[float, float, float], ...]
    swing: float

    def __call__(self, phase_rad: float) -> Floats:
        out = np.zeros((5, 3, 4))
        out[0, :, :3] = np.eye(3)
        for row, (x, y, z) in enumerate(self.hips):
            angle = self.swing * math.sin(phase_rad + (math.pi if row in (1, 2) else 0.0))
            cos, sin = math.cos(angle), math.sin(angle)
            out[row + 1] = ((cos, 0.0, -sin, x), (0.0, 1.0, 0.0, y), (sin, 0.0, cos, z))
        return out


def animal(rng: np.random.Generator, label: int) -> Draft:
    """A dog that trots: body, neck, head with ears, tail, and four legs."""
    size, fur = around(rng, 1.0, 0.18), float(rng.uniform(0.08, 0.6))
    back, deep = 0.50 * size, 0.085 * size
    shape = (
        (-0.30, 0.45, 0.6),
        (-0.24, 0.46, 0.95),
        (-0.05, 0.45, 0.85),
        (0.14, 0.43, 1.15),
        (0.24, 0.46, 1.0),
        (0.29, 0.50, 0.6),
    )
    trunk = rod([(x * size, 0, z * size) for x, z, _ in shape], [deep * r for _, _, r in shape], label, fur, sides=8)
    parts = [
        trunk,
        rod(
            [(0.22 * size, 0, 0.48 * size), (0.33 * size, 0, 0.60 * size)],
            [0.075 * size, 0.06 * size],
            label,
            fur,
            sides=7,
        ),
    ]
    muzzle = [(0.28, 0.63), (0.34, 0.655), (0.40, 0.63), (0.49, 0.59)]
    parts.append(
        rod(
            [(x * size, 0, z * size) for x, z in muzzle],
            np.array([0.055, 0.075, 0.055, 0.028]) * size,
            label,
            fur,
            sides=7,
        )
    )
    tail = [(-0.28 * size, 0, 0.50 * size), (-0.36 * size, 0, 0.56 * size), (-0.40 * size, 0, 0.68 * size)]
    parts.append(rod(tail, np.array([0.03, 0.022, 0.012]) * size, label, fur, sides=5))
    for side in (1, -1):
        parts.append(
            block(
                (0.29 * size, side * 0.055 * size - 0.02, 0.66 * size),
                (0.34 * size, side * 0.055 * size + 0.02, 0.75 * size),
                label,
                fur,
                (0.018, 0.014),
            )
        )
    hips = tuple((x * size, side * 0.06 * size, 0.42 * size) for x in (0.20, -0.22) for side in (1, -1))
    legs = []
    for x, _, z in hips:
        crook = -0.04 if x < 0 else 0.02
        paw = [(0, 0, 0.03), (crook * size, 0, -0.5 * z), (0, 0, -0.94 * z), (0.05 * size, 0, -z)]
        legs.append(rod(paw, np.array([0.055, 0.032, 0.022, 0.024]) * size, label, fur, sides=6))
    bones = [np.zeros(sum(len(p.vertices) for p in parts), dtype=np.int64)]
    bones += [np.full(len(leg.vertices), row + 1) for row, leg in enumerate(legs)]
    swing = 0.38
    stride = 4 * 0.42 * size * math.sin(swing)
    mesh = merged([*parts, *legs])
    return Draft(mesh, np.concatenate(bones), Trot(hips, swing), phase_per_m=2 * math.pi / stride, is_grounded=True)
