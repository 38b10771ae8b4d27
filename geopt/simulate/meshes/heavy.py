"""Trucks, tractors, trailers and buses."""

from __future__ import annotations

import numpy as np

from geopt.simulate.meshes.figure import Draft
from geopt.simulate.meshes.parts import DARK, FILM, GLASS, LAMP, PLATE, STEEL, around, block, prism, rod, shell, wheel
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


def bus(rng: np.random.Generator, label: int) -> Draft:
    """A city bus: large windows, wheel wells, doors of glass, units on the roof, mirrors like horns."""
    length, width, height = around(rng, 11.0, 0.07), around(rng, 2.55, 0.012), around(rng, 3.2, 0.03)
    parts = coach(
        rng, label, -length / 2, length / 2, width, height, [-0.5 * length + 3.0, 0.5 * length - 2.6], True, True
    )
    return Draft(merged([*parts, *_horns(label, length / 2, width, height)]))


def bendy_bus(rng: np.random.Generator, label: int) -> Draft:
    """A bus of two stiff parts with a bellows between them; it stays straight."""
    length, width, height = around(rng, 17.6, 0.03), around(rng, 2.55, 0.012), around(rng, 3.2, 0.03)
    rear, front = -length / 2, length / 2
    joint = rear + 0.40 * length
    paint_state = rng.integers(2**31)
    both = [np.random.default_rng(paint_state) for _ in range(2)]  # one paint on both parts
    parts = coach(both[0], label, joint + 0.6, front, width, height, [joint + 1.9, front - 2.6], True, False)
    parts += coach(both[1], label, rear, joint - 0.6, width, height, [rear + 3.2], False, True)
    for k, x in enumerate(np.linspace(joint - 0.6, joint + 0.45, 8)):  # folds
        shy = 0.05 if k % 2 else 0.14
        parts.append(box((x, shy - width / 2, 0.5 + shy), (x + 0.16, width / 2 - shy, height - 0.1 - shy), label, DARK))
    return Draft(merged([*parts, *_horns(label, front, width, height)]))


def coach(
    rng: np.random.Generator, label: int, rear: float, front: float, width: float, height: float,
    axles: list[float], has_front: bool, has_rear: bool,
) -> list[Mesh]:  # fmt: skip
    """The body of a bus from ``rear`` to ``front`` with wheels at ``axles``; only real ends are rounded and glazed."""
    paint, roof, tyre = float(rng.uniform(0.15, 0.6)), height - 0.02, 0.48
    ends = [(rear, 0.86, 0.93), (rear + 0.12, 0.97, 0.985), (rear + 0.4, 1.0, 1.0)] if has_rear else [(rear, 1.0, 1.0)]
    ends += (
        [(front - 0.7, 1.0, 1.0), (front - 0.22, 0.985, 0.99), (front, 0.84, 0.93)]
        if has_front
        else [(front, 1.0, 1.0)]
    )
    arch = tyre + 0.10
    wells = [x + share * arch for x in axles for share in (-1.0, -0.8, 0.8, 1.0)]
    x = np.array(sorted({e[0] for e in ends} | set(wells)))
    half = width / 2 * np.interp(x, [e[0] for e in ends], [e[1] for e in ends])
    top = roof * np.interp(x, [e[0] for e in ends], [e[2] for e in ends])
    well = np.full_like(x, 0.32)
    for axle in axles:
        well = np.where(np.abs(x - axle) < 0.9 * arch, 2 * tyre + 0.08, well)
    inner, one = np.minimum(width / 2 - 0.42, half - 0.05), np.ones_like(x)
    halves = np.stack([np.stack(c, axis=1) for c in (
        (inner, 0.32 * one), (inner, well), (half, well), (half, 1.15 * one), (0.985 * half, 0.79 * top),
        (0.955 * half, 0.95 * top), (0.80 * half, top),
    )], axis=1)  # fmt: skip
    cells = np.full((len(x) - 1, 8), paint)
    cells[:, [0, 1, 7]] = DARK
    cells[:, 3] = GLASS
    parts = [shell(x, halves, label, cells)]
    if has_front:  # the windscreen and the doors lie just before the shell
        parts.append(
            prism(
                [(front - 0.02, 1.15), (front + 0.012, 1.15), (front + 0.012, 2.65), (front - 0.02, 2.65)],
                -0.40 * width,
                0.40 * width,
                label,
                GLASS,
            )
        )
        parts.append(box((front, -0.36 * width, 2.72), (front + 0.015, 0.36 * width, 2.95), label, LAMP))
        parts.append(box((front - 2.0, -width / 2 - 0.012, 0.36), (front - 0.8, -width / 2 + 0.05, 2.5), label, GLASS))
        for side in (1, -1):
            parts.append(
                box(
                    (front - 0.05, side * 0.36 * width - 0.12, 0.62),
                    (front + 0.015, side * 0.36 * width + 0.12, 0.78),
                    label,
                    LAMP,
                )
            )
    if has_rear:
        parts.append(
            prism(
                [(rear + 0.03, 1.75), (rear - 0.012, 1.75), (rear - 0.012, 2.6), (rear + 0.03, 2.6)],
                -0.35 * width,
                0.35 * width,
                label,
                GLASS,
            )
        )
        parts += tail(label, rear, width - 0.4)
    middle = (rear + front) / 2
    parts.append(box((middle - 0.6, -width / 2 - 0.012, 0.36), (middle + 0.7, -width / 2 + 0.05, 2.5), label, GLASS))
    for place in (0.3, 0.68)[: int(rng.integers(1, 3))]:
        at = rear + place * (front - rear)
        parts.append(block((at - 0.9, -0.75, roof - 0.03), (at + 0.9, 0.75, roof + 0.26), label, 0.5, (0.2, 0.15)))
    for at in axles:
        for side in (1, -1):
            parts.append(wheel((at, side * (width / 2 - 0.17), tyre), tyre, side * 0.32, label, sides=12))
    return parts


def _horns(label: int, front: float, width: float, height: float) -> list[Mesh]:
    """Mirrors of a bus, before and beside its windscreen."""
    parts = []
    for side in (1, -1):
        y, z = side * (width / 2 + 0.08), 0.72 * height
        parts.append(
            rod(
                [
                    (front - 0.1, side * 0.44 * width, 0.86 * height),
                    (front + 0.18, y, 0.85 * height),
                    (front + 0.2, y, z + 0.3),
                ],
                0.025,
                label,
                DARK,
                sides=4,
            )
        )
        parts.append(
            block((front + 0.13, y - 0.10, z - 0.1), (front + 0.25, y + 0.10, z + 0.32), label, DARK, (0.02, 0.02))
        )
    return parts


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
                (front - 0.32, side * (half + 0.09) - 0.09, belt),
                (front - 0.20, side * (half + 0.09) + 0.09, belt + 0.55),
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
