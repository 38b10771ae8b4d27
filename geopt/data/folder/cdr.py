"""ROS 2 messages as they are serialized: clouds of points and poses.

Sources: OMG DDSI-RTPS 2.3, section 10 (CDR); the definitions of sensor_msgs/PointCloud2, nav_msgs/Odometry and
geometry_msgs/PoseStamped.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

CLOUD = "sensor_msgs/msg/PointCloud2"
POSES = {
    "nav_msgs/msg/Odometry": True,
    "geometry_msgs/msg/PoseStamped": False,
    "geometry_msgs/msg/PoseWithCovarianceStamped": False,
}
"""Messages with a pose, and whether the name of a frame stands before it."""
TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}
MAX_FIELDS = 1000
STAMP_BYTES = 12
"""A message up to and with the time in its header."""


class Reader:
    """Numbers and texts of a message, one after the other, each at a multiple of its size."""

    def __init__(self, data: bytes) -> None:
        if len(data) < 4 or data[0] or data[1] not in (0, 1):
            raise ValueError(f"must be serialized as CDR, got a message that begins with {data[:4]!r}")
        self.data, self.place, self.order = data, 4, "<" if data[1] else ">"

    def number(self, kind: str) -> int:
        """A whole number of a type of :mod:`struct`."""
        return self.numbers(kind, 1)[0]

    def numbers(self, kind: str, count: int) -> tuple:
        """Several numbers of a type of :mod:`struct`."""
        size = struct.calcsize(kind)
        begin = 4 + -(-(self.place - 4) // size) * size
        self.place = begin
        return struct.unpack(f"{self.order}{count}{kind}", self.bytes(size * count))

    def bytes(self, count: int) -> bytes:
        """So many bytes."""
        if count > len(self.data) - self.place:
            raise ValueError(f"must hold {count} bytes from byte {self.place} of the message on, got {len(self.data)}")
        self.place += count
        return self.data[self.place - count : self.place]

    def text(self) -> str:
        """Its length comes first, and a zero last."""
        return self.bytes(self.number("I")).rstrip(b"\0").decode("utf-8", "replace")


def stamp_ns(data: bytes) -> int:
    """Time in the header of a message, of which the first ``STAMP_BYTES`` will do; nanoseconds.

    Raises:
        ValueError: the message is too short.
    """
    return _stamp_ns(Reader(data))


def _stamp_ns(reader: Reader) -> int:
    return reader.number("i") * 10**9 + reader.number("I")


class Pose(NamedTuple):
    """Where something was."""

    time_ns: int
    quat_wxyz: tuple[float, float, float, float]
    place: tuple[float, float, float]


def pose(data: bytes, kind: str) -> Pose:
    """Read a message of one of ``POSES``.

    Raises:
        ValueError: it is damaged.
    """
    reader = Reader(data)
    time_ns, _ = _stamp_ns(reader), reader.text()
    if POSES[kind]:
        reader.text()
    px, py, pz, x, y, z, w = reader.numbers("d", 7)
    return Pose(time_ns, (w, x, y, z), (px, py, pz))


def cloud(data: bytes) -> dict[str, NDArray]:
    """The fields of a PointCloud2 by name; those of several numbers per point are left out.

    Raises:
        ValueError: it is damaged, or promises more points than it holds.
    """
    reader = Reader(data)
    _stamp_ns(reader), reader.text()
    height, width, number = reader.numbers("I", 3)
    if number > MAX_FIELDS:
        raise ValueError(f"must have at most {MAX_FIELDS} fields, got {number}")
    fields = [(reader.text(), reader.number("I"), reader.number("B"), reader.number("I")) for _ in range(number)]
    order = ">" if reader.number("B") else "<"
    step, row_step, size = reader.numbers("I", 3)
    points = reader.bytes(size)
    if row_step < width * step or height * row_step != size or not step:
        raise ValueError(f"must hold {height} x {width} points of {step} bytes in rows of {row_step}, got {size} bytes")
    for name, offset, kind, count in fields:
        if kind not in TYPES or offset + count * np.dtype(TYPES[kind]).itemsize > step:
            raise ValueError(
                f"must have fields within {step} bytes, got {name} of type {kind}, {count} times at {offset}"
            )
    single = {name: (order + TYPES[kind], offset) for name, offset, kind, count in fields if count == 1 and name}
    dtype = np.dtype(
        {
            "names": list(single),
            "formats": [kind for kind, _ in single.values()],
            "offsets": [offset for _, offset in single.values()],
            "itemsize": step,
        }
    )
    rows = np.frombuffer(points, np.uint8).reshape(height, row_step)[:, : width * step]
    table = np.ascontiguousarray(rows).reshape(-1).view(dtype)
    return {name: table[name] for name in single}
