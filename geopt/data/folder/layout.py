"""What the numbers of a scan file mean, and how its sensor was mounted."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, PositiveFloat, field_validator

from geopt.data.sweeps import rigid
from geopt.schema import Frozen

Column = Literal["x", "y", "z", "intensity", "elongation", "ring", "time", "time_lag_s", "skip"]
Axis = Literal["x", "y", "z", "-x", "-y", "-z"]
AXES = ("x", "y", "z")
SYNONYMS: dict[str, tuple[str, ...]] = {
    "intensity": ("intensity", "i", "reflectivity", "reflectance", "remission", "scalar_intensity"),
    "ring": ("ring", "laser_id", "laser_number", "channel", "line", "beam"),
    "elongation": ("elongation",),
    "time": ("time", "t", "timestamp", "offset_time", "time_offset", "offset_ns", "time_stamp", "stamp", "gps_time"),
    "time_lag_s": ("time_lag_s",),
}
"""What fields are called in files that name them, small and capital letters alike; of several, the first is taken."""
SHORTEST_SCAN_S, LONGEST_SCAN_S = 5e-3, 2.0
"""Between these lies how long any scanner takes for a scan; it is more than from one unit of time to the next."""
UNITS_S = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


class ScanLayout(Frozen):
    """What the files hold and how the sensor was mounted."""

    columns: tuple[Column, ...] | None = None
    """Columns of files that do not name them (``.bin``, ``.npy``, ``.npy.gz``), all float32 in a ``.bin``. null takes 3 for
    x, y, z, 4 for these and intensity, 5 for these and ring, and finds out from the values how many a ``.bin`` has."""
    fields: dict[Column, str] = {}
    """Columns of files that name them (``.pcd``, ``.ply``, ``.npz``, logs), by another name than :data:`SYNONYMS` has."""
    unit_m: PositiveFloat = 1.0
    """Of x, y and z: 0.001 for millimetres."""
    axes: tuple[Axis, Axis, Axis] = ("x", "y", "z")
    """Axes of the files that point along x, y and z of the sensor, the last of them up: [z, -x, -y] where z looks forward
    and y down, as for cameras."""
    yaw_deg: float = 0.0
    """Direction in which the x axis of the sensor points in the vehicle: 0 for forward (KITTI), -90 for right (nuScenes)."""
    sensor_height_m: NonNegativeFloat = 0.0
    """Of the sensor over the ground; 0 where the files have z = 0 on the ground already."""

    @field_validator("columns")
    @classmethod
    def _whole(cls, columns: tuple[Column, ...] | None) -> tuple[Column, ...] | None:
        if columns is not None and not set(AXES) <= set(columns):
            raise ValueError(f"must name x, y and z, got {columns}")
        named = [name for name in columns or () if name != "skip"]
        if len(set(named)) < len(named):
            raise ValueError(f"must name each column once, got {columns}")
        return columns

    @field_validator("axes")
    @classmethod
    def _each_once(cls, axes: tuple[Axis, Axis, Axis]) -> tuple[Axis, Axis, Axis]:
        if sorted(axis[-1] for axis in axes) != list(AXES):
            raise ValueError(f"must name each of x, y and z once, got {axes}")
        return axes

    @property
    def ego_from_lidar(self) -> NDArray[np.float64]:
        """(3, 4) where the sensor is on the vehicle, metres."""
        half = np.radians(self.yaw_deg) / 2
        return rigid(np.array([np.cos(half), 0, 0, np.sin(half)]), np.array([0, 0, self.sensor_height_m]))

    def xyz_m(self, scan: Scan) -> NDArray[np.float64]:
        """(N, 3) points in the frame of the sensor, metres."""
        with np.errstate(
            invalid="ignore", over="ignore"
        ):  # garbage in a file becomes NaN or inf, and is told by the reader
            columns = [scan.columns[axis[-1]].astype(np.float64) * (-1 if axis[0] == "-" else 1) for axis in self.axes]
            return np.stack(columns, axis=1) * self.unit_m


class Scan(NamedTuple):
    """One scan as its file has it. N points."""

    name: str
    """For messages: a file, or a file and a message in it."""
    columns: dict[str, NDArray]
    """(N,) each: x, y, z as stored, float32 or float64; ``time`` in whatever unit, float64; others float32."""

    def time_s(self) -> NDArray[np.float64] | None:
        """(N,) when points were measured, seconds; None where the file does not tell, or not in what unit.

        The unit is the one in which the scan takes between ``SHORTEST_SCAN_S`` and ``LONGEST_SCAN_S``.
        """
        times = self.columns.get("time")
        if times is None or not np.isfinite(times).all():
            return None
        for unit_s in UNITS_S.values():
            if SHORTEST_SCAN_S <= np.ptp(times) * unit_s <= LONGEST_SCAN_S:
                return times * unit_s
        return None
