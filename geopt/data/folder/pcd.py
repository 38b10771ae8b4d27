"""Point clouds of PCL: ``.pcd``, versions 0.5 to 0.7.

Source: https://pointclouds.org/documentation/tutorials/pcd_file_format.html
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geopt.data.folder import lzf

MAX_HEADER_BYTES = 64 << 10
TYPES = {"F": (4, 8), "I": (1, 2, 4, 8), "U": (1, 2, 4, 8)}
KINDS = {"F": "f", "I": "i", "U": "u"}


class Header(NamedTuple):
    """What stands before the points."""

    dtype: np.dtype
    """Of one point."""
    num_points: int
    encoding: str
    """``ascii``, ``binary`` or ``binary_compressed``."""
    num_bytes: int


def parse(data: bytes) -> dict[str, NDArray]:
    """The fields of a file by name; those of several numbers per point, and padding, which PCL calls ``_``, are left out.

    Points stay in the frame of the sensor: VIEWPOINT says where that was in a map, as PCL's own tools take it, and is not
    used here.

    Raises:
        ValueError: it is damaged, or promises more points than it holds.
    """
    header = _header(data)
    body = memoryview(data)[header.num_bytes :]
    read = {"ascii": _ascii, "binary": _binary, "binary_compressed": _compressed}[header.encoding]
    columns = read(body, header)
    return {name: column for name, column in columns.items() if column.ndim == 1 and name != "_"}


def _header(data: bytes) -> Header:
    found: dict[str, list[str]] = {}
    place = 0
    while "DATA" not in found:
        end = data.find(b"\n", place, MAX_HEADER_BYTES)
        if end < 0:
            raise ValueError("must be a PCD file, got no line DATA in its header")
        line = data[place:end].decode("ascii", "replace").split()
        place = end + 1
        if line and not line[0].startswith("#"):
            found[line[0].upper()] = line[1:]
    try:
        names = found["FIELDS"] if "FIELDS" in found else found["COLUMNS"]
        sizes, types = [int(size) for size in found["SIZE"]], found["TYPE"]
        counts = [int(count) for count in found.get("COUNT", ["1"] * len(names))]
        width, height = int(found["WIDTH"][0]), int(found["HEIGHT"][0])
        num_points = int(found.get("POINTS", [str(width * height)])[0])
        encoding = found["DATA"][0].lower()
    except (KeyError, IndexError, ValueError) as error:
        raise ValueError(f"must have a whole PCD header, got {error} in it") from error
    if not len(names) == len(sizes) == len(types) == len(counts):
        raise ValueError(f"must have SIZE, TYPE and COUNT for each of {len(names)} FIELDS")
    if any(size not in TYPES.get(kind, ()) for size, kind in zip(sizes, types)):
        raise ValueError(f"must have fields of known types, got TYPE {' '.join(types)}, SIZE {sizes}")
    if any(not 1 <= count <= MAX_HEADER_BYTES for count in counts) or width < 0 or height < 0:
        raise ValueError(f"must have positive numbers of points and values, got {width} x {height}, COUNT {counts}")
    if num_points != width * height:
        raise ValueError(f"must hold WIDTH x HEIGHT points, got {width} x {height} and {num_points}")
    if encoding not in ("ascii", "binary", "binary_compressed"):
        raise ValueError(f"must have DATA ascii, binary or binary_compressed, got {encoding}")
    dtype = np.dtype(
        [
            (f"{number} {name}", f"<{KINDS[kind]}{size}", (count,) if count > 1 else ())
            for number, (name, kind, size, count) in enumerate(zip(names, types, sizes, counts))
        ]
    )
    return Header(dtype, num_points, encoding, place)


def _ascii(body: memoryview, header: Header) -> dict[str, NDArray]:
    numbers = np.array(bytes(body).split(), dtype=np.float64)
    widths = [int(np.prod(header.dtype[name].shape)) for name in header.dtype.names or ()]
    if len(numbers) != header.num_points * sum(widths):
        wanted = f"{header.num_points} points of {sum(widths)} numbers"
        raise ValueError(f"must hold {wanted}, got {len(numbers)} numbers; copy the file again")
    table = np.split(numbers.reshape(header.num_points, sum(widths)), np.cumsum(widths)[:-1], axis=1)
    columns = [part[:, 0] if count == 1 else part for part, count in zip(table, widths)]
    return dict(zip(_names(header), columns))


def _binary(body: memoryview, header: Header) -> dict[str, NDArray]:
    wanted = header.num_points * header.dtype.itemsize
    if len(body) < wanted or bytes(body[wanted:]).strip(b"\0\n"):  # writers that map whole pages leave zeros behind
        raise ValueError(
            f"must hold {header.num_points} points in {wanted} bytes, got {len(body)}; copy the file again"
        )
    points = np.frombuffer(body[:wanted], dtype=header.dtype)
    return {name: points[field] for name, field in zip(_names(header), header.dtype.names or ())}


def _compressed(body: memoryview, header: Header) -> dict[str, NDArray]:
    if len(body) < 8:
        raise ValueError("ends before its compressed data; copy the file again")
    packed, size = struct.unpack_from("<II", body)
    if len(body) < 8 + packed or size != header.num_points * header.dtype.itemsize:
        raise ValueError(
            f"must hold {header.num_points} points of {header.dtype.itemsize} bytes, compressed to {packed}, "
            f"got {len(body) - 8} for {size} bytes; copy the file again"
        )
    unpacked, place, columns = lzf.decompress(bytes(body[8 : 8 + packed]), size), 0, {}
    for name, field in zip(_names(header), header.dtype.names or ()):  # column after column, not point after point
        one = header.dtype[field]
        columns[name] = np.frombuffer(unpacked, dtype=one, count=header.num_points, offset=place)
        place += one.itemsize * header.num_points
    return columns


def _names(header: Header) -> list[str]:
    return [name.split(" ", 1)[1] for name in header.dtype.names or ()]
