"""A parquet file that is read row by row, and whose damage has a name."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geopt.damage import naming
from geopt.optional import require


class Component:
    """A parquet file of one component, open. Reading rows in ascending order reads each only once."""

    def __init__(self, path: Path, prefix: str) -> None:
        self.path, self._prefix = path, prefix
        self._cursor: tuple[tuple[str, ...], int, int, Iterator[Any]] | None = None
        with self.naming_the_file():
            # checksums are checked where the file has them; limits keep a damaged footer from asking for gigabytes
            limits = {"thrift_string_size_limit": 1 << 24, "thrift_container_size_limit": 1 << 20}
            self._file = _parquet().ParquetFile(
                path, memory_map=True, pre_buffer=False, page_checksum_verification=True, **limits
            )
            metadata = self._file.metadata
            groups = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
            self._ends = np.cumsum(groups)
            if min(groups, default=0) < 0 or sum(groups) != metadata.num_rows or metadata.num_rows > 1 << 24:
                raise ValueError(f"its row groups have {sum(groups)} of {metadata.num_rows} rows")

    def naming_the_file(self) -> AbstractContextManager[None]:
        """A context in which errors become a ValueError that names this file."""
        return naming("Waymo", self.path, _arrow().ArrowException)

    def _name(self, name: str) -> str:
        return name if name.startswith("key.") else f"{self._prefix}.{name}"

    def _column(self, name: str) -> Any:
        full = self._name(name)
        if full not in self._file.schema_arrow.names:
            raise ValueError(f"it must have column {full}")
        column = self._file.read(columns=[full], use_threads=False).column(full)
        if len(column) != self._file.metadata.num_rows:
            raise ValueError(f"column {full} must have {self._file.metadata.num_rows} rows, got {len(column)}")
        return column

    def column(self, name: str) -> list[Any]:
        """A whole column as Python values."""
        return self._column(name).to_pylist()

    def numbers(self, name: str, dtype: type, missing: float | None = None) -> NDArray:
        """A whole column of numbers.

        Args:
            missing: Stands for cells without a value, and for all if there is no such column; None refuses them.
        """
        if missing is not None and self._name(name) not in self._file.schema_arrow.names:
            return np.full(self._file.metadata.num_rows, missing, dtype=dtype)
        column = self._column(name)
        if column.null_count:
            if missing is None:
                raise ValueError(f"column {self._name(name)} must have a value in every row")
            column = column.fill_null(missing)
        values = column.to_numpy()
        if values.dtype.kind not in "iuf":
            raise ValueError(f"column {self._name(name)} must hold numbers, got {values.dtype}")
        return values.astype(dtype)

    def lists(self, name: str, length: int) -> NDArray[np.float64]:
        """(R, length) a whole column of lists."""
        rows = self.column(name)
        if any(row is None or len(row) != length for row in rows):
            raise ValueError(f"column {self._name(name)} must hold {length} numbers in every row")
        return np.array(rows, dtype=np.float64).reshape(-1, length)

    def cells(self, row: int, names: Sequence[str]) -> list[Any]:
        """Some columns of one row, as Arrow scalars."""
        full = tuple(map(self._name, names))
        missing = [name for name in full if name not in self._file.schema_arrow.names]
        if missing:
            raise ValueError(f"it must have column {missing[0]}")
        group = int(np.searchsorted(self._ends, row, side="right"))
        if self._cursor is None or self._cursor[:2] != (full, group) or self._cursor[2] > row:
            first = int(self._ends[group - 1]) if group else 0
            batches = self._file.iter_batches(batch_size=1, row_groups=[group], columns=list(full), use_threads=False)
            self._cursor = (full, group, first, batches)
        _, _, at, batches = self._cursor
        self._cursor = None  # unless it comes to the end
        for batch in batches:
            if batch.num_rows != 1:
                raise ValueError(f"row {at} is missing")
            if at == row:
                self._cursor = (full, group, at + 1, batches)
                return [batch.column(batch.schema.get_field_index(name))[0] for name in full]
            at += 1
        raise ValueError(f"row {row} is missing")


@functools.cache
def _arrow() -> ModuleType:
    return require("pyarrow", extra="data")


@functools.cache
def _parquet() -> ModuleType:
    return require("pyarrow.parquet", extra="data")
