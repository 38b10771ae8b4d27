"""Scores of files in the format of Waymo's own tools: ``Objects`` and ``SegmentationFrameList`` messages."""

from __future__ import annotations

import logging
import os
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from geopt import _host
from geopt.evaluation.errors import SubmissionError
from geopt.evaluation.waymo_detection import Curves, Scores, waymo_detection
from geopt.evaluation.waymo_preprocess import waymo_preprocess
from geopt.evaluation.waymo_segmentation import CLASSES, summary

log = logging.getLogger(__name__)

TOP = 1
"""The lidar whose points have labels."""
LARGEST_IMAGE = 64 << 20
"""Bytes of unpacked labels of one return; a real image has less than 4 MB."""

AnyPath = str | os.PathLike[str]
Refusal = Callable[[str], ValueError]


class Objects(NamedTuple):
    """What an ``Objects`` file holds, a row for each object."""

    bbox: NDArray[np.float64]
    """(N, 7) x, y, z of the centre, length, width, height (m), heading (rad)."""
    type: NDArray[np.uint8]
    score: NDArray[np.float32]
    overlap_nlz: NDArray[np.bool_]
    num_lidar_points: NDArray[np.int32]
    difficulty: NDArray[np.uint8]
    speed: NDArray[np.float64]
    """(N, 2) x and y in m/s, 0 where the file says nothing."""
    frame: NDArray[np.int64]
    """(N,) row of ``frames``."""
    frames: list[tuple[bytes, int, int]]
    """Name of the context, number of the camera (0 for lidar), timestamp in microseconds."""


def read_waymo_objects(path: AnyPath, function: str = "read_waymo_objects", error: Refusal = ValueError) -> Objects:
    """Read an ``Objects`` file of predictions or labels.

    Args:
        path: A file as Waymo's tools and examples write it.
        function: Name that errors begin with.
        error: Type of errors about what the file holds.

    Raises:
        FileNotFoundError, OSError: the file cannot be read.
        ValueError: it is no such file, or damaged; says at which byte.
    """
    found = _read(_host.read_waymo_objects, path, function, error)
    if not len(found["frame"]) and Path(path).stat().st_size > 0:
        raise error(
            f"{function}: {path} holds no object; it must be an Objects message, not a Submission or a TFRecord"
        )
    found["overlap_nlz"] = found["overlap_nlz"].astype(bool)
    return Objects(**found)


@overload
def waymo_detection_files(
    predictions: AnyPath,
    ground_truth: AnyPath,
    *,
    config: Mapping[str, Any] | None = None,
    details: Literal[False] = False,
    num_threads: int | None = None,
) -> Scores: ...
@overload
def waymo_detection_files(
    predictions: AnyPath,
    ground_truth: AnyPath,
    *,
    config: Mapping[str, Any] | None = None,
    details: Literal[True],
    num_threads: int | None = None,
) -> tuple[Scores, Curves]: ...
def waymo_detection_files(
    predictions: AnyPath,
    ground_truth: AnyPath,
    *,
    config: Mapping[str, Any] | None = None,
    details: bool = False,
    num_threads: int | None = None,
) -> Scores | tuple[Scores, Curves]:
    """Score a file of predictions as ``compute_detection_metrics_main`` does: float64 boxes, labels preprocessed.

    Args:
        predictions: ``Objects`` file; ``overlap_with_nlz`` is taken from it.
        ground_truth: ``Objects`` file of labels as in the dataset.
        config, details, num_threads: As for :func:`waymo_detection`.

    Returns:
        As :func:`waymo_detection`.

    Raises:
        SubmissionError: the predictions are damaged or have values that are not scored.
        ValueError: so is the ground truth, or it is empty.
        FileNotFoundError: a file is missing.
    """
    name = "waymo_detection_files"
    predicted = read_waymo_objects(predictions, name, SubmissionError)
    truth = read_waymo_objects(ground_truth, name)
    if not len(truth.frame):
        raise ValueError(f"{name}: {ground_truth} is empty; it must hold the labels of the frames that are scored")
    rows = {frame: row for row, frame in enumerate(sorted({*predicted.frames, *truth.frames}, key=_official_order))}
    try:
        labels = waymo_preprocess(
            bbox=truth.bbox,
            type=truth.type,
            frame_id=_rows_in(rows, truth),
            num_lidar_points=truth.num_lidar_points,
            difficulty=truth.difficulty,
            speed=truth.speed,
        )
    except ValueError as error:
        raise ValueError(f"{ground_truth}: {error}") from None
    try:
        return waymo_detection(  # type: ignore[call-overload, no-any-return]
            prediction_bbox=predicted.bbox,
            prediction_type=predicted.type,
            prediction_score=predicted.score,
            prediction_frame_id=_rows_in(rows, predicted),
            prediction_overlap_nlz=predicted.overlap_nlz,
            **labels,
            config=config,
            details=details,
            num_threads=num_threads,
        )
    except SubmissionError as error:
        raise SubmissionError(f"{predictions}: {error}") from None


def waymo_segmentation_files(
    predictions: AnyPath, ground_truth: AnyPath, *, both_channels: bool = False
) -> dict[str, Any]:
    """Score a file of point labels as ``compute_segmentation_metrics_main`` does.

    Frames without labels in the ground truth are left out; those without a prediction count as predicted undefined.

    Args:
        predictions: ``SegmentationFrameList`` file.
        ground_truth: Likewise.
        both_channels: Range images of labels are (H, W) classes, or (H, W, 2) instance and class as in the dataset. Of the
            latter, count the instance numbers too, as if they were classes. The official tool does so; the numbers then
            mean little.

    Returns:
        As :func:`waymo_segmentation`.

    Raises:
        SubmissionError: the predictions are damaged, or have another number of labels than there are points.
        ValueError: so is the ground truth.
        FileNotFoundError: a file is missing.
    """
    truth = _LabelFile(ground_truth, ValueError, both_channels)
    predicted = _LabelFile(predictions, SubmissionError, both_channels)
    confusion = np.zeros((len(CLASSES) + 1, len(CLASSES) + 1), dtype=np.int64)
    num_without = 0
    for key, lasers in sorted(truth.frames.items()):
        if not lasers:
            continue
        if len(lasers) > 1 or lasers[0][0] != TOP:
            raise ValueError(f"{truth.name}: frame {_shown(key)} must have labels of the TOP lidar only")
        theirs = predicted.frames.get(key, [])
        has_prediction = len(theirs) == 1 and theirs[0][0] == TOP
        num_without += not has_prediction
        for number in (1, 2):
            labels = truth.labels(key, lasers[0][number])
            if has_prediction:
                found = predicted.labels(key, theirs[0][number])
                if len(found) != len(labels):
                    raise SubmissionError(
                        f"{predicted.name}: frame {_shown(key)} must have {len(labels)} labels in return {number}, as the "
                        f"ground truth has, got {len(found)}"
                    )
            else:
                found = np.zeros_like(labels)
            confusion += _host.waymo_confusion(labels, found, len(CLASSES))
    if num_without:
        log.warning("%s: %d frames have no labels of the TOP lidar and count as undefined", predicted.path, num_without)
    return summary(confusion)


class _LabelFile:
    """A ``SegmentationFrameList`` whose labels are unpacked when they are asked for."""

    def __init__(self, path: AnyPath, error: Refusal, both_channels: bool) -> None:
        self.path, self.error, self.both_channels = path, error, both_channels
        self.name = f"waymo_segmentation_files: {path}"
        frames = _read(_host.read_waymo_segmentation, path, "waymo_segmentation_files", error)
        if not frames:
            raise error(f"{self.name} holds no frame; it must be a SegmentationFrameList message")
        # As officially, the last of several frames with one name counts.
        self.frames = {(context, timestamp): lasers for context, timestamp, lasers in frames}
        self.bytes: NDArray[np.uint8] = np.memmap(path, dtype=np.uint8, mode="r")

    def labels(self, key: tuple[bytes, int], place: tuple[int, int]) -> NDArray[np.int32]:
        begin, size = place
        if size == 0:
            return np.zeros(0, dtype=np.int32)
        where = f"{self.name}: byte {begin}: labels of frame {_shown(key)}"
        unpacker = zlib.decompressobj()
        try:
            text = unpacker.decompress(self.bytes[begin : begin + size].tobytes(), LARGEST_IMAGE)
        except zlib.error as error:
            raise self.error(f"{where} cannot be unpacked ({error})") from None
        if not unpacker.eof:
            what = f"unpack to more than {LARGEST_IMAGE >> 20} MiB" if unpacker.unconsumed_tail else "are cut off"
            raise self.error(f"{where} {what}")
        try:
            numbers, shape = _host.read_waymo_matrix(text)
        except ValueError as error:
            raise self.error(f"{where} are damaged: {error}") from None
        if shape and int(np.prod(shape, dtype=object)) != len(numbers):
            raise self.error(f"{where} must fill their shape {tuple(shape)}, got {len(numbers)} numbers")
        if len(shape) == 3 and not self.both_channels:
            if shape[2] != 2:
                raise self.error(f"{where} must have shape (H, W) or (H, W, 2), got {tuple(shape)}")
            numbers = np.ascontiguousarray(numbers[1::2])
        return numbers


def _read(read: Callable[[str], Any], path: AnyPath, function: str, error: Refusal) -> Any:
    if not Path(path).is_file():
        raise FileNotFoundError(f"{function}: {path} is not a file")
    try:
        return read(os.fspath(path))
    except ValueError as damage:
        raise error(f"{function}: {path}: {damage}") from None


def _official_order(frame: tuple[bytes, int, int]) -> tuple[bytes, int]:
    """The tool adds frames by this order, in float32."""
    context, camera, timestamp = frame
    return b"%s_%d" % (context, camera), timestamp


def _rows_in(rows: dict[tuple[bytes, int, int], int], objects: Objects) -> NDArray[np.int64]:
    return np.array([rows[frame] for frame in objects.frames], dtype=np.int64)[objects.frame]


def _shown(key: tuple[bytes, int]) -> str:
    return f"{key[0].decode(errors='replace')} at {key[1]} us"
