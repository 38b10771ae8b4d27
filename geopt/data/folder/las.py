"""Point records of ASPRS LAS 1.0 to 1.4: ``.las``, and ``.laz`` with the extra ``las``.

Source: ASPRS, LAS Specification 1.4 - R15, 2019.
"""

from __future__ import annotations

import io
import struct

import numpy as np
from numpy.typing import NDArray

from geopt.optional import require

FORMAT_BYTES = (20, 28, 26, 34, 57, 63, 30, 36, 38, 59, 67)
"""Length of a record of point formats 0 to 10."""
GPS_TIME_AT = {1: 20, 3: 20, 4: 20, 5: 20, 6: 22, 7: 22, 8: 22, 9: 22, 10: 22}
SMALLEST_HEADER = 227
COMPRESSED = 0xC0
"""Bits of the point format that LASzip sets."""


def parse(data: bytes) -> dict[str, NDArray]:
    """x, y, z (float64, in the unit and the frame of the file), intensity (0 to 65535) and gps_time where the format has it.

    Raises:
        ValueError: it is damaged, compressed, or promises more points than it holds.
    """
    if len(data) < SMALLEST_HEADER or data[:4] != b"LASF":
        raise ValueError(f"must be a LAS file, got {len(data)} bytes that begin with {data[:4]!r}")
    minor, point_format = data[25], data[104]
    if data[24] != 1 or minor > 4:
        raise ValueError(f"must have version 1.0 to 1.4, got {data[24]}.{minor}")
    if point_format & COMPRESSED:
        raise ValueError("is compressed by LASzip; call it .laz")
    if point_format >= len(FORMAT_BYTES):
        raise ValueError(f"must have a point format from 0 to 10, got {point_format}")
    begin, length, count = struct.unpack_from("<I", data, 96)[0], *struct.unpack_from("<HI", data, 105)
    if minor == 4:
        if len(data) < 375:
            raise ValueError("ends within its header; copy the file again")
        count = struct.unpack_from("<Q", data, 247)[0] or count
    if length < FORMAT_BYTES[point_format] or begin < SMALLEST_HEADER or begin + count * length > len(data):
        raise ValueError(
            f"must hold {count} points of {length} bytes from byte {begin} on, got {len(data)} bytes; copy the file again"
        )
    scale, offset = np.frombuffer(data, "<f8", 3, 131), np.frombuffer(data, "<f8", 3, 155)
    fields: dict[str, tuple[np.dtype, int]] = {"xyz": (np.dtype(("<i4", 3)), 0), "intensity": (np.dtype("<u2"), 12)}
    if point_format in GPS_TIME_AT:
        fields["gps_time"] = (np.dtype("<f8"), GPS_TIME_AT[point_format])
    dtype = np.dtype(
        {
            "names": list(fields),
            "formats": [kind for kind, _ in fields.values()],
            "offsets": [place for _, place in fields.values()],
            "itemsize": length,
        }
    )
    points = np.frombuffer(data, dtype, count, begin)
    with np.errstate(over="ignore", invalid="ignore"):
        xyz = points["xyz"] * scale + offset
    named = {axis: xyz[:, number] for number, axis in enumerate("xyz")}
    return named | {name: points[name] for name in fields if name != "xyz"}


def parse_compressed(data: bytes) -> dict[str, NDArray]:
    """:func:`parse` of what LASzip compressed.

    Raises:
        ValueError: it is damaged.
        ImportError: laspy with lazrs is not installed.
    """
    laspy = require("laspy", "las")
    require("lazrs", "las")
    try:
        with laspy.open(io.BytesIO(data)) as file:
            header = file.header
            if header.point_count * header.point_format.size > len(data) * 1000:
                raise ValueError(f"must hold {header.point_count} points, got {len(data)} bytes")
            points = file.read()
        names = ["x", "y", "z", "intensity"]
        names += ["gps_time"] if "gps_time" in points.point_format.dimension_names else []
        return {name: np.asarray(points[name]) for name in names}
    except Exception as error:  # laspy and lazrs have many of their own
        raise ValueError(f"must be a LAZ file ({type(error).__name__}: {error})") from error
