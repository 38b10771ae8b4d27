"""The folder of a data set: whose it is, which scenes are finished, and its tables at the end."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from geopt import files
from geopt.simulate.world import World
from geopt.simulate.writer.owned import LABELS, SCENES, VERSIONS, OwnedFolder, Settings
from geopt.simulate.writer.scene import SceneWriter
from geopt.simulate.writer.tables import OF_A_SCENE, Row, common


class Folder(OwnedFolder[SceneWriter]):
    """A data set in nuScenes format that is written or was.

    ``SCENES`` holds the rows of each finished scene, so that a run that was cut off, or one with more scenes, goes on.

    Args:
        version: Name of the folder of the tables.

    Other arguments and errors are those of :class:`OwnedFolder`.
    """

    def __init__(self, root: Path, settings: Settings, num_scenes: int, version: str, overwrite: bool) -> None:
        super().__init__(root, settings, num_scenes, overwrite)
        self.version = version

    def is_complete(self) -> bool:
        """Whether the tables of just these scenes are there; they come last."""
        if not (self.root / self.version).is_dir():
            return False
        return self.is_marked()

    def begin(self) -> None:
        """Make the sub-folders; the tables go first and come back last, so a folder that opens is whole."""
        self.mark()
        for version in VERSIONS:
            for name in (version, f".{version}.tmp"):
                if (self.root / name).exists():
                    shutil.rmtree(self.root / name)
            for labels in LABELS:  # of fewer scenes, under the other name
                other = self.root / labels / version
                if version != self.version and other.exists():
                    os.replace(other, self.root / labels / self.version)
        of_version = [f"{labels}/{self.version}" for labels in LABELS]
        for name in ("samples/LIDAR_TOP", "sweeps/LIDAR_TOP", *of_version, "maps", SCENES):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        files.remove_leftovers(self.root / SCENES)

    def is_finished(self, scene: str) -> bool:
        """Whether the rows of a scene and all its files are there."""
        if not self._rows(scene).is_file():
            return False
        named = [row["filename"] for rows in self._read(scene).values() for row in rows if "filename" in row]
        return all((self.root / name).is_file() for name in named)

    def writer(self, world: World, start_us: int) -> SceneWriter:
        """What takes the scans of a scene."""
        return SceneWriter(self.root, self.version, world, start_us)

    def finish(self, scene: str, writer: SceneWriter) -> None:
        """Keep the rows of a scene whose files are written."""
        files.replace_text(self._rows(scene), json.dumps(writer.finish(), separators=(",", ":")))

    def write_tables(self, scenes: Iterable[str], splits: dict[str, list[str]]) -> None:
        """Join the rows of all scenes, one scene in memory at a time, and move the tables to their place in one step."""
        temporary = self.root / f".{self.version}.tmp"
        temporary.mkdir()
        for name, rows in common().items():
            with _Table(temporary / f"{name}.json") as table:
                table.add(rows)
        with contextlib.ExitStack() as stack:
            tables = {name: stack.enter_context(_Table(temporary / f"{name}.json")) for name in OF_A_SCENE}
            for scene in scenes:
                for name, rows in self._read(scene).items():
                    tables[name].add(rows)
        (temporary / "splits.json").write_text(json.dumps(splits, indent=1), encoding="utf-8")
        os.replace(temporary, self.root / self.version)

    def _rows(self, scene: str) -> Path:
        return self.root / SCENES / f"{scene}.json"

    def _read(self, scene: str) -> dict[str, list[Row]]:
        tables: dict[str, list[Row]] = json.loads(self._rows(scene).read_text(encoding="utf-8"))
        for labels in LABELS:  # the version may have another name than when the scene was made
            for row in tables[labels]:
                row["filename"] = f"{labels}/{self.version}/{Path(row['filename']).name}"
        return tables


class _Table:
    """A JSON list that is written row by row."""

    def __init__(self, path: Path) -> None:
        self._path, self._num_rows = path, 0

    def __enter__(self) -> _Table:
        self._file: IO[str] = self._path.open("w", encoding="utf-8")
        self._file.write("[")
        return self

    def add(self, rows: list[Row]) -> None:
        for row in rows:
            self._file.write((",\n" if self._num_rows else "\n") + json.dumps(row))
            self._num_rows += 1

    def __exit__(self, *_: object) -> None:
        self._file.write("\n]\n")
        self._file.close()
