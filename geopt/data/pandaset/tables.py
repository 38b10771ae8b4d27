"""Tables that pandas pickled, as NumPy columns, without pandas.

The layouts are those of a ``DataFrame`` whose columns are stored together in blocks by type: that of pandas before 1.3, which
PandaSet has, and that of later ones, up to the texts of pandas 3. Columns that Arrow holds are refused.
"""

from __future__ import annotations

import math
import re
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geopt.damage import naming
from geopt.data.pandaset.pickles import Made, Name, describe

MAX_BYTES = 32 << 20
"""Of an unpacked file. A frame's 167,000 points have 8 MB."""
MAX_CELLS = MAX_BYTES // 4
"""Rows times columns; a pickle can refer to one array many times. A frame has a million."""
NUMPY = ("numpy.core", "numpy._core")
RECONSTRUCT = {f"{numpy}.multiarray._reconstruct" for numpy in NUMPY}
FROM_BUFFER = {f"{numpy}.numeric._frombuffer" for numpy in NUMPY}
FRAME = {"pandas.core.frame.DataFrame", "pandas.DataFrame"}
MANAGER = {"pandas.core.internals.managers.BlockManager", "pandas.core.internals.BlockManager"}
BLOCK = "pandas._libs.internals._unpickle_block"
TEXTS = "pandas._libs.arrays.__pyx_unpickle_NDArrayBacked"
NEW_INDEX = "pandas.core.indexes.base._new_Index"
RANGE = {"pandas.core.indexes.range.RangeIndex", "pandas.RangeIndex"}
INDEX = {"pandas.core.indexes.base.Index", "pandas.core.indexes.numeric.Int64Index", "pandas.Index"}
OTHERS = {"numpy.ndarray", "numpy.dtype", "builtins.slice", "pandas.StringDtype", "pandas.arrays.StringArray"}
NAMES = frozenset(RECONSTRUCT | FROM_BUFFER | FRAME | MANAGER | RANGE | INDEX | OTHERS | {BLOCK, TEXTS, NEW_INDEX})
NUMBER = re.compile("b1|[iu][1248]|f[248]")


class Table(NamedTuple):
    """A table of R rows."""

    columns: dict[str, NDArray]
    """(R,) each; numbers, or objects that are strings, numbers or None."""
    row_names: NDArray[np.int64]
    """(R,) from 0 on, unless the table was put into another order."""

    def column(self, name: str) -> NDArray:
        """A column.

        Raises:
            ValueError: there is none.
        """
        if name not in self.columns:
            raise ValueError(f"it must have column {name}, got {', '.join(self.columns)}"[:300])
        return self.columns[name]

    def numbers(self, name: str) -> NDArray:
        """A column of numbers.

        Raises:
            ValueError: there is none, or a value is none or not finite.
        """
        values = self.column(name)
        if values.dtype.kind not in "iuf" or not np.isfinite(values).all():
            raise ValueError(f"column {name} must hold finite numbers")
        return values

    def texts(self, name: str) -> NDArray[np.object_]:
        """A column of texts.

        Raises:
            ValueError: there is none, or a value is none.
        """
        values = self.column(name)
        if not all(isinstance(value, str) for value in values):
            raise ValueError(f"column {name} must hold a text in every row")
        return values


def read_table(kind: str, path: Path) -> Table:
    """Read a pickled ``DataFrame`` that is packed by gzip.

    Args:
        kind: The dataset, for messages.
        path: The file.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: it is damaged, larger than :data:`MAX_BYTES`, or asks for anything else than a table needs; names it.
    """
    with naming(kind, path, zlib.error):
        return _table(describe(_unpacked(path), NAMES))


def _unpacked(path: Path) -> bytes:
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES:,} bytes")
    unpacker = zlib.decompressobj(wbits=31)
    data = unpacker.decompress(path.read_bytes(), MAX_BYTES)
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError(f"it is cut off, has something after its end, or more than {MAX_BYTES:,} bytes unpacked")
    return data


def _table(frame: Any) -> Table:
    state = _made(frame, FRAME).state
    if not isinstance(state, dict):
        raise ValueError("it is no table")
    manager = _made(state.get("_mgr", state.get("_data")), MANAGER)
    blocks, axes = _old(manager.state) if manager.state is not None else _new(manager.arguments)
    if not isinstance(axes, list | tuple) or len(axes) != 2:
        raise ValueError("its table must have rows and columns")
    names, index = _texts_of(axes[0]), _index(axes[1])
    if len(names) * len(index) > MAX_CELLS:
        raise ValueError(f"it must have at most {MAX_CELLS:,} cells, got {len(names)} columns of {len(index)} rows")
    columns: dict[str, NDArray] = {}
    for values, places in blocks:
        where = _places(places, len(names))
        if len(columns) + len(where) > len(names):
            raise ValueError("a column is in two blocks")
        rows = _array(values)
        if rows.ndim == 1 and len(where) == 1:  # texts of pandas 3
            rows = rows[None]
        if rows.shape != (len(where), len(index)):
            raise ValueError(f"a block must have {len(where)} columns of {len(index)} rows, got shape {rows.shape}")
        columns |= {names[place]: row for place, row in zip(where, rows)}
    if len(columns) != len(names):
        raise ValueError(f"it must have {len(names)} columns of different names, got {len(columns)}")
    return Table(columns, index)


def _old(state: Any) -> tuple[list[tuple[Any, Any]], Any]:
    """Blocks as (values, places), and axes, of pandas before 1.3."""
    if not isinstance(state, tuple) or len(state) < 4 or not isinstance(state[3], dict):
        raise ValueError("its blocks are of no known layout")
    found = state[3].get("0.14.1")
    if not isinstance(found, dict) or not isinstance(found.get("blocks"), list):
        raise ValueError("its blocks are of no known layout")
    blocks = [block for block in found["blocks"] if isinstance(block, dict)]
    return [(block.get("values"), block.get("mgr_locs")) for block in blocks], found.get("axes")


def _new(arguments: tuple) -> tuple[list[tuple[Any, Any]], Any]:
    """Blocks as (values, places), and axes, of later ones."""
    if len(arguments) != 2 or not isinstance(arguments[0], tuple):
        raise ValueError("its blocks are of no known layout")
    blocks = [_made(block, {BLOCK}).arguments for block in arguments[0]]
    if not all(len(block) == 3 for block in blocks):
        raise ValueError("its blocks are of no known layout")
    return [block[:2] for block in blocks], arguments[1]


def _made(value: Any, names: set[str]) -> Made:
    if not isinstance(value, Made) or value.name not in names:
        got = value.name if isinstance(value, Made) else type(value).__name__
        raise ValueError(f"it must have {min(names)} at a place where it has {got}")
    return value


def _places(value: Any, num_columns: int) -> list[int]:
    """Which columns the rows of a block are."""
    if isinstance(value, Made) and value.name == "builtins.slice" and _are(value.arguments, int, 3):
        start, stop, step = value.arguments
        found = list(range(num_columns)[slice(start, stop, step)]) if step else []
    else:
        places = _array(value)
        is_fit = places.ndim == 1 and places.dtype.kind in "iu" and len(places) <= num_columns
        found = places.tolist() if is_fit else [-1]
    if not all(0 <= place < num_columns for place in found):
        raise ValueError("a block is of columns that are not there")
    return found


def _index(value: Any) -> NDArray[np.int64]:
    made = _made(value, {NEW_INDEX})
    if len(made.arguments) != 2 or not isinstance(made.arguments[1], dict):
        raise ValueError("its rows have no names")
    kind, what = made.arguments
    if isinstance(kind, Name) and kind.text in RANGE:
        bounds = [what.get(key) for key in ("start", "stop", "step")]
        if not _are(bounds, int, 3) or not bounds[2] or len(range(*bounds)) > MAX_CELLS:
            raise ValueError("the names of its rows must be a range")
        return np.arange(*bounds, dtype=np.int64)
    names = _array(what.get("data"))
    if names.ndim != 1 or names.dtype.kind not in "iu":
        raise ValueError("the names of its rows must be whole numbers")
    return names.astype(np.int64)


def _texts_of(value: Any) -> list[str]:
    """Names of the columns."""
    made = _made(value, {NEW_INDEX})
    if len(made.arguments) != 2 or not isinstance(made.arguments[1], dict):
        raise ValueError("its columns have no names")
    names = _array(made.arguments[1].get("data"))
    if names.ndim != 1 or not all(isinstance(name, str) for name in names):
        raise ValueError("the names of its columns must be texts")
    return names.tolist()


def _array(value: Any) -> NDArray:
    if isinstance(value, Made) and value.name == TEXTS:
        if not isinstance(value.state, tuple) or len(value.state) != 2:
            raise ValueError("a column of texts is of no known layout")
        value = value.state[1]
    made = _made(value, RECONSTRUCT | FROM_BUFFER)
    if made.name in RECONSTRUCT:
        if not isinstance(made.state, tuple) or len(made.state) != 5:
            raise ValueError("an array is of no known layout")
        _, shape, dtype, by_columns, data = made.state
    else:
        if len(made.arguments) != 4:
            raise ValueError("an array is of no known layout")
        data, dtype, shape, order = made.arguments
        by_columns = order == "F"
    if not isinstance(shape, tuple) or not _are(shape, int, len(shape)) or not 1 <= len(shape) <= 2 or min(shape) < 0:
        raise ValueError("an array must have one or two dimensions")
    flat = _values(dtype, data)
    if math.prod(shape) != len(flat):
        raise ValueError(f"an array of shape {shape} must have {math.prod(shape)} values, got {len(flat)}")
    return flat.reshape(shape, order="F" if by_columns else "C")


def _values(dtype: Any, data: Any) -> NDArray:
    made = _made(dtype, {"numpy.dtype"})
    code = made.arguments[0] if made.arguments else None
    order = made.state[1] if isinstance(made.state, tuple) and len(made.state) > 1 else None
    if code in ("O8", "O4") and isinstance(data, list):
        if not all(value is None or isinstance(value, str | int | float) for value in data):
            raise ValueError("a column of objects must hold texts and numbers")
        values = np.empty(len(data), dtype=object)
        values[:] = data
        return values
    if isinstance(code, str) and NUMBER.fullmatch(code) and order in ("<", "|") and isinstance(data, bytes | bytearray):
        return np.frombuffer(data, dtype="?" if code == "b1" else f"<{code}")
    raise ValueError("an array must hold numbers in the order of bytes of common machines, or objects")


def _are(values: Any, kind: type, count: int) -> bool:
    return len(values) == count and all(isinstance(value, kind) for value in values)
