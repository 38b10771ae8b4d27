"""What KITTI and SemanticKITTI share: scans of the Velodyne HDL-64E on the roof of one car, and text files of numbers."""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geopt.damage import naming
from geopt.data.sweeps import SweepPoints, apply

POINT_BYTES = 16
"""float32 x, y, z, intensity."""
SENSOR_HEIGHT_M = 1.73
"""Of the sensor over the ground. Source: Geiger et al., Vision meets Robotics: The KITTI Dataset, IJRR 2013, figure 3."""
EGO_FROM_VELODYNE = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, SENSOR_HEIGHT_M]])
"""(3, 4). The Velodyne has x forward, y left and z up already; the ego frame lies on the ground below it."""


def read_scan(path: Path) -> SweepPoints:
    """Read a scan.

    Returns:
        Points in the ego frame, their intensity from 0 to 1.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: it is empty, ends within a point, or holds a NaN or an infinity; names it.
    """
    with naming("velodyne", path):
        data = np.fromfile(path, dtype=np.uint8)  # float32 would drop an incomplete last number without a word
    if not data.size or data.size % POINT_BYTES:
        raise ValueError(
            f"velodyne: {path} must hold whole points of {POINT_BYTES} bytes, got {data.size}; copy the file again"
        )
    points = data.view("<f4").reshape(-1, 4)
    if not np.isfinite(points).all():
        raise ValueError(f"velodyne: {path} must hold finite numbers, got NaN or infinity; copy the file again")
    return SweepPoints(xyz=apply(EGO_FROM_VELODYNE, points), intensity=points[:, 3])


def read_text(path: Path) -> str:
    """A text file.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: it is no ASCII text; names it.
    """
    with naming("velodyne", path):
        data = path.read_bytes().removeprefix(codecs.BOM_UTF8)  # with which editors of Windows begin files
    try:
        return data.decode("ascii")
    except UnicodeDecodeError as error:
        raise ValueError(f"velodyne: {path} must be ASCII text ({error}); copy the file again") from error


def numbers(words: Sequence[str], where: str) -> NDArray[np.float64]:
    """Words of a text file as numbers.

    Args:
        words: Such as ``7.215377e+02``.
        where: File and line, with which errors begin.

    Raises:
        ValueError: a word is no number, or not finite.
    """
    try:
        found = np.array([float(word) for word in words])
    except ValueError as error:
        raise ValueError(f"velodyne: {where} must hold numbers ({error!s:.80}); copy the file again") from None
    if not np.isfinite(found).all():
        raise ValueError(f"velodyne: {where} must hold finite numbers, got NaN or infinity; copy the file again")
    return found


def read_matrices(path: Path, shapes: Mapping[str, tuple[int, int]]) -> dict[str, NDArray[np.float64]]:
    """Some of the matrices of a calibration file, whose lines are like ``Tr: 12 numbers``.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: a matrix of ``shapes`` is missing or has another number of numbers; names the file.
    """
    lines = {words[0]: words[1:] for words in map(str.split, read_text(path).splitlines()) if words}
    found = {}
    for key, (rows, columns) in shapes.items():
        words = lines.get(f"{key}:")
        if words is None:
            raise ValueError(f"velodyne: {path} must have a line '{key}: ...', got none; copy the file again")
        if len(words) != rows * columns:
            raise ValueError(
                f"velodyne: {path}: {key} must have {rows * columns} numbers, got {len(words)}; copy the file again"
            )
        found[key] = numbers(words, f"{path}: {key}").reshape(rows, columns)
    return found
