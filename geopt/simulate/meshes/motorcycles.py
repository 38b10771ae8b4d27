"""Motorcycles parked and ridden, and kick scooters that one stands on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from geopt.simulate.meshes.bicycles import spoked
from geopt.simulate.meshes.bodies import draw_person
from geopt.simulate.meshes.figure import Draft
from geopt.simulate.meshes.parts import (
    DARK,
    LAMP,
    PLATE,
    STEEL,
    around,
    block,
    prism,
    rod,
    wheel,
)
from geopt.simulate.meshes.people import Pose, frozen, reach
from geopt.simulate.meshes.solids import Mesh, box, merged


@dataclass(frozen=True)
class Seat:
    """Where the rider of a motorcycle touches it, (x, z) in metres."""

    hip: tuple[float, float]
    grip: tuple[float, float]
    rest: tuple[float, float]
    lean: float


def motorcycle_mesh(rng: np.random.Generator, label: int) -> tuple[Mesh, Seat]:
    """A motorcycle or a scooter with floorboard, the middle of its wheelbase over the origin; and its seat."""
    base, radius = around(rng, 1.44, 0.03), around(rng, 0.31, 0.03)
    paint, half_bar = float(rng.uniform(0.1, 0.6)), around(rng, 0.37, 0.05)
    rear, front = -base / 2, base / 2
    is_scooter = rng.uniform() < 0.35
    rim = spoked(label, radius, 0.055, 5, 14)
    parts = [rim.moved((x, 0, radius)) for x in (rear, front)]
    crown = (front - 0.22, 0.0, 0.80)
    grip = (front - 0.38, around(rng, 1.04, 0.02))
    for side in (1, -1):
        y = side * 0.10
        parts.append(
            rod([(front, y, radius), (crown[0], y, crown[2]), (crown[0] - 0.05, y, 0.95)], 0.026, label, STEEL, sides=5)
        )
        parts.append(rod([(rear, side * 0.11, radius), (-0.05, side * 0.13, 0.38)], 0.035, label, DARK, sides=4))
        parts.append(
            rod(
                [(rear + 0.05, side * 0.13, radius + 0.03), (rear + 0.2, side * 0.13, 0.72)],
                0.03,
                label,
                STEEL,
                sides=5,
            )
        )
        parts.append(
            rod([(grip[0] + 0.08, side * 0.1, 0.98), (grip[0], side * half_bar, grip[1])], 0.018, label, DARK, sides=5)
        )
        y, z = side * (half_bar - 0.03), grip[1] + around(rng, 0.17, 0.1)
        parts.append(
            rod([(grip[0] + 0.05, side * 0.22, grip[1] - 0.01), (grip[0] + 0.08, y, z)], 0.009, label, DARK, sides=3)
        )
        parts.append(block((grip[0] + 0.06, y - 0.055, z - 0.035), (grip[0] + 0.10, y + 0.055, z + 0.045), label, DARK))
    guard = [
        (front - 0.22, 2 * radius - 0.01),
        (front - 0.05, 2 * radius + 0.02),
        (front + 0.16, 2 * radius - 0.06),
        (front - 0.05, 2 * radius + 0.05),
    ]
    parts.append(prism(guard, -0.07, 0.07, label, paint))
    parts.append(rod([(front - 0.20, 0, 0.88), (front - 0.06, 0, 0.87)], [0.06, 0.10], label, LAMP, sides=8))
    if is_scooter:
        shield = [(front - 0.40, 0.32), (front - 0.32, 0.30), (front - 0.20, 0.98), (front - 0.28, 1.0)]
        parts.append(prism(shield, -0.21, 0.21, label, paint))
        parts.append(box((rear + 0.35, -0.18, 0.26), (front - 0.36, 0.18, 0.36), label, DARK))
        parts.append(
            prism(
                [(rear - 0.1, 0.5), (rear + 0.5, 0.33), (rear + 0.5, 0.74), (rear - 0.22, 0.74)],
                -0.17,
                0.17,
                label,
                paint,
            )
        )
        seat = Seat((rear + 0.35, 0.82), grip, (rear + 0.80, 0.36), 0.26)
        saddle = [(rear - 0.2, 0.73), (rear + 0.55, 0.73), (rear + 0.5, 0.81), (rear - 0.15, 0.84)]
    else:
        parts.append(block((-0.30, -0.19, 0.20), (0.32, 0.19, 0.58), label, 0.25, (0.06, 0.04)))
        tank = [(-0.12, 0.70), (0.10, 0.62), (0.36, 0.70), (0.38, 0.86), (0.20, 0.97), (-0.02, 0.92)]
        parts.append(prism(tank, -0.15, 0.15, label, paint))
        parts.append(
            rod(
                [(0.25, -0.15, 0.35), (-0.1, -0.2, 0.24), (rear - 0.1, -0.2, 0.42)],
                [0.03, 0.035, 0.055],
                label,
                STEEL,
                sides=6,
            )
        )
        parts.append(rod([(-0.1, 0, 0.72), (0.36, 0, 0.78), (0.28, 0, 0.40)], 0.04, label, DARK, sides=4))
        tip = rear - 0.18
        parts.append(prism([(-0.15, 0.66), (-0.1, 0.76), (tip, 0.88), (tip, 0.80)], -0.11, 0.11, label, paint))
        seat = Seat((-0.27, 0.86), grip, (-0.10, 0.32), around(rng, 0.36, 0.2))
        saddle = [(-0.62, 0.80), (-0.06, 0.74), (-0.06, 0.82), (-0.3, 0.82), (-0.62, 0.88)]
    parts.append(prism(saddle, -0.14, 0.14, label, DARK))
    if rng.uniform() < 0.4:
        screen = [(front - 0.30, 0.95), (front - 0.14, 0.85), (front - 0.36, 1.28), (front - 0.40, 1.30)]
        parts.append(prism(screen, -0.2, 0.2, label, 0.05))
    if rng.uniform() < 0.4:
        foot = 0.80 if is_scooter else 0.84
        parts.append(box((rear - 0.22, -0.10, foot - 0.03), (rear + 0.2, 0.10, foot + 0.06), label, STEEL))
        parts.append(
            block((rear - 0.26, -0.21, foot + 0.05), (rear + 0.12, 0.21, foot + 0.36), label, paint, (0.04, 0.04))
        )
    parts.append(box((rear - 0.26, -0.09, 0.52), (rear - 0.25, 0.09, 0.72), label, PLATE))
    parts.append(
        prism(
            [(rear - 0.25, 0.5), (rear - 0.23, 0.5), (rear - 0.08, 0.80), (rear - 0.2, 0.82)], -0.08, 0.08, label, DARK
        )
    )
    parts.append(box((rear - 0.22, -0.09, 0.74), (rear - 0.18, 0.09, 0.82), label, LAMP))
    return merged(parts), seat


def motorcycle(rng: np.random.Generator, label: int) -> Draft:
    """A parked motorcycle."""
    mesh, _ = motorcycle_mesh(rng, label)
    return Draft(mesh)


def motorcyclist(rng: np.random.Generator, label: int) -> Draft:
    """A motorcycle with a rider in a helmet; all of it belongs to the motorcycle's class."""
    mesh, seat = motorcycle_mesh(rng, label)
    p = draw_person(
        rng, label, straddle=0.10, hat="helmet", pack="backpack" if rng.uniform() < 0.25 else "", skirt=False
    )
    hip = (seat.hip[0], 0.0, seat.hip[1] + 0.035 * p.height)
    thigh, shin = reach(p.thigh, p.shin, seat.rest[0] - 0.05 - hip[0], seat.rest[1] + p.ankle - hip[2], bend=1)
    shoulder = hip[0] + math.sin(seat.lean) * p.trunk, hip[2] + math.cos(seat.lean) * p.trunk
    arm, fore = reach(p.upper_arm, p.forearm, seat.grip[0] - shoulder[0], seat.grip[1] - shoulder[1], bend=-1)
    pose = Pose(hip, seat.lean, (thigh, thigh), (shin, shin), (-0.1, -0.1), (arm, arm), (fore, fore))
    rider = frozen(p, pose)
    return Draft(merged([mesh, rider]), has_rider=True)


def scooter_rider(rng: np.random.Generator, label: int) -> Draft:
    """Someone standing on a kick scooter with small wheels."""
    p = draw_person(
        rng,
        label,
        hat="helmet" if rng.uniform() < 0.3 else "",
        pack="backpack" if rng.uniform() < 0.4 else "",
        skirt=False,
    )
    radius, deck = 0.11, 0.15
    front = around(rng, 0.47, 0.05)
    rear = -front
    grip = (front - 0.16, around(rng, 1.02, 0.03))
    parts = [wheel((x, 0, radius), radius, 0.05, label, sides=10) for x in (rear, front)]
    parts.append(box((rear + 0.08, -0.08, deck - 0.05), (front - 0.18, 0.08, deck), label, DARK))
    parts.append(
        rod([(front, 0, radius + 0.02), (front - 0.06, 0, 0.4), (grip[0], 0, grip[1])], 0.028, label, STEEL, sides=6)
    )
    parts.append(rod([(front - 0.2, 0, deck - 0.03), (front - 0.05, 0, 0.28)], 0.03, label, DARK, sides=5))
    parts.append(rod([(grip[0], -0.24, grip[1]), (grip[0], 0.24, grip[1])], 0.018, label, DARK, sides=5))
    parts.append(
        prism(
            [(rear - 0.13, 0.16), (rear + 0.1, 0.2), (rear + 0.1, 0.23), (rear - 0.13, 0.19)], -0.04, 0.04, label, DARK
        )
    )
    parts.append(box((front + 0.0, -0.03, 0.35), (front + 0.03, 0.03, 0.41), label, LAMP))
    hip = (-0.05, 0.0, deck + p.ankle + 0.97 * (p.thigh + p.shin))
    legs = [reach(p.thigh, p.shin, x - hip[0], deck + p.ankle - hip[2], bend=1) for x in (0.02, -0.22)]
    lean = 0.06
    shoulder = hip[0] + math.sin(lean) * p.trunk, hip[2] + math.cos(lean) * p.trunk
    arm, fore = reach(p.upper_arm, p.forearm, grip[0] - shoulder[0], grip[1] - shoulder[1], bend=-1)
    pose = Pose(hip, lean, (legs[0][0], legs[1][0]), (legs[0][1], legs[1][1]), (0.0, 0.0), (arm, arm), (fore, fore))
    return Draft(merged([*parts, frozen(p, pose)]), has_rider=True)
