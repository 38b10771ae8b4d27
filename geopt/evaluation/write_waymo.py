"""Predictions and labels as Waymo's own tools read them: ``Objects`` and ``SegmentationFrameList`` messages. Needs no torch.

Source of the format: metrics.proto, label.proto, segmentation_metrics.proto and dataset.proto of the Waymo Open Dataset.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np
from numpy.typing import ArrayLike, NDArray

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire formats of protobuf."""
BOX_COLUMNS = (0, 1, 2, 4, 3, 5, 6)
"""Of fields 1 to 7 of a box: the width is before the length."""
TOP = 1


def varint(value: int) -> bytes:
    """A whole number below 2**64, seven bits a byte."""
    out = bytearray()
    value &= (1 << 64) - 1
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(field: int, value: int) -> bytes:
    return varint(field << 3 | VARINT) + varint(value)


def _double(field: int, value: float) -> bytes:
    return varint(field << 3 | FIXED64) + struct.pack("<d", value)


def _bytes(field: int, content: bytes) -> bytes:
    return varint(field << 3 | BYTES) + varint(len(content)) + content


class _Writer:
    """A file of repeated messages in field 1. It lies beside its place until it is whole."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._temporary = self.path.with_name(f".{self.path.name}.tmp")
        self._file: IO[bytes] = self._temporary.open("wb")

    def _add(self, message: bytes) -> None:
        self._file.write(_bytes(1, message))

    def close(self) -> None:
        """Move the file to its place."""
        self._file.close()
        os.replace(self._temporary, self.path)

    def discard(self) -> None:
        """Leave no file."""
        self._file.close()
        self._temporary.unlink(missing_ok=True)

    def __enter__(self) -> _Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard() if kind else self.close()


class ObjectsWriter(_Writer):
    """Writes an ``Objects`` file frame by frame: predictions, or labels as in the dataset.

    Args:
        path: The file; it appears when the writer is closed.
    """

    def add(
        self,
        context: str,
        timestamp_us: int,
        *,
        bbox: ArrayLike,
        type: ArrayLike,
        score: ArrayLike | None = None,
        id: list[bytes] | None = None,
        num_lidar_points: ArrayLike | None = None,
        detection_difficulty: ArrayLike | None = None,
        tracking_difficulty: ArrayLike | None = None,
        speed: ArrayLike | None = None,
    ) -> None:
        """Add the objects of a frame. N objects.

        Args:
            context: Name of the segment.
            timestamp_us: Of the frame, microseconds.
            bbox: (N, 7) x, y, z of the centre, length, width, height, heading; metres, radians, in the vehicle frame.
            type: (N,) 1 vehicle, 2 pedestrian, 3 sign, 4 cyclist.
            score: (N,) of predictions.
            id: (N) names of labels.
            num_lidar_points: (N,) of labels; -1 is left out.
            detection_difficulty: (N,) of labels; 0 is left out, as in the dataset.
            tracking_difficulty: (N,) likewise.
            speed: (N, 2 or more) x and y in metres per second; NaN is left out.

        Raises:
            ValueError: a column has another number of rows, or a box or score is not finite.
        """
        boxes = np.asarray(bbox, dtype=np.float64).reshape(-1, 7)
        given = {"type": type, "score": score, "num_lidar_points": num_lidar_points, "speed": speed}
        given |= {"detection_difficulty": detection_difficulty, "tracking_difficulty": tracking_difficulty}
        columns = {name: np.asarray(values) for name, values in given.items() if values is not None}
        columns |= {"id": np.asarray(id, dtype=object)} if id is not None else {}
        for name, values in columns.items():
            if len(values) != len(boxes):
                raise ValueError(
                    f"ObjectsWriter: {name} must have a row for each of {len(boxes)} boxes, got {len(values)}"
                )
        if not np.isfinite(boxes).all() or not np.isfinite(columns.get("score", boxes)).all():
            raise ValueError(f"ObjectsWriter: boxes and scores of {context} at {timestamp_us} must be finite")
        frame = _bytes(4, context.encode()) + _number(5, timestamp_us)
        for row, box in enumerate(boxes.tolist()):
            label = _bytes(1, b"".join(_double(1 + i, box[column]) for i, column in enumerate(BOX_COLUMNS)))
            if speed is not None and np.isfinite(columns["speed"][row]).all():
                label += _bytes(2, b"".join(_double(1 + axis, float(columns["speed"][row][axis])) for axis in (0, 1)))
            label += _number(3, int(columns["type"][row]))
            if id is not None:
                label += _bytes(4, id[row])
            for field, name in ((5, "detection_difficulty"), (6, "tracking_difficulty")):
                if name in columns and columns[name][row]:
                    label += _number(field, int(columns[name][row]))
            if "num_lidar_points" in columns and columns["num_lidar_points"][row] >= 0:
                label += _number(7, int(columns["num_lidar_points"][row]))
            scored = b"" if score is None else varint(2 << 3 | FIXED32) + struct.pack("<f", columns["score"][row])
            self._add(_bytes(1, label) + scored + frame)


class SegmentationWriter(_Writer):
    """Writes a ``SegmentationFrameList`` file frame by frame: labels of the points of the top lidar.

    Args:
        path: The file; it appears when the writer is closed.
    """

    def add(self, context: str, timestamp_us: int, returns: tuple[NDArray[np.integer], NDArray[np.integer]]) -> None:
        """Add a frame.

        Args:
            context: Name of the segment.
            timestamp_us: Of the frame, microseconds.
            returns: Of both returns (H, W, 2) instance and class of each pixel, 0 where there is no point.

        Raises:
            ValueError: an image has another shape, or holds a negative number.
        """
        laser = _number(1, TOP)
        for field, image in zip((2, 3), returns):
            if image.ndim != 3 or image.shape[2] != 2 or image.min(initial=0) < 0:
                raise ValueError(f"SegmentationWriter: an image must be (H, W, 2), none negative, got {image.shape}")
            shape = b"".join(_number(1, side) for side in image.shape)
            matrix = _bytes(1, _packed(image)) + _bytes(2, shape)
            laser += _bytes(field, _bytes(6, zlib.compress(matrix)))
        self._add(_bytes(1, laser) + _bytes(2, context.encode()) + _number(3, timestamp_us))


def _packed(numbers: NDArray[np.integer]) -> bytes:
    """Whole numbers >= 0 one after the other, seven bits a byte."""
    left: NDArray[np.integer] = numbers.ravel().astype(np.uint64)
    groups = 1 + (left.max(initial=1).item().bit_length() - 1) // 7
    table = np.empty((len(left), groups), dtype=np.uint8)
    used = np.ones((len(left), groups), dtype=bool)
    for place in range(groups):
        used[:, place] = (left > 0) | (place == 0)
        more = (left > 127).astype(np.uint8)
        table[:, place] = (left & 127).astype(np.uint8) | more << 7
        left = left >> 7
    return table[used].tobytes()
