"""Files of poses and of times, as they lie beside scans.

Sources: KITTI odometry development kit (``poses.txt``, ``times.txt``), KITTI raw data (``timestamps.txt``), TUM RGB-D
benchmark (trajectory files).
"""

from __future__ import annotations

import csv
import decimal
import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geopt.data.sweeps import check_rigid, rotation_matrix

MAX_BYTES = 256 << 20
"""A text file that is larger holds no poses of one drive."""
POSES = ("poses.txt", "poses.tum", "poses.csv", "poses.json", "*.tum")
TIMES = ("times.txt", "timestamps.txt")
MATRIX, TUM = 12, 8
UNITS_NS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
YEARS_S = (946_684_800, 4_102_444_800)
"""Seconds since 1970 of the years 2000 and 2100, between which clocks lie."""
IN_NAME = re.compile(r"(?<!\d)(\d{10}[._]\d{1,9}|\d{13}|\d{16}|\d{19})(?!\d)")
UNIT = 1e-2
"""A quaternion whose length is farther than this from 1 is something else."""


class Poses(NamedTuple):
    """What a file of poses says. K poses."""

    time_ns: NDArray[np.int64] | None
    """(K,) None where each line belongs to the scan of its number."""
    matrices: NDArray[np.float64]
    """(K, 3, 4) global_from_body, metres."""


def read_poses(path: Path) -> Poses:
    """Read poses.

    Args:
        path: ``.csv`` with a header, or ``.json`` with a list of objects, both with qw, qx, qy, qz, x, y, z (or tx, ty, tz)
            and perhaps a time: ``t``, ``time`` or ``timestamp``, with a unit as in ``timestamp_us`` or without; in JSON
            ``matrix`` may stand for the pose. Else lines of 12 numbers, the rows of a 3 x 4 matrix (KITTI), or of 8, time in
            seconds, x, y, z, qx, qy, qz, qw (TUM).

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: it is damaged, or no pose; names the file.
    """
    return _read(path, "poses", _parse_poses)


def read_times(path: Path) -> NDArray[np.int64]:
    """(S,) nanoseconds: a line per scan, seconds (KITTI odometry), or a date and time in UTC (KITTI raw data).

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: it is damaged; names the file.
    """
    return _read(path, "times", _parse_times)


def time_in_name(name: str) -> int | None:
    """The time that a file is named by, nanoseconds since 1970: the last number in its name that is one, of 10 digits and
    a fraction in s, or of 13 in ms, 16 in us or 19 in ns; None if there is none between the years 2000 and 2100."""
    for digits in reversed(IN_NAME.findall(name)):
        whole, fraction = digits[:10], digits[10:].lstrip("._")
        if YEARS_S[0] <= int(whole) < YEARS_S[1]:
            return int(whole + fraction.ljust(9, "0"))
    return None


def _read(path: Path, what: str, parse: Any) -> Any:
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{what}: {path} must have at most {MAX_BYTES} bytes, got {path.stat().st_size}")
    try:
        return parse(path.suffix.lower(), path.read_text("utf-8-sig"))
    except (ValueError, TypeError, ArithmeticError, RecursionError, csv.Error, KeyError) as error:
        reason = f"has no {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"{what}: {path} must hold {what}: {reason}") from error


def _parse_poses(suffix: str, text: str) -> Poses:
    if suffix == ".csv":
        return _from_records(list(csv.DictReader(io.StringIO(text))))
    if suffix == ".json":
        found = json.loads(text)
        if not isinstance(found, list) or not all(isinstance(record, dict) for record in found):
            raise ValueError("expected a list of objects")
        return _from_records(found)
    table = _numbers(text)
    if table.shape[1] == MATRIX:
        return Poses(None, _checked(table.reshape(-1, 3, 4)))
    if table.shape[1] != TUM:
        raise ValueError(f"expected 12 numbers in a line (KITTI) or 8 (TUM), got {table.shape[1]}")
    words = [line.split()[0] for line in _lines(text)]
    return Poses(np.array([_nanoseconds(word) for word in words]), motions(table[:, [7, 4, 5, 6]], table[:, 1:4]))


def _from_records(records: list[Mapping[str, Any]]) -> Poses:
    if not records:
        raise ValueError("expected at least one pose")
    for number, record in enumerate(records, 1):
        if None in record or None in record.values():  # csv calls what has no column, or no value, None
            raise ValueError(f"expected a value for each column, got fewer or more in row {number}")
    names = {name.strip().lower(): name for name in records[0]}
    time = next((name for name in names if re.fullmatch(r"(t|time|timestamp|stamp)(_(s|ms|us|ns))?", name)), None)
    times = None
    if time is not None:
        unit = UNITS_NS.get(time.rpartition("_")[2])
        times = np.array([_nanoseconds(record[names[time]], unit) for record in records])
    if "matrix" in names:
        matrices = np.array([record[names["matrix"]] for record in records], dtype=np.float64)
        if matrices.shape[1:] not in ((3, 4), (4, 4), (12,), (16,)):
            raise ValueError(f"expected matrices of 3 x 4 or 4 x 4 numbers, got {matrices.shape[1:]}")
        return Poses(times, _checked(matrices.reshape(len(records), -1, 4)[:, :3]))
    places = ["tx", "ty", "tz"] if "tx" in names else ["x", "y", "z"]
    wanted = ["qw", "qx", "qy", "qz", *places]
    if not names.keys() >= set(wanted):
        raise ValueError(f"expected columns {', '.join(wanted)}, got {', '.join(names)}")
    columns = [[float(record[names[name]]) for record in records] for name in wanted]
    table = np.array(columns).T
    return Poses(times, motions(table[:, :4], table[:, 4:]))


def _parse_times(suffix: str, text: str) -> NDArray[np.int64]:
    times = []
    for line in _lines(text):
        try:
            times.append(_nanoseconds(line))
        except decimal.InvalidOperation:
            stamp = np.datetime64(line.replace(" ", "T"), "ns")  # refuses what is no date
            if np.isnat(stamp):
                raise ValueError(f"expected a time, got {line!r}") from None
            times.append(int(stamp.astype(np.int64)))
    if not times:
        raise ValueError("expected a line for each scan, got none")
    return np.array(times)


def _nanoseconds(value: Any, unit_ns: int | None = None) -> int:
    """A time to the nanosecond, which a float cannot hold of today's; without a unit in that which makes it one of this
    century, else in seconds."""
    number = decimal.Decimal(str(value).strip())
    if not number.is_finite() or abs(number) >= 2**62:
        raise ValueError(f"expected a time, got {value!r}")
    if unit_ns is None:
        fitting = (unit for unit in UNITS_NS.values() if YEARS_S[0] <= number * unit / 10**9 < YEARS_S[1])
        unit_ns = next(fitting, 10**9)
    if abs(number * unit_ns) >= 2**62:
        raise ValueError(f"expected a time within 146 years of 1970, got {value!r}")
    return round(number * unit_ns)


def _lines(text: str) -> list[str]:
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _numbers(text: str) -> NDArray[np.float64]:
    rows = [line.split() for line in _lines(text)]
    if not rows or len({len(row) for row in rows}) != 1:
        raise ValueError("expected as many numbers in each line, and at least one line")
    return np.array(rows, dtype=np.float64)


def motions(quat_wxyz: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """(K, 3, 4) rigid motions of (K, 4) quaternions and (K, 3) translations.

    Raises:
        ValueError: a quaternion has another length than 1, or a number is not finite; names no file.
    """
    lengths = np.linalg.norm(quat_wxyz, axis=1)
    if not np.all(np.abs(lengths - 1) < UNIT):
        raise ValueError("expected quaternions of length 1")
    return _checked(np.concatenate([rotation_matrix(quat_wxyz), places[:, :, None]], axis=2))


def _checked(matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    check_rigid(matrices, "a pose")
    return matrices
