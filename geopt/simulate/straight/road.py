"""Plan and profile of a street: where the centre line runs, how wide everything is, how high the ground lies."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geopt.simulate.randomness import Floats, stream

GROUND_HALF_WIDTH_M = 75.0


@dataclasses.dataclass(frozen=True)
class Road:
    """A street along x with side streets across it, in the street frame (metres, z up).

    A place is (s, d): s is x, d is the distance in y from the centre line, positive to the left.
    """

    start_m: float
    end_m: float
    lane_m: float
    lanes: int
    """Lanes in each direction; traffic keeps to the right."""
    parking_m: float
    sidewalk_m: float
    kerb_m: float
    bend_m: float
    bend_length_m: float
    grade: float
    waves: tuple[tuple[float, float, float, float], ...]
    """(amplitude in metres, radians per metre along x, along y, phase) of the ground's undulation."""
    junctions: tuple[tuple[float, float], ...]
    """(s of the middle, half the carriageway's width) of each side street."""

    @property
    def half_width_m(self) -> float:
        """From the centre line to the kerb."""
        return self.lanes * self.lane_m + self.parking_m

    def lane_centre(self, lane: int, direction: int) -> float:
        """d of a lane counted from the middle; ``direction`` +1 drives towards +x, on the right."""
        return -direction * (lane + 0.5) * self.lane_m

    def centre(self, s: ArrayLike) -> Floats:
        """y of the centre line."""
        return self.bend_m * np.sin(2 * np.pi * np.asarray(s) / self.bend_length_m)

    def heading(self, s: float) -> float:
        """Yaw of the centre line, radians."""
        rate = 2 * np.pi / self.bend_length_m
        return float(np.arctan(self.bend_m * rate * np.cos(rate * s)))

    def is_near_junction(self, s: ArrayLike, margin_m: float) -> NDArray[np.bool_]:
        """Whether s lies within a side street's carriageway widened by ``margin_m``."""
        away = [np.abs(np.asarray(s) - middle) < half + margin_m for middle, half in self.junctions]
        return np.any(away, axis=0) if away else np.zeros(np.shape(s), dtype=bool)

    def is_road(self, s: ArrayLike, d: ArrayLike) -> NDArray[np.bool_]:
        """Whether a place is carriageway (of the street or of a side street)."""
        return (np.abs(np.asarray(d)) < self.half_width_m) | self.is_near_junction(s, 0.0)

    def is_sidewalk(self, s: ArrayLike, d: ArrayLike) -> NDArray[np.bool_]:
        """Whether a place is pavement behind a kerb."""
        beside = np.abs(np.asarray(d)) < self.half_width_m + self.sidewalk_m
        return (beside | self.is_near_junction(s, self.sidewalk_m)) & ~self.is_road(s, d)

    def height(self, s: ArrayLike, d: ArrayLike) -> Floats:
        """Height of the ground at places (s, d)."""
        x, across = np.asarray(s, dtype=np.float64), np.asarray(d, dtype=np.float64)
        y = self.centre(x) + across
        z = self.grade * x
        for amplitude, along, sideways, phase in self.waves:
            z = z + amplitude * np.sin(along * x + sideways * y + phase)
        bumps = 0.04 * np.sin(1.1 * x + 0.7 * y) * np.sin(0.9 * y - 0.5 * x)
        is_road = self.is_road(x, across)
        return z + np.where(is_road, 0.0, self.kerb_m) + np.where(is_road | self.is_sidewalk(x, across), 0.0, bumps)

    def point(self, s: float, d: float) -> Floats:
        """(3,) point on the ground at a place."""
        return np.array([s, float(self.centre(s)) + d, float(self.height(s, d))])


def plan_road(seed: int, scene: str, start_m: float, end_m: float) -> Road:
    """Draw a street; a later ``end_m`` continues the same street."""
    rng = stream(seed, scene, "road")
    waves = []
    for wavelength, amplitude in ((70.0, 0.22), (31.0, 0.06), (13.0, 0.012)):
        turn, phase = rng.uniform(0, 2 * np.pi, size=2)
        rate = 2 * np.pi / (wavelength * rng.uniform(0.8, 1.25))
        waves.append((amplitude * rng.uniform(0.4, 1.0), rate * np.cos(turn), rate * np.sin(turn), phase))
    lanes = int(rng.integers(1, 3))
    road = Road(
        start_m=start_m,
        end_m=end_m,
        lane_m=rng.uniform(3.4, 3.8),
        lanes=lanes,
        parking_m=rng.uniform(2.7, 3.0),
        sidewalk_m=rng.uniform(2.2, 4.5),
        kerb_m=rng.uniform(0.10, 0.17),
        bend_m=rng.uniform(-7.0, 7.0),
        bend_length_m=rng.uniform(160.0, 320.0),
        grade=rng.uniform(-0.02, 0.02),
        waves=tuple(waves),
        junctions=(),
    )
    crossings, s = [], start_m + rng.uniform(20.0, 90.0)
    while s < end_m:
        crossings.append((s, rng.uniform(2.8, 5.5)))
        s += rng.uniform(60.0, 130.0)
    return dataclasses.replace(road, junctions=tuple(crossings))
