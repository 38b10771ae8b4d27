"""Cars of several shapes, as closed shells through cross-sections, with wheel wells, windows, wheels, mirrors and lamps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geopt.simulate.meshes.figure import Draft
from geopt.simulate.meshes.parts import DARK, FILM, GLASS, LAMP, PLATE, around, block, shell, wheel
from geopt.simulate.meshes.solids import Mesh, box, merged, painted


@dataclass(frozen=True)
class Shape:
    """The side view of a car: places along it as shares of its length (0.5 the nose), heights as shares of its height."""

    mean_size_m: tuple[float, float, float]
    ridge: tuple[tuple[float, float], ...]
    """(place, height) of the ridge from the tail to the nose."""
    glass: tuple[tuple[float, float], ...]
    """Windscreen and rear window: from place to place."""
    sides: tuple[float, float]
    """Side windows: from place to place."""
    belt: float
    """Height of the lower edge of the side windows."""
    axles: tuple[float, float]
    tumble: float = 0.80
    """Width of the roof as a share of that of the body."""
    wheel_m: float = 0.32
    bed: tuple[float, float] | None = None
    """Open cargo bed: from place to place."""


HATCHBACK = Shape(
    (4.05, 1.95, 1.50),
    ((-0.5, 0.42), (-0.49, 0.62), (-0.47, 0.70), (-0.40, 0.93), (-0.36, 0.97), (-0.05, 1.0), (0.08, 0.965),
     (0.29, 0.665), (0.44, 0.57), (0.485, 0.48), (0.5, 0.36)),
    ((0.08, 0.29), (-0.47, -0.40)), (-0.36, 0.29), 0.635, (-0.315, 0.315), wheel_m=0.31,
)  # fmt: skip
SALOON = Shape(
    (4.70, 1.97, 1.46),
    ((-0.5, 0.42), (-0.49, 0.66), (-0.475, 0.71), (-0.36, 0.725), (-0.20, 0.95), (-0.13, 0.985), (0.0, 1.0), (0.07, 0.965),
     (0.24, 0.69), (0.44, 0.58), (0.485, 0.48), (0.5, 0.36)),
    ((0.07, 0.24), (-0.36, -0.20)), (-0.36, 0.24), 0.66, (-0.30, 0.315),
)  # fmt: skip
ESTATE = Shape(
    (4.75, 1.97, 1.49),
    ((-0.5, 0.42), (-0.492, 0.64), (-0.475, 0.70), (-0.42, 0.92), (-0.38, 0.96), (-0.05, 1.0), (0.07, 0.965),
     (0.24, 0.68), (0.44, 0.57), (0.485, 0.48), (0.5, 0.36)),
    ((0.07, 0.24), (-0.475, -0.42)), (-0.38, 0.24), 0.65, (-0.295, 0.315),
)  # fmt: skip
SUV = Shape(
    (4.70, 2.05, 1.74),
    ((-0.5, 0.42), (-0.49, 0.63), (-0.475, 0.68), (-0.43, 0.92), (-0.40, 0.975), (-0.10, 1.0), (0.08, 0.97),
     (0.23, 0.70), (0.44, 0.635), (0.485, 0.55), (0.5, 0.40)),
    ((0.08, 0.23), (-0.475, -0.43)), (-0.40, 0.23), 0.665, (-0.30, 0.31), 0.82, 0.365,
)  # fmt: skip
MINIVAN = Shape(
    (4.85, 2.05, 1.82),
    ((-0.5, 0.40), (-0.49, 0.58), (-0.48, 0.62), (-0.455, 0.93), (-0.43, 0.975), (-0.05, 1.0), (0.16, 0.955),
     (0.36, 0.60), (0.46, 0.51), (0.49, 0.42), (0.5, 0.33)),
    ((0.16, 0.36), (-0.48, -0.455)), (-0.43, 0.36), 0.58, (-0.31, 0.33), 0.82, 0.33,
)  # fmt: skip
DELIVERY = Shape(
    (5.55, 2.30, 2.40),
    ((-0.5, 0.30), (-0.495, 0.62), (-0.49, 0.80), (-0.48, 0.975), (-0.2, 1.0), (0.16, 0.995), (0.23, 0.96),
     (0.36, 0.555), (0.46, 0.45), (0.49, 0.37), (0.5, 0.25)),
    ((0.23, 0.36), (-0.495, -0.49)), (0.16, 0.36), 0.54, (-0.30, 0.34), 0.86, 0.345,
)  # fmt: skip
PICKUP = Shape(
    (5.45, 2.12, 1.85),
    ((-0.5, 0.44), (-0.495, 0.62), (-0.13, 0.62), (-0.12, 0.94), (-0.08, 0.985), (0.05, 1.0), (0.11, 0.97),
     (0.23, 0.68), (0.44, 0.62), (0.485, 0.54), (0.5, 0.40)),
    ((0.11, 0.23), (-0.13, -0.12)), (-0.12, 0.23), 0.655, (-0.30, 0.32), 0.82, 0.385, bed=(-0.485, -0.134),
)  # fmt: skip

MIRROR_M = 0.09
"""How far a mirror stands out on each side."""
WELL, SILL, DOOR, WINDOW, SHOULDER, RIDGE, UNDERSIDE = [0, 1], 2, 3, 4, 5, 6, 7
"""Strips of a cross-section from the inside of the wheel well over the roof; the last closes the ring below."""


def car(rng: np.random.Generator, label: int, shape: Shape) -> Draft:
    """A car of a shape in a drawn size and paint."""
    mesh, _ = _car(rng, label, shape)
    return Draft(mesh)


def passenger_car(rng: np.random.Generator, label: int) -> Draft:
    return car(rng, label, (HATCHBACK, SALOON, ESTATE)[rng.integers(3)])


def van(rng: np.random.Generator, label: int) -> Draft:
    return car(rng, label, (MINIVAN, DELIVERY)[rng.integers(2)])


def taxi(rng: np.random.Generator, label: int) -> Draft:
    """A saloon or estate with a lit sign on its roof."""
    mesh, (_, _, height) = _car(rng, label, (SALOON, ESTATE)[rng.integers(2)])
    sign = block((-0.14, -0.30, 0.985 * height), (0.10, 0.30, height + 0.14), label, FILM, (0.06, 0.05))
    return Draft(merged([mesh, sign]))


def police_car(rng: np.random.Generator, label: int) -> Draft:
    """A saloon, estate or off-roader with a bar of blue lights and reflecting flanks."""
    mesh, (_, width, height) = _car(rng, label, (SALOON, ESTATE, SUV)[rng.integers(3)], stripe=True)
    bar = block((-0.15, -0.36 * width, height - 0.03), (0.12, 0.36 * width, height + 0.11), label, LAMP, (0.05, 0.04))
    return Draft(merged([mesh, bar]))


def ambulance(rng: np.random.Generator, label: int) -> Draft:
    """The front of a delivery van, and behind it a high body with rounded edges and reflecting stripes."""
    mesh, (length, width, height) = _car(rng, label, DELIVERY, stripe=True)
    rear, front, top = -0.5 * length, 0.16 * length, height * around(rng, 1.14, 0.02)
    half = width / 2 + 0.06
    outline = [(half, 0.5), (half, 0.95), (half, 1.2), (half, top - 0.2), (half - 0.15, top), (0.0, top)]
    ends = np.array([[(y * share, z) for y, z in outline] for share in (0.98, 1.0, 1.0, 0.90)])
    cells = np.full((3, 7), 0.6)
    cells[:, 1] = FILM
    cabin = shell([rear - 0.3, rear - 0.25, front - 0.3, front], ends, label, cells)
    lights = [
        block((x, -0.7, top - 0.02), (x + 0.25, 0.7, top + 0.12), label, LAMP, (0.03, 0.1)) for x in (rear, front - 0.6)
    ]
    return Draft(merged([mesh, cabin, *lights]))


def _car(
    rng: np.random.Generator, label: int, shape: Shape, stripe: bool = False
) -> tuple[Mesh, tuple[float, float, float]]:
    """The mesh, and the length, the width without mirrors and the height."""
    scale = around(rng, 1.0, 0.035)
    mean_l, mean_w, mean_h = shape.mean_size_m
    length = mean_l * scale * around(rng, 1.0, 0.025)
    width = (mean_w - 2 * MIRROR_M) * around(rng, 1.0, 0.022)
    height = mean_h * around(rng, 1.0, 0.025)
    paint = float(rng.choice([0.08, 0.15, 0.3, 0.45, 0.65]) * rng.uniform(0.8, 1.2))
    radius = shape.wheel_m * around(rng, 1.0, 0.03)
    sag = float(rng.uniform(-0.01, 0.015))  # the shape itself varies a little
    stations, halves = _sections(shape, length, width, height, radius, sag)
    cells = np.full((len(stations) - 1, 8), paint)
    cells[:, [*WELL, UNDERSIDE]] = DARK
    middle = (stations[:-1] + stations[1:]) / (2 * length)
    for low, high in shape.glass:
        pane = (middle > low) & (middle < high)
        cells[pane, SHOULDER] = GLASS
        cells[pane, RIDGE] = GLASS
    cells[(middle > shape.sides[0]) & (middle < shape.sides[1]), WINDOW] = GLASS
    if stripe:
        cells[np.abs(middle) < 0.15, DOOR] = FILM
    parts = [shell(stations, halves, label, cells)]
    well = 0.5 * width - 0.13
    for x in shape.axles:
        for side in (1, -1):
            parts.append(wheel((x * length, side * (well + 0.005), radius), radius, side * 0.22, label, sides=8))
    parts += _fittings(shape, label, length, width, height, paint)
    return merged(parts), (length, width, height)


def _sections(
    shape: Shape, length: float, width: float, height: float, radius: float, sag: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Stations (U,) and half cross-sections (U, 7, 2) of the body, metres."""
    floor, arch = 0.55 * radius, radius + 0.07
    knots = np.array(shape.ridge)
    places = {float(x) for x in knots[:, 0]}
    for axle in shape.axles:
        places |= {axle + share * arch / length for share in (-1.0, -0.72, 0.72, 1.0)}
    if shape.bed:
        places |= {*shape.bed, shape.bed[0] - 0.004, shape.bed[1] + 0.004}
    x = np.array(sorted(places))
    x = x[np.insert(np.diff(x) > 0.003, 0, True)]
    top = np.interp(x, knots[:, 0], knots[:, 1]) * height
    belt = (shape.belt + sag) * height
    half = (
        width / 2 * np.interp(x, [-0.5, -0.485, -0.40, 0.36, 0.46, 0.49, 0.5], [0.84, 0.93, 1.0, 1.0, 0.95, 0.86, 0.76])
    )
    under = floor + 0.14 * np.interp(x, [-0.5, -0.44, 0.42, 0.5], [1.0, 0.0, 0.0, 1.0])
    well = under.copy()
    for axle in shape.axles:
        ahead = np.abs(x - axle) * length / arch
        lift = radius + 1.17 * arch * np.sqrt(np.maximum(1.0 - ahead**2, 0.0))  # flat over the wheel, some cm above it
        well = np.where(ahead < 0.97, np.maximum(well, lift), well)
    waist = np.maximum(0.45 * under + 0.55 * belt, well + 0.03)
    cabin = np.clip((top - belt) / (0.90 * height - belt), 0.0, 1.0)
    shoulder = np.minimum(belt, top - 0.02 * height)
    edge_y = half * (0.93 - (0.93 - shape.tumble) * cabin)
    edge_z = np.maximum(shoulder + 0.002, top - 0.015 * height - 0.02 * height * cabin)
    inner = np.full_like(x, width / 2 - 0.26)
    inner = np.minimum(inner, half - 0.03)
    ridge_y, ridge_z = 0.6 * edge_y, top
    if shape.bed:
        inside = (x >= shape.bed[0] - 1e-9) & (x <= shape.bed[1] + 1e-9)
        shoulder = np.where(inside, top - 0.04, shoulder)
        edge_y = np.where(inside, half - 0.07, edge_y)
        edge_z = np.where(inside, top, edge_z)
        deck = 0.36 * height
        ridge_y, ridge_z = np.where(inside, half - 0.08, ridge_y), np.where(inside, deck, ridge_z)
    columns = [
        (inner, under), (inner, well), (half * 0.97, well), (half, waist), (half * 0.985, shoulder), (edge_y, edge_z),
        (ridge_y, ridge_z),
    ]  # fmt: skip
    return x * length, np.stack([np.stack(c, axis=1) for c in columns], axis=1)


def licence_plate(x: float, z: float, label: int) -> Mesh:
    """A licence plate across the x axis at (x, 0, z), metres."""
    corners = [(x, y, z + up) for y, up in ((-0.26, -0.06), (0.26, -0.06), (0.26, 0.06), (-0.26, 0.06))]
    return painted(corners, [(0, 1, 2), (0, 2, 3)], label, PLATE)


def _fittings(shape: Shape, label: int, length: float, width: float, height: float, paint: float) -> list[Mesh]:
    """Mirrors, lamps and licence plates."""
    parts = []
    nose_z, tail_z = shape.ridge[-3][1] * height - 0.06, (shape.ridge[1][1] - 0.02) * height
    mirror_x = (shape.sides[1] - 0.05) * length
    for side in (1, -1):
        y = side * (width / 2 + MIRROR_M - 0.09)
        z = shape.belt * height
        parts.append(
            block(
                (mirror_x - 0.06, y - 0.09, z - 0.01), (mirror_x + 0.06, y + 0.09, z + 0.14), label, paint, (0.03, 0.0)
            )
        )
        y = side * 0.36 * width
        parts.append(box((0.462 * length, y - 0.13, nose_z - 0.10), (0.487 * length, y + 0.13, nose_z), label, LAMP))
        y = side * 0.40 * width
        parts.append(box((-0.494 * length, y - 0.06, tail_z - 0.18), (-0.45 * length, y + 0.06, tail_z), label, LAMP))
    for x in (-0.5 * length - 0.006, 0.5 * length + 0.006):
        parts.append(
            box((x - 0.003, -0.26, 0.33 * height - 0.055), (x + 0.012, 0.26, 0.33 * height + 0.055), label, PLATE)
        )
    return parts
