"""Meshes of what moves: cars, trucks, buses, pedestrians, cones. Origin on the ground under the middle, x forward."""

from __future__ import annotations

import numpy as np

from geopt.simulate.classes import BUS, CAR, CONE, EGO, PEDESTRIAN, TRUCK
from geopt.simulate.meshes import Mesh, box, loft, merged, tube


def car(rng: np.random.Generator) -> Mesh:
    """A hatchback, saloon, estate or off-roader of drawn size: rounded body, sloping cabin, wheels, mirrors."""
    length, width, height = rng.uniform(3.6, 4.9), rng.uniform(1.62, 1.86), rng.uniform(1.42, 1.80)
    boot, paint = rng.choice([0.0, 0.16]), rng.uniform(0.04, 0.5)  # boot: share of the length behind the cabin
    belt = 0.60 * height
    sections = (  # place along the length, underside (m), top as a share of the belt line, share of the width
        (-0.500, 0.38, 0.80, 0.78),
        (-0.475, 0.26, 0.97, 0.93),
        (-0.300, 0.20, 1.00, 1.00),
        (0.200, 0.20, 1.00, 1.00),
        (0.400, 0.22, 0.88, 0.96),
        (0.475, 0.28, 0.78, 0.90),
        (0.500, 0.38, 0.66, 0.74),
    )
    body = [_rounded(x * length, low, top * belt, share * width, chamfer=0.09) for x, low, top, share in sections]
    rear, shoulder = -0.5 + boot, 0.95 * belt
    outlines = (  # rear and front end as shares of the length, share of the width, height
        (rear + 0.02, 0.27, 0.95, shoulder),
        (rear + 0.08, 0.12, 0.82, 0.93 * height),
        (rear + 0.13, 0.05, 0.70, height),
    )
    cabin = [
        [(x * length, y * share * width / 2, z) for x, y in ((back, -1), (front, -1), (front, 1), (back, 1))]
        for back, front, share, z in outlines
    ]
    parts = [loft(body, CAR, paint), loft(cabin, CAR, 0.5 * paint + 0.03)]
    parts += wheels(length * np.array([-0.3, 0.3]), width, 0.32, CAR)
    for side in (-1, 1):
        y = side * (0.5 * width + 0.02)
        parts.append(box((0.16 * length, y - 0.08, belt), (0.19 * length, y + 0.08, belt + 0.13), CAR, paint))
    return merged(parts)


def _rounded(x: float, low: float, high: float, width: float, chamfer: float) -> list[tuple[float, float, float]]:
    """Eight corners of a cross-section in the plane of one x."""
    outer, inner = width / 2, width / 2 - chamfer
    right = [(inner, low), (outer, low + chamfer), (outer, high - chamfer), (inner, high)]
    return [(x, y, z) for y, z in right + [(-y, z) for y, z in reversed(right)]]


def wheels(axles: np.ndarray, width: float, radius: float, label: int) -> list[Mesh]:
    """Two wheels at each x of ``axles``, inside ``width``."""
    parts = []
    for x in axles:
        for outer in (-width / 2 + 0.02, width / 2 - 0.24):
            upright = tube([(0, 0, 0), (0, 0, 0.22)], [radius, radius], label, 0.05, sides=14)
            turned = upright.vertices[:, [0, 2, 1]] + (x, outer, radius)  # the axle, z of the tube, becomes y
            parts.append(upright._replace(vertices=turned))
    return parts


def truck(rng: np.random.Generator) -> Mesh:
    """A cab in front of a cargo box on a frame."""
    length, width, height = rng.uniform(6.0, 9.0), rng.uniform(2.2, 2.5), rng.uniform(2.7, 3.5)
    paint, nose = rng.uniform(0.1, 0.6), length / 2
    cab = [_rounded(nose - back, low, top, width * 0.94, 0.1) for back, low, top in
           ((0.0, 0.5, 1.3), (0.12, 0.4, 1.6), (0.7, 0.4, 2.35), (1.7, 0.4, 2.4))]  # fmt: skip
    cargo = box((-length / 2, -width / 2, 0.9), (nose - 1.9, width / 2, height), TRUCK, rng.uniform(0.2, 0.7))
    frame = box((-length / 2, -0.45, 0.5), (nose - 0.5, 0.45, 0.9), TRUCK, 0.1)
    axles = np.array([-0.3 * length, nose - 1.1])
    return merged([loft(cab, TRUCK, paint), cargo, frame, *wheels(axles, width, 0.46, TRUCK)])


def bus(rng: np.random.Generator) -> Mesh:
    """A city bus with rounded ends."""
    length, width, height, paint = rng.uniform(10.0, 12.5), 2.55, rng.uniform(2.9, 3.3), rng.uniform(0.2, 0.6)
    ends = ((-0.5, 0.90), (-0.485, 1.0), (0.47, 1.0), (0.5, 0.88))
    body = [_rounded(x * length, 0.32, height, share * width, 0.2) for x, share in ends]
    box_on_roof = box((-2.0, -0.7, height), (1.0, 0.7, height + 0.25), BUS, 0.3)
    return merged([loft(body, BUS, paint), box_on_roof, *wheels(length * np.array([-0.25, 0.3]), width, 0.48, BUS)])


def ego_roof() -> Mesh:
    """What hides the ground from the sensor, in the ego frame: the lowest beams pass only to the sides.

    The outline was chosen so that each ring loses about as many returns as in real key frames.
    """
    return box((-0.06, -0.64, 0.3), (2.09, 0.64, 1.44), EGO, 0.3)


def pedestrian(height: float, girth: float, cloth: float, swing_rad: float) -> Mesh:
    """A walker with legs and arms ``swing_rad`` away from the vertical; ``girth`` scales the widths."""
    hip, shoulder = 0.50 * height, 0.82 * height
    parts = [
        tube(
            [(0, 0, hip - 0.05), (0, 0, 0.62 * height), (0, 0, shoulder), (0, 0, shoulder + 0.05)],
            girth * np.array([(0.13, 0.17), (0.12, 0.15), (0.13, 0.21), (0.07, 0.10)]),
            PEDESTRIAN,
            cloth,
            sides=10,
        ),
        tube([(0, 0, z * height) for z in (0.85, 0.88, 0.95, 1.0)], [0.05, 0.09, 0.10, 0.04], PEDESTRIAN, 0.35),
    ]
    for side in (-1, 1):
        foot, hand = side * hip * np.sin(swing_rad), -side * 0.36 * height * np.sin(swing_rad)
        y = side * 0.10 * girth
        leg = [(foot, y, 0.0), (foot / 2, y, hip / 2), (0, y, hip)]
        parts.append(tube(leg, girth * np.array([0.06, 0.07, 0.09]), PEDESTRIAN, 0.6 * cloth))
        arm = [(hand, side * 0.27 * girth, shoulder - 0.36 * height), (0, side * 0.24 * girth, shoulder)]
        parts.append(tube(arm, girth * np.array([0.04, 0.05]), PEDESTRIAN, cloth))
    return merged(parts)


def cone(height: float) -> Mesh:
    """A traffic cone on its foot."""
    foot = box((-0.2, -0.2, 0.0), (0.2, 0.2, 0.04), CONE, 0.2)
    return merged([foot, tube([(0, 0, 0.04), (0, 0, height)], [0.15, 0.03], CONE, 0.7, sides=10)])
