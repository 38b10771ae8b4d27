"""Writes any dataset as shards."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import multiprocessing
import platform
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import geopt
from geopt import files
from geopt.data.config import DataConfig
from geopt.data.shards import layout
from geopt.data.shards.columns import arrow, encode
from geopt.data.shards.layout import Manifest, Precision, Shard
from geopt.data.shards.shard import Job, stored, write_shard
from geopt.data.source import Source

log = logging.getLogger(__name__)

PLAN = "plan.json"
SAMPLED = 8
"""Sweeps whose size decides how many go into a shard."""


def pack(
    source: Source,
    out: str | Path,
    config: DataConfig,
    *,
    precision: Precision = "float32",
    shard_mb: float = 128,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Manifest:
    """Write the scenes that ``config.train`` and ``config.val`` name, whole, as shards.

    Every file appears in one piece, and the manifest at the end; the same call goes on with one that was cut off. Where the
    files of boxes or of labels of points are missing, the dataset is packed without them, and a warning says so.

    Args:
        source: The dataset.
        out: Folder; new, empty, or with shards of the same call.
        config: What ``source`` was opened with.
        precision: ``float32`` keeps every bit. ``int16`` keeps coordinates to 2.5 mm, and those beyond 163.8 m exactly.
        shard_mb: About the size of a shard, 10**6 bytes.
        workers: Processes.
        progress: Told the sweeps that are done, and all.

    Raises:
        FileNotFoundError, ValueError: the dataset cannot be read, a selection is not possible, or ``out`` holds anything else.
        ImportError: pyarrow is not installed.
    """
    if precision not in ("float32", "int16"):
        raise ValueError(f"pack: precision must be 'float32' or 'int16', got {precision!r}")
    if not shard_mb > 0:
        raise ValueError(f"pack: shard_mb must be positive, got {shard_mb}")
    out, rows = Path(out).expanduser(), _rows(source, config)
    boxes, labels = _has_boxes(source, rows), _has_labels(source, rows)
    job = Job(source, out, rows, 1, precision, boxes, labels, "")
    job = dataclasses.replace(job, per_shard=_per_shard(job, shard_mb))
    job = dataclasses.replace(job, fingerprint=_fingerprint(job, config))
    if _is_done(job):
        return layout.read(out)
    if boxes:
        source.load_annotations()
    num_shards = -(-len(rows) // job.per_shard)
    shards = []
    for number, written in enumerate(_written(job, num_shards, workers), start=1):
        shards.append(written)
        if progress is not None:
            progress(min(number * job.per_shard, len(rows)), len(rows))
    manifest = _manifest(job, config, shards)
    layout.write(out, manifest)
    (out / PLAN).unlink()
    return manifest


def _rows(source: Source, config: DataConfig) -> NDArray[np.int64]:
    """All sweeps of the scenes that are selected."""
    selections = [selection for selection in (config.train, config.val) if selection]
    if not selections:
        raise ValueError("pack: data.train or data.val must name a split or scenes, got neither")
    order = source.order
    scenes = [order.scene[source.select(selection, "all_sweeps").rows] for selection in selections]
    return np.flatnonzero(np.isin(order.scene, np.concatenate(scenes)))


def _has_boxes(source: Source, rows: NDArray[np.int64]) -> bool:
    row = next((int(row) for row in rows if source.is_key_frame(int(row))), None)
    return row is not None and _is_there("boxes", lambda: source.boxes(row))


def _has_labels(source: Source, rows: NDArray[np.int64]) -> bool:
    row = next((int(row) for row in rows if source.has_labels(int(row))), None)
    return row is not None and _is_there("labels of points", lambda: source.point_labels(row, "fine"))


def _is_there(what: str, read: Callable[[], object]) -> bool:
    try:
        read()
    except FileNotFoundError as error:
        log.warning("packed without %s: %s", what, error)
        return False
    return True


def _per_shard(job: Job, shard_mb: float) -> int:
    """Sweeps in a shard, so that it has about the size that is wanted."""
    pa = arrow()
    chosen = job.rows[np.linspace(0, len(job.rows) - 1, min(SAMPLED, len(job.rows))).astype(np.int64)]
    batches = encode([stored(job, int(row)) for row in chosen], job.precision)
    mean = np.mean([pa.ipc.get_record_batch_size(batch) for batch in batches])
    return max(1, round(shard_mb * 1e6 / float(mean)))


def _fingerprint(job: Job, config: DataConfig) -> str:
    told = config.model_dump(mode="json")
    decides: dict[str, Any] = {name: told[name] for name in ("kind", "version", "train", "val")}
    decides |= {"root": str(job.source.folder), "options": told.get(config.kind), "format": layout.FORMAT}
    decides |= {"precision": job.precision, "per_shard": job.per_shard, "boxes": job.boxes, "labels": job.labels}
    decides["sweeps"] = [job.source.name(int(row)) for row in job.rows]
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def _is_done(job: Job) -> bool:
    """Whether the folder holds all shards of this job; else it is made ready for them."""
    plan, manifest = job.out / PLAN, job.out / layout.MANIFEST
    if manifest.exists():
        found = layout.read(job.out).fingerprint
    elif plan.exists():
        found = plan.read_text(encoding="utf-8")
    else:
        found = None
    is_taken = job.out.exists() and (not job.out.is_dir() or any(job.out.iterdir()))
    if found not in (None, job.fingerprint) or (found is None and is_taken):
        raise ValueError(
            f"pack: out must be a new or empty folder, or hold shards of the same command, got {job.out}; give another "
            "folder, or remove it"
        )
    if manifest.exists():
        return True
    files.replace_text(plan, job.fingerprint)
    files.remove_leftovers(job.out)
    return False


def _written(job: Job, num_shards: int, workers: int) -> Iterator[Shard]:
    """The files of each shard, in their order."""
    if min(workers, num_shards) <= 1:
        yield from (write_shard(job, shard) for shard in range(num_shards))
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy the threads of torch
    with ProcessPoolExecutor(min(workers, num_shards), context, _take_job, (job,)) as pool:
        yield from pool.map(_write_of_job, range(num_shards))


_job: Job | None = None


def _take_job(job: Job) -> None:
    global _job
    _job = job


def _write_of_job(shard: int) -> Shard:
    assert _job is not None
    return write_shard(_job, shard)


def _manifest(job: Job, config: DataConfig, shards: list[Shard]) -> Manifest:
    order = job.source.order
    return Manifest(
        format=layout.FORMAT,
        kind=config.kind,
        sensor=job.source.sensor,
        precision=job.precision,
        points_frame=job.source.points_frame,
        scenes=[order.scenes[scene] for scene in np.unique(order.scene[job.rows])],
        splits={name: list(scenes) for name, scenes in job.source.splits().items()},
        boxes=job.boxes,
        source=config.model_dump(mode="json"),
        versions={
            "geopt": geopt.__version__,
            "numpy": np.__version__,
            "pyarrow": arrow().__version__,
            "python": platform.python_version(),
        },
        fingerprint=job.fingerprint,
        shards=shards,
    )
