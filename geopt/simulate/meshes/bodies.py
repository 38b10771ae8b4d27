"""The mesh of a person on eleven bones.

A limb hangs from its joint along -z, in the frame of its bone; a trunk stands up from the hips.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from geopt.simulate.meshes.parts import (
    DARK,
    FILM,
    RUBBER,
    SKIN,
    around,
    block,
    rod,
)
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
    straddle: float = 0.0
    """How much farther out the hips are than those of someone who stands."""

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
        return 0.052 * self.height * self.girth + self.straddle


Role = Literal["", "child", "worker", "police"]


def draw_person(rng: np.random.Generator, label: int, role: Role = "", **fixed: object) -> Person:
    """A body of drawn height and girth, dressed for a role; ``fixed`` sets fields of ``Person`` that are not drawn."""
    is_child, is_plain = role == "child", role == ""
    height = around(rng, 1.18, 0.12) if is_child else around(rng, 1.71, 0.045)
    girth = around(rng, 0.98 if is_child else 1.14, 0.09)
    head = 0.165 if is_child else 0.13
    jacket, trousers = float(rng.uniform(0.06, 0.6)), float(rng.uniform(0.06, 0.45))
    pack = str(rng.choice(["", "backpack", "bag"], p=(0.55, 0.25, 0.20))) if role in ("", "child") else ""
    skirt = bool(rng.uniform() < 0.2) and is_plain
    hat = {"worker": "helmet", "police": "cap"}.get(role, "cap" if rng.uniform() < 0.15 else "")
    vest = role == "worker" or (role == "police" and bool(rng.uniform() < 0.5))
    person = Person(label, height, girth, head, jacket, trousers, hat, vest, pack, skirt)
    return replace(person, **fixed)  # type: ignore[arg-type]


def body(person: Person) -> tuple[Mesh, np.ndarray]:
    """The mesh of a person, each vertex in the frame of its bone, and the bone (V,) of each vertex."""
    parts = [(_trunk(person), TORSO)]
    label, h, g = person.label, person.height, person.girth
    cloth, trousers = person.jacket, person.trousers
    for k, side in enumerate(SIDES):
        splay = 0.10 * person.upper_arm * side  # elbows stand a little away from the waist
        elbow = (0.0, splay, -person.upper_arm)
        parts.append((rod([(0, 0, 0.012 * h), elbow], [0.031 * h * g, 0.025 * h * g], label, cloth), UPPER_ARM + k))
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
