"""Key frames of a split and their files of point labels, as the lidarseg and the panoptic benchmark walk them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from geopt import official, tables
from geopt.evaluation.errors import SubmissionError

SUFFIX = {"lidarseg": "_lidarseg.bin", "panoptic": "_panoptic.npz"}
"""What follows a token in the name of a file of labels."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class SceneRow(msgspec.Struct, gc=False):
    token: str
    name: str
    first_sample_token: str
    last_sample_token: str
    nbr_samples: int


class SampleRow(msgspec.Struct, gc=False):
    token: str
    next: str


class LidarRow(msgspec.Struct, gc=False):
    token: str
    sample_token: str
    is_key_frame: bool
    filename: str


class LabelFrame(NamedTuple):
    """A key frame and the files that label its points."""

    scene: str
    """Name of its scene."""
    token: str
    """Of its LiDAR sweep (``sample_data``)."""
    truth: Path
    prediction: Path
    points: Path
    """Its LiDAR file; it need not exist."""


class LabelFrames(NamedTuple):
    """The key frames of a split, scene by scene in the order of the split, within a scene in time."""

    frames: list[LabelFrame]
    class_of_index: NDArray[np.int16]
    """(256,) class 0 to 16 of each fine label, 0 is ignored, -1 where the dataset has no such category."""


def label_frames(
    task: str, predictions_dir: str | os.PathLike[str], data_root: str | os.PathLike[str], version: str, split: str
) -> LabelFrames:
    """Find the true and the predicted labels of every key frame of an official split.

    Args:
        task: ``lidarseg`` or ``panoptic``.
        predictions_dir: Holds ``TASK/SPLIT/TOKEN_lidarseg.bin`` or ``TOKEN_panoptic.npz``.
        data_root: Holds ``VERSION/*.json`` and ``TASK/VERSION/``.
        version: Such as ``v1.0-trainval``.
        split: Such as ``val``.

    Raises:
        FileNotFoundError: the dataset, a table of it or the labels are missing.
        ValueError: the split is unknown, the dataset lacks scenes of it, or its tables contradict each other.
        SubmissionError: there is no folder of predictions.
    """
    name = f"nuscenes_{task}"
    scene_names = official.splits().get(split)
    if scene_names is None:
        raise ValueError(f"{name}: split must be one of {', '.join(official.splits())}, got {split!r}")
    folder = Path(data_root) / version
    paths = dict(zip(_TABLES, tables.table_paths(folder, _TABLES)))
    table = folder / f"{task}.json"
    if not table.is_file():
        raise FileNotFoundError(
            f"{name}: {table} is missing; unpack nuScenes-{task} into {Path(data_root)}: it brings {version}/{task}.json, "
            f"{version}/category.json with an index for each category, and {task}/{version}/"
        )
    labels = {row.sample_data_token: row.filename for row in tables.read_table(table, tables.Lidarseg)}
    if not labels:
        raise ValueError(f"{name}: {table} has no rows: {version} has no ground truth to score against")
    predictions = Path(predictions_dir) / task / split
    if not predictions.is_dir():
        raise SubmissionError(
            f"{name}: {predictions} is missing; predictions must lie in {task}/{split}/TOKEN{SUFFIX[task]}, "
            "one file for each key frame, named after its LiDAR sweep"
        )

    sweep_of = {
        row.sample_token: row
        for row in tables.read_table_where(paths["sample_data"], LidarRow, "token", labels)
        if row.is_key_frame
    }
    frames = []
    for scene, sample in _walk(name, paths, split, scene_names):
        if sample not in sweep_of:
            raise ValueError(f"{name}: {table} has no labels of the LiDAR sweep of sample {sample} ({scene})")
        token, points = sweep_of[sample].token, Path(data_root) / sweep_of[sample].filename
        truth, prediction = Path(data_root) / labels[token], predictions / f"{token}{SUFFIX[task]}"
        frames.append(LabelFrame(scene, token, truth, prediction, points))
    return LabelFrames(frames, _class_of_index(name, paths["category"]))


_TABLES = ("scene", "sample", "sample_data", "category")


def _walk(name: str, paths: dict[str, Path], split: str, scene_names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(scene name, sample token) from the first to the last key frame of each scene."""
    scenes = {row.name: row for row in tables.read_table(paths["scene"], SceneRow)}
    missing = [scene for scene in scene_names if scene not in scenes]
    if missing:
        raise ValueError(
            f"{name}: {paths['scene']} lacks {len(missing)} of the {len(scene_names)} scenes of split {split}, "
            f"such as {missing[0]}; choose the version that holds them all"
        )
    following = {row.token: row.next for row in tables.read_table(paths["sample"], SampleRow)}
    for scene_name in scene_names:
        scene, count = scenes[scene_name], 0
        sample = scene.first_sample_token
        while sample:
            if sample not in following:
                raise ValueError(f"{name}: {paths['sample']} has no sample {sample}, which {scene_name} goes on to")
            yield scene_name, sample
            count += 1
            if count > scene.nbr_samples:
                break
            sample = "" if sample == scene.last_sample_token else following[sample]
        if count != scene.nbr_samples:
            raise ValueError(
                f"{name}: nbr_samples of {scene_name} in {paths['scene']} must be the number of its samples, "
                f"got {scene.nbr_samples} where {'more' if count > scene.nbr_samples else count} follow each other"
            )


def _class_of_index(name: str, path: Path) -> NDArray[np.int16]:
    rows = tables.read_table(path, tables.Category)
    bare = [row.name for row in rows if not 0 <= row.index < 256]
    if bare:
        raise ValueError(
            f"{name}: {path} must give every category an index from 0 to 255, {bare[0]} has none; "
            "take the category.json that comes with nuScenes-lidarseg or nuScenes-panoptic"
        )
    return official.lidarseg_class_of_index({row.index: row.name for row in rows})


def in_order(work: Callable[[Item], Result], items: Iterable[Item], num_threads: int) -> Iterator[Result]:
    """Results of ``work`` in the order of ``items``, made by that many threads; the first error ends it."""
    if num_threads == 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(num_threads) as pool:
        yield from pool.map(work, items)
