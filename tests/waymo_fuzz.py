"""Damages files of a small drive in many ways and reads them: `python tests/waymo_fuzz.py VERSION SEED CASES FOLDER`.

Prints, as JSON, how many readings went well and how many were refused, the longest one in seconds, and how much the peak of
the memory grew. Ends with an error at anything but a ValueError that names the folder. A process of its own, so that a
crash is seen.
"""

from __future__ import annotations

import json
import resource
import struct
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import waymo_files

from geopt import _host
from geopt.data import Waymo

SIZES = {1: (64, 6), 2: (4, 6), 3: (4, 6), 4: (4, 6), 5: (4, 6)}
MEMORY = 3 << 30
HUGE = [b"\xff" * 9 + b"\x01", b"\xff\xff\xff\xff\x07", b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", b"\xff" * 12]


def damaged(data: bytes, rng) -> bytes:
    """Cut off, with bits turned over, with a huge number somewhere, or with a piece moved."""
    kind, data = rng.integers(5), bytearray(data)
    place = int(rng.integers(len(data)))
    if kind == 0:
        del data[place:]
    elif kind == 1:
        for at in rng.integers(len(data), size=int(rng.integers(1, 9))):
            data[at] ^= 1 << int(rng.integers(8))
    elif kind == 2:
        huge = HUGE[int(rng.integers(len(HUGE)))]
        data[place : place + len(huge)] = huge
    elif kind == 3:
        other, size = int(rng.integers(len(data))), int(rng.integers(1, 64))
        data[place : place + size] = data[other : other + size]
    else:
        size = int(rng.integers(1, 17))
        data[place : place + size] = rng.bytes(size)
    return bytes(data)


class FileV1:
    """One file; in most cases its CRCs are made good, so that the messages are reached, and in some its matrices too."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "a.tfrecord"
        self.drive = waymo_files.make_drive(num_frames=2, sizes=SIZES)
        waymo_files.write_v1(self.drive, self.path, crc=_host.masked_crc32c)
        self.whole = self.path.read_bytes()

    def damage(self, rng) -> None:
        kind = rng.integers(4)
        if kind == 0:
            self.path.write_bytes(damaged(self.whole, rng))
            return
        (length,) = struct.unpack("<Q", self.whole[:8])
        first, rest = self.whole[12 : 12 + length], self.whole[16 + length :]
        if kind == 3:
            first = self.with_a_damaged_matrix(rng)
        else:
            first = damaged(first, rng)
        self.path.write_bytes(waymo_files.record(first, _host.masked_crc32c) + rest)

    def with_a_damaged_matrix(self, rng) -> bytes:
        plain = waymo_files.matrix

        def matrix(image):
            content = zlib.decompress(plain(image))
            return zlib.compress(damaged(content, rng), 1) if rng.random() < 0.3 else plain(image)

        waymo_files.matrix = matrix
        try:
            return waymo_files.frame_message(self.drive, self.drive.frames[0])
        finally:
            waymo_files.matrix = plain

    def repair(self) -> None:
        self.path.write_bytes(self.whole)


class FilesV2:
    """One of the seven files, at its end in half of the cases: that is where parquet says what it holds."""

    def __init__(self, folder: Path) -> None:
        drive = waymo_files.make_drive(num_frames=2, sizes=SIZES)
        waymo_files.write_v2(drive, folder, row_group_size=5, compression="snappy")
        self.whole = {path: path.read_bytes() for path in sorted(folder.rglob("*.parquet"))}
        self.paths = list(self.whole)

    def damage(self, rng) -> None:
        self.path = self.paths[int(rng.integers(len(self.paths)))]
        data = self.whole[self.path]
        if rng.random() < 0.5:
            (footer,) = struct.unpack("<I", data[-8:-4])
            split = len(data) - 8 - footer
            self.path.write_bytes(data[:split] + damaged(data[split:], rng))
        else:
            self.path.write_bytes(damaged(data, rng))

    def repair(self) -> None:
        self.path.write_bytes(self.whole[self.path])


def read_all(folder: Path) -> None:
    waymo = Waymo(folder)
    for row in range(len(waymo)):
        waymo.cloud(row, waymo.past(row, 1))
        if waymo.is_key_frame(row):
            waymo.boxes(row)
        if waymo.has_labels(row):
            waymo.point_labels(row)


def main(version: str, seed: str, cases: str, where: str) -> None:
    folder = Path(where)
    files = FileV1(folder) if version == "v1" else FilesV2(folder)
    read_all(folder)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))  # asking for more fails here and now
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = {"good": 0, "refused": 0, "slowest_s": 0.0}
    for case in range(int(cases)):
        rng = np.random.default_rng([int(seed), case])
        files.damage(rng)
        begin = time.perf_counter()
        try:
            read_all(folder)
            found["good"] += 1
        except ValueError as error:
            assert str(folder) in str(error), f"case {case}: {error}"
            found["refused"] += 1
        except Exception as error:
            raise AssertionError(f"case {case}: {type(error).__name__}: {error}") from error
        found["slowest_s"] = max(found["slowest_s"], time.perf_counter() - begin)
        files.repair()
    found["memory_mb"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
