"""Predictions for Waymo: the files that its own tools, and ``geopt score``, take."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from geopt.data import FrameDataset, Waymo
from geopt.data.formats import open_source
from geopt.data.source import ModelFrame
from geopt.data.sweeps import compose, inverse
from geopt.data.waymo import CATEGORIES, RangeImages
from geopt.data.waymo.segment import TOP
from geopt.evaluation.write_waymo import ObjectsWriter, SegmentationWriter
from geopt.finetuning import FinetuneConfig
from geopt.predicting.batches import Whole, batches
from geopt.predicting.config import PredictConfig
from geopt.predicting.models import Seen, Trained, look, save_pictures
from geopt.train import distributed

log = logging.getLogger(__name__)

DETECTION, DETECTION_TRUTH = "detection.bin", "detection_ground_truth.bin"
SEGMENTATION, SEGMENTATION_TRUTH = "segmentation.bin", "segmentation_ground_truth.bin"


def predict(
    trained: Trained,
    out: Path,
    root: str,
    version: str,
    split: str,
    config: PredictConfig,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[dict[str, Path], int]:
    """Predict every frame of a selection.

    Boxes go into an ``Objects`` file, classes of the top lidar's points into a ``SegmentationFrameList`` file. Of a
    selection with labels of points, these are those frames alone; without any, all. What people annotated goes beside them in
    the same formats, so that both can be scored.

    Args:
        trained: The models.
        out: Folder to write.
        root: Folder of the dataset.
        version: Not read: the files tell.
        split: Selection of frames.
        config: Pictures and device.
        progress: Called with frames done and in all.

    Returns:
        What was written, by name, and the number of frames.

    Raises:
        FileNotFoundError, ValueError: the dataset cannot be read.
    """
    runs = trained.configs
    wholes = {task: _whole(run, root, split) for task, run in runs.items()}
    whole = next(iter(wholes.values()))
    rows = whole.frames.frames.rows
    source = whole.frames.source
    assert isinstance(source, Waymo)
    pictured = set(np.linspace(0, len(rows) - 1, min(config.pictures, len(rows)), dtype=int).tolist())
    written: dict[str, Path] = {}
    with (
        distributed.joined(config.device) as ranks,
        torch.no_grad(),
        contextlib.ExitStack() as stack,
    ):
        trained.to(ranks.device)
        writers = _Writers(stack, trained, out, source, rows)
        streams = stack.enter_context(contextlib.closing(batches(wholes, ranks, config.data.workers)))
        for number, batch_of in enumerate(streams):
            seen = look(trained, {task: batch.to(ranks.device) for task, batch in batch_of.items()})
            row = int(rows[number])
            writers.add(row, seen, runs)
            if number in pictured:
                frame = whole.frames.config.frame
                save_pictures(out / "pictures" / f"{number:05}", seen, frame, source.name(row), dataset="waymo")
                written["pictures"] = out / "pictures"
            if progress is not None:
                progress(number + 1, len(rows))
    return written | writers.written, len(rows)


def _whole(run: FinetuneConfig, root: str, split: str) -> Whole:
    data = run.data.model_copy(update={"root": root, "frames": "keyframes", "boxes": False, "labels": None})
    source = open_source(data)
    frames = FrameDataset(source, source.select(split), data, run.grid.voxel_grid(), run.seed, augment=False)
    return Whole(frames, range(len(frames)))


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
