"""Scan files and logs as other programs write them, written here from the definitions of their formats."""

import gzip
import sqlite3
import struct
import zlib

import numpy as np

PCD_KINDS = {"f": "F", "i": "I", "u": "U"}
PLY_NAMES = {
    "i1": "char",
    "u1": "uchar",
    "i2": "short",
    "u2": "ushort",
    "i4": "int",
    "u4": "uint",
    "f4": "float",
    "f8": "double",
}
ROS_TYPES = {"i1": 1, "u1": 2, "i2": 3, "u2": 4, "i4": 5, "u4": 6, "f4": 7, "f8": 8}


def cloud(num_points=300, seed=0, **more):
    """(N,) records of x, y, z and intensity as a scanner has them, and of other fields by their types."""
    rng = np.random.default_rng(seed)
    points = np.zeros(num_points, [("x", "f4"), ("y", "f4"), ("z", "f4"), ("intensity", "f4"), *more.items()])
    angle, radius = rng.uniform(0, 2 * np.pi, num_points), rng.uniform(3, 60, num_points)
    points["x"], points["y"] = radius * np.cos(angle), radius * np.sin(angle)
    points["z"], points["intensity"] = rng.normal(-1.5, 0.3, num_points), rng.uniform(0.01, 1, num_points)
    for name in more:
        points[name] = rng.integers(0, 100, num_points)
    return points


def lzf(data):
    """Compressed as LibLZF does: copies of what the last three equal bytes began, else literal bytes."""
    out, literals, seen, place = bytearray(), bytearray(), {}, 0

    def flush():
        for begin in range(0, len(literals), 32):
            part = literals[begin : begin + 32]
            out.extend(bytes([len(part) - 1]) + part)
        literals.clear()

    while place < len(data):
        before = seen.get(data[place : place + 3])
        seen[data[place : place + 3]] = place
        length = 0
        if before is not None and place - before <= 8192:
            while length < 264 and place + length < len(data) and data[before + length] == data[place + length]:
                length += 1
        if length < 3:
            literals.append(data[place])
            place += 1
            continue
        flush()
        back, rest = place - before - 1, length - 2
        out.append((min(rest, 7) << 5) | (back >> 8))
        if rest >= 7:
            out.append(rest - 7)
        out.append(back & 255)
        place += length
    flush()
    return bytes(out)


def pcd(points, encoding, version="0.7", **changes):
    """A PCD file; ``changes`` replace lines of its header."""
    names = points.dtype.names
    shapes = [points.dtype[name].base.itemsize for name in names], [points.dtype[name].shape for name in names]
    lines = {
        "VERSION": version,
        "FIELDS": " ".join(names),
        "SIZE": " ".join(map(str, shapes[0])),
        "TYPE": " ".join(PCD_KINDS[points.dtype[name].base.kind] for name in names),
        "COUNT": " ".join(str(int(np.prod(shape))) for shape in shapes[1]),
        "WIDTH": str(len(points)),
        "HEIGHT": "1",
        "VIEWPOINT": "0 0 0 1 0 0 0",
        "POINTS": str(len(points)),
        "DATA": encoding,
    } | changes
    header = "# .PCD v.7\n" + "".join(f"{key} {value}\n" for key, value in lines.items() if value is not None)
    if encoding == "ascii":
        rows = [" ".join(repr(v) for name in names for v in np.ravel(row[name]).tolist()) for row in points]
        return (header + "\n".join(rows) + "\n").encode()
    if encoding == "binary":
        return header.encode() + points.tobytes()
    columns = b"".join(np.ascontiguousarray(points[name]).tobytes() for name in names)
    packed = lzf(columns)
    return header.encode() + struct.pack("<II", len(packed), len(columns)) + packed


def ply(points, encoding, faces_first=False):
    """A PLY file with a comment and two faces, which are lists, before or after the vertices."""
    vertex = f"element vertex {len(points)}\n" + "".join(
        f"property {PLY_NAMES[points.dtype[name].str[1:]]} {name}\n" for name in points.dtype.names
    )
    face = "element face 2\nproperty list uchar int vertex_indices\nproperty uchar flag\n"
    header = f"ply\nformat {encoding} 1.0\ncomment made up\n" + (face + vertex if faces_first else vertex + face)
    if encoding == "ascii":
        vertices = "".join(" ".join(repr(v) for v in row.tolist()) + "\n" for row in points).encode()
        faces = b"3 0 1 2 9\n4 0 1 2 3 8\n"
    else:
        order = "<" if "little" in encoding else ">"
        vertices = points.astype(points.dtype.newbyteorder(order)).tobytes()
        faces = struct.pack(f"{order}B3iB", 3, 0, 1, 2, 9) + struct.pack(f"{order}B4iB", 4, 0, 1, 2, 3, 8)
    return header.encode() + b"end_header\n" + (faces + vertices if faces_first else vertices + faces)


LAS_BYTES = {0: 20, 1: 28, 2: 26, 3: 34, 4: 57, 5: 63, 6: 30, 7: 36, 8: 38, 9: 59, 10: 67}


def las(points, minor=2, point_format=1, scale=0.001, offset=(0.0, 0.0, 0.0), gps_time=None, extra=0):
    """A LAS file whose records have ``extra`` bytes behind them."""
    size = {4: 375, 3: 235}.get(minor, 227)
    length = LAS_BYTES[point_format] + extra
    header = bytearray(size)
    header[:4], header[24], header[25], header[104] = b"LASF", 1, minor, point_format
    struct.pack_into("<HI", header, 94, size, size + 2)  # two bytes between header and points
    struct.pack_into("<HI", header, 105, length, len(points) if point_format < 6 else 0)
    struct.pack_into("<6d", header, 131, scale, scale, scale, *offset)
    if minor == 4:
        struct.pack_into("<Q", header, 247, len(points))
    rows = []
    for number, point in enumerate(points):
        row = bytearray(length)
        stored = [round((float(point[axis]) - shift) / scale) for axis, shift in zip("xyz", offset)]
        struct.pack_into("<3iH", row, 0, *stored, round(float(point["intensity"]) * 65535))
        if gps_time is not None:
            struct.pack_into("<d", row, 22 if point_format >= 6 else 20, gps_time[number])
        rows.append(bytes(row))
    return bytes(header) + b"\0\0" + b"".join(rows)


class Cdr:
    """A message, number after number."""

    def __init__(self, order="<"):
        self.order, self.data = order, b""

    def put(self, kinds, *values):
        """Numbers of types of :mod:`struct`, each at a multiple of its size."""
        for kind, value in zip(kinds, values, strict=True):
            self.data += bytes(-len(self.data) % struct.calcsize(kind)) + struct.pack(self.order + kind, value)
        return self

    def text(self, value):
        """A text with its zero."""
        content = value.encode() + b"\0"
        self.put("I", len(content)).data += content
        return self

    def done(self):
        """With what stands before a message."""
        return bytes([0, 1 if self.order == "<" else 0, 0, 0]) + self.data


def cloud_message(points, time_ns, height=1, padding=0, big=False, order="<"):
    """sensor_msgs/PointCloud2; ``padding`` bytes end each row."""
    message = (
        Cdr(order).put("iI", time_ns // 10**9, time_ns % 10**9).text("lidar").put("II", height, len(points) // height)
    )
    fields = points.dtype.fields
    message.put("I", len(fields))
    for name, (kind, offset) in fields.items():
        message.text(name).put("IBI", offset, ROS_TYPES[kind.str[1:]], 1)
    step = points.dtype.itemsize
    rows = points.astype(points.dtype.newbyteorder(">")) if big else points
    rows = [row.tobytes() + bytes(padding) for row in rows.reshape(height, -1)]
    data = b"".join(rows)
    message.put("BIII", big, step, len(rows[0]), len(data)).data += data
    return message.put("B", 1).done()


def odometry_message(time_ns, place, quat_xyzw):
    """nav_msgs/Odometry with covariances and a velocity of 0."""
    message = Cdr().put("iI", time_ns // 10**9, time_ns % 10**9).text("odom").text("base_link")
    return message.put("d" * 85, *place, *quat_xyzw, *[0.0] * 78).done()


def rosbag(path, topics, messages):
    """An SQLite file of rosbag2.

    Args:
        topics: Types by name.
        messages: (name, log time in ns, content).
    """
    with sqlite3.connect(path) as database:
        database.execute(
            "CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL, "
            "serialization_format TEXT NOT NULL, offered_qos_profiles TEXT NOT NULL)"
        )
        database.execute(
            "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL, timestamp INTEGER NOT NULL, data BLOB NOT NULL)"
        )
        rows = [(number, name, kind, "cdr", "") for number, (name, kind) in enumerate(topics.items(), 1)]
        database.executemany("INSERT INTO topics VALUES (?, ?, ?, ?, ?)", rows)
        numbers = {name: number for number, name in enumerate(topics, 1)}
        database.executemany(
            "INSERT INTO messages(topic_id, timestamp, data) VALUES (?, ?, ?)",
            [(numbers[name], time, content) for name, time, content in messages],
        )
    database.close()
    return path


def mcap(path, topics, messages, chunked=True, indexed=True, checksum=True):
    """An MCAP file, two messages in a chunk, without a summary."""

    def record(opcode, content):
        return struct.pack("<BQ", opcode, len(content)) + content

    def text(value):
        return struct.pack("<I", len(value)) + value.encode()

    known = b""
    for number, (name, kind) in enumerate(topics.items(), 1):
        known += record(3, struct.pack("<H", number) + text(kind) + text("ros2msg") + text("..."))
        known += record(4, struct.pack("<HH", number, number) + text(name) + text("cdr") + struct.pack("<I", 0))
    numbers = {name: number for number, name in enumerate(topics, 1)}
    out = b"\x89MCAP0\r\n" + record(1, text("ros2") + text("test"))
    logged = [
        (numbers[name], time, record(5, struct.pack("<HIQQ", numbers[name], 0, time, time) + content))
        for name, time, content in messages
    ]
    if not chunked:
        out += known + b"".join(content for _, _, content in logged)
    for begin in range(0, len(logged) if chunked else 0, 2):
        data, entries = known, {}
        for number, time, content in logged[begin : begin + 2]:
            entries.setdefault(number, []).append((time, len(data)))
            data += content
        header = struct.pack("<QQQI", 0, 0, len(data), zlib.crc32(data) if checksum else 0)
        out += record(6, header + text("") + struct.pack("<Q", len(data)) + data)
        for number, found in entries.items() if indexed else ():
            rows = b"".join(struct.pack("<QQ", *entry) for entry in found)
            out += record(7, struct.pack("<HI", number, len(rows)) + rows)
    path.write_bytes(out + record(15, bytes(4)) + record(2, bytes(20)) + b"\x89MCAP0\r\n")
    return path


def npy_gz(path, array):
    """An array packed by gzip."""
    np.save(path.with_suffix(""), array)
    path.write_bytes(gzip.compress(path.with_suffix("").read_bytes()))
    path.with_suffix("").unlink()
