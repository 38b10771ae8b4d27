"""Many lines in one table, so that places on different lines are found at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geopt.simulate.randomness import Floats

SPACING_M = 0.5
DIGITS = 6
"""Decimals kept of metres and radians: differences in the last bits of sines between machines die out."""
Rows = NDArray[np.int64]


def rounded(values: ArrayLike) -> Floats:
    """Numbers without the digits in which machines differ."""
    return np.asarray(np.round(np.asarray(values, dtype=np.float64), DIGITS), dtype=np.float64)


class Lines:
    """Polylines (K, 2) in metres, resampled to even steps of about half a metre.

    Args:
        lines: Open polylines, or closed ones that end where they begin.
        is_closed: Whether places beyond the ends wrap around.
        extend_m: Straight continuation of open lines beyond both ends; places still count from the old beginning.
    """

    def __init__(self, lines: Sequence[Floats], is_closed: bool = False, extend_m: float = 0.0) -> None:
        tables = [_even(np.asarray(line, dtype=np.float64), extend_m) for line in lines]
        self.is_closed, self._extend_m = is_closed, extend_m
        self.num_steps = np.array([len(points) - 1 for points, _ in tables], dtype=np.int64)
        full = np.array([length for _, length in tables])
        self.length_m: Floats = np.round(full - 2 * extend_m, DIGITS)
        self._step_m = full / np.maximum(self.num_steps, 1)
        self._first = np.concatenate([[0], np.cumsum(self.num_steps + 1)])[:-1].astype(np.int64)
        self.points: Floats = np.round(np.concatenate([points for points, _ in tables]), DIGITS)
        tangents, bends = zip(*(_tangents(points, step, is_closed) for (points, _), step in zip(tables, self._step_m)))
        self._tangents, self._bends = np.concatenate(tangents), np.concatenate(bends)

    def __len__(self) -> int:
        return len(self.length_m)

    def middle(self) -> Floats:
        """(P, 2) the point halfway along each line."""
        rows = np.arange(len(self))
        return self.point(rows, self.length_m / 2)

    def point(self, rows: Rows, s: Floats) -> Floats:
        """(N, 2) places ``s`` metres along lines ``rows``; beyond the ends of an open line its end."""
        low, share = self._cell(rows, s)
        return self.points[low] * (1 - share) + self.points[low + 1] * share

    def frame(self, rows: Rows, s: Floats) -> tuple[Floats, Floats, Floats]:
        """(N, 2) places, (N, 2) unit directions and (N,) bends (1 / m, positive to the left)."""
        low, share = self._cell(rows, s)
        places = self.points[low] * (1 - share) + self.points[low + 1] * share
        along = self._tangents[low] * (1 - share) + self._tangents[low + 1] * share
        along /= np.sqrt(along[:, :1] ** 2 + along[:, 1:] ** 2)
        return places, along, self._bends[low]

    def _cell(self, rows: Rows, s: Floats) -> tuple[Rows, Floats]:
        at = (np.mod(s, self.length_m[rows]) if self.is_closed else s + self._extend_m) / self._step_m[rows]
        low = np.clip(np.floor(at).astype(np.int64), 0, self.num_steps[rows] - 1)
        return self._first[rows] + low, np.clip(at - low, 0.0, 1.0)[:, None]


def _even(line: Floats, extend_m: float) -> tuple[Floats, float]:
    """Evenly spaced points on a polyline, and its length."""
    if extend_m:
        begin, end = line[0] - line[1], line[-1] - line[-2]
        begin, end = begin / np.sqrt((begin**2).sum()), end / np.sqrt((end**2).sum())
        line = np.concatenate([[line[0] + extend_m * begin], line, [line[-1] + extend_m * end]])
    steps = np.diff(line, axis=0)
    along = np.concatenate([[0.0], np.cumsum(np.sqrt(steps[:, 0] ** 2 + steps[:, 1] ** 2))])
    wanted = np.linspace(0.0, along[-1], max(2, int(np.ceil(along[-1] / SPACING_M)) + 1))
    points = np.stack([np.interp(wanted, along, line[:, k]) for k in (0, 1)], axis=1)
    return points, float(along[-1])


def _tangents(points: Floats, step_m: float, is_closed: bool) -> tuple[Floats, Floats]:
    """Unit directions and bends at evenly spaced points."""
    before, after = (points[-2:-1], points[1:2]) if is_closed else (points[:1], points[-1:])
    wide = np.concatenate([before, points, after])
    along = wide[2:] - wide[:-2]
    along = along / np.sqrt(along[:, :1] ** 2 + along[:, 1:] ** 2)
    turn = along[:-1, 0] * along[1:, 1] - along[:-1, 1] * along[1:, 0]
    return along, np.round(np.concatenate([turn, turn[-1:]]) / step_m, DIGITS)
