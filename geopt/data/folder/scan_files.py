"""One scan file of any format."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geopt.data.file_names import PACKED, files_below
from geopt.data.folder import las, pcd, ply, tables
from geopt.data.folder.layout import AXES, SYNONYMS, Column, Scan, ScanLayout

WIDTH_NAMES: dict[int, tuple[Column, ...]] = {
    3: ("x", "y", "z"),
    4: ("x", "y", "z", "intensity"),
    5: ("x", "y", "z", "intensity", "ring"),
}
Parsed = NDArray | dict[str, NDArray]
"""An array whose last axis are the columns, or columns by the names of the file."""


def _unpacked_npy(data: bytes) -> NDArray:
    return tables.parse_npy(tables.unpack(data))


PARSERS: dict[str, Callable[[bytes], Parsed]] = {
    ".npy": tables.parse_npy,
    ".npy.gz": _unpacked_npy,
    ".npz": tables.parse_npz,
    ".pcd": pcd.parse,
    ".ply": ply.parse,
    ".las": las.parse,
    ".laz": las.parse_compressed,
}
SUFFIXES = (".bin", *PARSERS)


def suffix(path: Path) -> str | None:
    """The suffix that says how to read a file; None for other files."""
    name = path.name.lower()
    return max((known for known in SUFFIXES if name.endswith(known)), key=len, default=None)


def without_suffix(path: Path) -> Path:
    """The name of a scan."""
    return path.with_name(path.name[: -len(suffix(path) or "")])


def scan_paths(root: Path, pattern: str) -> list[Path]:
    """Scan files below a folder whose paths are like a pattern, in the order of their names; see :func:`files_below`.

    Raises:
        FileNotFoundError, OSError: see :func:`files_below`.
        ValueError: a scan file is packed; names it.
    """
    found = []
    for path in files_below(root, pattern) if root.is_dir() else ():
        if suffix(path):
            found.append(path)
        elif path.suffix.lower() in PACKED and suffix(path.with_suffix("")):
            raise ValueError(
                f"scans: {path} is packed; unpack it, or leave it out with folder.pattern, such as **/*.bin"
            )
    return sorted(found)


def find_scans(folder: str | Path, pattern: str = "**/*") -> list[Path]:
    """Scan files below a folder, in the order of their names.

    Args:
        folder: Where to look.
        pattern: What their paths below it are like, ``**`` for any folders.

    Raises:
        FileNotFoundError: the folder is missing or holds no scan file.
        ValueError: a file is packed; or two differ in their suffix alone, so that their results would have one name.
    """
    root = Path(folder).expanduser()
    found = scan_paths(root, pattern)
    if not found:
        liked = "" if pattern == "**/*" else f" whose paths are like {pattern!r},"
        got = "a file; name its folder, and the file with folder.pattern" if root.is_file() else "none there"
        got = got if root.exists() else "a path that does not exist"
        raise FileNotFoundError(
            f"scans: {root} must be a folder with {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} files, or logs of rosbag2 (.db3, "
            f".mcap),{liked} got {got}"
        )
    for first, second in itertools.pairwise(sorted(without_suffix(path) for path in found)):
        if first == second:
            raise ValueError(f"scans: files must differ in their names, got {first} with several suffixes")
    return found


def read_scan(path: Path, layout: ScanLayout | None = None) -> Scan:
    """Read a scan file.

    Args:
        path: Its suffix, one of ``SUFFIXES``, says how.
        layout: Says what the columns are.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: it is damaged, empty, lacks x, y or z, or has other columns than the layout says; names the file.
        ImportError: a ``.laz`` file, and what unpacks it is not installed.
    """
    layout = layout or ScanLayout()
    kind = suffix(path)
    if kind is None:
        raise ValueError(f"scans: {path} must be one of {', '.join(SUFFIXES)}")
    try:
        data = path.read_bytes()
    except IsADirectoryError as error:
        raise ValueError(f"scans: {path} must be a file, got a folder") from error
    except FileNotFoundError as error:
        raise FileNotFoundError(f"scans: {path} is missing; copy the file again") from error
    try:
        if kind == ".bin":
            parsed: Parsed = tables.parse_bin(data, len(layout.columns) if layout.columns else None)
        else:
            parsed = PARSERS[kind](data)
        return make_scan(str(path), parsed, layout)
    except (ValueError, MemoryError) as error:
        raise ValueError(f"scans: {path} {error}") from error


def make_scan(name: str, parsed: Parsed, layout: ScanLayout) -> Scan:
    """Name the columns of what was read, in our words.

    Args:
        name: Of the scan, for messages.
        parsed: An array, of at least one point, or columns by the names of the file.

    Raises:
        ValueError: x, y or z is missing, a column is no numbers, or their number is not the layout's; names no file.
    """
    if isinstance(parsed, np.ndarray) and parsed.dtype.names:
        flat = parsed.reshape(-1)
        parsed = {field: flat[field] for field in parsed.dtype.names}
    found = _named(parsed, layout) if isinstance(parsed, dict) else _numbered(parsed, layout)
    columns = {}
    for column, values in found.items():
        if values.dtype.kind not in "fiu" or values.ndim != 1:
            raise ValueError(f"must hold one number per point as {column}, got {values.dtype} {values.shape}")
        with np.errstate(over="ignore"):
            if column == "time":
                columns[column] = values.astype(np.float64)
            else:
                wide = column in AXES and values.dtype.itemsize > 4
                columns[column] = np.asarray(values, dtype=np.float64 if wide else np.float32)
    sizes = {len(values) for values in columns.values()}
    if len(sizes) != 1 or 0 in sizes:
        raise ValueError(f"must hold points with {', '.join(columns)}, got {sorted(sizes)} of them")
    return Scan(name, columns)


def _numbered(table: NDArray, layout: ScanLayout) -> dict[str, NDArray]:
    number = table.shape[-1] if table.ndim > 1 else 0
    names = layout.columns or WIDTH_NAMES.get(number)
    if names is None or number != len(names) or not table.size or table.dtype.kind != "f":
        wanted = f"the columns {', '.join(names)}" if names else "3, 4 or 5 columns"
        raise ValueError(
            f"must hold points with {wanted} of floating-point numbers, got an array of {table.dtype} {table.shape}; say what "
            "its columns are, such as columns=[x,y,z,intensity,skip,skip]"
        )
    rows = table.reshape(-1, number)
    return {name: rows[:, place] for place, name in enumerate(names) if name != "skip"}


def _named(fields: dict[str, NDArray], layout: ScanLayout) -> dict[str, NDArray]:
    by_name = {name.lower(): values for name, values in fields.items()}
    found = {}
    for column in (*AXES, *SYNONYMS):
        given = layout.fields.get(column)  # type: ignore[call-overload]
        if given is not None and given.lower() not in by_name:
            raise ValueError(f"must have the field {given}, as layout fields say, got {', '.join(fields)}")
        names = (given,) if given is not None else SYNONYMS.get(column, (column,))
        match = next((name.lower() for name in names if name.lower() in by_name), None)
        if match is not None:
            found[column] = by_name[match]
        elif column in AXES:
            raise ValueError(f"must have a field {column}, got {', '.join(fields)}; name it in fields")
    return found
