"""Columns of a Feather file (version 2, an Arrow IPC file), checked before they are used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geopt.damage import naming
from geopt.optional import require


def read_columns(kind: str, path: Path, numbers: Sequence[str], texts: Sequence[str] = ()) -> dict[str, NDArray]:
    """Read some columns of a file.

    Args:
        kind: The dataset, for messages.
        path: The file.
        numbers: Columns of numbers, which come in the type that they are stored in; all must be finite.
        texts: Columns of words, which come as Python strings in an array of objects.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: it is damaged, or lacks a column or a value; names it.
        ImportError: pyarrow is not installed.
    """
    arrow = require("pyarrow", extra="data")
    ipc = require("pyarrow.ipc", extra="data")
    with naming(kind, path, arrow.ArrowException):
        # read, not mapped: a file that is cut off while it is mapped ends the process
        options = ipc.IpcReadOptions(use_threads=False)  # data workers are processes already
        with ipc.open_file(arrow.py_buffer(path.read_bytes()), options=options) as file:
            missing = {*numbers, *texts} - set(file.schema.names)
            if missing:
                raise ValueError(f"it must have column {min(missing)}, got {', '.join(file.schema.names)}")
            table = file.read_all().select([*numbers, *texts])
        table.validate(full=True)  # offsets and lengths too, which Arrow trusts otherwise
        return {name: _numbers(table.column(name), name) for name in numbers} | {
            name: _texts(table.column(name), name) for name in texts
        }


def _numbers(column, name: str) -> NDArray:
    if column.null_count:
        raise ValueError(f"column {name} must have a value in every row")
    values = column.to_numpy()
    if values.dtype.kind not in "iuf":
        raise ValueError(f"column {name} must hold numbers, got {column.type}")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError(f"column {name} must hold finite numbers, got NaN or infinity")
    return values


def _texts(column, name: str) -> NDArray[np.object_]:
    values = column.to_pylist()
    if not all(isinstance(value, str) for value in values):
        raise ValueError(f"column {name} must hold a word in every row, got {column.type}")
    return np.array(values, dtype=object)
