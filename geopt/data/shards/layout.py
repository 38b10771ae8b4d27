"""What lies in a folder of shards: the manifest, and three Arrow files for each shard.

``shards.json``        the manifest, written last
``points-00000.arrow`` a record batch for each sweep, see :mod:`geopt.data.shards.columns`
``sweeps-00000.arrow`` a row for each sweep: names, times, poses, and where its record batch lies
``boxes-00000.arrow``  a row for each box
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any, Literal

import msgspec

from geopt import files

FORMAT = 1
MANIFEST = "shards.json"
LAYOUT = f"a folder that `geopt pack` wrote holds {MANIFEST} and points-, sweeps- and boxes-00000.arrow and so on"
Precision = Literal["float32", "int16"]


class File(msgspec.Struct, frozen=True):
    """A file of a shard."""

    bytes: int
    crc: int | None = None
    """CRC-32 of the whole file; of points it stands with each sweep instead."""


class Shard(msgspec.Struct, frozen=True):
    """The files of a shard."""

    points: File
    sweeps: File
    boxes: File


class Manifest(msgspec.Struct, frozen=True):
    """What the shards hold."""

    format: int
    kind: str
    """``data.kind`` of the dataset that was packed."""
    sensor: str
    precision: Precision
    points_frame: Literal["ego", "lidar"]
    """See :class:`geopt.data.posed.PosedScans`."""
    scenes: list[str]
    splits: dict[str, list[str]]
    """Scene names of each split; scenes that are not here may be among them."""
    boxes: bool
    """Whether key frames have boxes."""
    source: dict[str, Any]
    """The data part of the config that the dataset was read with."""
    versions: dict[str, str]
    fingerprint: str
    """Of all that decides what the files hold."""
    shards: list[Shard]


def path_of(root: Path, part: Literal["points", "sweeps", "boxes"], shard: int) -> Path:
    """Such as ``points-00000.arrow``."""
    return root / f"{part}-{shard:05d}.arrow"


def are_in(root: str | Path) -> bool:
    """Whether a folder holds shards."""
    return (Path(root).expanduser() / MANIFEST).is_file()


def write(root: Path, manifest: Manifest) -> None:
    """Write the manifest, which makes the shards readable."""
    content = msgspec.to_builtins(manifest)
    files.replace_text(root / MANIFEST, json.dumps({"checksum": _checksum(content), **content}, indent=1) + "\n")


def read(root: Path) -> Manifest:
    """Read the manifest.

    Raises:
        FileNotFoundError: there is none, so these are no shards, or packing has not ended.
        ValueError: it is damaged, or of another format; names it.
    """
    path = root / MANIFEST
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(
            f"shards: {path} is missing; {LAYOUT}; if packing was cut off, the same command goes on with it"
        ) from error
    try:
        content = json.loads(text)
        if content.pop("checksum") != _checksum(content):
            raise ValueError("its checksum is wrong")
        if content["format"] != FORMAT:
            raise ValueError(f"it has format {content['format']}, this geopt reads {FORMAT}")
        return msgspec.convert(content, Manifest)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, msgspec.ValidationError) as error:
        raise ValueError(f"shards: {path} is damaged ({error}); copy or pack it again") from error


def _checksum(content: Any) -> int:
    return zlib.crc32(json.dumps(content, sort_keys=True).encode())
