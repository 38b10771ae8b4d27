"""Damage that reaches behind what guards a Waymo file: CRCs made good, matrices packed again, the end of a parquet file."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import every_frame
import waymo_files
from fuzzing import damaged

from geopt import _host
from geopt.data import Waymo

SIZES = {1: (64, 6), 2: (4, 6), 3: (4, 6), 4: (4, 6), 5: (4, 6)}


class DamageV1:
    """In most cases the CRCs of the first record are made good, so that the messages are reached, in some its matrices too."""

    def __init__(self, drive) -> None:
        self.drive = drive

    def __call__(self, path: Path, whole: bytes, rng) -> bytes:
        kind = rng.integers(4)
        if kind == 0:
            return damaged(whole, rng)
        (length,) = struct.unpack("<Q", whole[:8])
        first = self.with_a_damaged_matrix(rng) if kind == 3 else damaged(whole[12 : 12 + length], rng)
        return waymo_files.record(first, _host.masked_crc32c) + whole[16 + length :]

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


def damage_v2(path: Path, whole: bytes, rng) -> bytes:
    """At the end in half of the cases: that is where parquet says what it holds."""
    if rng.random() < 0.5:
        return damaged(whole, rng)
    (footer,) = struct.unpack("<I", whole[-8:-4])
    split = len(whole) - 8 - footer
    return whole[:split] + damaged(whole[split:], rng)


def write(version: str, folder: Path):
    """Write a small drive and return how its files are to be damaged."""
    drive = waymo_files.make_drive(num_frames=2, sizes=SIZES)
    if version == "v1":
        waymo_files.write_v1(drive, folder / "a.tfrecord", crc=_host.masked_crc32c)
        return DamageV1(drive)
    waymo_files.write_v2(drive, folder, row_group_size=5, compression="snappy")
    return damage_v2


def read_all(folder: Path) -> None:
    waymo = Waymo(folder)
    every_frame.read_all(waymo, len(waymo))
