"""What people push: bins and carts, strollers, wheelchairs."""

from __future__ import annotations

import numpy as np

from geopt.simulate.meshes.bicycles import spoked
from geopt.simulate.meshes.bodies import draw_person
from geopt.simulate.meshes.figure import Draft
from geopt.simulate.meshes.parts import (
    DARK,
    SKIN,
    STEEL,
    around,
    block,
    prism,
    rod,
    wheel,
)
from geopt.simulate.meshes.people import sitting
from geopt.simulate.meshes.solids import box, merged, tube


def pushable(rng: np.random.Generator, label: int) -> Draft:
    """A dustbin with two wheels, a market trolley of wire, or a flat cart with boxes."""
    form = rng.choice(3, p=(0.5, 0.25, 0.25))
    parts = []
    if form == 0:
        wide, deep, height = around(rng, 0.29, 0.08), around(rng, 0.28, 0.08), around(rng, 1.05, 0.04)
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
        length, wide, height = around(rng, 0.32, 0.06), around(rng, 0.29, 0.06), around(rng, 1.04, 0.03)
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
    person = sitting(draw_person(rng, label, pack="", skirt=False), rng, seat_m=0.46 - 0.10)
    return Draft(merged([*parts, person.moved((-0.08, 0.0, 0.10))]), has_rider=True)
