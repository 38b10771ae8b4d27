"""Lines to travel on: even points, smooth headings, and the curves that join them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from geopt.simulate.randomness import Floats

STEP_M = 1.0
"""About the distance between the points of a path."""
DIGITS = 6
"""Decimals of coordinates and headings: last bits of sines differ between machines, micrometres do not."""


@dataclasses.dataclass(frozen=True, eq=False)
class Path:
    """A line with a heading at each of its points; places on it are metres from its beginning.

    A closed path ends where it begins and takes any s; an open one takes 0 to ``length_m`` and stays at its ends
    beyond.
    """

    line: Floats
    """(K, 2) metres, city frame."""
    headings: Floats
    """(K,) radians, counter-clockwise from x, without jumps."""

    @functools.cached_property
    def stations(self) -> Floats:
        """(K,) metres from the beginning to each point."""
        steps = np.diff(self.line, axis=0)
        return np.concatenate([[0.0], np.cumsum(np.sqrt(steps[:, 0] ** 2 + steps[:, 1] ** 2))])

    @functools.cached_property
    def is_closed(self) -> bool:
        """Whether the path ends at its first point."""
        return bool((self.line[0] == self.line[-1]).all())

    @property
    def length_m(self) -> float:
        """Metres along the line."""
        return float(self.stations[-1])

    def point(self, s: ArrayLike) -> Floats:
        """Places (..., 2) at ``s`` (...) metres from the beginning."""
        at = self._wrapped(s)
        x = np.interp(at, self.stations, self.line[:, 0])
        return np.stack([x, np.interp(at, self.stations, self.line[:, 1])], axis=-1)

    def heading(self, s: ArrayLike) -> Floats | float:
        """Direction of travel, radians, at ``s``; a number for a number, else an array of the shape of ``s``."""
        found = np.interp(self._wrapped(s), self.stations, self.headings)
        return float(found) if np.ndim(s) == 0 else found

    def _wrapped(self, s: ArrayLike) -> Floats:
        at = np.asarray(s, dtype=np.float64)
        return np.mod(at, self.length_m) if self.is_closed else at


def even(length_m: float) -> int:
    """Number of points about STEP_M apart on a line."""
    return max(2, int(np.ceil(length_m / STEP_M)) + 1)


def sampled(curve: Callable[[Floats], tuple[Floats, Floats]], start: float, end: float) -> tuple[Floats, Floats]:
    """Points (K, 2) and headings (K,) at even distances on ``curve(parameter) -> points, headings``."""
    parameter = np.linspace(start, end, 65)
    steps = np.diff(curve(parameter)[0], axis=0)
    along = np.concatenate([[0.0], np.cumsum(np.sqrt(steps[:, 0] ** 2 + steps[:, 1] ** 2))])
    wanted = np.linspace(0.0, along[-1], even(float(along[-1])))
    line, headings = curve(np.interp(wanted, along, parameter))
    return np.round(line, DIGITS), np.round(np.unwrap(headings), DIGITS)


def joint(start: Floats, yaw: float, end: Floats, end_yaw: float) -> tuple[Floats, Floats]:
    """Points and headings of a cubic Bezier curve that leaves ``start`` (2,) and arrives at ``end`` (2,) as told."""
    away = np.array([np.cos(yaw), np.sin(yaw)])
    into = np.array([np.cos(end_yaw), np.sin(end_yaw)])
    chord = end - start
    turn = away[0] * into[1] - away[1] * into[0]
    near = far = float(np.hypot(*chord)) / 3
    if (
        abs(turn) > 0.4
    ):  # radians: a real corner; 0.55 of the way to it would make a quarter of a circle, too near the kerb
        near = 0.58 * float(chord[0] * into[1] - chord[1] * into[0]) / turn
        far = 0.58 * float(away[0] * chord[1] - away[1] * chord[0]) / turn
    corners = np.stack([start, start + near * away, end - far * into, end])

    def curve(t: Floats) -> tuple[Floats, Floats]:
        rest = 1 - t
        place = np.stack([rest**3, 3 * rest**2 * t, 3 * rest * t**2, t**3], axis=1)
        slope = np.stack([rest**2, 2 * rest * t, t**2], axis=1)
        points = sum(place[:, k : k + 1] * corners[k] for k in range(4))
        tangents = sum(slope[:, k : k + 1] * (corners[k + 1] - corners[k]) for k in range(3))
        return np.asarray(points), np.arctan2(np.asarray(tangents)[:, 1], np.asarray(tangents)[:, 0])

    return sampled(curve, 0.0, 1.0)


def path_of(corners: Floats) -> Path:
    """A path with even points on a polyline (K, 2); closed if the polyline ends where it begins."""
    steps = np.diff(corners, axis=0)
    along = np.concatenate([[0.0], np.cumsum(np.sqrt(steps[:, 0] ** 2 + steps[:, 1] ** 2))])
    kept = np.concatenate([[True], np.diff(along) > 1e-9])
    at = np.linspace(0.0, along[-1], even(float(along[-1])))
    line = np.stack([np.interp(at, along[kept], corners[kept, k]) for k in (0, 1)], axis=1)
    is_closed = bool(np.abs(line[0] - line[-1]).max() < 1e-6)
    if is_closed:
        line[-1] = line[0]
    line = np.round(line, DIGITS)
    wide = np.concatenate([line[-2:-1], line, line[1:2]]) if is_closed else np.concatenate([line[:1], line, line[-1:]])
    tangents = wide[2:] - wide[:-2]
    return Path(line, np.round(np.unwrap(np.arctan2(tangents[:, 1], tangents[:, 0])), DIGITS))
