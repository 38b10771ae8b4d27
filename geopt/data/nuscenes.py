"""A nuScenes folder as it was downloaded: key frames, sweeps, boxes, lidarseg labels."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from geopt import cache, official, tables
from geopt.data import fractions, source
from geopt.data.posed import PosedScans
from geopt.data.source import FrameKind, Frames, LabelKind, ModelFrame, Objects, SweepOrder
from geopt.data.sweeps import POINT_BYTES, SweepPoints, compose, inverse, read_points, rigid, rotation_matrix
from geopt.structures import Boxes

FRAME_NAME = re.compile(r"(?P<scene>.+)/(?P<key_frame>\d+)(?P<after>[+-]\d+)?")


class NuScenes(PosedScans):
    """Reads a nuScenes folder in place; nothing is converted.

    Large tables are kept as arrays under ``$XDG_CACHE_HOME/geopt`` until they change. A frame is named
    ``scene-0523/12`` for key frame 12 of its scene (from 0), ``scene-0523/12+3`` for the third sweep after it.

    Args:
        root: The folder that holds ``version``, ``samples`` and ``sweeps``.
        version: Folder of the tables, such as ``v1.0-mini``.

    Raises:
        FileNotFoundError: the folder or a table is missing.
        ValueError: ``root`` is empty, a table is damaged, or tables do not belong together.
    """

    kind = "NuScenes"
    sensor = "HDL-32E"
    points_frame: ModelFrame = "lidar"

    def __init__(self, root: str | Path, version: str) -> None:
        if not str(root):
            raise ValueError(f"NuScenes: root must be the dataset's folder, got ''; {tables.LAYOUT}")
        self.root = Path(root).expanduser().resolve()
        self.version = version
        if not self.root.is_dir():
            raise FileNotFoundError(f"NuScenes: root must be a folder, got {self.root}; {tables.LAYOUT}")
        sources = tables.table_paths(self.folder, tables.SWEEP_TABLES)
        arrays = cache.arrays("nuscenes-sweeps-1", sources, lambda: tables.read_sweeps(self.folder)._asdict())
        self.sweeps = tables.SweepTable(**arrays)
        """Every sweep, key frames among them."""
        self.key_rows = np.flatnonzero(self.sweeps.is_key_frame)
        """(K,) rows of the key frames."""
        self._first_key = np.searchsorted(self.sweeps.scene[self.key_rows], np.arange(len(self.scenes) + 1))

    @property
    def folder(self) -> Path:
        """Folder of the tables."""
        return self.root / self.version

    @functools.cached_property
    def scenes(self) -> tuple[str, ...]:
        """Names of the scenes in this folder."""
        return tuple(name.decode() for name in self.sweeps.scene_names.tolist())

    @functools.cached_property
    def annotations(self) -> tables.AnnotationTable:
        """Every box in the global frame; read when first asked for."""
        # the order of the key frames follows from the tables of the sweeps
        names = dict.fromkeys(tables.ANNOTATION_TABLES + tables.SWEEP_TABLES)
        sources = tables.table_paths(self.folder, tuple(names))

        def build() -> cache.Arrays:
            return tables.read_annotations(self.folder, self.sweeps.sample_token)._asdict()

        return tables.AnnotationTable(**cache.arrays("nuscenes-annotations-1", sources, build))

    def splits(self) -> dict[str, Sequence[str]]:
        """Scene names of each known split: the official ones, and those of a ``splits.json`` beside the tables or in
        the root, which win.

        Raises:
            ValueError: ``splits.json`` is no object of lists of names.
        """
        known: dict[str, Sequence[str]] = dict(official.splits())
        for path in (self.root / "splits.json", self.folder / "splits.json"):
            if path.is_file():
                try:
                    known |= msgspec.json.decode(path.read_bytes(), type=dict[str, list[str]])
                except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                    raise ValueError(
                        f'NuScenes: {path} must be like {{"my_split": ["scene-0001"]}}, got {error}'
                    ) from error
        return known

    @property
    def order(self) -> SweepOrder:
        """All sweeps."""
        table = self.sweeps
        return SweepOrder(self.scenes, table.scene, table.key_frame, table.is_key_frame, table.timestamp_us)

    def select(self, selection: str, frames: FrameKind = "keyframes", fraction: str = fractions.ALL) -> Frames:
        """Choose frames by split, scene or slice of a scene.

        A slice ``scene-0523[a:b]`` counts key frames. With ``all_sweeps`` it also holds the sweeps that follow its key
        frames, up to key frame b. Past sweeps of its frames never reach before key frame a.

        Args:
            selection: Such as ``train``, ``scene-0001+scene-0002``, ``scene-0523[:30]``.
            frames: Key frames alone, or every sweep.
            fraction: A name of :func:`geopt.data.fractions.fractions`, of the scenes that ``selection`` names. A sweep is
                kept with the key frame that it follows. Past sweeps are unlabelled and stay allowed.

        Raises:
            ValueError: see :func:`geopt.data.splits.resolve`; ``frames`` is neither; there is no such fraction, or it
                keeps nothing.
        """
        return source.select("NuScenes", self.order, self.splits(), selection, frames, fraction, str(self.folder))

    def name(self, row: int) -> str:
        """Name of a sweep, such as ``scene-0523/12`` or ``scene-0523/12+3``."""
        number = max(int(self.sweeps.key_frame[row]), 0)
        after = row - self._key_row(int(self.sweeps.scene[row]), number)
        return f"{self.scenes[self.sweeps.scene[row]]}/{number}" + (f"{after:+d}" if after else "")

    def row(self, name: str) -> int:
        """Row of the sweep that :meth:`name` gave this name.

        Raises:
            ValueError: there is none.
        """
        match = FRAME_NAME.fullmatch(name)
        if match and match["scene"] in self.scenes:
            try:
                row = self._key_row(self.scenes.index(match["scene"]), int(match["key_frame"])) + int(
                    match["after"] or 0
                )
            except IndexError:
                row = -1
            if 0 <= row < len(self.sweeps.scene) and self.name(row) == name:
                return row
        raise ValueError(f"NuScenes.row: name must be like {self.name(0)} and in {self.folder}, got {name!r}")

    def _key_row(self, scene: int, key_frame: int) -> int:
        return int(self.key_rows[self._first_key[scene] + key_frame])

    def past(self, row: int, count: int, oldest_key_frame: int = -1) -> list[int]:
        """Rows of up to ``count`` sweeps before a sweep, newest first, none from before ``oldest_key_frame``."""
        rows: list[int] = []
        row = int(self.sweeps.previous[row])
        while len(rows) < count and row >= 0 and self.sweeps.key_frame[row] >= oldest_key_frame:
            rows.append(row)
            row = int(self.sweeps.previous[row])
        return rows

    def token(self, row: int) -> str:
        """Sample token of a key frame, which submissions are keyed by; sample_data token of another sweep."""
        if self.sweeps.is_key_frame[row]:
            return self.sweeps.sample_token[np.searchsorted(self.key_rows, row)].decode()
        return self.sweeps.token[row].decode()

    def timestamp_us(self, row: int) -> int:
        """Time of a sweep."""
        return int(self.sweeps.timestamp_us[row])

    def is_key_frame(self, row: int) -> bool:
        """Whether a sweep is a key frame, which has boxes."""
        return bool(self.sweeps.is_key_frame[row])

    def has_labels(self, row: int) -> bool:
        """Whether a sweep should have lidarseg labels: key frames should."""
        return self.is_key_frame(row)

    def path(self, row: int) -> Path:
        """LiDAR file of a sweep."""
        return self.root / self.sweeps.filename[row].decode()

    def ego_from_lidar(self, row: int) -> NDArray[np.float64]:
        """(3, 4) where the sensor is on the vehicle, metres."""
        return rigid(self.sweeps.lidar_quat_wxyz[row], self.sweeps.lidar_translation[row])

    def global_from_ego(self, row: int) -> NDArray[np.float64]:
        """(3, 4) where the vehicle was in the map at the time of the sweep, metres."""
        return rigid(self.sweeps.ego_quat_wxyz[row], self.sweeps.ego_translation[row])

    def read(self, row: int) -> SweepPoints:
        """The points of a sweep, in the frame of the LiDAR.

        Raises:
            FileNotFoundError: the LiDAR file is missing; names it.
            ValueError: it is cut short; names it.
        """
        points = read_points(self.path(row))
        return SweepPoints(points[:, :3], intensity=points[:, 3], ring=points[:, 4])

    def load_annotations(self) -> None:
        """Read :attr:`annotations` now."""
        _ = self.annotations

    def objects(self, row: int) -> Objects:
        """Categories and point counts of the boxes of a key frame.

        Raises:
            ValueError: the sweep is no key frame.
            FileNotFoundError: a table is missing.
        """
        rows = self._annotation_rows("objects", row)
        return Objects(_strings(self.annotations.category[rows]), self.annotations.num_lidar_points[rows])

    def boxes(self, row: int, frame: ModelFrame = "ego") -> Boxes:
        """Annotated boxes of a key frame.

        Args:
            row: A key frame.
            frame: Of the result: ``ego`` or ``lidar`` at the time of the key frame.

        Returns:
            Boxes in the order of the table; velocity NaN where the dataset cannot tell it.

        Raises:
            ValueError: the sweep is no key frame, so it has no boxes; or ``frame`` is neither.
            FileNotFoundError: a table is missing.
        """
        table, rows = self.annotations, self._annotation_rows("boxes", row)
        motion = compose(self.model_from_ego(row, frame), inverse(self.global_from_ego(row)))
        turn = motion[:, :3]
        forward = (turn @ rotation_matrix(table.quat_wxyz[rows]))[:, :, 0]
        geometry = np.concatenate(
            [
                table.translation[rows] @ turn.T + motion[:, 3],
                table.size_wlh[rows][:, [1, 0, 2]],
                np.arctan2(forward[:, 1], forward[:, 0])[:, None],
                (table.velocity[rows] @ turn.T)[:, :2],
            ],
            axis=1,
        )
        return Boxes(
            geometry=torch.from_numpy(geometry),
            names=_strings(table.category[rows]),
            tokens=_strings(table.token[rows]),
            instances=_strings(table.instance[rows]),
            num_points=torch.from_numpy(table.num_lidar_points[rows].copy()),
            frame=frame,
        )

    def _annotation_rows(self, what: str, row: int) -> slice:
        """Rows of the annotation table that belong to a key frame."""
        self._need_key_frame(what, row)
        key_frame = int(np.searchsorted(self.key_rows, row))
        return slice(int(self.annotations.offsets[key_frame]), int(self.annotations.offsets[key_frame + 1]))

    @functools.cached_property
    def _lidarseg(self) -> dict[str, Path]:
        path = self.folder / "lidarseg.json"
        return {row.sample_data_token: self.root / row.filename for row in tables.read_table(path, tables.Lidarseg)}

    @functools.cached_property
    def categories(self) -> dict[int, str]:
        """Category name of each fine lidarseg label; empty where lidarseg is not installed."""
        rows = tables.read_table(tables.table_paths(self.folder, ["category"])[0], tables.Category)
        return {row.index: row.name for row in rows if row.index >= 0}

    def lidarseg(self, row: int, classes: LabelKind = "fine") -> NDArray[np.uint8]:
        """Label of each point of a key frame, in the order of its file.

        Args:
            row: A key frame.
            classes: ``fine``, the index of :attr:`categories`; or ``coarse``, the 16 classes of the benchmark from 1
                on, 0 for what it ignores.

        Returns:
            (N,) uint8.

        Raises:
            FileNotFoundError: lidarseg is not installed, or the label file is missing; names it.
            ValueError: not as many labels as points, a label that ``category.json`` lacks, or no key frame.
        """
        self._need_key_frame("lidarseg", row)
        token = self.sweeps.token[row].decode()
        if token not in self._lidarseg:
            raise ValueError(f"NuScenes: {self.folder / 'lidarseg.json'} has no labels of {self.name(row)} ({token})")
        path = self._lidarseg[token]
        try:
            labels = np.fromfile(path, dtype=np.uint8)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"NuScenes: {path} is missing although lidarseg.json lists it; unpack lidarseg into {self.root}"
            ) from error
        num_points = self.path(row).stat().st_size // POINT_BYTES
        if len(labels) != num_points:
            raise ValueError(f"NuScenes: {path} must hold a byte for each of {num_points} points, got {len(labels)}")
        if classes == "fine":
            return labels
        coarse = official.lidarseg_class_of_index(self.categories)[labels]
        if (coarse < 0).any():
            strange = labels[coarse < 0][0]
            raise ValueError(
                f"NuScenes: {path} has label {strange}, which is no index in {self.folder / 'category.json'}"
            )
        return coarse.astype(np.uint8)

    def point_labels(self, row: int, classes: LabelKind) -> NDArray[np.uint8]:
        """See :meth:`lidarseg`."""
        return self.lidarseg(row, classes)

    def _need_key_frame(self, what: str, row: int) -> None:
        if not self.sweeps.is_key_frame[row]:
            raise ValueError(f"NuScenes.{what}: row must be a key frame, got {self.name(row)}")


def _strings(values: NDArray[np.bytes_]) -> tuple[str, ...]:
    return tuple(value.decode() for value in values.tolist())
