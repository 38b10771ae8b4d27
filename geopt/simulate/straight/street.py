"""The part of the world that stands still: ground, buildings, fences, trees and street furniture."""

from __future__ import annotations

import numpy as np

from geopt.simulate.classes import MANMADE, ROAD, SIDEWALK, TERRAIN, VEGETATION
from geopt.simulate.meshes import Mesh, box, leaves, loft, merged, sheet, tube
from geopt.simulate.straight.road import GROUND_HALF_WIDTH_M, Floats, Road, stream

EDGE_M = 0.005  # half the thickness of a step (kerb, window reveal) in a net of points
GROUND_STEP_M = 1.0


def build_street(seed: int, scene: str, road: Road) -> Mesh:
    """Mesh of everything that does not move, in the street frame.

    What stands where depends on (seed, scene) only; a longer road adds things beyond its old end.
    """
    parts = [ground(road)]
    for side in (-1, 1):
        parts += _lots(stream(seed, scene, "lots", side), road, side)
        parts += _furniture(stream(seed, scene, "furniture", side), road, side)
    return merged(parts)


def ground(road: Road) -> Mesh:
    """Carriageway, kerbs, sidewalks and terrain as one net, with lines close together at every kerb."""
    s_edges = [m + sign * (half + e) for m, half in road.junctions for sign in (-1, 1) for e in (0.0, road.sidewalk_m)]
    d_edges = [sign * (road.half_width_m + e) for sign in (-1, 1) for e in (0.0, road.sidewalk_m)]
    s = _lines(np.arange(road.start_m, road.end_m + GROUND_STEP_M, GROUND_STEP_M), s_edges)
    d = _lines(np.arange(-GROUND_HALF_WIDTH_M, GROUND_HALF_WIDTH_M + GROUND_STEP_M, GROUND_STEP_M), d_edges)
    net = np.empty((len(s), len(d), 3))
    net[..., 0] = s[:, None]
    net[..., 1] = road.centre(s)[:, None] + d
    net[..., 2] = road.height(s[:, None], d[None, :])
    middle_s, middle_d = (s[:-1, None] + s[1:, None]) / 2, (d[None, :-1] + d[None, 1:]) / 2
    is_road, is_sidewalk = road.is_road(middle_s, middle_d), road.is_sidewalk(middle_s, middle_d)
    label = np.where(is_road, ROAD, np.where(is_sidewalk, SIDEWALK, TERRAIN))
    return sheet(net, label, np.where(is_road, 0.10, np.where(is_sidewalk, 0.22, 0.30)))


def _lines(regular: Floats, edges: list[float]) -> Floats:
    """Grid lines with a pair around every edge, so that the step there is nearly vertical."""
    pairs = [edge + offset for edge in edges for offset in (-EDGE_M, EDGE_M)]
    return np.unique(np.concatenate([regular, np.array(pairs)]))


def _lots(rng: np.random.Generator, road: Road, side: int) -> list[Mesh]:
    """Buildings, small parks and fenced yards side by side along one side of the street."""
    parts, s = [], road.start_m
    built, tall = rng.uniform(0.45, 0.85), rng.uniform(2.0, 7.0)  # share of lots with a building; mean storeys
    while s < road.end_m:
        length, setback = rng.uniform(9.0, 24.0), rng.uniform(0.3, 4.0)
        kind, storeys = rng.uniform(), int(np.clip(rng.normal(tall, 1.5), 1, 10))
        lot = np.random.default_rng(rng.integers(2**63))  # a lot's details do not shift the lots after it
        middle = s + length / 2
        d = side * (road.half_width_m + road.sidewalk_m + setback)
        if not road.is_near_junction(np.linspace(s, s + length, 25), road.sidewalk_m + 0.5).any():
            if kind < built:
                lot_parts = [building(lot, length - 0.4, lot.uniform(9.0, 15.0), storeys)]
            else:
                lot_parts = _yard(lot, length) if kind < (1 + built) / 2 else _park(lot, length)
            yaw = road.heading(middle) + (0.0 if side > 0 else np.pi)
            parts += [part.moved(road.point(middle, d), yaw) for part in lot_parts]
        s += length + rng.uniform(0.0, 3.0)
    return parts


def building(rng: np.random.Generator, length: float, depth: float, storeys: int) -> Mesh:
    """A block whose front stands at y = 0 and looks towards -y: windows set back, pilasters, balconies, cornice."""
    storey_m, bays = rng.uniform(2.9, 3.6), max(2, round(length / rng.uniform(2.4, 4.0)))
    bay_m, top, reflectance = length / bays, storeys * storey_m, rng.uniform(0.15, 0.6)
    reveal, pilaster = rng.uniform(0.12, 0.35), rng.choice([0.0, 0.12, 0.25])
    window = 0.5 * bay_m * rng.uniform(0.35, 0.7)
    middles, floors = -length / 2 + (np.arange(bays) + 0.5) * bay_m, np.arange(storeys) * storey_m
    joints = np.concatenate([middles - bay_m / 2 + 0.2, middles + bay_m / 2 - 0.2])
    u = _lines(np.array([-length / 2, length / 2]), [*(middles - window), *(middles + window), *joints])
    v = _lines(np.array([-1.5, top]), [*(floors + 0.3 * storey_m), *(floors + 0.8 * storey_m)])
    in_bay = np.abs(u[:, None] - middles) < window
    in_floor = (v[:, None] > floors + 0.3 * storey_m) & (v[:, None] < floors + 0.8 * storey_m)
    has_window = rng.random((bays, storeys)) < 0.9
    recessed = np.einsum("ub,bf,vf->uv", in_bay, has_window, in_floor)  # of truth values: any(and)
    between_bays = np.all(np.abs(u[:, None] - middles) > bay_m / 2 - 0.2, axis=1, keepdims=True)
    y = np.where(recessed, reveal, np.where(between_bays, -pilaster, 0.0))
    net = np.stack(np.broadcast_arrays(u[:, None], y, v[None, :]), axis=-1)
    glass = (recessed[:-1, :-1] & recessed[1:, 1:]) * 1.0
    parts = [sheet(net, MANMADE, reflectance * (1 - 0.7 * glass))]
    core = (-length / 2, reveal + 0.02, -1.5), (length / 2, depth, top)
    parts.append(box(*core, MANMADE, reflectance))
    for x in (-length / 2, length / 2):  # close the gap between front and core
        parts.append(box((x - 0.05, -pilaster, -1.5), (x + 0.05, reveal + 0.1, top), MANMADE, reflectance))
    parts.append(box((-length / 2, -0.4, top), (length / 2, depth, top + 0.4), MANMADE, reflectance))
    if rng.uniform() < 0.5:
        for x, floor in zip(np.repeat(middles, storeys), np.tile(floors, bays)):
            if floor > 0 and rng.uniform() < 0.4:
                half = 0.45 * bay_m
                parts.append(box((x - half, -1.1, floor), (x + half, 0.0, floor + 0.15), MANMADE, reflectance))
                parts.append(box((x - half, -1.1, floor + 0.15), (x + half, -1.04, floor + 1.1), MANMADE, 0.3))
    if rng.uniform() < 0.4:  # an awning over the ground floor
        edge = 0.4 * length
        awning = np.array([(-edge, 0.0, 2.9), (edge, 0.0, 2.9), (edge, -1.3, 2.5), (-edge, -1.3, 2.5)])
        parts.append(loft(np.stack([awning, awning + (0.0, 0.0, 0.06)]), MANMADE, 0.4))
    return merged(parts)


def _yard(rng: np.random.Generator, length: float) -> list[Mesh]:
    """A wall, hedge or fence along y = 0, and a shed or a tree behind it."""
    kind, parts = rng.integers(3), []
    if kind == 0:
        parts.append(box((-length / 2, 0.0, -0.5), (length / 2, 0.25, rng.uniform(0.7, 2.0)), MANMADE, 0.35))
    elif kind == 1:
        for x in np.arange(-length / 2 + 1.0, length / 2 - 0.5, 1.5):
            parts.append(leaves(rng, (x, 0.6, 0.7), (1.0, 0.5, 0.8), 220, VEGETATION, 0.35))
    else:
        for x in np.arange(-length / 2, length / 2, 2.0):
            parts.append(box((x - 0.04, 0.0, -0.5), (x + 0.04, 0.08, 1.3), MANMADE, 0.4))
        for z in (0.35, 0.75, 1.15):
            parts.append(box((-length / 2, 0.02, z - 0.05), (length / 2, 0.06, z + 0.05), MANMADE, 0.4))
    parts.append(tree(rng).moved((rng.uniform(-0.3, 0.3) * length, rng.uniform(4.0, 8.0), 0.0)))
    if rng.uniform() < 0.6:
        x, y = rng.uniform(-0.3, 0.3) * length, rng.uniform(9.0, 14.0)
        parts.append(box((x - 3, y, -1), (x + 3, y + 4, rng.uniform(2.3, 3.5)), MANMADE, 0.3))
    return parts


def _park(rng: np.random.Generator, length: float) -> list[Mesh]:
    """Trees and bushes on open ground."""
    parts = []
    for _ in range(max(2, round(length / 4))):
        place = (rng.uniform(-0.5, 0.5) * length, rng.uniform(1.5, 20.0), 0.0)
        if rng.uniform() < 0.6:
            parts.append(tree(rng).moved(place))
        else:
            radii = rng.uniform(0.5, 1.4, size=3)
            parts.append(leaves(rng, (0, 0, 0.6 * radii[2]), radii, 260, VEGETATION, 0.35).moved(place))
    return parts


def tree(rng: np.random.Generator) -> Mesh:
    """A leaning trunk under one to three leafy clouds, root at the origin."""
    height, lean = rng.uniform(4.5, 9.0), rng.normal(scale=0.25, size=2)
    stem, radius = rng.uniform(0.35, 0.5) * height, rng.uniform(0.09, 0.25)
    centres = [(*(lean * part), part * stem - (part == 0) * 0.5) for part in (0.0, 0.5, 1.0, 1.5)]
    parts = [tube(centres, radius * np.array([1.3, 1.0, 0.8, 0.4]), VEGETATION, 0.3)]
    for _ in range(rng.integers(1, 4)):
        radii = height * np.array([0.2, 0.2, 0.24]) * rng.uniform(0.7, 1.2, size=3)
        centre = np.array([*lean, stem + 0.6 * radii[2]]) + rng.normal(scale=0.08 * height, size=3) * (1, 1, 0.5)
        parts.append(leaves(rng, centre, radii, 450, VEGETATION, 0.4))
    return merged(parts)


def _furniture(rng: np.random.Generator, road: Road, side: int) -> list[Mesh]:
    """Lamps, signs, street trees, bins and bollards in the strip beside the kerb."""
    tree_share, parts, s = rng.uniform(0.0, 0.5), [], road.start_m
    spacing, kerb = rng.uniform(22.0, 36.0), road.half_width_m
    next_lamp = s + rng.uniform(0, spacing)
    while s < road.end_m:
        kind = rng.uniform()
        piece = np.random.default_rng(rng.integers(2**63))
        made = None
        if s >= next_lamp:
            next_lamp, made = next_lamp + spacing, lamp(piece)
        elif kind < tree_share:
            made = tree(piece)
        elif kind < tree_share + 0.10:
            made = sign(piece)
        elif kind < tree_share + 0.18:
            made = tube([(0, 0, -0.2), (0, 0, 0.9)], [0.25, 0.3], MANMADE, 0.3, sides=10)
        elif kind > 0.9:
            made = tube([(0, 0, -0.2), (0, 0, 0.95)], [0.08, 0.08], MANMADE, 0.4)
        if made is not None and not road.is_near_junction(s, 1.0):
            yaw = road.heading(s) + (0.0 if side > 0 else np.pi)
            parts.append(made.moved(road.point(s, side * (kerb + 0.6)), yaw))
        s += 4.0 * rng.uniform(0.8, 1.2)
    return parts


def lamp(rng: np.random.Generator) -> Mesh:
    """A street lamp whose arm reaches towards -y."""
    height, reach = rng.uniform(6.0, 9.0), rng.uniform(0.8, 2.0)
    post = tube([(0, 0, -0.3), (0, 0, 1.0), (0, 0, height)], [0.13, 0.1, 0.06], MANMADE, 0.45)
    arm = box((-0.04, -reach, height - 0.08), (0.04, 0.0, height), MANMADE, 0.45)
    return merged([post, arm, box((-0.12, -reach - 0.5, height - 0.15), (0.12, -reach, height), MANMADE, 0.45)])


def sign(rng: np.random.Generator) -> Mesh:
    """A traffic sign on a thin post; the plate looks along the street and reflects strongly."""
    height, half = rng.uniform(2.2, 2.8), rng.uniform(0.25, 0.4)
    post = tube([(0, 0, -0.3), (0, 0, height + half)], [0.035, 0.035], MANMADE, 0.5, sides=6)
    angle = np.arange(8) * (np.pi / 4)
    plate = [[(x, half * np.cos(a), height + half * np.sin(a)) for a in angle] for x in (-0.05, -0.035)]
    return merged([post, loft(plate, MANMADE, 1.0)])
