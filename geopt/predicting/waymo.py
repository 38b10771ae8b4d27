"""Predictions for Waymo: the files that its own tools, and ``geopt score``, take."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geopt.data import Waymo
from geopt.data.source import ModelFrame
from geopt.data.sweeps import compose, inverse
from geopt.data.waymo import CATEGORIES, RangeImages
from geopt.data.waymo.segment import TOP
from geopt.evaluation.write_waymo import ObjectsWriter, SegmentationWriter
from geopt.finetuning import FinetuneConfig
from geopt.predicting.batches import Request, each_frame
from geopt.predicting.models import Seen, Trained

log = logging.getLogger(__name__)

DETECTION, DETECTION_TRUTH = "detection.bin", "detection_ground_truth.bin"
SEGMENTATION, SEGMENTATION_TRUTH = "segmentation.bin", "segmentation_ground_truth.bin"


def predict(request: Request) -> tuple[dict[str, Path], int]:
    """Predict every frame of a selection.

    Boxes go into an ``Objects`` file, classes of the top lidar's points into a ``SegmentationFrameList`` file. Of a
    selection with labels of points, these are those frames alone; without any, all. What people annotated goes beside them in
    the same formats, so that both can be scored.

    Returns:
        What was written, by name, and the number of frames.

    Raises:
        FileNotFoundError, ValueError: the dataset cannot be read.
    """
    sources, trained = request.sources(), request.trained
    some = next(iter(sources.values()))
    rows, source = some.frames.frames.rows, some.frames.source
    assert isinstance(source, Waymo)
    stream = each_frame(request, sources, lambda n: source.name(int(rows[n])))
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.closing(stream))  # its data workers end now, whatever happens
        writers = _Writers(stack, trained, request.out, source, rows)
        for number, seen in stream:
            writers.add(int(rows[number]), seen, trained.configs)
    return writers.written, len(rows)


class _Writers:
    """All files of a prediction, frame by frame."""

    def __init__(
        self, stack: contextlib.ExitStack, trained: Trained, out: Path, source: Waymo, rows: NDArray[np.int64]
    ) -> None:
        self.trained, self.source, self.written = trained, source, dict[str, Path]()
        self.detection = self.detection_truth = self.segmentation = self.segmentation_truth = None
        is_annotated = all(source.is_key_frame(int(row)) for row in rows)
        self.labelled = {int(row) for row in rows if source.has_labels(int(row))}

        def file(name: str, kind: Callable[[Path], Any]) -> Any:
            self.written[name.removesuffix(".bin")] = out / name
            return stack.enter_context(kind(out / name))

        if trained.detector is not None:
            self.types = [CATEGORIES.index(name) for name in trained.detector.classes]
            self.detection = file(DETECTION, ObjectsWriter)
            self.detection_truth = file(DETECTION_TRUTH, ObjectsWriter) if is_annotated else None
        if trained.segmenter is not None:
            self.segmentation = file(SEGMENTATION, SegmentationWriter)
            self.segmentation_truth = file(SEGMENTATION_TRUTH, SegmentationWriter) if self.labelled else None
            if self.labelled and len(self.labelled) < len(rows):
                log.info("points of %d of the %d frames are labelled; writing those", len(self.labelled), len(rows))

    def add(self, row: int, seen: Seen, runs: dict[Any, FinetuneConfig]) -> None:
        """Take the next frame."""
        segment, _, _ = self.source.name(row).rpartition("/")
        time_us = self.source.timestamp_us(row)
        if self.detection is not None:
            boxes = self._in_ego(row, seen.boxes[:, :7].numpy(), runs["detection"].data.frame)
            types = np.array(self.types)[seen.box_classes.numpy()]
            self.detection.add(segment, time_us, bbox=boxes, type=types, score=seen.scores.numpy())
        if self.detection_truth is not None:
            labels = self.source.laser_labels(row)
            self.detection_truth.add(
                segment,
                time_us,
                bbox=labels.box,
                type=labels.type,
                id=labels.id.tolist(),
                num_lidar_points=labels.num_points,
                detection_difficulty=labels.detection_difficulty,
                tracking_difficulty=labels.tracking_difficulty,
                speed=labels.speed[:, :2],
            )
        if self.segmentation is not None and (row in self.labelled or not self.labelled):
            assert seen.classes is not None
            images = self.source.images(row, with_labels=self.segmentation_truth is not None)
            self.segmentation.add(segment, time_us, self._pair(row, images, seen.classes.numpy()))
            if self.segmentation_truth is not None:
                size, pair = images[TOP].size, images[TOP].segmentation
                none = np.zeros((*size, 2), dtype=np.int32)
                self.segmentation_truth.add(segment, time_us, tuple(none if own is None else own for own in pair))

    def _in_ego(self, row: int, boxes: NDArray[np.float64], frame: ModelFrame) -> NDArray[np.float64]:
        """(D, 7) boxes in the vehicle frame."""
        if frame == "ego":
            return boxes
        motion = compose(inverse(self.source.global_from_ego(row)), self.source.global_from_model(row, frame))
        forward = np.stack([np.cos(boxes[:, 6]), np.sin(boxes[:, 6])], axis=1) @ motion[:, :2].T
        yaw = np.arctan2(forward[:, 1], forward[:, 0])
        return np.concatenate([boxes[:, :3] @ motion[:, :3].T + motion[:, 3], boxes[:, 3:6], yaw[:, None]], axis=1)

    def _pair(
        self, row: int, images: dict[int, RangeImages], classes: NDArray[np.int64]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Range images (H, W, 2) of both returns with the class of each point of the top lidar."""
        points = self.source.points_of(row, images)
        height, width = images[TOP].size
        first, second = (np.zeros((height, width, 2), dtype=np.int32) for _ in range(2))
        for which, image in ((1, first), (2, second)):
            own = (points.lidar == TOP) & (points.which_return == which)
            image[height - 1 - points.ring[own], points.column[own], 1] = classes[own]
        return first, second
