"""Polygon files: the vertices of a ``.ply``.

Source: Greg Turk, The PLY Polygon File Format, 1994.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_HEADER_BYTES = 64 << 10
TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4", "double": "f8",
    "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4", "float32": "f4",
    "float64": "f8",
}  # fmt: skip
ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": ""}


class Property(NamedTuple):
    """One value of an element, or a list of them."""

    name: str
    type: str
    """As numpy calls it, without the order of bytes."""
    count_type: str | None
    """Of the number before a list; None where there is one value."""


class Element(NamedTuple):
    """A table in the file."""

    name: str
    size: int
    properties: list[Property]


def parse(data: bytes) -> dict[str, NDArray]:
    """The properties of the vertices by name. Other elements are passed over.

    Raises:
        ValueError: it is damaged, promises more than it holds, has no vertices, or has lists in them.
    """
    encoding, elements, place = _header(data)
    for element in elements:
        if element.name != "vertex":
            place = _after(data, place, element, encoding)
        elif any(one.count_type for one in element.properties) or not element.properties:
            raise ValueError("must have vertices of single numbers, got none or lists")
        elif encoding == "ascii":
            return _ascii(data[place:], element)
        else:
            return _binary(data, place, element, ORDERS[encoding])
    raise ValueError(f"must have an element vertex, got {', '.join(one.name for one in elements) or 'none'}")


def _header(data: bytes) -> tuple[str, list[Element], int]:
    end = data.find(b"end_header", 0, MAX_HEADER_BYTES)
    after = data.find(b"\n", end) + 1
    if not data.startswith(b"ply") or end < 0 or not after:
        raise ValueError("must be a PLY file, got no whole header")
    encoding, elements = "", list[Element]()
    try:
        for line in data[:end].decode("ascii", "replace").splitlines():
            match line.split():
                case ["format", encoding, _]:
                    pass
                case ["element", name, count]:
                    elements.append(Element(name, int(count), []))
                case ["property", "list", count_type, kind, name]:
                    elements[-1].properties.append(Property(name, TYPES[kind], TYPES[count_type]))
                case ["property", kind, name]:
                    elements[-1].properties.append(Property(name, TYPES[kind], None))
                case ["property" | "element" | "format", *_]:
                    raise ValueError(repr(line))
    except (KeyError, IndexError, ValueError) as error:
        raise ValueError(f"must have a PLY header of elements and properties of known types, got {error}") from error
    if encoding not in ORDERS or any(one.size < 0 for one in elements):
        raise ValueError(
            f"must have a format among {', '.join(ORDERS)} and no negative count, got {encoding or 'none'}"
        )
    if any(one.count_type in ("f4", "f8") for element in elements for one in element.properties):
        raise ValueError("must count its lists in whole numbers")
    return encoding, elements, after


def _after(data: bytes, place: int, element: Element, encoding: str) -> int:
    """Where the next element begins."""
    if encoding == "ascii":
        for _ in range(element.size):
            place = data.find(b"\n", place) + 1
            if not place:
                break
    elif not any(one.count_type for one in element.properties):
        return place + element.size * sum(np.dtype(one.type).itemsize for one in element.properties)
    else:
        order = ORDERS[encoding]
        for _ in range(element.size):
            for one in element.properties:
                number = 1
                if one.count_type:
                    number = int(_values(data, place, order + one.count_type, 1)[0])
                    place += np.dtype(one.count_type).itemsize
                if number < 0:
                    break
                place += number * np.dtype(one.type).itemsize
            if number < 0 or place > len(data):
                break
        else:
            return place
        place = 0
    if not place:
        raise ValueError(f"must hold {element.size} of {element.name}, got fewer; copy the file again")
    return place


def _values(data: bytes, place: int, dtype: str | np.dtype, count: int) -> NDArray:
    size = count * np.dtype(dtype).itemsize
    if place + size > len(data):
        raise ValueError(
            f"ends too early: {size} bytes are missing of {max(len(data) - place, 0)}; copy the file again"
        )
    return np.frombuffer(data, dtype=dtype, count=count, offset=place)


def _binary(data: bytes, place: int, element: Element, order: str) -> dict[str, NDArray]:
    dtype = np.dtype([(str(number), order + one.type) for number, one in enumerate(element.properties)])
    points = _values(data, place, dtype, element.size)
    return {one.name: points[str(number)].astype(one.type) for number, one in enumerate(element.properties)}


def _ascii(body: bytes, element: Element) -> dict[str, NDArray]:
    width = len(element.properties)
    if element.size * width > len(body):  # before a list of that length is made
        raise ValueError(f"must hold {element.size} vertices, got {len(body)} bytes; copy the file again")
    words = body.split(maxsplit=element.size * width)[: element.size * width]
    if len(words) < element.size * width:
        raise ValueError(f"must hold {element.size} vertices of {width} numbers, got {len(words)}; copy the file again")
    table = np.array(words, dtype=np.float64).reshape(element.size, width)
    return {one.name: table[:, number] for number, one in enumerate(element.properties)}
