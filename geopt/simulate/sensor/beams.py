"""Where the beams of a turn point, and when."""

from __future__ import annotations

import numpy as np

from geopt.simulate.randomness import Floats
from geopt.simulate.sensor.models import Sensor


def azimuths(sensor: Sensor, first_rad: float) -> Floats:
    """(columns,) angle from x to y of each column, in the order of measuring: the sensor turns clockwise."""
    turned: Floats = np.arange(float(sensor.num_columns)) * (2 * np.pi / sensor.num_columns)
    return first_rad - turned


def directions(sensor: Sensor, azimuth_rad: Floats) -> Floats:
    """(columns, rings, 3) unit vectors in the lidar frame: x right, y forward, z up."""
    elevation = np.radians(sensor.elevations_deg)
    rays = np.empty((len(azimuth_rad), sensor.num_rings, 3))
    rays[..., 0] = np.cos(elevation) * np.cos(azimuth_rad)[:, None]
    rays[..., 1] = np.cos(elevation) * np.sin(azimuth_rad)[:, None]
    rays[..., 2] = np.sin(elevation)
    return rays


def times(sensor: Sensor, end_s: float) -> Floats:
    """(columns,) seconds at which each column of a turn is measured; the last one at ``end_s``."""
    before: Floats = np.arange(float(sensor.num_columns))[::-1] * (sensor.turn_s / sensor.num_columns)
    return end_s - before


def window(sensor: Sensor, azimuth_rad: Floats, centre: Floats, radius_m: float) -> tuple[np.ndarray, slice]:
    """The columns and the rings that could meet a ball.

    Args:
        azimuth_rad: (columns,) of the turn.
        centre: (columns, 3) or (1, 3), metres in the lidar frame: where the ball is when each column is measured.

    Returns:
        Rows of the columns, ascending, and the range of rings.
    """
    level = np.hypot(centre[:, 0], centre[:, 1])
    far = np.sqrt(level**2 + centre[:, 2] ** 2)
    if (level <= radius_m).any():
        return np.arange(len(azimuth_rad)), slice(0, sensor.num_rings)
    off = azimuth_rad - np.arctan2(centre[:, 1], centre[:, 0])
    off = np.abs(off - 2 * np.pi * np.rint(off / (2 * np.pi)))
    columns = np.flatnonzero(off <= np.arcsin(radius_m / level) + 1e-6)
    middle, half = np.arcsin(centre[:, 2] / far), np.arcsin(radius_m / far) + 1e-6
    elevation = np.radians(sensor.elevations_deg)
    first = np.searchsorted(elevation, (middle - half).min(), side="left")
    last = np.searchsorted(elevation, (middle + half).max(), side="right")
    return columns, slice(int(first), int(last))
