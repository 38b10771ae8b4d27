"""Buses, rigid and with a bellows."""

from __future__ import annotations

import numpy as np

from geopt.simulate.meshes.figure import Draft
from geopt.simulate.meshes.parts import (
    DARK,
    GLASS,
    LAMP,
    around,
    block,
    prism,
    rod,
    shell,
    wheel,
)
from geopt.simulate.meshes.solids import Mesh, box, merged
from geopt.simulate.meshes.trucks import tail


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
