"""Predictions of a split as official submissions: boxes, tracks, labels of points, panoptic labels."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from geopt import files
from geopt.config_errors import ConfigError
from geopt.data.shards import layout
from geopt.evaluation.global_boxes import GlobalBoxes, Tracks, to_global
from geopt.evaluation.split_frames import SplitFrame, split_frames
from geopt.evaluation.write_boxes import write_detections, write_tracks
from geopt.evaluation.write_points import LabelWriter
from geopt.heads.panoptic import SceneLabels, find_instances, thing_numbers
from geopt.heads.tracker import EVERY_CLASS_M, Tracker
from geopt.official import class_map
from geopt.predicting import semantickitti, waymo
from geopt.predicting.batches import Request, Whole, each_frame
from geopt.predicting.config import PredictConfig
from geopt.predicting.models import Seen, load_models


def predict(
    runs: Sequence[str | Path],
    out: str | Path,
    config: PredictConfig | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Path]:
    """Predict every key frame of a split and write official submissions.

    Args:
        runs: Folders of one or two fine-tuning runs. With one for each task there are panoptic labels too.
        out: Folder to write.
        config: Frames, tracker, pictures.
        progress: Called with frames done and in all.

    Returns:
        What was written: ``detection`` and ``tracking`` (JSON files), ``lidarseg`` and ``panoptic`` (folders of
        submissions); of Waymo ``detection`` and ``segmentation`` and what is true of the frames, see
        :func:`geopt.predicting.waymo.predict`; of SemanticKITTI ``segmentation`` (a folder); ``pictures`` (a folder),
        ``summary`` (a JSON file).

    Raises:
        FileNotFoundError, ValueError: a run or the dataset cannot be read.
        ConfigError: the runs do not fit together, or their dataset has no form of submissions that is known.
    """
    out, config = Path(out), config or PredictConfig()
    trained = load_models(runs, config.score_threshold)
    any_config = next(iter(trained.configs.values()))
    root = config.data.root or any_config.data.root
    version, split = config.data.version or any_config.data.version, config.data.split or any_config.data.val
    kind = any_config.data.dataset
    if not split:
        raise ConfigError(
            ["data.split: must name what is predicted, for the run has no data.val; add data.split=SPLIT"]
        )
    if layout.are_in(root):
        raise ConfigError(
            [f"data.root: must be the dataset itself, which submissions are made from, got shards in {root}"]
        )
    known = {"nuscenes": _predict_nuscenes, "waymo": waymo.predict, "semantickitti": semantickitti.predict}
    if kind not in known:
        raise ConfigError([f"predict: data.kind of the runs must be one of {', '.join(known)}, got {kind}"])
    written, num_frames = known[kind](Request(trained, out, root, version, split, config, progress))
    if config.pictures:
        written["pictures"] = out / "pictures"
    written["summary"] = out / "summary.json"
    summary = {
        "runs": [str(run) for run in runs],
        "data": {"kind": kind, "root": str(root), "split": split, "key_frames": num_frames}
        | ({"version": version} if kind == "nuscenes" else {}),
        "config": config.model_dump(mode="json"),
        "written": {name: str(path) for name, path in written.items()},
    }
    files.replace_text(written["summary"], json.dumps(summary, indent=2) + "\n")
    return written


def _predict_nuscenes(request: Request) -> tuple[dict[str, Path], int]:
    """What was written, and the number of key frames."""
    try:
        frames = split_frames(request.root, request.version, request.split)
    except ValueError as error:
        if not request.config.data.split:
            raise ValueError(
                f"{error}; this is data.val of the run, choose a whole split with data.split=SPLIT"
            ) from error
        raise
    writers = _Writers(request, frames)
    written = writers.files()
    sources = {task: _in_order(found, frames) for task, found in request.sources().items()}
    some = next(iter(sources.values()))
    stream = each_frame(request, sources, lambda n: frames[n].scene)
    with contextlib.closing(stream):  # its data workers end now, whatever happens
        for number, seen in stream:
            writers.add(frames[number], seen, some.global_from_model(number))
    writers.finish()
    return written, len(frames)


def _in_order(found: Whole, frames: Sequence[SplitFrame]) -> Whole:
    """The frames that the submission covers, in its order."""
    source, rows = found.frames.source, found.frames.frames.rows
    place = {source.token(int(row)): number for number, row in enumerate(rows)}
    return Whole(found.frames, [place[frame.sample_token] for frame in frames])


class _Writers:
    """Everything that a prediction writes, key frame by key frame."""

    def __init__(self, request: Request, frames: Sequence[SplitFrame]) -> None:
        trained, out, split, config = request.trained, request.out, request.split, request.config
        self.trained, self.out, self.config = trained, out, config
        self.samples = [frame.sample_token for frame in frames]
        self.detections: dict[str, GlobalBoxes] = {}
        self.tracks: dict[str, Tracks] = {}
        self.names = trained.detector.classes if trained.detector else class_map("detection").classes
        self.tracker = Tracker(config.tracker, self.names)
        # Panoptic labels number all ten classes, so they have a tracker of their own.
        everything = config.tracker.model_copy(update={"max_distance_m": EVERY_CLASS_M | config.tracker.max_distance_m})
        self.instance_tracker, self.scene_labels = Tracker(everything, self.names), SceneLabels()
        tracked = class_map("tracking").classes
        self.is_tracked = np.array([name in tracked for name in self.names])
        self.labels = self.panoptic = None
        if trained.segmenter is not None:
            num_points = {frame.lidar_token: frame.num_points for frame in frames}
            self.labels = LabelWriter("lidarseg", out / "lidarseg", split, num_points)
            if trained.detector is not None:
                self.panoptic = LabelWriter("panoptic", out / "panoptic", split, num_points, panoptic_task="tracking")

    def files(self) -> dict[str, Path]:
        """What will be written."""
        found: dict[str, Path] = {}
        if self.trained.detector is not None:
            found |= {"detection": self.out / "detection.json", "tracking": self.out / "tracking.json"}
        if self.labels is not None:
            found["lidarseg"] = self.out / "lidarseg"
        if self.panoptic is not None:
            found["panoptic"] = self.out / "panoptic"
        return found

    def add(self, frame: SplitFrame, seen: Seen, global_from_model: np.ndarray) -> None:
        """Take the next key frame; scenes come whole and in time."""
        boxes = to_global(seen.boxes, seen.scores, seen.box_classes, global_from_model)
        time_s = frame.timestamp_us * 1e-6
        if self.trained.detector is not None:
            self.detections[frame.sample_token] = boxes
            tracks = self.tracker.update(boxes, time_s, frame.scene)
            self.tracks[frame.sample_token] = tracks.take(np.flatnonzero(self.is_tracked[tracks.boxes.classes]))
        if self.labels is None or seen.classes is None:
            return
        self.labels.write(frame.lidar_token, seen.classes.numpy())
        if self.panoptic is not None:
            numbers = torch.from_numpy(thing_numbers(self.names))[seen.box_classes]
            instances = find_instances(seen.xyz, seen.classes, seen.boxes, seen.scores, numbers, self.config.panoptic)
            followed = self.instance_tracker.update(boxes, time_s, frame.scene)
            ids: list[str | None] = [None] * len(seen.boxes)
            for row, name in zip(followed.rows.tolist(), followed.ids):
                ids[row] = name
            labels = self.scene_labels.labels(seen.classes, instances, frame.scene, ids)
            self.panoptic.write(frame.lidar_token, labels)

    def finish(self) -> None:
        """Write what comes last."""
        if self.trained.detector is not None:
            write_detections(self.out / "detection.json", self.detections, self.samples, classes=self.names)
            write_tracks(self.out / "tracking.json", self.tracks, self.samples, classes=self.names)
        for writer in (self.labels, self.panoptic):
            if writer is not None:
                writer.finish()
