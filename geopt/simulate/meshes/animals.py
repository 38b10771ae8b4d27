"""Dogs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from geopt.simulate.meshes.figure import Draft, Floats
from geopt.simulate.meshes.parts import (
    around,
    block,
    rod,
)
from geopt.simulate.meshes.solids import merged


@dataclass(frozen=True)
class Trot:
    """The motion of a dog: legs swing in pairs across the body."""

    hips: tuple[tuple[float, float, float], ...]
    swing: float

    def __call__(self, phase_rad: float) -> Floats:
        out = np.zeros((5, 3, 4))
        out[0, :, :3] = np.eye(3)
        for row, (x, y, z) in enumerate(self.hips):
            angle = self.swing * math.sin(phase_rad + (math.pi if row in (1, 2) else 0.0))
            cos, sin = math.cos(angle), math.sin(angle)
            out[row + 1] = ((cos, 0.0, -sin, x), (0.0, 1.0, 0.0, y), (sin, 0.0, cos, z))
        return out


def animal(rng: np.random.Generator, label: int) -> Draft:
    """A dog that trots: body, neck, head with ears, tail, and four legs."""
    size, fur = around(rng, 0.86, 0.18), float(rng.uniform(0.08, 0.6))
    deep = 0.085 * size
    shape = (
        (-0.30, 0.45, 0.6),
        (-0.24, 0.46, 0.95),
        (-0.05, 0.45, 0.85),
        (0.14, 0.43, 1.15),
        (0.24, 0.46, 1.0),
        (0.29, 0.50, 0.6),
    )
    trunk = rod([(x * size, 0, z * size) for x, z, _ in shape], [deep * r for _, _, r in shape], label, fur, sides=8)
    parts = [
        trunk,
        rod(
            [(0.22 * size, 0, 0.48 * size), (0.33 * size, 0, 0.60 * size)],
            [0.075 * size, 0.06 * size],
            label,
            fur,
            sides=7,
        ),
    ]
    muzzle = [(0.28, 0.63), (0.34, 0.655), (0.40, 0.63), (0.49, 0.59)]
    parts.append(
        rod(
            [(x * size, 0, z * size) for x, z in muzzle],
            np.array([0.055, 0.075, 0.055, 0.028]) * size,
            label,
            fur,
            sides=7,
        )
    )
    tail = [(-0.28 * size, 0, 0.50 * size), (-0.36 * size, 0, 0.56 * size), (-0.40 * size, 0, 0.68 * size)]
    parts.append(rod(tail, np.array([0.03, 0.022, 0.012]) * size, label, fur, sides=5))
    for side in (1, -1):
        parts.append(
            block(
                (0.29 * size, side * 0.055 * size - 0.02, 0.66 * size),
                (0.34 * size, side * 0.055 * size + 0.02, 0.75 * size),
                label,
                fur,
                (0.018, 0.014),
            )
        )
    hips = tuple((x * size, side * 0.06 * size, 0.42 * size) for x in (0.20, -0.22) for side in (1, -1))
    legs = []
    for x, _, z in hips:
        crook = -0.04 if x < 0 else 0.02
        paw = [(0, 0, 0.03), (crook * size, 0, -0.5 * z), (0, 0, -0.94 * z), (0.05 * size, 0, -z)]
        legs.append(rod(paw, np.array([0.055, 0.032, 0.022, 0.024]) * size, label, fur, sides=6))
    bones = [np.zeros(sum(len(p.vertices) for p in parts), dtype=np.int64)]
    bones += [np.full(len(leg.vertices), row + 1) for row, leg in enumerate(legs)]
    swing = 0.38
    stride = 4 * 0.42 * size * math.sin(swing)
    mesh = merged([*parts, *legs])
    return Draft(mesh, np.concatenate(bones), Trot(hips, swing), phase_per_m=2 * math.pi / stride, is_grounded=True)
