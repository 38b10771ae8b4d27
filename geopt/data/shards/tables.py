"""Small Arrow files that are read as a whole: columns of numbers, words and rows of numbers."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geopt import files
from geopt.damage import naming
from geopt.data.shards.columns import arrow
from geopt.data.shards.layout import File

Columns = dict[str, NDArray]
Schema = Mapping[str, tuple[type, int]]
"""Type of the numbers of each column, or object for words, and how many stand in a row."""
INT_COLUMNS = ("scene", "key_frame", "timestamp_us", "previous", "num_boxes", "num_points", "offset", "bytes", "crc")
SWEEPS: Schema = {
    **dict.fromkeys(INT_COLUMNS, (np.int64, 1)),
    **dict.fromkeys(("is_key_frame", "has_boxes", "has_labels"), (np.bool_, 1)),
    **dict.fromkeys(("name", "token"), (object, 1)),
    **dict.fromkeys(("ego_from_lidar", "global_from_ego"), (np.float64, 12)),
}
BOXES: Schema = {
    **dict.fromkeys(("ego", "lidar"), (np.float64, 9)),
    **dict.fromkeys(("name", "token", "instance"), (object, 1)),
    "num_points": (np.int64, 1),
}


def write(path: Path, columns: Mapping[str, NDArray], facts: Mapping[str, str]) -> File:
    """Write columns (M,) of numbers or Python strings, or (M, K) of numbers, and a few facts beside them."""
    pa = arrow()
    table = pa.table({name: _stored(values) for name, values in columns.items()}).replace_schema_metadata(dict(facts))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    content = sink.getvalue()
    files.replace_bytes(path, content)
    return File(bytes=content.size, crc=zlib.crc32(content))


def read(path: Path, schema: Schema, expected: File | None = None) -> tuple[Columns, dict[str, str]]:
    """The inverse of :func:`write`; words come in an array of objects.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: it is not the ``expected`` one, or damaged; names it.
    """
    pa = arrow()
    with reading(path):
        content = path.read_bytes()
        if expected is not None and (len(content), zlib.crc32(content)) != (expected.bytes, expected.crc):
            raise ValueError("its size or checksum is wrong")
        table = pa.ipc.open_file(pa.py_buffer(content)).read_all().combine_chunks()
        table.validate(full=True)
        facts = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
        return {name: _loaded(table, name, *schema[name]) for name in schema}, facts


def reading(path: Path) -> AbstractContextManager[None]:
    """A context in which damage becomes a ValueError that names the file."""
    return naming("shards", path, arrow().ArrowException, EOFError)


def file_of(path: Path) -> File:
    """Size and checksum of a file."""
    content = path.read_bytes()
    return File(bytes=len(content), crc=zlib.crc32(content))


def _stored(values: NDArray) -> Any:
    pa = arrow()
    if values.dtype == object:
        return pa.array(values.tolist(), pa.string())
    if values.ndim == 2:
        return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values).reshape(-1)), values.shape[1])
    return pa.array(values)


def _loaded(table: Any, name: str, kind: type, width: int) -> NDArray:
    pa = arrow()
    column = pa.concat_arrays(table.column(name).chunks) if table.num_rows else None
    if column is None:
        return np.zeros((0, width) if width > 1 else 0, dtype=kind)
    if pa.types.is_fixed_size_list(column.type):
        column, given = column.flatten(), column.type.list_size
    else:
        given = 1
    values = np.array(column.to_pylist(), dtype=object) if kind is object else column.to_numpy(zero_copy_only=False)
    is_word = kind is not object or all(isinstance(value, str) for value in values)
    if column.null_count or given != width or values.dtype != kind or not is_word:
        raise ValueError(f"column {name} must hold {width} of {kind.__name__} in each row, got {column.type}")
    return values.reshape(-1, width) if width > 1 else values
