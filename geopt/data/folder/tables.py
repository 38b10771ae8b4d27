"""Scan files without names: rows of float32 in a ``.bin``, arrays in ``.npy``, ``.npy.gz`` and ``.npz``."""

from __future__ import annotations

import io
import math
import zipfile
import zlib

import numpy as np
from numpy.typing import NDArray

MAX_BYTES = 1 << 30
"""An archive that unpacks to more than this is no scan."""
WIDTHS = range(3, 11)
"""Numbers in a point of a ``.bin`` file that are thought of when nobody names them."""
TOLD_APART = 0.02
"""Share of the variance that columns of the right width must explain."""
AS_GOOD = 0.9
"""A multiple of the right width explains as much as the right one, and anything else less than this share of it."""
WILD = 0.15
"""Where a larger share of the numbers is too small or too large, not all are float32: float64 has 0.25 to 0.5 of such, whole
numbers in one column of five 0.2."""
MIN_ROWS = 100
"""With fewer rows, the values say too little about their width."""
LOOKED_AT = 30_000
"""Numbers in the middle of a file that are."""


def width(data: bytes) -> int:
    """How many float32 numbers a point has.

    Columns differ in their magnitudes: x and y are tens of metres, heights a few, intensities something else. Cut into
    rows of the right width, or of a multiple of it, the columns explain a good part of the variance of the logarithms; cut
    otherwise, each column is a mixture of several and explains less, or none. Of files with few points the size may tell: 4
    and 5 are common.

    Raises:
        ValueError: neither tells; or the numbers are not float32.
    """
    if data and len(data) % 4 == 0 and _wild(data) > WILD:
        raise ValueError(
            "does not look like float32 numbers with the lowest byte first; save them so or as .npy, or name the columns with "
            "columns=[x,y,z,...] if that is what they are"
        )
    fitting = [number for number in WIDTHS if data and len(data) % (4 * number) == 0]
    explained = {number: _explained(data, number) for number in fitting}
    best = max(explained.values(), default=0.0)
    found = [number for number in fitting if explained[number] > AS_GOOD * best]
    if best > TOLD_APART and all(number % found[0] == 0 for number in found):
        return found[0]
    common = [number for number in (4, 5) if number in fitting]
    if len(common) == 1 and best <= TOLD_APART:
        return common[0]
    if not fitting or not common:
        raise ValueError(
            f"must hold whole points of 16 or 20 bytes, got {len(data)} bytes; name the columns with columns=[x,y,z,...], "
            "or copy the file again"
        )
    raise ValueError(
        f"has {len(data)} bytes, which could be points of {' or '.join(map(str, found or common))} numbers; say which with "
        "columns=[x,y,z,intensity] or columns=[x,y,z,intensity,ring]"
    )


def _wild(data: bytes) -> float:
    """Share of numbers that nothing about a point would be: other types have any exponent when they are read as float32."""
    numbers = np.frombuffer(data, dtype="<f4")
    begin = max(len(numbers) - LOOKED_AT, 0) // 2
    with np.errstate(invalid="ignore"):
        some = np.abs(numbers[begin : begin + LOOKED_AT].astype(np.float64))
        return float(np.mean(np.isfinite(some) & (some > 0) & ((some < 1e-8) | (some > 1e8))))


def _explained(data: bytes, number: int) -> float:
    """Share of the variance of log |value| that the columns explain, beyond what chance gives."""
    rows = np.frombuffer(data, dtype="<f4").reshape(-1, number)
    if len(rows) < MIN_ROWS:
        return 0.0
    wanted = LOOKED_AT // number  # in one piece: rows far apart may stand alike in points of another width
    begin = max(len(rows) - wanted, 0) // 2
    some = np.nan_to_num(np.abs(rows[begin : begin + wanted].astype(np.float64)), nan=0.0, posinf=1e9)
    magnitude = np.log(np.clip(some, 1e-3, 1e9))
    total = magnitude.var()
    share = magnitude.mean(axis=0).var() / total if total > 0 else 0.0
    return float(share - number / magnitude.size)


def parse_bin(data: bytes, num_columns: int | None) -> NDArray[np.float32]:
    """(N, columns) points of float32 after float32.

    Raises:
        ValueError: no whole number of points; or ``num_columns`` is None and :func:`width` cannot tell.
    """
    number = num_columns or width(data)
    if len(data) % (4 * number):
        raise ValueError(f"must hold whole points of {4 * number} bytes, got {len(data)} bytes; see columns")
    return np.frombuffer(data, dtype="<f4").reshape(-1, number)


def parse_npy(data: bytes) -> NDArray:
    """An array as ``numpy.save`` writes it, of any shape and type but objects.

    Raises:
        ValueError: it is damaged, or its header promises another size.
    """
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = header(file)
    except Exception as error:  # a damaged header is evaluated as Python's literals, which raise almost anything
        raise ValueError(f"must be an array of numbers as NumPy saves it ({error})") from error
    if dtype.hasobject or min(shape, default=0) < 0:
        raise ValueError(f"must be an array of numbers, got {dtype} {shape}")
    rest = data[file.tell() :]
    if math.prod(shape) * dtype.itemsize != len(rest) or not dtype.itemsize:
        raise ValueError(f"must hold an array of {dtype} {shape}, got {len(rest)} bytes; copy the file again")
    return np.frombuffer(rest, dtype=dtype).reshape(shape, order="F" if fortran else "C")


def unpack(data: bytes) -> bytes:
    """What gzip packed.

    Raises:
        ValueError: it is damaged, or larger than ``MAX_BYTES``.
    """
    unpacked = b""
    try:
        while data:
            stream = zlib.decompressobj(wbits=31)
            unpacked += stream.decompress(data, MAX_BYTES + 1 - len(unpacked))
            if len(unpacked) > MAX_BYTES:
                raise ValueError(f"must not unpack to more than {MAX_BYTES} bytes")
            if not stream.eof:
                raise ValueError("ends within its packed data; copy the file again")
            data = stream.unused_data
    except zlib.error as error:
        raise ValueError(f"must be packed by gzip ({error}); copy the file again") from error
    return unpacked


def parse_npz(data: bytes) -> NDArray | dict[str, NDArray]:
    """The arrays of an archive by name, or the array if there is but one.

    Raises:
        ValueError: it is damaged, or unpacks to more than ``MAX_BYTES``.
    """
    arrays = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = [entry for entry in archive.infolist() if entry.filename.endswith(".npy")]
            if sum(entry.file_size for entry in entries) > MAX_BYTES:  # no entry unpacks to more than it says
                raise ValueError(f"must not unpack to more than {MAX_BYTES} bytes")
            for entry in entries:
                with archive.open(entry) as file:
                    arrays[entry.filename.removesuffix(".npy")] = parse_npy(file.read())
    except ValueError:
        raise
    except Exception as error:  # zipfile raises NotImplementedError, RuntimeError, EOFError, zlib.error, ...
        raise ValueError(f"must be an archive of arrays ({type(error).__name__}: {error})") from error
    if not arrays:
        raise ValueError("must be an archive of arrays, got none")
    return next(iter(arrays.values())) if len(arrays) == 1 else arrays
