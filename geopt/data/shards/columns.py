"""The points of one sweep as a record batch: one row, whose columns are lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geopt.data.shards.layout import Precision
from geopt.data.sweeps import SweepPoints
from geopt.optional import require

STEP_M = 0.005
"""Of coordinates that are stored as int16, which reach 163.8 m."""
LARGEST_STEP = 32767
CHANNELS = ("intensity", "ring", "elongation", "time_offset_s")
LABELS = ("fine", "coarse")


class StoredSweep(NamedTuple):
    """All that is stored of the points of a sweep. N points."""

    points: SweepPoints
    fine: NDArray[np.uint8] | None = None
    """(N,) labels of points, None where there are none."""
    coarse: NDArray[np.uint8] | None = None
    """(N,) None also where they are the same as ``fine``."""


def arrow() -> Any:
    """pyarrow.

    Raises:
        ImportError: it is not installed; says how to do so.
    """
    require("pyarrow.ipc", extra="data")
    return require("pyarrow", extra="data")


def encode(sweeps: Sequence[StoredSweep], precision: Precision) -> list[Any]:
    """Record batches of sweeps that go into one file, all with the same schema.

    ``float32`` keeps every bit. ``int16`` keeps multiples of :data:`STEP_M`, and float32 for those points that lie beyond
    its range or are not finite. A channel whose values are whole numbers from 0 to 255 in all sweeps takes a byte a point.
    """
    pa = arrow()
    columns: list[dict[str, NDArray | None]] = [_columns(sweep, precision) for sweep in sweeps]
    for name in CHANNELS:
        found = [values for one in columns if (values := one[name]) is not None]
        if all(_fits_a_byte(values) for values in found):
            for one in columns:
                values = one[name]
                one[name] = None if values is None else values.astype(np.uint8)
    schema = _schema(columns)
    return [pa.record_batch([_one_row(one[f.name], f.type) for f in schema], schema=schema) for one in columns]


def decode(batch: Any) -> StoredSweep:
    """The inverse of :func:`encode`; arrays may lie in the memory of the batch.

    Raises:
        ValueError: it is no such batch; says why.
    """
    batch.validate(full=True)
    if batch.num_rows != 1:
        raise ValueError(f"a sweep must be one row, got {batch.num_rows}")
    columns = {name: _values(batch, name) for name in batch.schema.names}
    flat = columns.get("xyz")
    if flat is None or flat.dtype not in (np.float32, np.int16) or len(flat) % 3:
        raise ValueError("xyz must be three float32 or int16 numbers for each point")
    xyz = flat.reshape(-1, 3) if flat.dtype == np.float32 else _metres(flat.reshape(-1, 3), columns)
    channels = [columns.get(name) for name in CHANNELS]
    labels = [columns.get(name) for name in LABELS]
    for name, values in zip((*CHANNELS, *LABELS), (*channels, *labels)):
        wanted = (np.uint8,) if name in LABELS else (np.uint8, np.float32)
        if values is not None and (len(values) != len(xyz) or values.dtype not in wanted):
            raise ValueError(
                f"{name} must have a number for each of {len(xyz)} points, got {len(values)} {values.dtype}"
            )
    floats = [None if values is None else values.astype(np.float32, copy=False) for values in channels]
    return StoredSweep(SweepPoints(xyz, **dict(zip(CHANNELS, floats))), *labels)


def _columns(sweep: StoredSweep, precision: Precision) -> dict[str, NDArray | None]:
    columns: dict[str, NDArray | None] = {"xyz": sweep.points.xyz}
    if precision == "int16":
        with np.errstate(invalid="ignore", over="ignore"):
            steps = np.rint(sweep.points.xyz.astype(np.float64) / STEP_M)
            far = np.flatnonzero(~(np.abs(steps) <= LARGEST_STEP).all(axis=1))  # also those that are not finite
        steps[far] = 0
        columns = {"xyz": steps.astype(np.int16), "far": far.astype(np.int32), "far_xyz": sweep.points.xyz[far]}
    columns |= {name: getattr(sweep.points, name) for name in CHANNELS}
    return columns | {name: getattr(sweep, name) for name in LABELS}


def _metres(steps: NDArray[np.int16], columns: dict[str, NDArray | None]) -> NDArray[np.float32]:
    xyz = np.multiply(steps, STEP_M, dtype=np.float64).astype(np.float32)
    far, far_xyz = columns.get("far"), columns.get("far_xyz")
    if far is None or far_xyz is None or far.dtype != np.int32 or far_xyz.dtype != np.float32:
        raise ValueError("xyz of int16 needs far and far_xyz for the points beyond its range")
    if len(far_xyz) != 3 * len(far) or ((far < 0) | (far >= len(xyz))).any():
        raise ValueError(f"far must name some of {len(xyz)} points, and far_xyz their three coordinates")
    xyz[far] = far_xyz.reshape(-1, 3)
    return xyz


def _fits_a_byte(values: NDArray[np.float32]) -> bool:
    with np.errstate(invalid="ignore"):
        whole = (values >= 0) & (values <= 255) & (values == np.floor(values)) & ~np.signbit(values)
    return bool(whole.all())


def _schema(columns: Sequence[dict[str, NDArray | None]]) -> Any:
    """A field for each column that any sweep has."""
    pa = arrow()
    found: dict[str, Any] = {}
    for one in columns:
        found |= {name: pa.list_(pa.from_numpy_dtype(v.dtype)) for name, v in one.items() if v is not None}
    return pa.schema([(name, found[name]) for name in columns[0] if name in found])


def _one_row(values: NDArray | None, kind: Any) -> Any:
    pa = arrow()
    if values is None:
        return pa.nulls(1, kind)
    flat = np.ascontiguousarray(values).reshape(-1)
    return pa.ListArray.from_arrays(pa.array([0, len(flat)], pa.int32()), pa.array(flat))


def _values(batch: Any, name: str) -> NDArray | None:
    pa, column = arrow(), batch.column(name)
    if not pa.types.is_list(column.type) or not pa.types.is_primitive(column.type.value_type):
        raise ValueError(f"{name} must be a list of numbers, got {column.type}")
    if column.null_count:
        return None
    values = column.flatten()
    if values.null_count:
        raise ValueError(f"{name} must have a value in every place")
    return values.to_numpy(zero_copy_only=False)
