"""People as eleven bones: how their meshes hang on them, and where the bones are when they stand, sit, walk or push.

A limb hangs from its joint along -z; its swing is the angle in the x-z plane from there towards +x.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from geopt.simulate.meshes.figure import Draft, Floats
from geopt.simulate.meshes.parts import DARK, FILM, RUBBER, SKIN, around, block, rod
from geopt.simulate.meshes.solids import Mesh, loft, merged, tube

TORSO, NUM_BONES = 0, 11
UPPER_ARM, FOREARM, THIGH, SHIN, FOOT = 1, 3, 5, 7, 9
"""Row of the left bone; that of the right follows it."""
SIDES = (1, -1)


@dataclass(frozen=True)
class Person:
    """Measures of a body, all in metres, and how bright its clothes are."""

    label: int
    height: float
    girth: float
    """Widths relative to those of a slim adult of this height."""
    head: float = 0.13
    """Share of the height from chin to crown."""
    jacket: float = 0.2
    trousers: float = 0.15
    hat: str = ""
    """"" for hair, or "helmet" or "cap"."""
    vest: bool = False
    """A vest with stripes of retro-reflective film."""
    pack: str = ""
    """"" or "backpack" or "bag" (at the hip)."""
    skirt: bool = False

    @property
    def thigh(self) -> float:
        return 0.245 * self.height

    @property
    def shin(self) -> float:
        return 0.235 * self.height

    @property
    def ankle(self) -> float:
        """Height of the ankle over the sole."""
        return 0.042 * self.height

    @property
    def trunk(self) -> float:
        """From the hip joints up to the shoulder joints."""
        return (0.815 - 0.522) * self.height + (0.13 - self.head) * self.height

    @property
    def upper_arm(self) -> float:
        return 0.165 * self.height

    @property
    def forearm(self) -> float:
        """Down to the grip of the hand."""
        return 0.19 * self.height

    @property
    def shoulder_y(self) -> float:
        return 0.112 * self.height * self.girth

    @property
    def hip_y(self) -> float:
        return 0.052 * self.height * self.girth


def draw_person(rng: np.random.Generator, label: int, child: bool = False, **extra: object) -> Person:
    """A body of drawn height, girth and clothes; ``extra`` sets what is not drawn."""
    height = around(rng, 1.22, 0.12) if child else around(rng, 1.72, 0.045)
    drawn = dict(
        girth=around(rng, 0.95 if child else 1.05, 0.08),
        head=0.165 if child else 0.13,
        jacket=float(rng.uniform(0.06, 0.6)),
        trousers=float(rng.uniform(0.06, 0.45)),
    )
    return Person(label, height, **{**drawn, **extra})  # type: ignore[arg-type]


def body(person: Person) -> tuple[Mesh, np.ndarray]:
    """The mesh of a person, each vertex in the frame of its bone, and the bone (V,) of each vertex."""
    parts = [(_trunk(person), TORSO)]
    label, h, g = person.label, person.height, person.girth
    cloth, trousers = person.jacket, person.trousers
    for k, side in enumerate(SIDES):
        splay = 0.10 * person.upper_arm * side  # elbows stand a little away from the waist
        elbow = (0.0, splay, -person.upper_arm)
        parts.append((rod([(0, 0, 0.02 * h), elbow], [0.036 * h * g, 0.025 * h * g], label, cloth), UPPER_ARM + k))
        wrist, tip = -0.78 * person.forearm, -1.12 * person.forearm
        hand = [(0, splay, 0.01 * h), (0, splay, wrist), (0, splay, tip)]
        parts.append((rod(hand, [0.027 * h * g, 0.018 * h, 0.017 * h], label, cloth), FOREARM + k))
        parts[-1][0].reflectance[12:24] = SKIN
        thigh = [(0, 0, 0.03 * h), (0, 0, -0.5 * person.thigh), (0, 0, -person.thigh)]
        parts.append((rod(thigh, np.array([0.050, 0.045, 0.034]) * h * g, label, trousers), THIGH + k))
        shin = [(0, 0, 0.01 * h), (-0.006 * h, 0, -0.35 * person.shin), (0, 0, -person.shin)]
        parts.append((rod(shin, np.array([0.033, 0.034, 0.024]) * h * g, label, trousers), SHIN + k))
        heel, toe, half, top = -0.040 * h, 0.108 * h, 0.026 * h, 0.012 * h
        sole = [
            (heel, -half, -person.ankle),
            (toe, -half, -person.ankle),
            (toe, half, -person.ankle),
            (heel, half, -person.ankle),
        ]
        upper = [
            (heel, -0.8 * half, top),
            (0.35 * toe, -0.8 * half, top),
            (0.35 * toe, 0.8 * half, top),
            (heel, 0.8 * half, top),
        ]
        parts.append((loft([sole, upper], label, RUBBER), FOOT + k))
    return merged([part for part, _ in parts]), np.repeat(
        [bone for _, bone in parts], [len(p.vertices) for p, _ in parts]
    )


def _trunk(p: Person) -> Mesh:
    """Torso, neck and head over the hip joints, with what is worn on them."""
    h, g, label, top = p.height, p.girth, p.label, p.trunk
    rings = (  # height over the hips as a share of the trunk, half depth and half width as shares of the height
        (-0.16, 0.050, 0.070),
        (0.12, 0.062, 0.092),
        (0.45, 0.058, 0.082),
        (0.80, 0.068, 0.105),
        (1.00, 0.050, 0.112),
        (1.13, 0.028, 0.040),
    )
    radii = [(depth * h * g, width * h * g) for _, depth, width in rings]
    parts = [tube([(0, 0, z * top) for z, _, _ in rings], radii, label, p.jacket, sides=8)]
    parts[0].reflectance[[*range(0, 16), *range(40, 56)]] = p.trousers
    if p.vest:
        for ring in (1, 3):
            parts[0].reflectance[[*range(8 * ring, 8 * ring + 8), *range(40 + 8 * ring, 48 + 8 * ring)]] = FILM
    chin, crown = top * 1.10, p.height - 0.522 * p.height
    tall = crown - chin
    knots = ((0.0, 0.030), (0.22, 0.044), (0.62, 0.056), (0.88, 0.046), (1.0, 0.020))
    grow = p.head / 0.13
    scaled = [(r * h * grow * 1.12, r * h * grow) for _, r in knots]
    head = tube([(0.01 * h, 0, chin + z * tall) for z, _ in knots], scaled, label, SKIN, sides=7)
    parts.append(head)
    if p.hat:
        wide = 0.064 * h * grow
        brim = tube([(0.012 * h, 0, chin + z * tall) for z in (0.62, 0.68)], [wide * 1.25] * 2, label, 0.6, sides=7)
        dome = tube(
            [(0.01 * h, 0, chin + z * tall) for z in (0.66, 0.95, 1.08)],
            [wide, 0.85 * wide, 0.3 * wide],
            label,
            0.6,
            sides=7,
        )
        parts += [brim, dome] if p.hat == "helmet" else [dome]
    if p.pack == "backpack":
        parts.append(
            block(
                (-0.16 * h, -0.085 * h, 0.30 * top),
                (-0.045 * h, 0.085 * h, 1.02 * top),
                label,
                DARK + 0.3 * p.jacket,
                (0.02, 0.02),
            )
        )
    if p.pack == "bag":
        parts.append(
            block(
                (-0.08 * h, 0.105 * h * g, -0.1 * top), (0.08 * h, 0.165 * h * g, 0.35 * top), label, 0.2, (0.03, 0.01)
            )
        )
    if p.skirt:
        hem = [(0, 0, -0.20 * h), (0, 0, 0.1 * top)]
        parts.append(
            tube(hem, [(0.10 * h * g, 0.11 * h * g), (0.065 * h * g, 0.092 * h * g)], label, p.trousers, sides=8)
        )
    return merged(parts)


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
                lift = 0.07 * p.height * math.sin(math.pi * swing) ** 2
                pitch = 0.5 * math.sin(2.0 * math.pi * (swing + 0.5)) * min(1.0, quarter / (0.12 * p.height))
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
