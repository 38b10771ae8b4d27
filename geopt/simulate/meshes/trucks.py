"""Trucks, tractors, and the cabs and chassis that they share."""

from __future__ import annotations

import numpy as np

from geopt.simulate.meshes.figure import Draft
from geopt.simulate.meshes.parts import (
    DARK,
    FILM,
    GLASS,
    LAMP,
    PLATE,
    STEEL,
    around,
    block,
    prism,
    rod,
    shell,
    wheel,
)
from geopt.simulate.meshes.solids import Mesh, box, merged

HITCH_GAP_M = 1.0
"""From the rear of a tractor to the front of its trailer: a corner of the trailer clears it in turns of up to 50 degrees."""


def truck(rng: np.random.Generator, label: int) -> Draft:
    """A cab and, on a frame with two or three axles, a flat bed with low sides, a tipper's bowl or a tank."""
    length, width, height = around(rng, 6.9, 0.10), around(rng, 2.5, 0.025), around(rng, 2.75, 0.04)
    paint = float(rng.uniform(0.1, 0.6))
    rear, front = -length / 2, length / 2
    back = front - around(rng, 2.0, 0.05)
    parts = cab(label, front, back, width, height, paint)
    parts += chassis(label, rear, back + 0.2, [rear + 1.3, *([rear + 2.4] if length > 7 else []), front - 1.25], width)
    floor, load = 1.12, float(rng.uniform(0.15, 0.5))
    half, gate = width / 2 - 0.08, back - 0.15
    form = int(rng.integers(3))
    if form == 0:  # flat bed: sides to the knee, and something lashed to it
        parts += tray(label, (rear, -half, floor - 0.12), (gate, half, floor + 0.45), 0.05, load)
        count = int(rng.integers(0, 4))
        for place in np.linspace(rear + 0.7, gate - 0.8, 4)[:count]:
            w, h = rng.uniform(0.4, 0.5) * half * 2, rng.uniform(0.4, 1.2)
            parts.append(block((place - 0.5, -w, floor), (place + 0.5, w, floor + h), label, load, (0.08, 0.08)))
    elif form == 1:  # tipper: a bowl that widens upwards, with a hill of sand
        rim, low = floor + 0.95, floor - 0.05
        outline = [(rear, rim), (rear + 0.35, low), (gate, low), (gate + 0.1, rim)]
        for side in (1, -1):
            parts.append(prism(outline, side * half, side * (half - 0.08), label, paint))
        parts.append(
            prism(
                [(gate, low), (gate + 0.08, low), (gate + 0.2, rim + 0.25), (gate + 0.1, rim + 0.25)],
                -half,
                half,
                label,
                paint,
            )
        )
        parts.append(
            prism([(rear, rim), (rear + 0.35, low), (rear + 0.43, low), (rear + 0.08, rim)], -half, half, label, paint)
        )
        parts.append(block((rear + 0.2, -half, low), (gate, half, low + 0.08), label, paint))
        fill = float(rng.uniform(0.3, 1.0))
        parts.append(
            block((rear + 0.4, 0.05 - half, low), (gate, half - 0.05, low + 0.35 + 0.8 * fill), label, 0.35, (0.9, 0.6))
        )
    else:  # tank
        middle, radius = floor + 0.72, min(half, 0.85)
        ends = [(rear + 0.1, 0.55), (rear + 0.3, 1.0), (gate - 0.3, 1.0), (gate - 0.1, 0.55)]
        parts.append(
            rod([(x, 0, middle) for x, _ in ends], [radius * share for _, share in ends], label, load, sides=14)
        )
        parts.append(box((rear + 0.6, -0.3, middle + 0.6), (gate - 0.6, 0.3, middle + radius + 0.12), label, STEEL))
        parts.append(box((rear + 0.2, -half, floor - 0.2), (gate - 0.2, half, floor), label, STEEL))
    return Draft(merged([*parts, *tail(label, rear, width)]))


def box_truck(rng: np.random.Generator, label: int) -> Draft:
    """A cab before a closed cargo box with a gap between them, a fairing on the roof at times, and a tail lift."""
    length, width, height = around(rng, 7.3, 0.12), around(rng, 2.5, 0.02), around(rng, 3.25, 0.05)
    rear, front, paint = -length / 2, length / 2, float(rng.uniform(0.1, 0.6))
    back = front - around(rng, 1.9, 0.05)
    top = min(0.80 * height, 2.65)
    parts = cab(label, front, back, width - 0.1, top, paint)
    if rng.uniform() < 0.5:
        parts.append(
            prism(
                [(back, top - 0.02), (front - 0.7, top - 0.02), (back, height - 0.1)],
                -0.42 * width,
                0.42 * width,
                label,
                paint,
            )
        )
    parts += chassis(label, rear + 0.1, back + 0.2, [rear + 0.27 * length, front - 1.2], width)
    cargo, half = float(rng.uniform(0.2, 0.7)), width / 2
    parts.append(block((rear + 0.08, -half, 1.0), (back - 0.12, half, height), label, cargo))
    for side in (1, -1):  # rails along the edges, and doors' bars
        for z in (1.02, height - 0.08):
            parts.append(
                box(
                    (rear + 0.06, side * half - 0.03, z - 0.05),
                    (back - 0.10, side * half + 0.02, z + 0.06),
                    label,
                    STEEL,
                )
            )
        parts.append(
            rod(
                [(rear + 0.05, side * 0.35, 1.1), (rear + 0.05, side * 0.35, height - 0.1)],
                0.025,
                label,
                STEEL,
                sides=4,
            )
        )
    parts.append(box((rear, -half + 0.1, 0.55), (rear + 0.08, half - 0.1, 0.70), label, FILM))
    return Draft(merged([*parts, *tail(label, rear + 0.05, width)]))


def tractor(rng: np.random.Generator, label: int) -> Draft:
    """The front of an articulated truck: a high cab with deflectors, and a short open frame with two or three axles."""
    length, width, height = around(rng, 6.3, 0.04), around(rng, 2.5, 0.015), around(rng, 3.5, 0.04)
    rear, front, paint = -length / 2, length / 2, float(rng.uniform(0.1, 0.6))
    back = front - around(rng, 2.35, 0.04)
    roof = 0.84 * height
    parts = cab(label, front, back, width, roof, paint)
    parts.append(
        prism(
            [(back, roof - 0.03), (front - 0.55, roof - 0.03), (front - 1.3, height - 0.1), (back, height)],
            -0.44 * width,
            0.44 * width,
            label,
            paint,
        )
    )
    axles = [rear + 1.0, front - 1.4, *([rear + 2.3] if rng.uniform() < 0.5 else [])]
    parts += chassis(label, rear, back + 0.2, axles, width, twin=True)
    parts.append(rod([(rear + 0.8, 0, 0.98), (rear + 0.8, 0, 1.14)], 0.5, label, DARK, sides=10))  # coupling plate
    parts.append(box((back - 0.45, 0.35, 0.95), (back - 0.2, 0.60, roof + 0.1), label, STEEL))  # exhaust
    for side in (1, -1):
        parts.append(
            rod([(back - 1.6, side * 0.95, 0.70), (back - 0.2, side * 0.95, 0.70)], 0.30, label, STEEL, sides=8)
        )  # fuel
        parts.append(
            block((back - 0.5, side * 0.47 * width - 0.02, 0.7), (back, side * 0.47 * width + 0.02, roof), label, paint)
        )
    return Draft(merged([*parts, *tail(label, rear, width)]), hitch_m=rear - HITCH_GAP_M)


def cab(label: int, front: float, back: float, width: float, height: float, paint: float) -> list[Mesh]:
    """A cab over the engine: sloping windscreen, side windows, bumper, lamps, mirrors and steps."""
    half, belt, depth = width / 2 * 0.96, 0.42 * height + 0.45, front - back
    x = np.array([back, back + 0.35 * depth, front - 0.40 * depth, front - 0.22, front - 0.08, front])
    scale = np.array([1.0, 1.0, 1.0, 0.98, 0.96, 0.90])
    top = height * np.array([0.985, 1.0, 1.0, 0.975, 0.50, 0.40]) + np.array([0, 0, 0, 0, 0.4, 0.3])
    under = np.array([0.55, 0.55, 0.55, 0.42, 0.38, 0.42])
    rows = []
    for k, share in enumerate(scale):
        y, roof = half * share, top[k]
        glazed = min(belt, roof - 0.04)
        rows.append(
            [
                (y * 0.9, under[k]),
                (y, under[k] + 0.1),
                (y, glazed),
                (y * 0.94, max(roof - 0.16, glazed + 0.01)),
                (y * 0.82, roof),
            ]
        )
    cells = np.full((5, 6), paint)
    cells[1:4, 2] = GLASS
    cells[3, [2, 3, 4]] = GLASS
    cells[:, 5] = DARK
    parts = [shell(x, np.array(rows), label, cells)]
    parts.append(box((front - 0.12, -half, 0.38), (front + 0.02, half, 0.72), label, 0.6 * paint))
    for side in (1, -1):
        parts.append(
            box(
                (front - 0.1, side * 0.74 * half - 0.15, 0.75),
                (front + 0.01, side * 0.74 * half + 0.15, 0.92),
                label,
                LAMP,
            )
        )
        parts.append(
            block(
                (front - 0.32, side * (half + 0.05) - 0.07, belt),
                (front - 0.20, side * (half + 0.05) + 0.07, belt + 0.55),
                label,
                DARK,
                (0.02, 0.01),
            )
        )
    parts.append(box((front + 0.005, -0.26, 0.48), (front + 0.025, 0.26, 0.60), label, PLATE))
    return parts


def chassis(label: int, rear: float, front: float, axles: list[float], width: float, twin: bool = False) -> list[Mesh]:
    """Two rails, and at each axle a pair of wheels under mudguards; ``axles`` ends with or contains the steered one."""
    parts, tyre = [], 0.49
    for side in (1, -1):
        parts.append(box((rear, side * 0.42 - 0.06, 0.72), (front, side * 0.42 + 0.06, 0.98), label, DARK))
    for x in axles:
        broad = 0.52 if twin and x < front else 0.34
        for side in (1, -1):
            parts.append(wheel((x, side * (width / 2 - 0.03 - broad / 2), tyre), tyre, side * broad, label, sides=12))
        parts.append(rod([(x, -width / 2 + 0.3, tyre), (x, width / 2 - 0.3, tyre)], 0.10, label, DARK))
    return parts


def tray(
    label: int, lower: tuple[float, float, float], upper: tuple[float, float, float], wall: float, paint: float
) -> list[Mesh]:
    """An open tray: a floor and four thin walls."""
    (x0, y0, z0), (x1, y1, z1) = lower, upper
    parts = [box(lower, (x1, y1, z0 + 0.12), label, paint)]
    parts += [box((x, y0, z0), (x + wall, y1, z1), label, paint) for x in (x0, x1 - wall)]
    parts += [box((x0, y, z0), (x1, y + wall, z1), label, paint) for y in (y0, y1 - wall)]
    return parts


def tail(label: int, rear: float, width: float) -> list[Mesh]:
    """Rear lamps and licence plate."""
    parts = [box((rear - 0.012, -0.26, 0.78), (rear + 0.02, 0.26, 0.90), label, PLATE)]
    parts.append(box((rear + 0.02, 0.1 - width / 2, 0.76), (rear + 0.08, width / 2 - 0.1, 0.94), label, DARK))
    for side in (1, -1):
        y = side * (width / 2 - 0.25)
        parts.append(box((rear - 0.012, y - 0.16, 0.78), (rear + 0.06, y + 0.16, 0.92), label, LAMP))
    return parts
