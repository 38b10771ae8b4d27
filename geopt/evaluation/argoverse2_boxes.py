"""Boxes of Argoverse 2, from files of the dataset, from submissions or from arrays."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geopt.damage import naming
from geopt.evaluation.errors import SubmissionError
from geopt.feather import read_columns

CUBOID = ("tx_m", "ty_m", "tz_m", "length_m", "width_m", "height_m", "qw", "qx", "qy", "qz")
KEYS = ("log_id", "timestamp_ns", "category", "cuboids", "last")
ANNOTATIONS = "annotations.feather"
FUNCTION = "argoverse2_detection"

AnyPath = str | os.PathLike[str]
Source = AnyPath | Mapping[str, Any]


class Cuboids(NamedTuple):
    """A row for each box."""

    log_id: NDArray[Any]
    """(N,) str."""
    timestamp_ns: NDArray[np.int64]
    category: NDArray[Any]
    """(N,) str."""
    cuboids: NDArray[np.float64]
    """(N, 10) x, y, z of the centre, length, width, height (m), quaternion with w first, in the ego frame."""
    last: NDArray[np.float64]
    """(N,) score of a prediction, number of points in a ground truth."""

    @property
    def xyz(self) -> NDArray[np.float64]:
        return self.cuboids[:, :3]

    @property
    def size(self) -> NDArray[np.float64]:
        return self.cuboids[:, 3:6]

    @property
    def yaw_rad(self) -> NDArray[np.float64]:
        """(N,) turn about z, the last one if the box is turned about x, then y, then z."""
        w, x, y, z = self.cuboids[:, 6:].T
        return np.arctan2(2 * (w * z + x * y), w * w + x * x - y * y - z * z)

    def at(self, rows: NDArray) -> Cuboids:
        """Some of the boxes."""
        return Cuboids(*(column[rows] for column in self))


def read_predictions(source: Source) -> Cuboids:
    """Boxes with a score.

    Raises:
        FileNotFoundError, ImportError: as :func:`argoverse2_detection`.
        SubmissionError: they are not as it says.
    """
    return _read(source, "predictions", "score", SubmissionError)


def read_ground_truth(source: Source) -> Cuboids:
    """Boxes with a number of points.

    Raises:
        FileNotFoundError, ImportError, ValueError: as :func:`argoverse2_detection`.
    """
    return _read(source, "ground_truth", "num_interior_pts", ValueError)


def _read(source: Source, argument: str, last: str, error: Callable[[str], ValueError]) -> Cuboids:
    if isinstance(source, Mapping):
        return _checked(source, f"{FUNCTION}: {argument}", error)
    path = Path(source)
    found = sorted(path.glob(f"*/{ANNOTATIONS}")) if path.is_dir() else [path]
    if not found or not found[0].exists():
        raise FileNotFoundError(
            f"{FUNCTION}: {argument} must be an .npz or .feather file or a folder with LOG/{ANNOTATIONS}, found none at {path}"
        )
    tables = []
    for file in found:
        try:
            columns = _npz(file) if file.suffix == ".npz" else _feather(file, last)
        except ValueError as wrong:
            raise error(str(wrong)) from None
        tables.append(_checked(columns, f"{FUNCTION}: {file}", error))
    return Cuboids(*(np.concatenate(column) for column in zip(*tables)))


def _npz(path: Path) -> dict[str, Any]:
    with (
        naming(FUNCTION, path, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error),
        np.load(path, allow_pickle=False) as archive,
    ):
        return {key: archive[key] for key in KEYS if key in archive}


def _feather(path: Path, last: str) -> dict[str, Any]:
    """Columns of a table; the annotations of a log do not name it, but their folder does."""
    names_log = path.name != ANNOTATIONS
    texts = ("category", "log_id") if names_log else ("category",)
    columns = read_columns(FUNCTION, path, ("timestamp_ns", *CUBOID, last), texts)
    cuboids = np.stack([columns[column] for column in CUBOID], axis=1)
    log_id = columns["log_id"] if names_log else np.full(len(cuboids), path.parent.name, dtype=object)
    return dict(zip(KEYS, (log_id, columns["timestamp_ns"], columns["category"], cuboids, columns[last])))


def _checked(columns: Mapping[str, Any], name: str, error: Callable[[str], ValueError]) -> Cuboids:
    missing = [key for key in KEYS if key not in columns]
    if missing:
        raise error(f"{name} must have the keys {', '.join(KEYS)}, got {', '.join(map(str, columns)) or 'none'}")
    given = {key: np.asarray(columns[key]) for key in KEYS}
    count = given["timestamp_ns"].size
    for key, value in given.items():
        shape = (count, len(CUBOID)) if key == "cuboids" else (count,)
        if value.size == 0 and count == 0:
            given[key] = value = np.zeros(shape, dtype=np.str_ if key in ("log_id", "category") else np.int64)
        if value.shape != shape:
            raise error(f"{name}: {key} must have shape {shape} like timestamp_ns, got {value.shape}")
        kinds = {"log_id": "UO", "category": "UO", "timestamp_ns": "iu"}.get(key, "fiu")
        if value.dtype.kind not in kinds:
            meaning = {"UO": "text", "iu": "whole numbers", "fiu": "numbers"}[kinds]
            raise error(f"{name}: {key} must hold {meaning}, got {value.dtype}")
    for key in ("log_id", "category"):
        if given[key].dtype.kind == "O" and set(map(type, given[key].tolist())) - {str}:
            raise error(f"{name}: {key} must hold text in every row")
    cuboids, last = given["cuboids"].astype(np.float64), given["last"].astype(np.float64)
    turned = (np.abs(cuboids[:, 6:]) > 0).any(axis=1)
    for key, right, meaning in (
        ("cuboids", np.isfinite(cuboids).all(axis=1), "finite"),
        ("cuboids", (cuboids[:, 3:6] > 0).all(axis=1), "of a length, width and height above 0"),
        ("cuboids", turned, "with a quaternion that is not 0"),
        ("last", np.isfinite(last), "finite"),
    ):
        if not right.all():
            row = int(np.argmin(right))
            raise error(f"{name}: {key} must be {meaning}, got {given[key][row].tolist()} in row {row}")
    return Cuboids(given["log_id"], given["timestamp_ns"].astype(np.int64), given["category"], cuboids, last)
