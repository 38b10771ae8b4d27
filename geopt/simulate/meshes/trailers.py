"""Semi-trailers."""

from __future__ import annotations

import numpy as np

from geopt.simulate.meshes.figure import Draft
from geopt.simulate.meshes.parts import (
    DARK,
    FILM,
    STEEL,
    around,
    block,
    rod,
    wheel,
)
from geopt.simulate.meshes.solids import box, merged
from geopt.simulate.meshes.trucks import tail


def trailer(rng: np.random.Generator, label: int) -> Draft:
    """A semi-trailer with two or three rear axles and landing legs: a closed box, curtains, a flat bed, or a container."""
    length, width, height = around(rng, 12.3, 0.06), around(rng, 2.58, 0.012), around(rng, 3.9, 0.025)
    rear, front, half = -length / 2, length / 2, width / 2
    tyre, floor, load = 0.50, 1.22, float(rng.uniform(0.2, 0.75))
    first = rear + around(rng, 1.4, 0.15)
    axles = [first + 1.32 * k for k in range(int(rng.integers(2, 4)))]
    parts = []
    for x in axles:
        for side in (1, -1):
            parts.append(wheel((x, side * (half - 0.22), tyre), tyre, side * 0.40, label, sides=12))
        parts.append(rod([(x, -half + 0.3, tyre), (x, half - 0.3, tyre)], 0.09, label, DARK))
    for side in (1, -1):
        parts.append(box((rear + 0.1, side * 0.45 - 0.06, 0.75), (front - 1.6, side * 0.45 + 0.06, floor), label, DARK))
        leg = front - 2.6
        parts.append(box((leg - 0.07, side * 0.8 - 0.07, 0.06), (leg + 0.07, side * 0.8 + 0.07, floor), label, STEEL))
        parts.append(box((leg - 0.14, side * 0.8 - 0.14, 0.0), (leg + 0.14, side * 0.8 + 0.14, 0.06), label, STEEL))
        for z in (0.5, 0.8):  # guard against running under
            parts.append(
                box(
                    (axles[-1] + 0.9, side * (half - 0.05) - 0.03, z),
                    (leg - 0.4, side * (half - 0.05) + 0.03, z + 0.1),
                    label,
                    STEEL,
                )
            )
        parts.append(
            box(
                (rear + 0.02, side * half - 0.03, floor - 0.10),
                (front, side * half, floor + 0.02),
                label,
                FILM if load < 0.4 else STEEL,
            )
        )
    form = int(rng.integers(4))
    if form < 3:
        ribs = int(rng.integers(6, 10))
        inset = 0.04
        top = height if form else height - 0.05
        parts.append(
            block(
                (rear + 0.05, inset - half, floor - 0.08),
                (front, half - inset, top),
                label,
                load,
                (0.0, 0.06 if form == 1 else 0.0),
            )
        )
        for x in np.linspace(rear + 0.1, front - 0.1, ribs):
            for side in (1, -1):
                y = side * (half - 0.02)
                parts.append(box((x - 0.05, y - 0.03, floor), (x + 0.05, y + 0.02, top - 0.08), label, load))
        if form == 2:  # cooling unit
            parts.append(block((front - 0.05, -0.8, 2.0), (front + 0.45, 0.8, top - 0.3), label, 0.5, (0.08, 0.08)))
    else:
        parts.append(box((rear + 0.05, -half + 0.02, floor - 0.1), (front, half - 0.02, floor), label, STEEL))
        parts.append(box((front - 0.12, -half + 0.05, floor), (front, half - 0.05, floor + 1.2), label, STEEL))
        base = floor
        while base < height - 0.5:
            tall = min(height - base, float(rng.uniform(0.7, 1.2)))
            for x0, x1 in ((rear + 0.6, -0.3), (0.2, front - 0.6)):
                shy = float(rng.uniform(0.05, 0.25))
                parts.append(block((x0, shy - half, base), (x1, half - shy, base + tall), label, load, (0.05, 0.05)))
            base += tall
    parts.append(box((rear, -half + 0.05, 0.50), (rear + 0.1, half - 0.05, 0.65), label, FILM))
    return Draft(merged([*parts, *tail(label, rear + 0.05, width)]))
