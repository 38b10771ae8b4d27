"""LiDARs as data: where their beams point, how fast they turn, how far they see."""

from __future__ import annotations

import math

import numpy as np
import pydantic

from geopt.schema import Frozen
from geopt.simulate.randomness import Floats


class Sensor(Frozen):
    """A LiDAR whose beams turn about an upright axis and fire together, column after column."""

    name: str
    elevations_deg: tuple[float, ...]
    """Of each beam above the horizon, ascending; a beam's place in the list is its ring."""
    num_columns: int = pydantic.Field(gt=0)
    turn_s: float = pydantic.Field(gt=0)
    mount_m: tuple[float, float, float]
    """Of the optical centre in the ego frame: x forward from the rear axle, y left, z above the ground."""
    min_range_m: float = 1.0
    max_range_m: float
    range_noise_m: float
    """Standard deviation."""
    dark_range_m: float
    """Where a return of brightness 10, an upright grey wall of 10 %, is just strong enough."""
    gain: tuple[tuple[float, float], ...] = ((1.0, 1.0),)
    """(range in metres, factor) between which the factor on the intensity is interpolated along log(range)."""
    laser_spread: float = 0.1
    """Standard deviation of the logarithm of the lasers' factors on the intensity."""
    random_loss: float = 0.005
    """Share of the returns that are lost for no reason of theirs."""

    @pydantic.model_validator(mode="after")
    def _ascending(self) -> Sensor:
        if not all(low < high for low, high in zip(self.elevations_deg, self.elevations_deg[1:])):
            raise ValueError(f"Sensor: elevations_deg must ascend, got {self.elevations_deg}")
        return self

    @property
    def num_rings(self) -> int:
        return len(self.elevations_deg)


def _even(lowest: float, highest: float, count: int) -> tuple[float, ...]:
    return tuple(np.linspace(lowest, highest, count).round(4).tolist())


def _growing(lowest: float, highest: float, count: int, finest: float, num_finest: int) -> tuple[float, ...]:
    """From the top ``num_finest`` steps of ``finest``, then steps that grow evenly until the beams reach ``lowest``."""
    steps = np.full(count - 1, finest)
    rest = count - 1 - num_finest
    growth = 2 * (highest - lowest - finest * (count - 1)) / (rest * (rest + 1))
    steps[num_finest:] += growth * np.arange(1, rest + 1)
    return tuple((highest - np.concatenate([[0.0], np.cumsum(steps)]))[::-1].round(4).tolist())


def _steps(*runs: tuple[float, float, int]) -> tuple[float, ...]:
    """Runs of (first, step, count), lowest first."""
    return tuple(round(first + k * step, 4) for first, step, count in runs for k in range(count))


# Beams, turns and ranges are those of the data sheets. Gain, laser spread and dark range of the HDL-32E were fitted to nuScenes: its
# weakest returns (2nd percentile of the intensity) rise as 10 * (range / 45 m)**2 from 30 to 95 m, and the intensity of
# what looks the same everywhere (leaves, walls, lorries) peaks between 6 and 11 m and dips to 0.4 of that at 25 m, on 40
# key frames of scene-0523 and 32 labelled scans of another drive; on the ground of both, lasers differ from their neighbours
# by factors up to 2.5.
_NUSCENES_GAIN = (
    *((2.5, 0.7), (4.5, 0.9), (6.0, 1.0), (11.0, 1.0), (16.0, 0.58), (20.0, 0.43), (25.0, 0.40), (30.0, 0.42)),
    *((36.0, 0.50), (45.0, 0.55), (65.0, 0.60), (90.0, 0.75)),
)

SENSORS: dict[str, Sensor] = {
    sensor.name: sensor
    for sensor in (
        Sensor(
            name="hdl32e",  # on the roof as in nuScenes; 1,085 columns are what a file of nuScenes holds
            elevations_deg=_even(-30.6667, 10.6667, 32),
            num_columns=1085,
            turn_s=0.05,
            mount_m=(0.94, 0.0, 1.84),
            max_range_m=105.0,
            range_noise_m=0.02,
            dark_range_m=45.0,
            gain=_NUSCENES_GAIN,
            laser_spread=0.25,
        ),
        Sensor(
            name="hdl64e",  # KITTI: 32 beams half a degree apart below 32 a third of a degree apart
            elevations_deg=_steps((-24.3333, 0.5, 32), (-8.3333, 1 / 3, 32)),
            num_columns=2083,
            turn_s=0.1,
            mount_m=(0.76, 0.0, 1.73),
            max_range_m=120.0,
            range_noise_m=0.02,
            dark_range_m=50.0,
        ),
        Sensor(
            name="waymo-top",  # rows, columns and field of view as published; the beams crowd about the horizon
            elevations_deg=_growing(-17.6, 2.4, 64, finest=1 / 6, num_finest=20),
            num_columns=2650,
            turn_s=0.1,
            mount_m=(1.43, 0.0, 2.18),
            max_range_m=75.0,
            range_noise_m=0.02,
            dark_range_m=75.0,
        ),
        Sensor(
            name="vlp16",
            elevations_deg=_even(-15.0, 15.0, 16),
            num_columns=1800,
            turn_s=0.1,
            mount_m=(0.94, 0.0, 1.9),
            max_range_m=100.0,
            range_noise_m=0.03,
            dark_range_m=45.0,
        ),
        Sensor(
            name="vlp32c",  # of Argoverse 2
            elevations_deg=(
                *(-25.0, -15.639, -11.31, -8.843, -7.254, -6.148, -5.333, -4.667, -4.0, -3.667, -3.333, -3.0),
                *(-2.667, -2.333, -2.0, -1.667, -1.333, -1.0, -0.667, -0.333, 0.0, 0.333, 0.667, 1.0, 1.333),
                *(1.667, 2.333, 3.333, 4.667, 7.0, 10.333, 15.0),
            ),
            num_columns=1800,
            turn_s=0.1,
            mount_m=(0.94, 0.0, 1.9),
            max_range_m=200.0,
            range_noise_m=0.03,
            dark_range_m=90.0,
        ),
        Sensor(
            name="pandar64",  # of PandaSet
            elevations_deg=(-25.0, -19.0, *_steps((-14.0, 1.0, 8), (-6.0, 1 / 6, 49)), 3.0, 5.0, 8.0, 11.0, 15.0),
            num_columns=1800,
            turn_s=0.1,
            mount_m=(0.94, 0.0, 1.9),
            min_range_m=0.3,
            max_range_m=200.0,
            range_noise_m=0.02,
            dark_range_m=200.0,
        ),
        Sensor(
            name="os1-64",
            elevations_deg=_even(-22.5, 22.5, 64),
            num_columns=1024,
            turn_s=0.05,
            mount_m=(0.94, 0.0, 1.9),
            min_range_m=0.3,
            max_range_m=120.0,
            range_noise_m=0.015,
            dark_range_m=45.0,
        ),
    )
}
"""By name."""


def sensor(name: str) -> Sensor:
    """The LiDAR of a name.

    Raises:
        ValueError: there is none.
    """
    if name not in SENSORS:
        raise ValueError(f"simulate: sensor must be one of {', '.join(SENSORS)}, got {name!r}")
    return SENSORS[name]


def faintest(sensor: Sensor, range_m: Floats) -> Floats:
    """Weakest brightness that comes back from each range: it grows with the square of the way."""
    return 10.0 * (range_m / sensor.dark_range_m) ** 2


def gain(sensor: Sensor, range_m: Floats) -> Floats:
    """Factor on the intensity at each range."""
    knots = [math.log(range_m) for range_m, _ in sensor.gain]
    return np.interp(np.log(np.maximum(range_m, 1e-3)), knots, [factor for _, factor in sensor.gain])
