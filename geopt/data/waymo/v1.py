"""Segments of version 1: a TFRecord file with a protobuf message for each frame, range images compressed by zlib."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geopt import _host
from geopt.data.sweeps import check_rigid
from geopt.data.waymo.segment import (
    MAX_PIXELS,
    TOP,
    Calibration,
    LaserLabels,
    RangeImages,
    SegmentIndex,
    Stats,
    check_calibration,
    check_image,
)

RANGE, POSE, SEGMENTATION = 2, 4, 6
"""Field numbers of the matrices of a return."""
CHANNELS = {RANGE: 4, POSE: 6, SEGMENTATION: 2}
NUMBER_BYTES = {RANGE: 4, POSE: 4, SEGMENTATION: 10}
"""That a number takes at most."""


class SegmentV1:
    """A ``.tfrecord`` file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def sources(self) -> list[Path]:
        """Files that the index is made of."""
        return [self.path]

    def index(self) -> SegmentIndex:
        """See :class:`geopt.data.waymo.segment.Segment`. Images and lasers are skipped, and so is the CRC of the records;
        the CRC of each length is checked."""
        if not self.path.is_file():
            raise FileNotFoundError(f"Waymo: {self.path} is gone")
        try:
            return self._index(_host.waymo_index(str(self.path)))
        except (ValueError, RuntimeError) as error:  # RuntimeError: the file cannot be opened or mapped
            raise _damaged(self.path, error) from error

    def _index(self, found: dict) -> SegmentIndex:
        names = set(found["context"])
        if len(names) != 1:
            raise ValueError(f"a file must hold the frames of one segment, got {len(names)} segments")
        calibrations = {}
        for lidar in found["calibrations"]:
            if lidar["extrinsic"] is not None:
                one = Calibration(lidar["extrinsic"], lidar["inclinations"], lidar["lowest"], lidar["highest"])
                check_calibration(lidar["name"], one)
                calibrations[lidar["name"]] = one
        check_rigid(found["pose"], "the pose of a frame")
        order = np.argsort(found["timestamp_us"], kind="stable")
        if (np.diff(found["timestamp_us"][order]) == 0).any():
            raise ValueError("two frames have the same time")
        offsets = np.concatenate([[0], found["label_end"]])
        counts = np.diff(offsets)[order]
        rows = np.concatenate([np.arange(offsets[f], offsets[f + 1]) for f in order])
        integers, motion = found["integers"][rows], found["motion"][rows]
        ids = np.array(found["id"], dtype=np.bytes_)[rows] if len(rows) else np.zeros(0, dtype="S1")
        labels = LaserLabels._make([found["box"][rows], motion[:, :3], motion[:, 3:], *integers.T, ids])
        return SegmentIndex(
            name=names.pop().decode(),
            timestamp_us=found["timestamp_us"][order],
            world_from_vehicle=found["pose"][order],
            place=found["offset"][order, None],
            has_points=found["has_points"][order].astype(bool),
            has_segmentation=found["has_segmentation"][order].astype(bool),
            has_boxes=len(rows) > 0,
            label_offsets=np.concatenate([[0], np.cumsum(counts)]),
            labels=labels,
            calibrations=calibrations,
            stats=Stats(*(text.decode() for text in found["stats"])),
        )

    def read(self, place: NDArray[np.int64], lidars: tuple[int, ...], with_labels: bool) -> dict[int, RangeImages]:
        """See :class:`geopt.data.waymo.segment.Segment`. The CRC of the record is checked."""
        kinds = (RANGE, POSE, SEGMENTATION) if with_labels else (RANGE, POSE)
        images: dict[tuple[int, int, int], NDArray] = {}
        try:
            for lidar, which, kind, content in _host.waymo_blobs(str(self.path), int(place[0])):
                if lidar in lidars and kind in kinds and content and (kind != POSE or lidar == TOP):
                    images[lidar, which, kind] = _matrix(content, kind)
        except (ValueError, RuntimeError) as error:
            raise _damaged(self.path, error) from error

        def both(lidar: int, kind: int) -> tuple:
            return images.get((lidar, 0, kind)), images.get((lidar, 1, kind))

        return {
            lidar: RangeImages(both(lidar, RANGE), images.get((lidar, 0, POSE)), both(lidar, SEGMENTATION))
            for lidar in sorted({lidar for lidar, _, kind in images if kind == RANGE})
        }


def _matrix(content: bytes, kind: int) -> NDArray:
    """Decompress and read a matrix."""
    stream, most = zlib.decompressobj(), MAX_PIXELS * CHANNELS[kind] * NUMBER_BYTES[kind]
    try:
        plain = stream.decompress(content, most)
    except zlib.error as error:
        raise ValueError(f"a matrix cannot be decompressed ({error})") from error
    if not stream.eof:
        raise ValueError(f"a matrix is cut off, or has more than {most:,} bytes")
    image = _host.waymo_matrix(plain, kind != SEGMENTATION)
    check_image(image, CHANNELS[kind])
    return image


def _damaged(path: Path, error: Exception) -> ValueError:
    return ValueError(f"Waymo: {path} is damaged or no TFRecord of Frames: {error}; copy the file again")
