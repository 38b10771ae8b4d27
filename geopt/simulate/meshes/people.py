"""Where the bones of people are when they stand, sit, walk or push.

The swing of a limb is the angle in the x-z plane from hanging down towards +x.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from geopt.simulate.meshes.bodies import FOOT, FOREARM, NUM_BONES, SHIN, SIDES, THIGH, TORSO, UPPER_ARM, Person, body
from geopt.simulate.meshes.figure import Draft, Floats
from geopt.simulate.meshes.parts import (
    around,
)
from geopt.simulate.meshes.solids import Mesh


@dataclass(frozen=True)
class Pose:
    """Where the hips are, and the swings (rad) of trunk and limbs, left then right."""

    hip: tuple[float, float, float]
    lean: float
    """Of the trunk, forward."""
    thighs: tuple[float, float]
    shins: tuple[float, float]
    feet: tuple[float, float]
    """Pitch of the soles; positive lifts the toes."""
    upper_arms: tuple[float, float]
    forearms: tuple[float, float]


def frames(person: Person, pose: Pose) -> Floats:
    """Rotation and joint of every bone, (NUM_BONES, 3, 4), metres."""
    out = np.zeros((NUM_BONES, 3, 4))

    def put(bone: int, swing: float, x: float, y: float, z: float) -> tuple[float, float]:
        cos, sin = math.cos(swing), math.sin(swing)
        out[bone] = ((cos, 0.0, -sin, x), (0.0, 1.0, 0.0, y), (sin, 0.0, cos, z))
        return sin, cos

    x, y, z = pose.hip
    put(TORSO, -pose.lean, x, y, z)
    shoulder_x, shoulder_z = x + math.sin(pose.lean) * person.trunk, z + math.cos(pose.lean) * person.trunk
    for k, side in enumerate(SIDES):
        beside = y + side * person.shoulder_y
        sin, cos = put(UPPER_ARM + k, pose.upper_arms[k], shoulder_x, beside, shoulder_z)
        reach = person.upper_arm
        put(FOREARM + k, pose.forearms[k], shoulder_x + reach * sin, beside, shoulder_z - reach * cos)
        beside = y + side * person.hip_y
        sin, cos = put(THIGH + k, pose.thighs[k], x, beside, z)
        knee_x, knee_z = x + person.thigh * sin, z - person.thigh * cos
        sin, cos = put(SHIN + k, pose.shins[k], knee_x, beside, knee_z)
        put(FOOT + k, pose.feet[k], knee_x + person.shin * sin, beside, knee_z - person.shin * cos)
    return out


def reach(upper: float, lower: float, dx: float, dz: float, bend: int) -> tuple[float, float]:
    """Swings of the two bones of a limb whose end shall lie (dx, dz) from its joint.

    ``bend`` is 1 for a knee, which points forward, and -1 for an elbow. What is too far away is pointed at with a
    straight limb.
    """
    span = min(math.hypot(dx, dz), (upper + lower) * 0.9999)
    span = max(span, abs(upper - lower) * 1.0001)
    towards = math.atan2(dx, -dz)
    first = math.acos((upper**2 + span**2 - lower**2) / (2 * upper * span))
    second = math.acos((lower**2 + span**2 - upper**2) / (2 * lower * span))
    return towards + bend * first, towards - bend * second


def frozen(person: Person, pose: Pose) -> Mesh:
    """The mesh of a person who keeps a pose."""
    mesh, bone = body(person)
    placed = frames(person, pose)[bone]
    v = mesh.vertices
    vertices = placed[..., 3] + placed[..., 0] * v[:, 0:1] + placed[..., 1] * v[:, 1:2] + placed[..., 2] * v[:, 2:3]
    return mesh._replace(vertices=vertices)


@dataclass(frozen=True)
class Walk:
    """The motion of a walker: each foot rests on the ground for half a turn and is lifted forward in the other half."""

    person: Person
    stride_m: float
    """Way of two steps, a turn of the phase."""
    arms: float
    """How far the arms swing, rad; negative holds them forward, pushing."""
    lean: float = 0.04

    def __call__(self, phase_rad: float) -> Floats:
        p, quarter = self.person, self.stride_m / 4
        near = quarter * (1.0 - 4.0 * ((phase_rad / (2 * math.pi) + 0.25) % 0.5))  # of the foot on the ground
        hip = p.ankle + math.sqrt((0.985 * (p.thigh + p.shin)) ** 2 - near * near)
        thighs, shins, feet = [], [], []
        for offset in (0.0, math.pi):
            turn = (phase_rad / (2 * math.pi) + offset / (2 * math.pi) + 0.25) % 1.0
            if turn < 0.5:  # on the ground, from the front to the back
                ahead, lift, pitch = quarter * (1.0 - 4.0 * turn), 0.0, 0.0
            else:
                swing = 2.0 * turn - 1.0
                ease = swing * swing * (3.0 - 2.0 * swing)
                ahead = quarter * (2.0 * ease - 1.0)
                pitch = 0.5 * math.sin(2.0 * math.pi * (swing + 0.5)) * min(1.0, quarter / (0.12 * p.height))
                lowest = max(0.108 * math.sin(-pitch), 0.040 * math.sin(pitch)) * p.height  # toe or heel
                lift = lowest + 0.05 * p.height * math.sin(math.pi * swing) ** 2
            thigh, shin = reach(p.thigh, p.shin, ahead, p.ankle + lift - hip, bend=1)
            thighs.append(thigh)
            shins.append(shin)
            feet.append(pitch)
        if self.arms < 0:
            upper, fore = (0.25, 0.25), (1.35, 1.35)
        else:
            swing = self.arms * math.sin(phase_rad)
            upper, fore = (swing, -swing), (swing + 0.35, 0.35 - swing)
        return frames(p, Pose((0.0, 0.0, hip), self.lean, tuple(thighs), tuple(shins), tuple(feet), upper, fore))  # type: ignore[arg-type]


def walker(person: Person, rng: np.random.Generator) -> Draft:
    """Someone who walks with drawn steps."""
    mesh, bone = body(person)
    stride = person.height * around(rng, 0.56, 0.10)
    walk = Walk(person, stride, arms=float(rng.uniform(0.15, 0.45)), lean=float(rng.uniform(0.0, 0.1)))
    return Draft(mesh, bone, walk, phase_per_m=2 * math.pi / stride, is_grounded=True)


def stander(person: Person, rng: np.random.Generator) -> Draft:
    """Someone who stands: arms down, bent to a phone, or on the hips."""
    hip = person.ankle + 0.998 * (person.thigh + person.shin)
    apart = float(rng.uniform(-0.08, 0.08))
    arms = ((0.05, 0.25), (0.35, 1.6), (-0.35, 0.7))
    left, right = arms[rng.integers(3)], arms[rng.integers(2)]
    legs = [reach(person.thigh, person.shin, dx, person.ankle - hip, bend=1) for dx in (apart, -apart)]
    pose = Pose(
        (0.0, 0.0, hip), float(rng.uniform(0.0, 0.08)), (legs[0][0], legs[1][0]), (legs[0][1], legs[1][1]), (0.0, 0.0),
        (left[0], right[0]), (left[1], right[1]),
    )  # fmt: skip
    return Draft(frozen(person, pose))


def sitting(person: Person, rng: np.random.Generator, seat_m: float | None = None) -> Mesh:
    """Someone on a seat of drawn height, the soles on the ground z = 0, the hips over the origin."""
    seat = around(rng, 0.45, 0.05) if seat_m is None else seat_m
    hip = seat + 0.05 * person.height
    ahead = person.thigh * float(rng.uniform(0.85, 1.2))
    thigh, shin = reach(person.thigh, person.shin, ahead, person.ankle - hip, bend=1)
    arm = float(rng.uniform(0.1, 0.5))
    pose = Pose(
        (0.0, 0.0, hip), float(rng.uniform(-0.1, 0.25)), (thigh, thigh), (shin, shin), (0.0, 0.0),
        (arm, arm), (arm + 0.9, arm + 1.0),
    )  # fmt: skip
    mesh = frozen(person, pose)
    mesh.vertices[:, 2] -= mesh.vertices[:, 2].min()
    return mesh
