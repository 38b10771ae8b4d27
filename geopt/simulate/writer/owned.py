"""A folder of ours: made by an earlier run with the same settings, or new."""

from __future__ import annotations

import abc
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from geopt import files
from geopt.simulate.sensor import Scan
from geopt.simulate.world import World

MARKER = "simulated.json"
SCENES = ".scenes"
VERSIONS = ("v1.0-mini", "v1.0-trainval")
LABELS = ("lidarseg", "panoptic")
COMPONENTS = (
    *("lidar", "lidar_pose", "lidar_segmentation", "lidar_calibration", "lidar_box", "stats"),
    "vehicle_pose",  # the last one to be written: a segment that has it is whole
)
SPLITS = "splits.json"
OWN_NAMES = (*VERSIONS, "samples", "sweeps", *LABELS, "maps", SCENES, *COMPONENTS, SPLITS)
"""What the formats put into the root; may be deleted to begin anew."""

Settings = dict[str, str | int | bool]


class SegmentWriter(Protocol):
    """Takes the scans of one scene."""

    first_azimuth_rad: float | None
    """Where a turn must begin, in the lidar frame; None leaves it to the sensor."""

    def take(self, time_us: int, key_frame: int, is_key_frame: bool, scan: Scan) -> None:
        """Write a scan that belongs to a key frame, in order of time."""
        ...


Writer = TypeVar("Writer", bound=SegmentWriter)


class OwnedFolder(abc.ABC, Generic[Writer]):
    """A data set that is written or was.

    Args:
        root: A new or empty folder, or one of an earlier run.
        settings: What decides how each scene looks.
        num_scenes: How many scenes are wanted.
        overwrite: Whether to delete a data set of other settings or with more scenes.

    Raises:
        FileExistsError: the folder holds something else, a data set of other settings, or more scenes.
    """

    def __init__(self, root: Path, settings: Settings, num_scenes: int, overwrite: bool) -> None:
        self.root = root
        self._wanted = {"made_by": "geopt simulate", **settings, "scenes": num_scenes}
        is_ours = (root / MARKER).is_file()
        if root.exists() and not is_ours and (not root.is_dir() or any(root.iterdir())):
            raise FileExistsError(
                f"simulate: out must be a new or empty folder, or one with {MARKER} from an earlier run, got {root}; "
                f"choose another folder"
            )
        if is_ours and overwrite:
            self._clear()
        elif is_ours:
            self._compare()

    def _compare(self) -> None:
        try:
            held = json.loads((self.root / MARKER).read_text(encoding="utf-8"))
            names = [name for name in {**held, **self._wanted} if name != "scenes"]
        except (ValueError, TypeError) as error:
            raise FileExistsError(
                f"simulate: {self.root / MARKER} is damaged ({error}); give --overwrite (overwrite=True) to begin anew"
            ) from error
        differing = [
            f"{name} {_shown(held, name)} there and {_shown(self._wanted, name)} now"
            for name in names
            if held.get(name) != self._wanted.get(name)
        ]
        if int(held.get("scenes", 0)) > int(self._wanted["scenes"]):
            differing.append(f"{held['scenes']} scenes there and only {self._wanted['scenes']} now")
        if differing:
            raise FileExistsError(
                f"simulate: {self.root} holds a data set of other settings: {'; '.join(differing)}; choose another "
                f"folder, or give --overwrite (overwrite=True) to delete what is there"
            )

    def _clear(self) -> None:
        for name in OWN_NAMES:  # the marker stays: what is left after a crash is known to be ours
            path = self.root / name
            if path.is_dir():
                shutil.rmtree(path)
            elif path.exists():
                path.unlink()

    def is_marked(self) -> bool:
        """Whether the folder was begun with just these settings and so many scenes."""
        return bool(json.loads((self.root / MARKER).read_text(encoding="utf-8")) == self._wanted)

    @abc.abstractmethod
    def is_complete(self) -> bool:
        """Whether just these scenes are there."""

    @abc.abstractmethod
    def begin(self) -> None:
        """Make the sub-folders."""

    @abc.abstractmethod
    def is_finished(self, scene: str) -> bool:
        """Whether all files of a scene are there."""

    @abc.abstractmethod
    def writer(self, world: World, start_us: int) -> Writer:
        """What takes the scans of a scene."""

    @abc.abstractmethod
    def finish(self, scene: str, writer: Writer) -> None:
        """Keep a scene all of whose scans were taken."""

    @abc.abstractmethod
    def write_tables(self, scenes: Iterable[str], splits: dict[str, list[str]]) -> None:
        """Write what comes last, when all scenes are finished."""

    def mark(self) -> None:
        """Make the folder ours."""
        self.root.mkdir(parents=True, exist_ok=True)
        files.replace_text(self.root / MARKER, json.dumps(self._wanted, indent=1) + "\n")


def _shown(settings: Settings, name: str) -> str:
    return f"{settings[name]}" if name in settings else "unknown"
