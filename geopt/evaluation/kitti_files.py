"""Label and prediction files of the KITTI object benchmark."""

from __future__ import annotations

import codecs
import math
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geopt.evaluation.errors import SubmissionError

AnyPath = str | os.PathLike[str]
Refusal = Callable[[str], ValueError]

LABEL_NUMBERS = 14
"""Numbers behind the type in a line of a label; predictions have the score besides."""
OCCLUSION = 1
MOST = 1e7
"""Numbers are smaller than this. The official tool never matches a score of -1e7 or less."""


class Objects(NamedTuple):
    """The lines of many files, one file after another."""

    frame: NDArray[np.int64]
    """(N,) place of the file, ascending."""
    category: NDArray[np.str_]
    """(N,) type as it is written."""
    kind: NDArray[np.str_]
    """(N,) type in small letters, by which the benchmark goes."""
    numbers: NDArray[np.float64]
    """(N, 14) or, with scores, (N, 15): the columns of the files."""

    @property
    def truncation(self) -> NDArray[np.float64]:
        return self.numbers[:, 0]

    @property
    def occlusion(self) -> NDArray[np.float64]:
        return self.numbers[:, OCCLUSION]

    @property
    def alpha_rad(self) -> NDArray[np.float64]:
        """(N,) heading as seen along the line of sight; -10 where unknown."""
        return self.numbers[:, 2]

    @property
    def image(self) -> NDArray[np.float64]:
        """(N, 4) left, top, right, bottom, in pixels."""
        return self.numbers[:, 3:7]

    @property
    def height_width_length(self) -> NDArray[np.float64]:
        """(N, 3) metres."""
        return self.numbers[:, 7:10]

    @property
    def xyz(self) -> NDArray[np.float64]:
        """(N, 3) centre of the bottom in the camera's frame (x right, y down, z forward), metres; -1000 where unknown."""
        return self.numbers[:, 10:13]

    @property
    def yaw_rad(self) -> NDArray[np.float64]:
        """(N,) heading about y: 0 looks along x, pi / 2 against z."""
        return self.numbers[:, 13]

    @property
    def score(self) -> NDArray[np.float64]:
        return self.numbers[:, 14]

    def at(self, rows: NDArray) -> Objects:
        """Some of the lines."""
        return Objects(*(column[rows] for column in self))


def read_frames(
    labels_dir: AnyPath, predictions_dir: AnyPath, frames: AnyPath | Iterable[str] | None, function: str
) -> tuple[Objects, Objects]:
    """Labels and predictions of the frames that are scored.

    Args:
        labels_dir: Folder of label files, or one that has them in ``label_2``.
        predictions_dir: Folder of prediction files, or one that has them in ``data``.
        frames: Names such as ``000007``, or a file with one in each line. None: every label file.
        function: Name that errors begin with.

    Raises:
        FileNotFoundError: a folder, its files or the file of frames is missing.
        SubmissionError: a frame has no prediction file, or a prediction file is damaged or belongs to no frame.
        ValueError: a label file is damaged, or ``frames`` is empty or names one twice or without label.
    """
    labels = _files(labels_dir, "label_2", function)
    predictions = _files(predictions_dir, "data", function)
    if frames is None:
        for name, path in predictions.items():
            if name not in labels:
                raise SubmissionError(f"{function}: {path} belongs to no label file in {labels_dir}")
        wanted = list(labels)
    else:
        wanted = _names(frames, function)
        for name in wanted:
            if name not in labels:
                raise ValueError(f"{function}: frames has {name!r}, but {labels_dir} has no {name}.txt")
    missing = [name for name in wanted if name not in predictions]
    if missing:
        raise SubmissionError(
            f"{function}: {predictions_dir} has no {missing[0]}.txt ({len(missing)} of {len(wanted)} frames are missing); "
            "a frame without predictions is an empty file, and frames= scores fewer frames"
        )
    return (
        read_objects([labels[name] for name in wanted], LABEL_NUMBERS, function),
        read_objects([predictions[name] for name in wanted], LABEL_NUMBERS + 1, function, SubmissionError),
    )


def read_objects(paths: Iterable[Path], num_numbers: int, function: str, error: Refusal = ValueError) -> Objects:
    """Every line of some files.

    Args:
        paths: In the order of frames.
        num_numbers: That a line has behind the type: 14 in labels, 15 in predictions.
        function: Name that errors begin with.
        error: Type of errors about what a file holds.

    Raises:
        OSError: a file cannot be read.
        ValueError: a line does not have the columns of the benchmark; says which.
    """
    frames: list[int] = []
    categories: list[str] = []
    rows: list[list[float]] = []
    for frame, path in enumerate(paths):
        for number, line in enumerate(path.read_bytes().removeprefix(codecs.BOM_UTF8).splitlines(), 1):
            if not line.strip():
                continue
            try:
                category, numbers = _parsed(line, num_numbers)
            except ValueError as wrong:
                raise error(f"{function}: {path}, line {number}: {wrong}") from None
            frames.append(frame)
            categories.append(category)
            rows.append(numbers)
    names = np.array(categories, dtype=np.str_)
    table = np.array(rows, dtype=np.float64).reshape(-1, num_numbers)
    return Objects(np.array(frames, dtype=np.int64), names, np.char.lower(names), table)


def _parsed(line: bytes, num_numbers: int) -> tuple[str, list[float]]:
    category, *words = line.split()
    if len(words) != num_numbers:
        what = "a type and 14 numbers" + (" and a score" if num_numbers > LABEL_NUMBERS else "")
        raise ValueError(f"must have {num_numbers + 1} columns ({what}), got {len(words) + 1}")
    if not category.isascii():
        raise ValueError(f"type must be ASCII, got {_shown(category)}")
    values = [_number(word) for word in words]
    if num_numbers == LABEL_NUMBERS and not values[OCCLUSION].is_integer():
        raise ValueError(f"occlusion must be a whole number, got {_shown(words[OCCLUSION])}")
    return category.decode(), values


def _number(word: bytes) -> float:
    try:
        value = float(word) if b"_" not in word else math.nan  # Python alone reads 1_000 as a number
    except ValueError:
        value = math.nan
    if not -MOST < value < MOST:
        raise ValueError(f"must have finite numbers below {MOST:g} behind the type, got {_shown(word)}")
    return value


def _shown(word: bytes) -> str:
    text = word[:40].decode("ascii", errors="backslashreplace")
    return repr(text) + (" ..." if len(word) > 40 else "")


def _files(folder: AnyPath, inner: str, function: str) -> dict[str, Path]:
    """Text files of a folder, or of the folder ``inner`` in it, by the name of their frame."""
    place = Path(folder)
    if not place.is_dir():
        raise FileNotFoundError(
            f"{function}: no folder {place}; it must hold a file for each frame, such as 000000.txt"
        )
    found = {path.stem: path for path in sorted(place.glob("[!.]*.txt"))}
    found = found or {path.stem: path for path in sorted((place / inner).glob("[!.]*.txt"))}
    if not found:
        raise FileNotFoundError(f"{function}: {place} holds no file such as 000000.txt, nor does {place / inner}")
    return found


def _names(frames: AnyPath | Iterable[str], function: str) -> list[str]:
    if isinstance(frames, str | os.PathLike):
        path = Path(frames)
        if not path.is_file():
            raise FileNotFoundError(
                f"{function}: no file {path}; frames= is a file with a frame in each line, or a list"
            )
        names = path.read_text(encoding="utf-8", errors="backslashreplace").split()
    else:
        names = [str(name) for name in frames]
    if not names or len(set(names)) < len(names):
        place = f"frames, from {frames}," if isinstance(frames, str | os.PathLike) else "frames"
        raise ValueError(f"{function}: {place} must name at least one frame and none twice, got {len(names)} names")
    return names
