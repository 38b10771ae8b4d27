"""Predictions made from what is annotated: perfect, noisy, tracked."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from geopt import official
from geopt.data.nuscenes import NuScenes
from geopt.evaluation.global_boxes import GlobalBoxes, Tracks
from geopt.evaluation.split_frames import split_frames
from geopt.heads.tracker import Tracker, TrackerConfig

VERSION = "v1.0-mini"
DETECTION, TRACKING = official.class_map("detection"), official.class_map("tracking")


def boxes_at(*x: float, classes: int | list[int] = 0, **columns: Any) -> GlobalBoxes:
    """Boxes of 2 x 4 x 1.5 metres in a row."""
    count = len(x)
    made = GlobalBoxes(
        translation=np.array([[value, 0.0, 1.0] for value in x]).reshape(-1, 3),
        size_wlh=np.tile([2.0, 4.0, 1.5], (count, 1)),
        quat_wxyz=np.tile([1.0, 0.0, 0.0, 0.0], (count, 1)),
        velocity=np.zeros((count, 2)),
        scores=np.full(count, 0.5),
        classes=np.broadcast_to(np.array(classes, dtype=np.int64), (count,)).copy(),
    )
    return dataclasses.replace(made, **{key: np.array(value) for key, value in columns.items()})


def counted(dataset: NuScenes, row: int, benchmark: official.ClassMap) -> tuple[np.ndarray, list[str]]:
    """Annotations of a key frame that a benchmark counts, which hold a point, and their classes."""
    key_frame = int(np.searchsorted(dataset.key_rows, row))
    table = dataset.annotations
    rows = np.arange(*table.offsets[key_frame : key_frame + 2])
    rows = rows[(table.num_lidar_points + table.num_radar_points)[rows] > 0]
    names = [benchmark.class_of_category.get(name.decode(), "") for name in table.category[rows].tolist()]
    return rows[[name != "" for name in names]], [name for name in names if name]


def truth(dataset: NuScenes, row: int, benchmark: official.ClassMap) -> GlobalBoxes:
    """What is annotated in a key frame with at least one point in it, as if it had been detected with certainty."""
    table, (rows, names) = dataset.annotations, counted(dataset, row, benchmark)
    return GlobalBoxes(
        translation=table.translation[rows],
        size_wlh=table.size_wlh[rows],
        quat_wxyz=table.quat_wxyz[rows],
        velocity=table.velocity[rows, :2],
        scores=np.ones(len(rows)),
        classes=np.array([DETECTION.classes.index(name) for name in names], dtype=np.int64),
    )


def detections(root: Path, split: str, benchmark: official.ClassMap = DETECTION) -> dict[str, GlobalBoxes]:
    dataset = NuScenes(root, VERSION)
    return {dataset.token(row): truth(dataset, row, benchmark) for row in dataset.select(split).rows.tolist()}


def noisy(found: dict[str, GlobalBoxes], seed: int = 0) -> dict[str, GlobalBoxes]:
    """Boxes shifted, scaled, turned, missed, doubled and mistaken, with scores that only half know it."""
    rng = np.random.default_rng(seed)
    spoiled = {}
    for token, boxes in found.items():
        boxes = boxes.take(np.repeat(np.arange(len(boxes)), rng.integers(0, 3, len(boxes))))
        count = len(boxes)
        shift = rng.normal(size=(count, 3)) * rng.choice([0.1, 0.4, 1.5], (count, 1))
        half = rng.normal(0, 0.2, count) + np.arctan2(boxes.quat_wxyz[:, 3], boxes.quat_wxyz[:, 0])
        spoiled[token] = GlobalBoxes(
            translation=boxes.translation + shift,
            size_wlh=boxes.size_wlh * np.exp(rng.normal(0, 0.1, (count, 3))),
            quat_wxyz=np.stack([np.cos(half), 0 * half, 0 * half, np.sin(half)], axis=1),
            velocity=boxes.velocity + rng.normal(0, 0.5, (count, 2)),
            scores=np.clip(np.exp(-np.hypot(shift[:, 0], shift[:, 1])) + rng.normal(0, 0.2, count), 0.01, 1),
            classes=np.where(rng.random(count) < 0.1, rng.integers(0, 10, count), boxes.classes),
        )
    return spoiled


def tracked(root: Path, split: str, found: dict[str, GlobalBoxes], config: TrackerConfig | None = None):
    tracker = Tracker(config)
    return {
        frame.sample_token: tracker.update(found[frame.sample_token], frame.timestamp_us * 1e-6, frame.scene)
        for frame in split_frames(root, VERSION, split)
    }


def annotated_tracks(root: Path, split: str) -> dict[str, Tracks]:
    """Perfect tracks: what is annotated, with the instances' names."""
    dataset, found = NuScenes(root, VERSION), {}
    for row in dataset.select(split).rows.tolist():
        instances = dataset.annotations.instance[counted(dataset, row, TRACKING)[0]].tolist()
        ids = tuple(instance.decode() for instance in instances)
        found[dataset.token(row)] = Tracks(truth(dataset, row, TRACKING), ids, np.arange(len(ids)))
    return found


def samples(root: Path, split: str) -> list[str]:
    return [frame.sample_token for frame in split_frames(root, VERSION, split)]
