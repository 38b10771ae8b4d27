"""Bicycles with open frames and wheels: on their stand, ridden, or in a rack."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from geopt.simulate.meshes.bodies import NUM_BONES, Person, body, draw_person
from geopt.simulate.meshes.figure import Draft, Floats
from geopt.simulate.meshes.parts import (
    DARK,
    LAMP,
    RUBBER,
    STEEL,
    around,
    block,
    hoop,
    rod,
)
from geopt.simulate.meshes.people import Pose, frames, reach
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


def frame_parts(rng: np.random.Generator, cycle: Bicycle, label: int, coarse: bool = False) -> list[Mesh]:
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
        return rod(points, radius, label, shine, sides=3 if coarse else 5)

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
    if coarse:
        return parts
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
        bar([(cycle.rear - 0.10, 0.0, 2 * cycle.wheel + 0.04), (clamp[0], 0.0, 2 * cycle.wheel + 0.10)], 0.012)
    )
    lamp = cycle.rear - 0.13
    parts.append(box((lamp, -0.03, 2 * cycle.wheel + 0.01), (lamp + 0.04, 0.03, 2 * cycle.wheel + 0.08), label, LAMP))
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


def bicycle_mesh(rng: np.random.Generator, label: int, coarse: bool = False) -> Mesh:
    """A bicycle that stands upright, its bottom bracket over the origin; a coarse one has a third of the faces."""
    cycle = draw_bicycle(rng)
    rim = spoked(label, cycle.wheel, 0.022, 3, 9) if coarse else spoked(label, cycle.wheel, 0.022, 9, 16)
    parts = frame_parts(rng, cycle, label, coarse)
    parts += [rim.moved((x, 0, cycle.wheel)) for x in (cycle.rear, cycle.front)]
    if not coarse:
        parts.append(_cranks(label).moved((0, 0, cycle.bracket)))
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
        rng,
        label,
        straddle=0.03,
        hat="helmet" if rng.uniform() < 0.5 else "",
        pack="backpack" if rng.uniform() < 0.3 else "",
        skirt=False,
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


def bicycle_rack(rng: np.random.Generator, label: int) -> Draft:
    """Bows of steel side by side along y, two or three of them with a bicycle; all of it belongs to the rack's class."""
    places = int(rng.integers(4, 7))
    gap, parts = around(rng, 0.68, 0.06), []
    taken = rng.permutation(places)[: int(rng.integers(2, 4))]
    for k in range(places):
        y = gap * (k - (places - 1) / 2)
        bow = [(-0.35, y, 0.0), (-0.22, y, 0.8), (0.22, y, 0.8), (0.35, y, 0.0)]
        parts.append(rod(bow, 0.025, label, STEEL, sides=4))
        if k in taken:
            bike = bicycle_mesh(rng, label, coarse=True)
            way = float(rng.choice([0.0, math.pi]) + rng.normal(scale=0.04))
            parts.append(bike.moved((rng.normal(scale=0.06), y + 0.12, 0.0), way))
    for side in (1, -1):
        half = gap * (places - 1) / 2 + 0.1
        parts.append(box((side * 0.35 - 0.04, -half, 0.0), (side * 0.35 + 0.04, half, 0.03), label, STEEL))
    return Draft(merged(parts))
