"""Bicycles and motorcycles with open frames and wheels, parked or ridden; scooters that one stands on."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from geopt.simulate.meshes.figure import Draft, Floats
from geopt.simulate.meshes.parts import DARK, LAMP, PLATE, RUBBER, STEEL, around, block, hoop, prism, rod, wheel
from geopt.simulate.meshes.people import NUM_BONES, Person, Pose, body, draw_person, frames, frozen, reach
from geopt.simulate.meshes.solids import Mesh, box, merged

CRANK_M, GEAR = 0.17, 3
"""Length of a crank; turns of the wheels for each of the pedals."""
FRAME, REAR, FRONT, CRANKS = NUM_BONES, NUM_BONES + 1, NUM_BONES + 2, NUM_BONES + 3


@dataclass(frozen=True)
class Bicycle:
    """Where the joints of a bicycle are, (x, z) in metres; its bottom bracket stands at x = 0."""

    wheel: float
    rear: float
    front: float
    saddle: tuple[float, float]
    grip: tuple[float, float]
    bracket: float = 0.28
    """Height of the axle of the pedals."""


def draw_bicycle(rng: np.random.Generator) -> Bicycle:
    """A bicycle for adults, upright or sporty."""
    radius = around(rng, 0.338, 0.02)
    base = around(rng, 1.05, 0.02)
    upright = float(rng.uniform(0.0, 1.0))
    saddle = (-0.22, around(rng, 0.95, 0.025))
    return Bicycle(radius, -0.44, base - 0.44, saddle, (0.42 - 0.16 * upright, 0.92 + 0.14 * upright))


def frame_parts(rng: np.random.Generator, cycle: Bicycle, label: int, detail: int = 6) -> list[Mesh]:
    """Everything of a bicycle but its wheels and cranks."""
    paint = float(rng.uniform(0.1, 0.5))
    hub_r, hub_f = (cycle.rear, 0.0, cycle.wheel), (cycle.front, 0.0, cycle.wheel)
    bracket, seat = (0.0, 0.0, cycle.bracket), (cycle.saddle[0], 0.0, cycle.saddle[1])
    clamp = (0.75 * seat[0], 0.0, cycle.bracket + 0.75 * (seat[2] - cycle.bracket))
    crown, head = (cycle.front - 0.10, 0.0, 2 * cycle.wheel + 0.06), (cycle.front - 0.17, 0.0, 2 * cycle.wheel + 0.24)
    low = rng.uniform() < 0.4  # step-through
    top = (0.55 * clamp[0], 0.0, 0.5 * (cycle.bracket + clamp[2])) if low else clamp
    grip = cycle.grip

    def bar(points: list[tuple[float, float, float]], radius: float, shine: float = paint) -> Mesh:
        return rod(points, radius, label, shine, sides=4 if detail < 6 else 5)

    parts = [
        bar([bracket, seat], 0.017),
        bar([bracket, crown], 0.022),
        bar([top, head], 0.018),
        bar([crown, head], 0.022),
    ]
    parts.append(bar([head, (grip[0] + 0.06, 0.0, grip[1])], 0.015, STEEL))
    for side in (1, -1):
        y = side * 0.05
        parts.append(bar([(0, y, cycle.bracket), (hub_r[0], y, hub_r[2])], 0.011))
        parts.append(bar([(clamp[0], y, clamp[2] - 0.05), (hub_r[0], y, hub_r[2])], 0.010))
        parts.append(bar([(crown[0], y, crown[2]), (hub_f[0], y, hub_f[2])], 0.014))
    width = around(rng, 0.29, 0.05)
    sweep = [
        (grip[0], -width, grip[1]),
        (grip[0] + 0.06, -0.1, grip[1] + 0.01),
        (grip[0] + 0.06, 0.1, grip[1] + 0.01),
        (grip[0], width, grip[1]),
    ]
    parts.append(bar(sweep, 0.016, DARK))
    sx, sz = cycle.saddle
    parts.append(block((sx - 0.12, -0.08, sz - 0.03), (sx + 0.15, 0.08, sz + 0.04), label, DARK, (0.02, 0.04)))
    if rng.uniform() < 0.5:  # carrier, sometimes with a bag
        parts.append(
            box(
                (cycle.rear - 0.17, -0.07, 2 * cycle.wheel + 0.06),
                (cycle.rear + 0.2, 0.07, 2 * cycle.wheel + 0.085),
                label,
                DARK,
            )
        )
        if rng.uniform() < 0.4:
            parts.append(
                block(
                    (cycle.rear - 0.16, 0.07, cycle.wheel + 0.08),
                    (cycle.rear + 0.14, 0.2, 2 * cycle.wheel + 0.06),
                    label,
                    0.25,
                    (0.02, 0.01),
                )
            )
    if rng.uniform() < 0.4:
        basket = (grip[0] + 0.12, 2 * cycle.wheel + 0.14)
        parts.append(
            block((basket[0], -0.17, basket[1]), (basket[0] + 0.25, 0.17, basket[1] + 0.22), label, 0.2, (-0.02, -0.02))
        )
    parts.append(
        box(
            (cycle.rear - 0.16, -0.03, 2 * cycle.wheel - 0.02),
            (cycle.rear - 0.13, 0.03, 2 * cycle.wheel + 0.05),
            label,
            LAMP,
        )
    )
    return parts


def spoked(label: int, radius: float, half_width: float, spokes: int, segments: int) -> Mesh:
    """A wheel about the y axis through the origin: thin tyre, hub and spokes, so that most light passes."""
    parts = [hoop((0, 0, 0), radius, half_width, label, RUBBER, segments)]
    parts.append(rod([(0, -0.04, 0), (0, 0.04, 0)], 0.025, label, STEEL, sides=5))
    for k in range(spokes):
        turn = 2 * math.pi * (k + 0.25) / spokes
        rim = (radius - 2 * half_width) * math.cos(turn), (radius - 2 * half_width) * math.sin(turn)
        parts.append(rod([(0, 0.0, 0), (rim[0], 0.0, rim[1])], 0.006, label, STEEL, sides=3))
    return merged(parts)


def _cranks(label: int) -> Mesh:
    """Pedals, cranks and chainring about the y axis through the origin; the left pedal points towards +x."""
    parts = [rod([(0, -0.07, 0), (0, -0.05, 0)], 0.09, label, STEEL, sides=8)]
    for side in (1, -1):
        parts.append(rod([(0, side * 0.08, 0), (side * CRANK_M, side * 0.09, 0)], 0.012, label, STEEL, sides=4))
        parts.append(
            box(
                (side * CRANK_M - 0.045, side * 0.14 - 0.05, -0.012),
                (side * CRANK_M + 0.045, side * 0.14 + 0.05, 0.012),
                label,
                DARK,
            )
        )
    return merged(parts)


def bicycle_mesh(rng: np.random.Generator, label: int, segments: int = 16, spokes: int = 9) -> Mesh:
    """A bicycle that stands upright, its bottom bracket over the origin."""
    cycle = draw_bicycle(rng)
    rim = spoked(label, cycle.wheel, 0.022, spokes, segments)
    parts = [
        *frame_parts(rng, cycle, label, detail=6 if segments > 12 else 4),
        _cranks(label).moved((0, 0, cycle.bracket)),
    ]
    parts += [rim.moved((x, 0, cycle.wheel)) for x in (cycle.rear, cycle.front)]
    parts.append(rod([(-0.1, 0.05, cycle.bracket), (-0.14, 0.16, 0.01)], 0.012, label, STEEL, sides=3))
    return merged(parts)


def bicycle(rng: np.random.Generator, label: int) -> Draft:
    """A bicycle on its stand."""
    return Draft(bicycle_mesh(rng, label))


@dataclass(frozen=True)
class Ride:
    """The motion of a cyclist: feet on the pedals, hands on the bar; the phase is the angle of the cranks."""

    person: Person
    cycle: Bicycle
    lean: float

    def __call__(self, phase_rad: float) -> Floats:
        p, c = self.person, self.cycle
        hip = (c.saddle[0] - 0.02, 0.0, c.saddle[1] + 0.04 * p.height)
        thighs, shins, feet = [], [], []
        for side in (1, -1):  # the cranks turn with the wheels: from the top to the front
            pedal = side * CRANK_M * math.cos(phase_rad), c.bracket - side * CRANK_M * math.sin(phase_rad)
            ankle = pedal[0] - 0.06, pedal[1] + p.ankle + 0.015
            thigh, shin = reach(p.thigh, p.shin, ankle[0] - hip[0], ankle[1] - hip[2], bend=1)
            thighs.append(thigh)
            shins.append(shin)
            feet.append(-0.1)
        shoulder = hip[0] + math.sin(self.lean) * p.trunk, hip[2] + math.cos(self.lean) * p.trunk
        arm, fore = reach(p.upper_arm, p.forearm, c.grip[0] - shoulder[0], c.grip[1] - shoulder[1], bend=-1)
        pose = Pose(
            hip, self.lean, (thighs[0], thighs[1]), (shins[0], shins[1]), (feet[0], feet[1]), (arm, arm), (fore, fore)
        )
        out = np.zeros((NUM_BONES + 4, 3, 4))
        out[:NUM_BONES] = frames(p, pose)
        for bone, turn, x, z in (
            (FRAME, 0, 0.0, 0.0),
            (REAR, GEAR, c.rear, c.wheel),
            (FRONT, GEAR, c.front, c.wheel),
            (CRANKS, 1, 0.0, c.bracket),
        ):
            cos, sin = math.cos(turn * phase_rad), math.sin(turn * phase_rad)
            out[bone] = ((cos, 0.0, sin, x), (0.0, 1.0, 0.0, 0.0), (-sin, 0.0, cos, z))
        return out


def cyclist(rng: np.random.Generator, label: int) -> Draft:
    """Someone on a bicycle; all of it belongs to the bicycle's class."""
    person = draw_person(
        rng, label, hat="helmet" if rng.uniform() < 0.5 else "", pack="backpack" if rng.uniform() < 0.3 else ""
    )
    drawn = draw_bicycle(rng)
    legs = 0.95 * (person.thigh + person.shin)  # the saddle lets a leg reach the lower pedal
    low_x, low_z = drawn.saddle[0] + 0.04, drawn.bracket - CRANK_M + person.ankle + 0.015
    hip = low_z + math.sqrt(legs**2 - low_x**2)
    cycle = replace(drawn, saddle=(drawn.saddle[0], hip - 0.04 * person.height))
    upright = (cycle.grip[1] - 0.92) / 0.14
    ride = Ride(person, cycle, lean=0.68 - 0.38 * upright)
    mesh, bone = body(person)
    rim = spoked(label, cycle.wheel, 0.022, 9, 16)
    parts = [(mesh, bone)]
    for part, row in (
        (merged(frame_parts(rng, cycle, label)), FRAME),
        (rim, REAR),
        (rim, FRONT),
        (_cranks(label), CRANKS),
    ):
        parts.append((part, np.full(len(part.vertices), row)))
    whole = merged([part for part, _ in parts])
    rows = np.concatenate([bones for _, bones in parts])
    return Draft(whole, rows, ride, phase_per_m=1.0 / (GEAR * cycle.wheel), has_rider=True)


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
        seat = Seat((rear + 0.35, 0.82), grip, (rear + 0.80, 0.36), 0.12)
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
        seat = Seat((-0.27, 0.86), grip, (-0.10, 0.32), around(rng, 0.28, 0.4))
        saddle = [(-0.62, 0.80), (-0.06, 0.74), (-0.06, 0.82), (-0.3, 0.82), (-0.62, 0.88)]
    parts.append(prism(saddle, -0.14, 0.14, label, DARK))
    if rng.uniform() < 0.4:
        screen = [(front - 0.30, 0.95), (front - 0.14, 0.85), (front - 0.36, 1.28), (front - 0.40, 1.30)]
        parts.append(prism(screen, -0.2, 0.2, label, 0.05))
    if rng.uniform() < 0.4:
        parts.append(block((rear - 0.3, -0.21, 0.88), (rear + 0.1, 0.21, 1.2), label, paint, (0.04, 0.04)))
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
    p = draw_person(rng, label, hat="helmet", pack="backpack" if rng.uniform() < 0.25 else "")
    hip = (seat.hip[0], 0.0, seat.hip[1] + 0.035 * p.height)
    thigh, shin = reach(p.thigh, p.shin, seat.rest[0] - 0.05 - hip[0], seat.rest[1] + p.ankle - hip[2], bend=1)
    shoulder = hip[0] + math.sin(seat.lean) * p.trunk, hip[2] + math.cos(seat.lean) * p.trunk
    arm, fore = reach(p.upper_arm, p.forearm, seat.grip[0] - shoulder[0], seat.grip[1] - shoulder[1], bend=-1)
    pose = Pose(hip, seat.lean, (thigh, thigh), (shin, shin), (-0.1, -0.1), (arm, arm), (fore, fore))
    rider = frozen(replace(p, girth=1.05 * p.girth), pose)
    return Draft(merged([mesh, astride(rider, 0.09)]), has_rider=True)


def astride(rider: Mesh, apart: float) -> Mesh:
    """The legs of a rider moved ``apart`` metres outward below the hips, beside what is sat on."""
    mesh, bones = rider, np.abs(rider.vertices[:, 1])
    low = mesh.vertices[:, 2] < mesh.vertices[:, 2].min() + 0.55
    aside = np.sign(mesh.vertices[:, 1]) * np.where(low & (bones > 0.01), apart, 0.0)
    vertices = mesh.vertices.copy()
    vertices[:, 1] += aside
    return mesh._replace(vertices=vertices)


def scooter_rider(rng: np.random.Generator, label: int) -> Draft:
    """Someone standing on a kick scooter with small wheels."""
    p = draw_person(
        rng, label, hat="helmet" if rng.uniform() < 0.3 else "", pack="backpack" if rng.uniform() < 0.4 else ""
    )
    radius, deck = 0.11, 0.15
    rear, front = -0.48, 0.48
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
