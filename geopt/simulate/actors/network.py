"""The lanes as drivers see them: what follows what, what a body sweeps, and where a body fits through."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from geopt.simulate.actors import junctions
from geopt.simulate.actors.bodies import Body, Rectangles, enclosing, placed
from geopt.simulate.actors.junctions import NO_SWINGS, Ground, Sweep, Swings
from geopt.simulate.actors.lines import Lines, rounded
from geopt.simulate.classes import ROAD
from geopt.simulate.randomness import Floats

if TYPE_CHECKING:
    from geopt.simulate.city import City

SIDEWAYS_MPS2 = 2.2
"""Acceleration in bends that drivers put up with."""
BESIDE_M, BESIDE_TURNING_M = 1.3, 1.55
"""Half a vehicle in another lane, with some distance when somebody turns beside it."""
FOLD = 0.85
"""Sine of the angle at which the corner of a trailer would touch its tractor."""
LONG_M, LONG_TURNING_M = 6.0, 10.0
"""Longer bodies go only where they do not swing over a kerb, and mind other lanes; the longest more so in turns."""


class Network:
    """Lanes in one table, with what is found only once about each connector and body."""

    def __init__(self, city: City) -> None:
        self._city = city
        lanes = city.lanes
        self.lines = Lines([lane.line for lane in lanes])
        self.length_m: list[float] = self.lines.length_m.tolist()
        self.next = [tuple(lane.next) for lane in lanes]
        self.junction = [int(lane.junction) for lane in lanes]
        self.speed_mps = [self._limit(row, lane.speed_mps) for row, lane in enumerate(lanes)]
        self.middle = self.lines.middle()
        self.roads = [row for row, lane in enumerate(lanes) if lane.junction < 0]
        self.entry = {after: row for row in self.roads for after in self.next[row] if self.junction[after] >= 0}
        self.grounds: list[Ground] = []
        for number, junction in enumerate(city.junctions):
            own = [lanes[row].line for row in range(len(lanes)) if self.junction[row] == number]
            centre = rounded(junction.centre)
            reach = max((float(np.abs(line - centre).max()) for line in own), default=10.0)
            self.grounds.append(Ground(centre, math.ceil(reach) + 8.0))
        self._turn = [lane.turn for lane in lanes]
        self._sweeps: dict[tuple[int, Body], Sweep] = {}
        self._swings: dict[tuple[int, Body], Swings] = {}
        self._open: dict[Body, frozenset[int]] = {}

    def _limit(self, row: int, speed_mps: float) -> float:
        _, _, bends = self.lines.frame(np.full(200, row), np.linspace(0.0, self.length_m_of(row), 200))
        sharpest = float(np.sort(np.abs(bends))[-20])  # a tenth of the way may be sharper
        return min(float(speed_mps), math.sqrt(SIDEWAYS_MPS2 / max(sharpest, 1e-6)))

    def length_m_of(self, row: int) -> float:
        """Length of one lane."""
        return float(self.lines.length_m[row])

    def way(self, connector: int, body: Body) -> tuple[Floats, list[Rectangles]]:
        """Places of the body's middle from the connector's beginning, and where its parts are then."""
        middle = junctions.middles(body, self.length_m[connector])
        front = self._points(connector, middle + body.half_base_m)
        rear = self._points(connector, middle - body.half_base_m)
        return middle, placed(body, front, rear)

    def _points(self, connector: int, s: Floats) -> Floats:
        before, after, length = self.entry[connector], self.next[connector][0], self.length_m[connector]
        rows = np.where(s < 0, before, np.where(s > length, after, connector))
        places = np.where(s < 0, s + self.length_m[before], np.where(s > length, s - length, s))
        return self.lines.point(rows, places)

    def sweep(self, connector: int, body: Body) -> Sweep:
        """What an ``enclosing`` body sweeps on a connector."""
        key = connector, body
        if key not in self._sweeps:
            middle, parts = self.way(connector, body)
            ground = self.grounds[self.junction[connector]]
            self._sweeps[key] = Sweep(float(middle[0]), ground.sweep(junctions.cover(parts)))
        return self._sweeps[key]

    def open_to(self, body: Body) -> frozenset[int]:
        """Lanes on which a body can drive for ever: where it fits through, and from where it can go on."""
        kind = enclosing(body)
        if kind not in self._open:
            lanes = set(range(len(self.next)))
            if kind.trailer is not None or kind.length_m > LONG_M:
                lanes -= {row for row in lanes if self.junction[row] >= 0 and not self._fits(row, kind)}
            while dead := {row for row in lanes if not lanes.intersection(self.next[row])}:
                lanes -= dead
            self._open[kind] = frozenset(lanes)
        return self._open[kind]

    def _fits(self, connector: int, body: Body) -> bool:
        """Whether a body stays on the carriageway, and off its own trailer."""
        _, parts = self.way(connector, body)
        if len(parts) > 1 and np.abs(np.sin(parts[0].yaw - parts[1].yaw)).max() > FOLD:
            return False
        rims = [
            part._replace(width_m=part.width_m - 0.1).cover(0.0, 1.5)[::2] for part in parts
        ]  # mirrors may hang over
        return bool((self._city.surface(np.concatenate([rim.reshape(-1, 2) for rim in rims])) == ROAD).all())

    def long_ways(self, bodies: Iterable[Body]) -> Iterator[Rectangles]:
        """Where the long ones among some bodies may come through junctions."""
        for kind in dict.fromkeys(enclosing(body) for body in bodies):
            if kind.trailer is not None or kind.length_m > LONG_M:
                for connector in sorted(row for row in self.open_to(kind) if self.junction[row] >= 0):
                    for part in self.way(connector, kind)[1]:
                        yield part._replace(xy=part.xy[::3], yaw=part.yaw[::3])

    def swings(self, connector: int, body: Body) -> Swings:
        """Where an ``enclosing`` body swings over lanes other than its own; nothing for short ones."""
        key = connector, body
        if body.trailer is None and body.length_m <= LONG_M:
            return NO_SWINGS
        if key not in self._swings:
            _, parts = self.way(connector, body)
            junction, own = self.junction[connector], (self.entry[connector], self.next[connector][0])
            arriving = {row for after, row in self.entry.items() if self.junction[after] == junction} - {own[0]}
            leaving = {self.next[after][0] for after in self.entry if self.junction[after] == junction} - {own[1]}
            is_easy = self._turn[connector] == "straight" or body.total_m < LONG_TURNING_M
            half = BESIDE_M if is_easy else BESIDE_TURNING_M
            self._swings[key] = Swings(
                {row: reach for row in sorted(arriving) if (reach := self._touched_m(parts, row, half, True))},
                {row: reach for row in sorted(leaving) if (reach := self._touched_m(parts, row, half, False))},
            )
        return self._swings[key]

    def _touched_m(self, parts: list[Rectangles], lane: int, half_m: float, at_end: bool) -> float:
        """How far from its end, or else from its beginning, a lane is touched; 0 for not at all."""
        length = self.length_m[lane]
        away = np.arange(0.0, min(30.0, length), 0.5)
        places = self.lines.point(np.full(len(away), lane), length - away if at_end else away)
        touched = 0.0
        for part in parts:
            cos, sin = np.cos(part.yaw)[:, None], np.sin(part.yaw)[:, None]
            gap = places[None, :, :] - part.xy[:, None, :]
            along = np.maximum(np.abs(gap[..., 0] * cos + gap[..., 1] * sin) - part.length_m / 2, 0.0)
            across = np.maximum(np.abs(gap[..., 1] * cos - gap[..., 0] * sin) - part.width_m / 2, 0.0)
            near = (along**2 + across**2 < half_m**2).any(axis=0)
            touched = max(touched, float(away[near].max()) if near.any() else 0.0)
        return touched
