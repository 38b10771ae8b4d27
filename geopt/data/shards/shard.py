"""Writes one shard."""

from __future__ import annotations

import dataclasses
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geopt import files
from geopt.data.shards import layout, tables
from geopt.data.shards.columns import StoredSweep, arrow, encode
from geopt.data.shards.layout import File, Precision, Shard
from geopt.data.source import Source


@dataclasses.dataclass(frozen=True)
class Job:
    """All that a process needs to write any of the shards."""

    source: Source
    out: Path
    rows: NDArray[np.int64]
    """(S,) rows of the source, ascending; their place is the row among the shards."""
    per_shard: int
    precision: Precision
    boxes: bool
    labels: bool
    fingerprint: str


def write_shard(job: Job, shard: int) -> Shard:
    """Write the three files of a shard, that of the sweeps last; nothing where it is there."""
    points, sweeps, boxes = (layout.path_of(job.out, part, shard) for part in ("points", "sweeps", "boxes"))
    if sweeps.exists() and tables.read(sweeps, tables.SWEEPS)[1]["fingerprint"] == job.fingerprint:
        return Shard(File(points.stat().st_size), tables.file_of(sweeps), tables.file_of(boxes))
    first = shard * job.per_shard
    rows = [int(row) for row in job.rows[first : first + job.per_shard]]
    read = [stored(job, row) for row in rows]
    content, offsets, sizes = _arrow_file(encode(read, job.precision))
    files.replace_bytes(points, content)
    box_columns, num_boxes = _boxes(job, rows)
    columns = _sweeps(job, rows) | {
        "num_boxes": num_boxes,
        "num_points": np.array([len(one.points.xyz) for one in read]),
        "offset": np.array(offsets),
        "bytes": np.array(sizes),
        "crc": np.array([zlib.crc32(content[begin : begin + size]) for begin, size in zip(offsets, sizes)]),
    }
    facts = {"fingerprint": job.fingerprint, "header_bytes": str(offsets[0])}
    facts["header_crc"] = str(zlib.crc32(content[: offsets[0]]))
    of_boxes = tables.write(boxes, box_columns, {})
    return Shard(File(len(content)), tables.write(sweeps, columns, facts), of_boxes)


def _arrow_file(batches: list[Any]) -> tuple[memoryview, list[int], list[int]]:
    """An Arrow file, and where each record batch begins in it and how many bytes it has."""
    pa = arrow()
    sink, offsets, sizes = pa.BufferOutputStream(), [], []
    with pa.ipc.new_file(sink, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
            sizes.append(pa.ipc.get_record_batch_size(batch))
            offsets.append(sink.tell() - sizes[-1])  # the first batch comes after the schema
    return memoryview(sink.getvalue()), offsets, sizes


def stored(job: Job, row: int) -> StoredSweep:
    """What is stored of the points of a sweep of the source."""
    points, fine, coarse = job.source.read(row), None, None
    if job.labels and job.source.has_labels(row):
        fine, coarse = (job.source.point_labels(row, kind) for kind in ("fine", "coarse"))
        if np.array_equal(fine, coarse):
            coarse = None
    return StoredSweep(points, fine, coarse)


def _sweeps(job: Job, rows: list[int]) -> tables.Columns:
    """What is known of sweeps besides their points."""
    source, order = job.source, job.source.order
    place = np.searchsorted(np.unique(order.scene[job.rows]), order.scene[rows])
    past = [source.past(row, 1) for row in rows]
    previous = [int(np.searchsorted(job.rows, found[0])) if found else -1 for found in past]
    return {
        "scene": place.astype(np.int64),
        "key_frame": order.key_frame[rows].astype(np.int64),
        "is_key_frame": order.is_key_frame[rows],
        "timestamp_us": order.timestamp_us[rows],
        "has_boxes": np.array([job.boxes and source.is_key_frame(row) for row in rows]),
        "has_labels": np.array([job.labels and source.has_labels(row) for row in rows]),
        "previous": np.array(previous),
        "name": np.array([source.name(row) for row in rows], dtype=object),
        "token": np.array([source.token(row) for row in rows], dtype=object),
        "ego_from_lidar": np.array([source.ego_from_lidar(row).reshape(-1) for row in rows]),
        "global_from_ego": np.array([source.global_from_ego(row).reshape(-1) for row in rows]),
    }


def _boxes(job: Job, rows: list[int]) -> tuple[tables.Columns, NDArray[np.int64]]:
    """The boxes of sweeps one after the other, and how many each has."""
    found = [
        [job.source.boxes(row, frame) for frame in ("ego", "lidar")]
        if job.boxes and job.source.is_key_frame(row)
        else None
        for row in rows
    ]
    there = [pair for pair in found if pair is not None]
    empty = np.zeros((0, 9))
    columns = {
        "ego": np.concatenate([empty, *(ego.geometry.numpy() for ego, _ in there)]),
        "lidar": np.concatenate([empty, *(lidar.geometry.numpy() for _, lidar in there)]),
        "name": np.array([name for ego, _ in there for name in ego.names], dtype=object),
        "token": np.array([token for ego, _ in there for token in ego.tokens], dtype=object),
        "instance": np.array([instance for ego, _ in there for instance in ego.instances], dtype=object),
        "num_points": np.concatenate([np.zeros(0, np.int64), *(ego.num_points.numpy() for ego, _ in there)]),
    }
    return columns, np.array([0 if pair is None else len(pair[0].names) for pair in found])
