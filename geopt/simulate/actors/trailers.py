"""A trailer on its hitch: the axle rolls towards where the hitch goes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from geopt.simulate.randomness import Floats

DRAWBAR_M = 0.6
"""From the hitch to the front of the trailer: with less its corner would touch the tractor in a bend."""


class Trailer(NamedTuple):
    """Measures of a trailer behind its tractor."""

    hitch_m: float
    """x of the hitch in the frame of the tractor; negative."""
    length_m: float
    width_m: float

    @property
    def axle_m(self) -> float:
        """From the hitch to where the wheels roll without slip: the last axle steers, as on trailers made for towns."""
        return DRAWBAR_M + 0.62 * self.length_m


def hitch_of(trailer: Trailer, xy: Floats, yaw: float) -> Floats:
    """(2,) where the hitch of a tractor at a pose is."""
    return xy + trailer.hitch_m * np.array([np.cos(yaw), np.sin(yaw)])


def follow(trailer: Trailer, old_hitch: Floats, new_hitch: Floats, yaw: float) -> float:
    """New yaw of the trailer, radians, when its hitch moves a little: the axle is drawn to the hitch, without slip."""
    axle = old_hitch - trailer.axle_m * np.array([np.cos(yaw), np.sin(yaw)])
    away = new_hitch - axle
    return float(np.arctan2(away[1], away[0]))


def middle_of(trailer: Trailer, hitch: Floats, yaw: float) -> Floats:
    """(2,) middle of the trailer's box."""
    return hitch - (DRAWBAR_M + trailer.length_m / 2) * np.array([np.cos(yaw), np.sin(yaw)])
