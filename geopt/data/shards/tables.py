"""Small Arrow files that are read as a whole: columns of numbers, words and rows of numbers."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geopt import files
from geopt.damage import naming
from geopt.data.shards.columns import arrow
from geopt.data.shards.layout import File

Columns = dict[str, NDArray]


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


def read(path: Path, expected: File | None = None) -> tuple[Columns, dict[str, str]]:
    """The inverse of :func:`write`; words come in an array of objects.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: it is not the ``expected`` one, or damaged; names it.
    """
    pa = arrow()
    with naming("shards", path, pa.ArrowException):
        content = path.read_bytes()
        if expected is not None and (len(content), zlib.crc32(content)) != (expected.bytes, expected.crc):
            raise ValueError("its size or checksum is wrong")
        table = pa.ipc.open_file(pa.py_buffer(content)).read_all().combine_chunks()
        table.validate(full=True)
        facts = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
        return {name: _loaded(table.column(name)) for name in table.schema.names}, facts


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


def _loaded(column: Any) -> NDArray:
    pa = arrow()
    if pa.types.is_fixed_size_list(column.type):
        width = column.type.list_size
        flat = column.combine_chunks()
        flat = pa.concat_arrays(flat.chunks) if isinstance(flat, pa.ChunkedArray) else flat
        return flat.flatten().to_numpy(zero_copy_only=False).reshape(-1, width)
    if pa.types.is_string(column.type):
        return np.array(column.to_pylist(), dtype=object)
    return column.to_numpy()
