"""Reads all of a folder of shards; also with every checksum taken for right, so that damage reaches what they guard."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from nuscenes_folder import write_nuscenes

from geopt.data import DataConfig, NuScenes
from geopt.data.shards import layout, reader, tables, writer
from geopt.data.shards.reader import Shards


class _Right(int):
    """Equal to every number."""

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = int.__hash__


class _NoZlib:
    @staticmethod
    def crc32(content) -> int:
        return _Right(zlib.crc32(content))


def write(folder: Path, raw: Path, precision: str) -> None:
    """Three small shards with boxes and labels."""
    root = write_nuscenes(raw, scenes=("scene-0061",), num_key_frames=2, num_points=30)
    config = DataConfig(root=str(root), version="v1.0-mini", train="scene-0061", val="")
    writer.pack(NuScenes(root, "v1.0-mini"), folder, config, precision=precision, shard_mb=0.003)


def read_all(folder: Path) -> None:
    shards = Shards(folder)
    for row in range(len(shards)):
        shards.cloud(row, shards.past(row, 2))
        if shards.is_key_frame(row):
            shards.boxes(row)
        if shards.has_labels(row):
            shards.point_labels(row, "coarse")


def read_unguarded(folder: Path) -> None:
    """As :func:`read_all`, but nothing is refused for its checksum or size."""
    for module in (layout, reader, tables):
        module.zlib = _NoZlib  # type: ignore[attr-defined]
    read_all(folder)


def damaged_numbers(path: Path, data: bytes, rng: np.random.Generator) -> bytes:
    """Bits turned over, huge numbers and moved pieces, but the same size, for size too is checked."""
    from fuzzing import damaged

    found = damaged(data, rng)
    return (found + data[len(found) :])[: len(data)]
