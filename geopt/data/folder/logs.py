"""Clouds of points in logs: rosbag2, in SQLite or MCAP files, and MCAP files alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geopt import cache
from geopt.data.deskew import Track, interpolate
from geopt.data.file_names import PACKED, files_below
from geopt.data.folder import cdr
from geopt.data.folder.config import FolderConfig
from geopt.data.folder.layout import Scan
from geopt.data.folder.mcap import McapLog, unpack
from geopt.data.folder.poses import motions
from geopt.data.folder.recordings import NONE, natural
from geopt.data.folder.rosbag import SqliteLog
from geopt.data.folder.scan_files import make_scan

SUFFIXES = (".db3", ".mcap")
ZSTD = b"\x28\xb5\x2f\xfd"
"""Begins what is compressed by zstd."""
MAX_MESSAGE_BYTES = 1 << 30
METADATA = "metadata.yaml"
"""Lies in the folder of a rosbag2, whose files are parts of one log."""


class Topic:
    """One topic of a log.

    The time of a scan is that in the header of its message; where that is 0, the time when the message was logged.

    Args:
        name: Of the scene.
        parts: The files of the log, in order.
        topic: Whose messages are ``sensor_msgs/msg/PointCloud2``.
        config: See :class:`FolderConfig`.

    Raises:
        ValueError: a file is damaged, the topic has no message, or that of the poses is missing or does not cover the
            scans; names the file.
    """

    def __init__(self, name: str, parts: Sequence[SqliteLog | McapLog], topic: str, config: FolderConfig) -> None:
        self.name, self.parts, self.topic, self.config = name, parts, topic, config
        self._places: list[tuple[int, Any]] = list(_places(parts, topic))
        if not self._places:
            raise ValueError(
                f"scans: {parts[0].path} must have messages of {topic}, got none; name another topic with folder.topic"
            )
        sources = [part.path for part in parts]
        short = hashlib.sha256(topic.encode()).hexdigest()[:16]
        stamps = cache.arrays(f"log-times-1-{short}", sources, self._read_stamps)["time_ns"]
        order = np.argsort(stamps, kind="stable")
        self._places = [self._places[number] for number in order]
        self.time_ns: NDArray[np.int64] | None = stamps[order]
        self.track: Track | None = None
        self.poses: NDArray[np.float64] | None = None
        if config.poses not in ("", NONE):
            self.track = _odometry(parts, config.poses)
            turns, shifts = interpolate(self.track, stamps[order])
            self.poses = np.concatenate([turns.as_matrix(), shifts[:, :, None]], axis=2)

    def __len__(self) -> int:
        return len(self._places)

    def read(self, number: int) -> Scan:
        """See :meth:`geopt.data.folder.recordings.Recording.read`."""
        part, message = self._places[number]
        name = f"{self.parts[part].path} ({self.topic}, message {number})"
        data = self.parts[part].read(message)
        try:
            return make_scan(name, cdr.cloud(_unpacked(data)), self.config)
        except (ValueError, MemoryError) as error:
            raise ValueError(f"scans: {name} {error}") from error

    def _read_stamps(self) -> cache.Arrays:
        return {"time_ns": np.array([_time_ns(self.parts[part], message) for part, message in self._places], np.int64)}


def find_logs(root: Path, config: FolderConfig) -> list[Topic]:
    """The topics with clouds of all logs that a path is or holds, each a scene: ``LOG/topic``.

    Raises:
        ValueError: a log is damaged or compressed as a whole, or has no such topic; names the file.
    """
    below = [root] if root.is_file() else list(files_below(root, config.pattern)) if root.is_dir() else []
    ends = tuple(suffix + end for suffix in SUFFIXES for end in PACKED)
    packed = next((path for path in below if path.name.lower().endswith(ends)), None)
    if packed is not None:
        raise ValueError(
            f"scans: {packed} is compressed as a whole and cannot be read at random; unpack it, for .zstd with `zstd -d`"
        )
    files = sorted((path for path in below if path.suffix.lower() in SUFFIXES), key=lambda path: natural(str(path)))
    logs: dict[Path, list[SqliteLog | McapLog]] = {}
    for path in files:
        is_part = (path.parent / METADATA).is_file() and path != root
        log = McapLog(path, {cdr.CLOUD, *cdr.POSES}) if path.suffix.lower() == ".mcap" else SqliteLog(path)
        logs.setdefault(path.parent if is_part else path, []).append(log)
    found = []
    for whole, parts in logs.items():
        kinds = {topic: kind for part in parts for topic, kind in part.topics.items()}
        topics = [topic for topic, kind in kinds.items() if kind == cdr.CLOUD and config.topic in ("", topic)]
        if not topics:
            wanted = f"the topic {config.topic}" if config.topic else "a topic"
            there = ", ".join(f"{topic} ({kind})" for topic, kind in kinds.items())
            raise ValueError(f"scans: {parts[0].path} must have {wanted} of {cdr.CLOUD}, got {there or 'none'}")
        name = root.resolve().name if whole == root else whole.relative_to(root).as_posix()
        name = name.removesuffix(whole.suffix) if whole.is_file() else name
        found += [Topic(f"{name}/{topic.strip('/')}", parts, topic, config) for topic in sorted(topics)]
    return found


def _places(parts: Sequence[SqliteLog | McapLog], topic: str) -> Iterator[tuple[int, Any]]:
    for number, part in enumerate(parts):
        for message in part.messages(topic):
            yield number, message


def _unpacked(data: bytes) -> bytes:
    """A message, which may be compressed by itself."""
    return unpack(data, "zstd", MAX_MESSAGE_BYTES) if data.startswith(ZSTD) else data


def _time_ns(part: SqliteLog | McapLog, message: Any) -> int:
    try:
        return cdr.stamp_ns(_unpacked(part.read(message))) or message.log_time_ns
    except ValueError as error:
        if str(part.path) in str(error):
            raise
        raise ValueError(f"scans: {part.path} {error}") from error


def _odometry(parts: Sequence[SqliteLog | McapLog], topic: str) -> Track:
    """The poses of a topic; of several with one time, the first."""
    name = f"{parts[0].path} ({topic})"
    kinds = {kind for part in parts for known, kind in part.topics.items() if known == topic}
    if len(kinds) != 1 or not kinds <= set(cdr.POSES):
        there = ", ".join(sorted({f"{known} ({kind})" for part in parts for known, kind in part.topics.items()}))
        raise ValueError(f"scans: {parts[0].path} must have the topic {topic} of {' or '.join(cdr.POSES)}, got {there}")
    kind = kinds.pop()
    try:
        poses = [cdr.pose(_unpacked(parts[part].read(message)), kind) for part, message in _places(parts, topic)]
        if not poses:
            raise ValueError("must have messages, got none")
        matrices = motions(np.array([one.quat_wxyz for one in poses]), np.array([one.place for one in poses]))
    except ValueError as error:
        raise ValueError(f"scans: {name} {error}") from error
    times, first = np.unique(np.array([one.time_ns for one in poses], np.int64), return_index=True)
    return Track(name, times, matrices[first])
