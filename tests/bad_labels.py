"""Ways to spoil a folder of predictions that :func:`label_database.write_predictions` wrote."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from label_database import SPLIT

Spoil = Callable[[Path], None]


def spoiled_file(folder: Path, task: str) -> Path:
    """The file that the functions below damage: neither the first nor the last of its scene."""
    return sorted((folder / task / SPLIT).iterdir())[1]


def _lidarseg(change: Callable[[np.ndarray], np.ndarray]) -> Spoil:
    def spoil(folder: Path) -> None:
        path = spoiled_file(folder, "lidarseg")
        change(np.fromfile(path, dtype=np.uint8)).astype(np.uint8).tofile(path)

    return spoil


def _panoptic(change: Callable[[np.ndarray], np.ndarray]) -> Spoil:
    def spoil(folder: Path) -> None:
        path = spoiled_file(folder, "panoptic")
        np.savez_compressed(path, data=change(np.load(path)["data"]))

    return spoil


def _bytes(task: str, change: Callable[[bytes], bytes]) -> Spoil:
    def spoil(folder: Path) -> None:
        path = spoiled_file(folder, task)
        path.write_bytes(change(path.read_bytes()))

    return spoil


def _point(value: int) -> Callable[[np.ndarray], np.ndarray]:
    def change(labels: np.ndarray) -> np.ndarray:
        labels[7] = value
        return labels

    return change


def _all_void(folder: Path) -> None:
    for path in (folder / "panoptic" / SPLIT).iterdir():
        np.savez(path, data=np.zeros_like(np.load(path)["data"]))


def _rename_array(folder: Path) -> None:
    path = spoiled_file(folder, "panoptic")
    np.savez(path, labels=np.load(path)["data"])


def _bare_array(folder: Path) -> None:
    path = spoiled_file(folder, "panoptic")
    labels = np.load(path)["data"]
    with path.open("wb") as file:
        np.save(file, labels)


def _more_files(task: str) -> Spoil:
    return lambda folder: (folder / task / SPLIT / "README").write_text("not asked for") and None


REFUSED: dict[str, dict[str, Spoil]] = {
    "lidarseg": {
        "no folder": lambda folder: shutil.rmtree(folder / "lidarseg"),
        "no file": lambda folder: spoiled_file(folder, "lidarseg").unlink(),
        "empty": _lidarseg(lambda labels: labels[:0]),
        "one too few": _lidarseg(lambda labels: labels[:-1]),
        "one too many": _lidarseg(lambda labels: np.append(labels, 1)),
        "two bytes each": _lidarseg(lambda labels: np.repeat(labels, 2)),
        "a 0": _lidarseg(_point(0)),
        "a 17": _lidarseg(_point(17)),
        "a 255": _lidarseg(_point(255)),
    },
    "panoptic": {
        "no folder": lambda folder: shutil.rmtree(folder / "panoptic"),
        "no file": lambda folder: spoiled_file(folder, "panoptic").unlink(),
        "empty": _panoptic(lambda labels: labels[:0]),
        "one too few": _panoptic(lambda labels: labels[:-1]),
        "one too many": _panoptic(lambda labels: np.append(labels, labels[:1])),
        "one label": _panoptic(lambda labels: labels[:1]),
        "a row": _panoptic(lambda labels: labels[None]),
        "class 17": _panoptic(_point(17_000)),
        "the largest": _panoptic(_point(65_535)),
        "float": _panoptic(lambda labels: labels.astype(np.float32)),
        "uint64": _panoptic(lambda labels: labels.astype(np.uint64)),
        "text": _panoptic(lambda labels: labels.astype("U5")),
        "another name": _rename_array,
        "a bare array": _bare_array,
        "cut short": _bytes("panoptic", lambda content: content[: len(content) // 2]),
        "no archive": _bytes("panoptic", lambda content: b"labels"),
        "no bytes": _bytes("panoptic", lambda content: b""),
        "flipped bytes": _bytes("panoptic", lambda content: content[:60] + content[60:90][::-1] + content[90:]),
    },
}
"""What the official code refuses."""

ACCEPTED: dict[str, dict[str, Spoil]] = {
    "lidarseg": {"more files": _more_files("lidarseg")},
    "panoptic": {
        "more files": _more_files("panoptic"),
        "void": _all_void,
        "int16": _panoptic(lambda labels: labels.astype(np.int16)),
        "int64": _panoptic(lambda labels: labels.astype(np.int64)),
        "big-endian": _panoptic(lambda labels: labels.astype(">i4")),
    },
}
"""What it scores, however odd."""

REFUSED_HERE_ONLY: dict[str, dict[str, Spoil]] = {
    "lidarseg": {"one label": _lidarseg(lambda labels: labels[:1])},
    "panoptic": {"negative": _panoptic(lambda labels: _point(-1)(labels.astype(np.int32)))},
}
"""What it takes for something else by accident: one label for all points, the last class."""
