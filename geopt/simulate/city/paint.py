"""Markings on the carriageway: bright patches a few millimetres above it."""

from __future__ import annotations

import numpy as np

from geopt.simulate.city.ground import Ground
from geopt.simulate.city.lanes import Lane
from geopt.simulate.city.plan import CROSSWALK_HALF_M
from geopt.simulate.city.shapes import quads
from geopt.simulate.city.walks import Crossing
from geopt.simulate.classes import ROAD
from geopt.simulate.meshes import Mesh
from geopt.simulate.randomness import Floats

PAINT = 0.55
LIFT_M = 0.006
LINE_M = 0.12


def markings(ground: Ground, lanes: tuple[Lane, ...], crossings: tuple[Crossing, ...]) -> Mesh:
    """Lines between lanes, stop lines, and the stripes of the crosswalks."""
    patches = [_stripes(crossings)]
    for lane in lanes:
        if lane.junction >= 0:
            continue
        half, metres = lane.width_m / 2, np.arange(0.0, lane.length_m - 1.0, 1.0)
        dashes = metres[metres % 9 < 3]  # 3 m long, 6 m apart
        patches.append(_patches(lane, dashes, 1.0, half - LINE_M / 2, half + LINE_M / 2))
        patches.append(_patches(lane, metres, 1.0, -half - LINE_M / 2, -half + LINE_M / 2))
        patches.append(_patches(lane, np.array([lane.length_m - 0.45]), 0.4, 0.1 - half, half - 0.1))
    corners = np.concatenate(patches)
    from_kerb = np.minimum(
        -ground.value("road", corners.reshape(-1, 2)), ground.value("island", corners.reshape(-1, 2))
    )
    corners = corners[from_kerb.reshape(-1, 4).min(axis=1) > 0.1]
    z = ground.height(corners.reshape(-1, 2)) + LIFT_M
    return quads(np.concatenate([corners.reshape(-1, 2), z[:, None]], axis=1), PAINT, ROAD)


def _patches(lane: Lane, start: Floats, length_m: float, right: float, left: float) -> Floats:
    """Corners (N, 4, 2) of parts of a lane: from each start (N,) on, between two distances to the left of its middle."""
    s = np.stack([start, start + length_m, start + length_m, start], axis=1)
    yaw, aside = np.asarray(lane.heading(s)), np.array([right, right, left, left])
    return lane.point(s) + np.stack([-np.sin(yaw) * aside, np.cos(yaw) * aside], axis=-1)


def _stripes(crossings: tuple[Crossing, ...]) -> Floats:
    """Corners (N, 4, 2) of stripes half a metre wide, along the traffic, in thirds, because the ground is not flat."""
    third = CROSSWALK_HALF_M / 3
    found = []
    for crossing in crossings:
        yaw = float(crossing.heading(crossing.length_m / 2))
        along, aside = np.array([np.cos(yaw), np.sin(yaw)]), np.array([-np.sin(yaw), np.cos(yaw)])
        middles = crossing.point(np.arange(0.5, crossing.length_m - 0.5, 1.0))
        for across in (-2 * third, 0.0, 2 * third):
            offsets = [(-0.25, across - third), (0.25, across - third), (0.25, across + third), (-0.25, across + third)]
            found.append(np.stack([middles + a * along + b * aside for a, b in offsets], axis=1))
    return np.concatenate(found)
