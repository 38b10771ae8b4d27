"""Numbers about one scan."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geopt.data.folder import Folder
from geopt.data.source import Source
from geopt.inspection import angles, beams, up_axis
from geopt.inspection.facts import Column, ScanFacts

NEAR_M = 1.0
"""No scanner on a car measures so near; nuScenes stores a quarter or more of its returns there, from the car's own roof."""
VEHICLE_M = 2.5
"""From the axis of a sensor on a roof the rest of the roof lies within this."""
RAISED_M = 0.4
"""What is lower than this over the ground is the road."""
FAR_M = 1000.0
"""Farther than any scanner of cars sees."""
MIXERS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], dtype=np.uint64)
"""Odd numbers that spread the bits of coordinates. Source: the constants of SplitMix64 and xxHash."""


class RawScan(NamedTuple):
    """A scan before anything is left out of it. N points."""

    name: str
    xyz: NDArray[np.float64]
    """(N, 3) about the sensor, metres."""
    columns: dict[str, NDArray]
    """(N,) each, besides x, y, z."""
    point_time_s: tuple[float, float] | None


def read_raw(source: Source, row: int) -> RawScan:
    """Read a scan about the sensor; of a folder with the points that training leaves out.

    Raises:
        FileNotFoundError, ValueError: it is missing or damaged; names the file.
    """
    if isinstance(source, Folder):
        scan = source.scan(row)
        columns = {name: values for name, values in scan.columns.items() if name not in up_axis.AXES}
        time_s = scan.time_s()
        span = None if time_s is None else (float(time_s.min()), float(time_s.max()))
        return RawScan(scan.name, source.config.xyz_m(scan), columns, span)
    points = source.read(row)
    xyz = points.xyz.astype(np.float64)
    if source.points_frame == "ego":
        xyz -= source.ego_from_lidar(row)[:, 3]
    columns = {
        name: values
        for name, values in points._asdict().items()
        if values is not None and name not in ("xyz", "time_offset_s")
    }
    offset = points.time_offset_s
    span = None if offset is None or not len(offset) else (float(offset.min()), float(offset.max()))
    return RawScan(source.name(row), xyz, columns, span)


def measure(scan: RawScan, row: int, scene: str) -> ScanFacts:
    """Everything that is told about one scan."""
    finite = np.isfinite(scan.xyz).all(axis=1)
    zero = finite & ~scan.xyz.any(axis=1)
    xyz = scan.xyz[finite & ~zero]
    distance = np.linalg.norm(xyz, axis=1)
    across = np.hypot(xyz[:, 0], xyz[:, 1])
    up, unit = up_axis.find(xyz), angles.find(xyz)
    median, p99, highest = np.quantile(distance, [0.5, 0.99, 1.0]) if len(xyz) else (0.0, 0.0, 0.0)
    centre = np.median(xyz, axis=0) if len(xyz) else np.zeros(3)
    raised = np.ones(len(xyz), bool) if up is None or up.axis != "z" else xyz[:, 2] > up.ground + RAISED_M
    on_vehicle = (across >= NEAR_M) & (across < VEHICLE_M) & raised
    hashes = _hashes(xyz)
    return ScanFacts(
        row=row,
        name=scan.name,
        scene=scene,
        num_points=len(scan.xyz),
        num_bad=int((~finite).sum()),
        num_zero=int(zero.sum()),
        num_twice=_num_twice(hashes[across >= NEAR_M]),
        digest=int(hashes.sum(dtype=np.uint64)),
        columns={name: column(scan.xyz[:, axis]) for axis, name in enumerate(up_axis.AXES)}
        | {name: column(values) for name, values in scan.columns.items()},
        distance_m=(float(median), float(p99), float(highest)),
        centre_m=(float(centre[0]), float(centre[1]), float(centre[2])),
        spread_m=float(np.median(np.linalg.norm(xyz - centre, axis=1))) if len(xyz) else 0.0,
        far=_share(distance > FAR_M),
        near=_share(across < NEAR_M),
        on_vehicle=_share(on_vehicle),
        up=up,
        num_beams=_num_beams(scan, xyz, up, unit),
        angles=unit,
        sectors=len(np.unique(np.floor(np.degrees(np.arctan2(xyz[:, 1], xyz[:, 0]))))) / 360,
        point_time_s=scan.point_time_s,
    )


def column(values: NDArray) -> Column:
    """Statistics of a field."""
    finite = values[np.isfinite(values)].astype(np.float64)
    num_bad, nan = len(values) - len(finite), float("nan")
    if not len(finite):
        return Column(nan, nan, nan, nan, nan, num_bad, 0.0, 0.0)
    lowest, p1, median, p99, highest = np.quantile(finite, [0, 0.01, 0.5, 0.99, 1]).tolist()
    at_lowest, at_highest = float((finite == lowest).mean()), float((finite == highest).mean())
    return Column(lowest, median, highest, p1, p99, num_bad, at_lowest, at_highest)


def _num_beams(scan: RawScan, xyz: NDArray, up: up_axis.Up | None, unit: str | None) -> int | None:
    if "ring" in scan.columns:
        return beams.of_rings(scan.columns["ring"])
    return beams.of_elevations(xyz) if up is not None and up.axis == "z" and unit is None else None


def _share(mask: NDArray[np.bool_]) -> float:
    return float(mask.mean()) if len(mask) else 0.0


def _hashes(xyz: NDArray) -> NDArray[np.uint64]:
    """(N,) a number for each place, the same for equal places alone but for one chance in 10**9 a scan."""
    bits = np.ascontiguousarray(xyz + 0.0).view(np.uint64)  # -0.0 becomes 0.0
    mixed = bits * MIXERS
    mixed ^= mixed >> np.uint64(29)
    total = mixed.sum(axis=1, dtype=np.uint64) * MIXERS[0]
    return total ^ (total >> np.uint64(32))


def _num_twice(hashes: NDArray[np.uint64]) -> int:
    return int((np.diff(np.sort(hashes)) == 0).sum())
