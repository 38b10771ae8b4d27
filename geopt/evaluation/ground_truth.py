"""The annotated boxes of a split of nuScenes, from the raw tables.

Tables are read by column and by row as far as they are wanted: those of trainval hold 1.2 million boxes and 2.6 million
sensor files.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from geopt import _host, official, tables
from geopt.evaluation import threads
from geopt.evaluation.boxes import ATTRIBUTES, BoxTable

RACK = "static_object.bicycle_rack"
TABLES = (
    "scene",
    "sample",
    "sample_data",
    "ego_pose",
    "calibrated_sensor",
    "sensor",
    "sample_annotation",
    "instance",
    "category",
    "attribute",
)
VERSION_OF_SPLIT = {
    "train": "trainval",
    "val": "trainval",
    "train_detect": "trainval",
    "train_track": "trainval",
    "test": "test",
    "mini_train": "mini",
    "mini_val": "mini",
}


class Racks(NamedTuple):
    """Bicycle racks, in which boxes of bicycles and motorcycles are left out. R racks."""

    sample: NDArray[np.int32]
    """(R,) row of ``GroundTruth.samples``."""
    translation: NDArray[np.float64]
    """(R, 3) centres in the global frame, metres."""
    size: NDArray[np.float64]
    """(R, 3) width, length, height, metres."""
    rotation: NDArray[np.float64]
    """(R, 4) quaternions w, x, y, z."""


@dataclasses.dataclass(frozen=True)
class GroundTruth:
    """What predictions of a split are compared with. S samples."""

    classes: tuple[str, ...]
    """Class names of the task, in the order of ``BoxTable.label``."""
    samples: list[str]
    """Tokens of the samples in the order of the sample table."""
    timestamps_us: NDArray[np.int64]
    """(S,)"""
    scene: NDArray[np.int32]
    """(S,) row of ``scene_names``."""
    scene_names: list[str]
    """Scenes of the split that are in the dataset, in the order of the scene table."""
    ego_translation: NDArray[np.float64]
    """(S, 3) metres, the vehicle in the global frame when the LiDAR took its key frame."""
    boxes: BoxTable
    """Boxes of the task's classes, unfiltered, ordered by sample, then as in the annotation table."""
    racks: Racks
    is_custom_split: bool
    """Whether the split comes from ``splits.json`` of the dataset."""


def scenes_of_split(folder: Path, split: str) -> tuple[frozenset[str], bool]:
    """Scene names of a split, and whether it is a custom one.

    Args:
        folder: The version folder, whose ``splits.json`` may name custom splits.
        split: An official split, or a key of that file.

    Raises:
        ValueError: the split is not one of this version, or unknown.
    """
    known = official.splits()
    if split in known:
        if not folder.name.endswith(VERSION_OF_SPLIT[split]):
            raise ValueError(
                f"nuScenes: split {split} belongs to a version that ends in {VERSION_OF_SPLIT[split]}, got {folder.name}"
            )
        return frozenset(known[split]), False
    path = folder / "splits.json"
    if not path.is_file():
        raise ValueError(f"nuScenes: split must be one of {', '.join(known)} or a key of {path}, got {split!r}")
    try:
        custom = msgspec.json.decode(path.read_bytes(), type=dict[str, list[str]])
    except msgspec.MsgspecError as error:
        raise ValueError(f"nuScenes: {path} must hold lists of scene names by split ({error})") from None
    if split not in custom:
        raise ValueError(
            f"nuScenes: split must be one of {', '.join(known)} or, from {path}, of {', '.join(custom)}, got {split!r}"
        )
    return frozenset(custom[split]), True


def load(
    data_root: str | os.PathLike[str], version: str, split: str, task: str, *, num_threads: int | None = None
) -> GroundTruth:
    """Read the samples and boxes of a split.

    Args:
        data_root: The dataset's folder.
        version: Name of the version folder in it, such as ``v1.0-trainval``.
        split: An official split, or one of ``splits.json`` in the version folder.
        task: ``detection`` or ``tracking``.
        num_threads: See :func:`geopt.evaluation.threads.count`.

    Raises:
        FileNotFoundError: the folder or a table is missing.
        ValueError: the split does not fit the version or has no sample or box there, a table is damaged or refers to a
            row that is not there, or (detection) a box has more than one attribute.
    """
    folder = Path(data_root) / version
    read = _Reader(folder, threads.count(num_threads))
    names, is_custom_split = scenes_of_split(folder, split)

    scenes = read("scene", {"token": "text", "name": "text"})
    chosen = [row for row, name in enumerate(scenes["name"].tolist()) if name.decode() in names]
    samples = read(
        "sample",
        {"token": "text", "scene_token": "text", "timestamp": "integer"},
        where=("scene_token", scenes["token"][chosen]),
    )
    if len(samples["token"]) == 0:
        raise ValueError(f"nuScenes: {folder} has no sample of split {split}; get the version that holds its scenes")
    classes = official.class_map(task).classes
    boxes, racks = _annotations(read, samples, task)
    if len(boxes) == 0:
        raise ValueError(f"nuScenes: {folder} has no box of a {task} class in split {split}")
    return GroundTruth(
        classes=classes,
        samples=[token.decode() for token in samples["token"].tolist()],
        timestamps_us=samples["timestamp"],
        scene=_host.rows_of(scenes["token"][chosen], samples["scene_token"]).astype(np.int32),
        scene_names=[name.decode() for name in scenes["name"][chosen].tolist()],
        ego_translation=_ego_translation(read, samples["token"]),
        boxes=boxes,
        racks=racks,
        is_custom_split=is_custom_split,
    )


class _Reader:
    """Reads tables of one version folder."""

    def __init__(self, folder: Path, num_threads: int) -> None:
        self.paths = dict(zip(TABLES, tables.table_paths(folder, TABLES)))
        self.num_threads = num_threads

    def __call__(
        self, table: str, fields: dict[str, str], where: tuple[str, NDArray[np.bytes_]] | None = None
    ) -> dict[str, NDArray]:
        """Columns of a table; with ``where`` only rows that hold one of some texts in a field."""
        field, wanted = where if where else ("", np.empty(0, "S1"))
        try:
            return _host.read_table(
                path=str(self.paths[table]),
                fields=list(fields.items()),
                filter_field=field,
                wanted=wanted.tolist(),
                num_threads=self.num_threads,
            )
        except ValueError as error:
            raise tables.damaged(self.paths[table], error) from None

    def rows(self, table: str, keys: NDArray[np.bytes_], wanted: NDArray[np.bytes_]) -> NDArray[np.int64]:
        """Row of each wanted token among the keys of a table, which must have it."""
        rows = _host.rows_of(keys, wanted)
        if (rows < 0).any():
            raise tables.no_such_row(self.paths[table], wanted[rows < 0][0].decode())
        return rows


def _ego_translation(read: _Reader, sample_token: NDArray[np.bytes_]) -> NDArray[np.float64]:
    """(S, 3) place of the vehicle at the LiDAR's key frame of each sample."""
    sensors = read("sensor", {"token": "text", "channel": "text"})
    lidars = sensors["token"][sensors["channel"] == tables.LIDAR.encode()]
    mounts = read("calibrated_sensor", {"token": "text", "sensor_token": "text"}, where=("sensor_token", lidars))
    data = read(
        "sample_data",
        {
            "sample_token": "text",
            "ego_pose_token": "text",
            "calibrated_sensor_token": "text",
            "is_key_frame": "boolean",
        },
        where=("calibrated_sensor_token", mounts["token"]),
    )
    key_frames = np.flatnonzero(data["is_key_frame"])
    row = _host.rows_of(data["sample_token"][key_frames], sample_token)
    if (row < 0).any():
        bare = sample_token[row < 0][0].decode()
        raise ValueError(f"nuScenes: {read.paths['sample_data']} has no {tables.LIDAR} key frame of sample {bare}")
    pose_token = data["ego_pose_token"][key_frames[row]]
    poses = read("ego_pose", {"token": "text", "translation": "vector3"}, where=("token", pose_token))
    return poses["translation"][read.rows("ego_pose", poses["token"], pose_token)]


def _annotations(read: _Reader, samples: dict[str, NDArray], task: str) -> tuple[BoxTable, Racks]:
    rows = read(
        "sample_annotation",
        {
            "token": "text",
            "sample_token": "text",
            "instance_token": "text",
            "attribute_tokens": "texts",
            "translation": "vector3",
            "size": "vector3",
            "rotation": "vector4",
            "prev": "text",
            "next": "text",
            "num_lidar_pts": "integer",
            "num_radar_pts": "integer",
        },
        where=("sample_token", samples["token"]),
    )
    instances = read("instance", {"token": "text", "category_token": "text"})
    categories = read("category", {"token": "text", "name": "text"})
    sample = _host.rows_of(samples["token"], rows["sample_token"]).astype(np.int32)
    instance = read.rows("instance", instances["token"], rows["instance_token"])
    category = read.rows("category", categories["token"], instances["category_token"][instance])

    benchmark = official.class_map(task)
    label_of_class = {name: label for label, name in enumerate(benchmark.classes)}
    label_of_category = np.array(
        [
            label_of_class.get(benchmark.class_of_category.get(name.decode(), ""), -1)
            for name in categories["name"].tolist()
        ],
        dtype=np.int16,
    )
    label = label_of_category[category] if len(category) else np.empty(0, np.int16)
    velocity = _velocity(read, rows, samples["timestamp"][sample])
    by_sample = np.argsort(sample, kind="stable")
    kept = by_sample[label[by_sample] >= 0]
    tracks, ids = _numbered(instance[kept], instances["token"])
    boxes = BoxTable(
        sample=sample[kept],
        named_sample=sample[kept],
        translation=rows["translation"][kept],
        size=rows["size"][kept],
        rotation=rows["rotation"][kept],
        velocity=velocity[kept],
        velocity_known=np.ones(len(kept), dtype=bool),
        label=label[kept],
        score=np.full(len(kept), -1.0),
        attribute=_attribute(read, rows, kept) if task == "detection" else np.full(len(kept), -1, np.int16),
        num_pts=(rows["num_lidar_pts"] + rows["num_radar_pts"])[kept],
        track=tracks,
        order=np.arange(len(kept), dtype=np.int64),
        ids=ids,
    )
    is_rack = (categories["name"] == RACK.encode())[category] if len(category) else np.empty(0, bool)
    racks = by_sample[is_rack[by_sample]]
    return boxes, Racks(*(column[racks] for column in (sample, rows["translation"], rows["size"], rows["rotation"])))


def _numbered(instance: NDArray[np.int64], tokens: NDArray[np.bytes_]) -> tuple[NDArray[np.int64], list[str]]:
    """Instances as numbers in the order of their first box, and their tokens."""
    found, first, inverse = np.unique(instance, return_index=True, return_inverse=True)
    order = np.argsort(first)
    number = np.empty(len(found), dtype=np.int64)
    number[order] = np.arange(len(found))
    return number[inverse], [token.decode() for token in tokens[found[order]].tolist()]


def _attribute(read: _Reader, rows: dict[str, NDArray], kept: NDArray[np.int64]) -> NDArray[np.int16]:
    count = rows["num_attribute_tokens"][kept]
    if (count > 1).any():
        token = rows["token"][kept[np.argmax(count > 1)]].decode()
        raise ValueError(f"nuScenes: annotation {token} has {count.max()} attributes; detection allows one")
    known = read("attribute", {"token": "text", "name": "text"})
    number = {name.encode(): i for i, name in enumerate(ATTRIBUTES)}
    attribute = np.full(len(kept), -1, dtype=np.int16)
    row = read.rows("attribute", known["token"], rows["attribute_tokens"][kept[count == 1]])
    names = known["name"][row]
    for name in np.unique(names).tolist():
        if name not in number:
            raise ValueError(f"nuScenes: {read.paths['attribute']} has an attribute that is unknown: {name.decode()!r}")
    attribute[count == 1] = [number[name] for name in names.tolist()]
    return attribute


def _velocity(read: _Reader, rows: dict[str, NDArray], timestamp_us: NDArray[np.int64]) -> NDArray[np.float64]:
    """(N, 2) metres per second between the instance's boxes before and after, NaN if they are too far apart in time."""
    own = np.arange(len(timestamp_us))
    first, last = own.copy(), own.copy()
    for side, neighbour in (("prev", first), ("next", last)):
        linked = rows[side] != b""
        neighbour[linked] = read.rows("sample_annotation", rows["token"], rows[side][linked])
    # Seconds before the difference, as the official code has it: times of 1e9 s are rounded to 1e-7 s.
    time_s = 1e-6 * timestamp_us
    gap_s = time_s[last] - time_s[first]
    between = (rows["prev"] != b"") & (rows["next"] != b"")
    limit_s = np.where(between, 2 * tables.MAX_VELOCITY_GAP_S, tables.MAX_VELOCITY_GAP_S)
    with np.errstate(divide="ignore", invalid="ignore"):
        velocity = (rows["translation"][last] - rows["translation"][first])[:, :2] / gap_s[:, None]
    velocity[((first == own) & (last == own)) | (gap_s > limit_s)] = np.nan
    return velocity
