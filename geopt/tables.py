"""nuScenes tables as arrays. Needs no torch.

Tables are read with typed msgspec structs that hold the wanted fields only. Two tables cover every camera and radar
too (2.6 million rows each in trainval); of those only the rows of the LiDAR are decoded in full. Text columns are NumPy
byte strings, which forked workers share without copying.

Source: the nuScenes schema, https://github.com/nutonomy/nuscenes-devkit/blob/master/docs/schema_nuscenes.md.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

LIDAR = "LIDAR_TOP"
SWEEP_TABLES = ("scene", "sample", "sample_data", "ego_pose", "calibrated_sensor", "sensor")
ANNOTATION_TABLES = ("scene", "sample", "sample_annotation", "instance", "category")
LAYOUT = (
    "a nuScenes folder holds VERSION/{scene,sample,sample_data,ego_pose,calibrated_sensor,sensor,...}.json, "
    "samples/LIDAR_TOP/ and sweeps/LIDAR_TOP/"
)
MAX_VELOCITY_GAP_S = 1.5  # as the official devkit; twice as much between two neighbours

Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]


class Scene(msgspec.Struct, gc=False):
    token: str
    name: str


class KeyFrame(msgspec.Struct, gc=False):
    token: str
    scene_token: str
    timestamp: int


class SampleData(msgspec.Struct, gc=False):
    token: str
    sample_token: str
    ego_pose_token: str
    calibrated_sensor_token: str
    timestamp: int
    is_key_frame: bool
    filename: str
    prev: str


class Pose(msgspec.Struct, gc=False):
    token: str
    translation: Vector
    rotation: Quaternion


class CalibratedSensor(Pose, gc=False):
    sensor_token: str


class Sensor(msgspec.Struct, gc=False):
    token: str
    channel: str


class Annotation(msgspec.Struct, gc=False):
    token: str
    sample_token: str
    instance_token: str
    translation: Vector
    size: Vector
    rotation: Quaternion
    prev: str
    next: str
    num_lidar_pts: int
    num_radar_pts: int


class Instance(msgspec.Struct, gc=False):
    token: str
    category_token: str


class Category(msgspec.Struct, gc=False):
    token: str
    name: str
    index: int = -1  # only where lidarseg is installed


class Lidarseg(msgspec.Struct, gc=False):
    sample_data_token: str
    filename: str


Row = TypeVar("Row", bound=msgspec.Struct)


class SweepTable(NamedTuple):
    """Every LiDAR sweep, key frames among them, ordered by (scene, time). R sweeps, S scenes, K key frames."""

    scene_names: NDArray[np.bytes_]
    """(S,) in the order of the table."""
    scene: NDArray[np.int32]
    """(R,) row of ``scene_names``."""
    token: NDArray[np.bytes_]
    """(R,) sample_data tokens."""
    filename: NDArray[np.bytes_]
    """(R,) paths below the dataset root."""
    timestamp_us: NDArray[np.int64]
    """(R,)"""
    previous: NDArray[np.int32]
    """(R,) row of the sweep before, -1 for the first of a scene."""
    is_key_frame: NDArray[np.bool_]
    """(R,)"""
    key_frame: NDArray[np.int32]
    """(R,) number in its scene of the key frame that the sweep is or follows, -1 before the first."""
    sample_token: NDArray[np.bytes_]
    """(K,) tokens of the samples, in the order of the key frames' rows."""
    ego_translation: NDArray[np.float64]
    """(R, 3) metres, ego to global, at the time of the sweep."""
    ego_quat_wxyz: NDArray[np.float64]
    """(R, 4)"""
    lidar_translation: NDArray[np.float64]
    """(R, 3) metres, LiDAR to ego."""
    lidar_quat_wxyz: NDArray[np.float64]
    """(R, 4)"""


class AnnotationTable(NamedTuple):
    """Every box in the global frame, ordered by key frame. A boxes, K key frames as in :class:`SweepTable`."""

    offsets: NDArray[np.int64]
    """(K + 1,) boxes of key frame k are rows ``offsets[k]:offsets[k + 1]``, in the order of the table."""
    token: NDArray[np.bytes_]
    """(A,)"""
    instance: NDArray[np.bytes_]
    """(A,) instance tokens."""
    category: NDArray[np.bytes_]
    """(A,) category names."""
    translation: NDArray[np.float64]
    """(A, 3) centres, metres."""
    size_wlh: NDArray[np.float64]
    """(A, 3) width, length, height, metres."""
    quat_wxyz: NDArray[np.float64]
    """(A, 4)"""
    velocity: NDArray[np.float64]
    """(A, 3) metres per second, NaN where it cannot be estimated."""
    num_lidar_points: NDArray[np.int64]
    """(A,)"""
    num_radar_points: NDArray[np.int64]
    """(A,)"""


def table_paths(folder: Path, names: Sequence[str]) -> list[Path]:
    """Paths of tables in a version folder such as ``nuscenes/v1.0-mini``.

    Raises:
        FileNotFoundError: the folder or a table is missing; says which versions there are.
    """
    if not folder.is_dir():
        versions = sorted(path.parent.name for path in folder.parent.glob("*/scene.json"))
        there = f"versions there: {', '.join(versions)}" if versions else f"no version folder there; {LAYOUT}"
        raise FileNotFoundError(f"nuScenes: {folder} is missing; {there}")
    paths = [folder / f"{name}.json" for name in names]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise FileNotFoundError(f"nuScenes: {folder / missing[0]} is missing ({len(missing)} tables are); {LAYOUT}")
    return paths


def read_table(path: Path, row_type: type[Row]) -> list[Row]:
    """Read one JSON table, keeping the fields of ``row_type``.

    Raises:
        FileNotFoundError: the table is missing.
        ValueError: it is cut short, no JSON, or a row lacks a field; names the file.
    """
    return _decode(path, list[row_type])  # type: ignore[valid-type]


def read_table_where(path: Path, row_type: type[Row], field: str, wanted: Collection[str]) -> list[Row]:
    """The rows of a large table whose ``field`` is in ``wanted``; the others are skipped without becoming objects.

    Raises:
        FileNotFoundError, ValueError: as :func:`read_table`.
    """
    key_decoder = msgspec.json.Decoder(msgspec.defstruct("Key", [(field, str)], gc=False))
    row_decoder = msgspec.json.Decoder(row_type)
    try:
        return [
            row_decoder.decode(raw)
            for raw in _decode(path, list[msgspec.Raw])
            if getattr(key_decoder.decode(raw), field) in wanted
        ]
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise damaged(path, error) from error


def _decode(path: Path, kind: type) -> list:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"nuScenes: {path} is missing; {LAYOUT}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> ValueError:
    """What to raise for a table that cannot be read."""
    return ValueError(f"nuScenes: {path} is damaged or no nuScenes table ({error}); unpack or download it again")


def read_sweeps(folder: Path) -> SweepTable:
    """Read every sweep of ``LIDAR_TOP`` with its poses.

    Args:
        folder: The version folder.

    Raises:
        FileNotFoundError: a table is missing.
        ValueError: a table is damaged, refers to a row that does not exist, or a sample has no LiDAR key frame.
    """
    paths = dict(zip(SWEEP_TABLES, table_paths(folder, SWEEP_TABLES)))
    scenes = read_table(paths["scene"], Scene)
    samples = read_table(paths["sample"], KeyFrame)
    lidars = {row.token for row in read_table(paths["sensor"], Sensor) if row.channel == LIDAR}
    mounts = {row.token: row for row in read_table(paths["calibrated_sensor"], CalibratedSensor)}
    mounted = {token for token, row in mounts.items() if row.sensor_token in lidars}
    rows = read_table_where(paths["sample_data"], SampleData, "calibrated_sensor_token", mounted)
    if not rows:
        raise ValueError(f"nuScenes: {paths['sample_data']} has no row of sensor {LIDAR}; geopt reads LiDAR only")
    poses_wanted = {row.ego_pose_token for row in rows}
    poses = {row.token: row for row in read_table_where(paths["ego_pose"], Pose, "token", poses_wanted)}

    scene_row = {scene.token: row for row, scene in enumerate(scenes)}
    scene_of_sample = {sample.token: _find(scene_row, sample.scene_token, paths["scene"]) for sample in samples}
    scene = _ints((_find(scene_of_sample, row.sample_token, paths["sample"]) for row in rows), np.int32)
    order = np.lexsort((_ints((row.timestamp for row in rows), np.int64), scene))
    rows, scene = [rows[i] for i in order], scene[order]

    is_key_frame = np.fromiter((row.is_key_frame for row in rows), bool, len(rows))
    sample_tokens = [row.sample_token for row in rows if row.is_key_frame]
    if len(set(sample_tokens)) != len(sample_tokens) or len(sample_tokens) != len(samples):
        bare = sorted({sample.token for sample in samples} - set(sample_tokens))
        got = f"none for sample {bare[0]}" if bare else "several for one"
        raise ValueError(f"nuScenes: {paths['sample_data']} must have one {LIDAR} key frame per sample, got {got}")
    seen = np.cumsum(is_key_frame)
    before_scene = np.concatenate([[0], np.cumsum(np.bincount(scene[is_key_frame], minlength=len(scenes)))])

    row_of = {row.token: i for i, row in enumerate(rows)}
    used = [_find(poses, row.ego_pose_token, paths["ego_pose"]) for row in rows]
    mount = [mounts[row.calibrated_sensor_token] for row in rows]
    return SweepTable(
        scene_names=_texts([scene.name for scene in scenes]),
        scene=scene,
        token=_texts([row.token for row in rows]),
        filename=_texts([row.filename for row in rows]),
        timestamp_us=_ints((row.timestamp for row in rows), np.int64),
        previous=_ints((_find(row_of, r.prev, paths["sample_data"]) if r.prev else -1 for r in rows), np.int32),
        is_key_frame=is_key_frame,
        key_frame=(seen - 1 - before_scene[scene]).astype(np.int32),
        sample_token=_texts(sample_tokens),
        ego_translation=np.array([pose.translation for pose in used]),
        ego_quat_wxyz=np.array([pose.rotation for pose in used]),
        lidar_translation=np.array([pose.translation for pose in mount]),
        lidar_quat_wxyz=np.array([pose.rotation for pose in mount]),
    )


def read_annotations(folder: Path, sample_token: NDArray[np.bytes_]) -> AnnotationTable:
    """Read every box with its velocity.

    The velocity is that of the official devkit: from the centre of the instance's previous box to that of its next box,
    over the time between them, at most 3 s; with one neighbour only, between it and the box, at most 1.5 s; else NaN.

    Args:
        folder: The version folder.
        sample_token: (K,) samples in the wanted order, those of :class:`SweepTable`.

    Raises:
        FileNotFoundError: a table is missing.
        ValueError: a table is damaged or refers to a row that does not exist.
    """
    paths = dict(zip(ANNOTATION_TABLES, table_paths(folder, ANNOTATION_TABLES)))
    rows = read_table(paths["sample_annotation"], Annotation)
    names = {category.token: category.name for category in read_table(paths["category"], Category)}
    category_of = {
        instance.token: _find(names, instance.category_token, paths["category"])
        for instance in read_table(paths["instance"], Instance)
    }
    key_frame_of = {token.decode(): k for k, token in enumerate(sample_token.tolist())}
    key_frame = _ints((_find(key_frame_of, row.sample_token, paths["sample"]) for row in rows), np.int64)
    order = np.argsort(key_frame, kind="stable")
    rows, key_frame = [rows[i] for i in order], key_frame[order]

    time_us = {sample.token: sample.timestamp for sample in read_table(paths["sample"], KeyFrame)}
    time_s = np.array([time_us[row.sample_token] for row in rows], dtype=np.float64) * 1e-6
    translation = np.array([row.translation for row in rows], dtype=np.float64).reshape(-1, 3)
    row_of = {row.token: i for i, row in enumerate(rows)}
    first, last = (
        _ints((_find(row_of, getattr(r, side) or r.token, paths["sample_annotation"]) for r in rows), np.int64)
        for side in ("prev", "next")
    )
    return AnnotationTable(
        offsets=np.concatenate([[0], np.cumsum(np.bincount(key_frame, minlength=len(sample_token)))]).astype(np.int64),
        token=_texts([row.token for row in rows]),
        instance=_texts([row.instance_token for row in rows]),
        category=_texts([_find(category_of, row.instance_token, paths["instance"]) for row in rows]),
        translation=translation,
        size_wlh=np.array([row.size for row in rows], dtype=np.float64).reshape(-1, 3),
        quat_wxyz=np.array([row.rotation for row in rows], dtype=np.float64).reshape(-1, 4),
        velocity=_velocity(translation, time_s, first, last),
        num_lidar_points=_ints((row.num_lidar_pts for row in rows), np.int64),
        num_radar_points=_ints((row.num_radar_pts for row in rows), np.int64),
    )


def _velocity(translation: NDArray, time_s: NDArray, first: NDArray, last: NDArray) -> NDArray:
    rows = np.arange(len(time_s))
    gap_s = time_s[last] - time_s[first]
    limit_s = np.where((first != rows) & (last != rows), 2 * MAX_VELOCITY_GAP_S, MAX_VELOCITY_GAP_S)
    known = (gap_s > 0) & (gap_s <= limit_s)
    velocity = np.full_like(translation, np.nan)
    velocity[known] = (translation[last] - translation[first])[known] / gap_s[known, None]
    return velocity


def _find(rows: dict, token: str, path: Path):
    try:
        return rows[token]
    except KeyError:
        raise no_such_row(path, token) from None


def no_such_row(path: Path, token: str) -> ValueError:
    """What to raise for a table that lacks a row which another table refers to."""
    return ValueError(
        f"nuScenes: {path} has no row that another table calls {token!r}; the tables do not belong together"
    )


def _ints(values, dtype: type) -> NDArray:
    return np.fromiter(values, dtype)


def _texts(values: Sequence[str]) -> NDArray[np.bytes_]:
    return np.array([value.encode() for value in values], dtype=np.bytes_)
