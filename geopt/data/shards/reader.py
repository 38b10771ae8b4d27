"""Reads what ``geopt pack`` wrote."""

from __future__ import annotations

import mmap
import zlib
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from geopt.data import fractions, source
from geopt.data.posed import PosedScans
from geopt.data.shards import layout, tables
from geopt.data.shards.columns import StoredSweep, arrow, decode
from geopt.data.shards.tables import reading
from geopt.data.source import FrameKind, Frames, LabelKind, ModelFrame, Objects, SweepOrder
from geopt.data.sweeps import SweepPoints
from geopt.structures import Boxes

OPEN_FILES = 64
"""Files that are mapped at a time, each of which holds a file descriptor."""


class _Mapped(NamedTuple):
    content: memoryview
    schema: Any


class Shards(PosedScans):
    """A dataset in Arrow files; with float32 every sample has the same bits as from the dataset that was packed.

    Each sweep is checked against its checksum before anything of it is used, so that damage is an error and never a crash.
    Names, numbers and selections are those of the dataset that was packed.

    Args:
        root: The folder that ``geopt pack`` wrote.

    Raises:
        FileNotFoundError: a file is missing; names it.
        ValueError: ``root`` is empty, or a file is damaged; names it.
        ImportError: pyarrow is not installed.
    """

    kind = "shards"

    def __init__(self, root: str | Path) -> None:
        if not str(root):
            raise ValueError(f"shards: root must be a folder, got ''; {layout.LAYOUT}")
        self.root = Path(root).expanduser().resolve()
        self.manifest = layout.read(self.root)
        self.sensor, self.points_frame = self.manifest.sensor, self.manifest.points_frame
        parts, self._headers = [], []
        for number, shard in enumerate(self.manifest.shards):
            path = layout.path_of(self.root, "sweeps", number)
            with reading(path):
                columns, facts = tables.read(path, tables.SWEEPS, shard.sweeps)
                parts.append(columns)
                self._headers.append((int(facts["header_bytes"]), int(facts["header_crc"])))
        if not parts:
            raise ValueError(f"shards: {self.root} holds no sweep; {layout.LAYOUT}")
        self._rows = {name: np.concatenate([part[name] for part in parts]) for name in tables.SWEEPS}
        self._check()
        self._shard = np.repeat(np.arange(len(parts)), [len(part["scene"]) for part in parts])
        self.order = SweepOrder(
            scenes=tuple(self.manifest.scenes),
            scene=self._rows["scene"],
            key_frame=self._rows["key_frame"],
            is_key_frame=self._rows["is_key_frame"],
            timestamp_us=self._rows["timestamp_us"],
        )
        self._box_offsets = np.concatenate([[0], np.cumsum(self._rows["num_boxes"])])
        self._boxes: tables.Columns | None = None
        self._mapped: OrderedDict[int, _Mapped] = OrderedDict()

    def _check(self) -> None:
        """Refuse numbers that mean nothing."""
        rows, count = self._rows, len(self._rows["scene"])
        scene, previous = rows["scene"], rows["previous"]
        is_sound = (scene >= 0) & (scene < len(self.manifest.scenes)) & (np.diff(scene, prepend=0) >= 0)
        is_sound &= (previous >= -1) & (previous < np.arange(count)) & (rows["num_boxes"] >= 0) & (rows["offset"] >= 0)
        if not count or not is_sound.all():
            raise ValueError(f"shards: {self.root} has damaged tables of sweeps; copy or pack them again")

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_mapped": OrderedDict()}

    def __len__(self) -> int:
        return len(self._shard)

    @property
    def folder(self) -> Path:
        """The folder of the shards."""
        return self.root

    def splits(self) -> dict[str, Sequence[str]]:
        """Scene names of each split of the dataset that was packed."""
        return dict(self.manifest.splits)

    def select(self, selection: str, frames: FrameKind = "keyframes", fraction: str = fractions.ALL) -> Frames:
        """Choose frames by split, scene or slice of a scene, as in the dataset that was packed.

        Raises:
            ValueError: see :func:`geopt.data.source.select`.
        """
        return source.select(self.kind, self.order, self.splits(), selection, frames, fraction, str(self.root))

    def name(self, row: int) -> str:
        """Name of a sweep in the dataset that was packed."""
        return str(self._rows["name"][row])

    def token(self, row: int) -> str:
        """Token of a sweep in the dataset that was packed."""
        return str(self._rows["token"][row])

    def timestamp_us(self, row: int) -> int:
        """Time of a sweep."""
        return int(self.order.timestamp_us[row])

    def is_key_frame(self, row: int) -> bool:
        """Whether a sweep has boxes."""
        return bool(self._rows["has_boxes"][row])

    def has_labels(self, row: int) -> bool:
        """Whether a sweep has labels of points."""
        return bool(self._rows["has_labels"][row])

    def past(self, row: int, count: int, oldest_key_frame: int = -1) -> list[int]:
        """Rows of up to ``count`` sweeps before a sweep, newest first, none from before ``oldest_key_frame``."""
        rows: list[int] = []
        row = int(self._rows["previous"][row])
        while len(rows) < count and row >= 0 and self.order.key_frame[row] >= oldest_key_frame:
            rows.append(row)
            row = int(self._rows["previous"][row])
        return rows

    def ego_from_lidar(self, row: int) -> NDArray[np.float64]:
        """(3, 4) where the sensor is on the vehicle, metres."""
        return self._rows["ego_from_lidar"][row].reshape(3, 4)

    def global_from_ego(self, row: int) -> NDArray[np.float64]:
        """(3, 4) where the vehicle was in the map at the time of the sweep, metres."""
        return self._rows["global_from_ego"][row].reshape(3, 4)

    def read(self, row: int) -> SweepPoints:
        """The points of a sweep, in :attr:`points_frame`; they may lie in the mapped file and cannot be written to.

        Raises:
            FileNotFoundError: the file is missing; names it.
            ValueError: it is damaged; names it.
        """
        return self._stored(row).points

    def point_labels(self, row: int, classes: LabelKind = "fine") -> NDArray[np.uint8]:
        """(N,) label of each point of a sweep for which :meth:`has_labels` holds.

        Raises:
            FileNotFoundError, ValueError: as :meth:`read`; or the sweep has no labels.
        """
        stored = self._stored(row)
        if stored.fine is None:
            raise ValueError(f"shards: {self.name(row)} of {self.root} has no labels of points")
        return stored.fine if classes == "fine" or stored.coarse is None else stored.coarse

    def _stored(self, row: int) -> StoredSweep:
        shard = int(self._shard[row])
        path, pa = layout.path_of(self.root, "points", shard), arrow()
        with reading(path):
            mapped = self._map(shard, path)
            first, size = int(self._rows["offset"][row]), int(self._rows["bytes"][row])
            block = mapped.content[first : first + size]
            if zlib.crc32(block) != self._rows["crc"][row]:
                raise ValueError(f"the checksum of {self.name(row)} is wrong")
            found = decode(pa.ipc.read_record_batch(pa.py_buffer(block), mapped.schema))
            if len(found.points.xyz) != self._rows["num_points"][row]:
                raise ValueError(f"{self.name(row)} must have {self._rows['num_points'][row]} points")
        return found

    def _map(self, shard: int, path: Path) -> _Mapped:
        expected = self.manifest.shards[shard].points.bytes
        if path.stat().st_size != expected:  # each time: reading what was cut off after mapping would end the process
            raise ValueError(f"it must have {expected} bytes, got {path.stat().st_size}")
        if shard not in self._mapped:
            with path.open("rb") as file:
                content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            size, crc = self._headers[shard]
            if zlib.crc32(content[:size]) != crc:
                raise ValueError("the checksum of its schema is wrong")
            pa = arrow()
            schema = pa.ipc.read_schema(pa.py_buffer(content[8:size]))  # after the magic word
            self._mapped[shard] = _Mapped(content, schema)
            if len(self._mapped) > OPEN_FILES:
                self._mapped.popitem(last=False)
        self._mapped.move_to_end(shard)
        return self._mapped[shard]

    def load_annotations(self) -> None:
        """Read all boxes now."""
        if self._boxes is None:
            parts = [
                tables.read(layout.path_of(self.root, "boxes", number), tables.BOXES, shard.boxes)[0]
                for number, shard in enumerate(self.manifest.shards)
            ]
            self._boxes = {name: np.concatenate([part[name] for part in parts]) for name in tables.BOXES}
            if len(self._boxes["name"]) != self._box_offsets[-1]:
                raise ValueError(f"shards: {self.root} has damaged tables of boxes; copy or pack them again")

    def _boxes_of(self, row: int) -> tables.Columns:
        if not self.is_key_frame(row):
            raise ValueError(f"shards: {self.name(row)} of {self.root} has no boxes")
        self.load_annotations()
        assert self._boxes is not None
        rows = slice(int(self._box_offsets[row]), int(self._box_offsets[row + 1]))
        return {name: column[rows] for name, column in self._boxes.items()}

    def objects(self, row: int) -> Objects:
        """Categories and point counts of the boxes of a sweep.

        Raises:
            FileNotFoundError, ValueError: it has no boxes, or their file is missing or damaged; names it.
        """
        found = self._boxes_of(row)
        return Objects(tuple(found["name"].tolist()), found["num_points"])

    def boxes(self, row: int, frame: ModelFrame = "ego") -> Boxes:
        """Annotated boxes of a sweep, with the bits that the dataset gave them in either frame.

        Raises:
            FileNotFoundError, ValueError: as :meth:`objects`; or ``frame`` is neither.
        """
        self.model_from_ego(row, frame)  # refuses other frames
        found = self._boxes_of(row)
        return Boxes(
            geometry=torch.from_numpy(found[frame].copy()),
            names=tuple(found["name"].tolist()),
            tokens=tuple(found["token"].tolist()),
            instances=tuple(found["instance"].tolist()),
            num_points=torch.from_numpy(found["num_points"].copy()),
            frame=frame,
        )
