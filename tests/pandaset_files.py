"""Writes pickles opcode by opcode, tables and small sequences of PandaSet in them, and reads or damages a folder."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path
from typing import Any, NamedTuple

import every_frame
import fuzzing
import numpy as np
from scipy.spatial.transform import Rotation

from geopt.data import PandaSet, PandaSetConfig

FIRST_S, STEP_S = 1557539956.5, 0.1
MOVER, MOVER_FORWARD, PARKED, LONELY = "mover", "mover-forward", "parked", "lonely"


class Name(NamedTuple):
    """A class or function, imported by the pickle."""

    module: str
    name: str


class Call(NamedTuple):
    """A call of a function, or of a class, and what its ``__setstate__`` is given."""

    what: Name
    arguments: tuple
    state: Any = None
    new: bool = False


def emitted(value: Any) -> bytes:
    """Opcodes of protocol 3 that leave a value on the stack."""
    if isinstance(value, Name):
        return f"c{value.module}\n{value.name}\n".encode()
    if isinstance(value, Call):
        made = emitted(value.what) + emitted(value.arguments) + (b"\x81" if value.new else b"R")
        return made if value.state is None else made + emitted(value.state) + b"b"
    if value is None or isinstance(value, bool):
        return {None: b"N", True: b"\x88", False: b"\x89"}[value]
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    if isinstance(value, float):
        return b"G" + struct.pack(">d", value)
    if isinstance(value, str):
        return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
    if isinstance(value, bytes):
        return b"B" + struct.pack("<I", len(value)) + value
    if isinstance(value, tuple):
        return b"(" + b"".join(map(emitted, value)) + b"t"
    if isinstance(value, list):
        return b"](" + b"".join(map(emitted, value)) + b"e"
    return b"}(" + b"".join(emitted(key) + emitted(item) for key, item in value.items()) + b"u"


def pickled(value: Any) -> bytes:
    return b"\x80\x03" + emitted(value) + b"."


def array(values: np.ndarray, dtype: Any = None, shape: Any = None) -> Call:
    """An array as NumPy 1 pickled it; its type and shape may be told wrong."""
    code = "O8" if values.dtype == object else values.dtype.str[1:]
    order, end = ("|", (None, None, None, -1, -1, 63)) if code == "O8" else ("<", (None, None, None, -1, -1, 0))
    kind = dtype or Call(Name("numpy", "dtype"), (code, False, True), (3, order, *end))
    start = Call(Name("numpy.core.multiarray", "_reconstruct"), (Name("numpy", "ndarray"), (0,), b"b"))
    data = values.ravel().tolist() if code == "O8" else np.ascontiguousarray(values).tobytes()
    return start._replace(state=(1, shape or values.shape, kind, False, data))


def index(names: Any) -> Call:
    new, base = Name("pandas.core.indexes.base", "_new_Index"), Name("pandas.core.indexes.base", "Index")
    if isinstance(names, range):
        bounds = {"name": None, "start": names.start, "stop": names.stop, "step": names.step}
        return Call(new, (Name("pandas.core.indexes.range", "RangeIndex"), bounds))
    if isinstance(names, np.ndarray):
        kind = Name("pandas.core.indexes.numeric", "Int64Index")
        return Call(new, (kind, {"data": array(names), "name": None}))
    return Call(new, (base, {"data": array(np.array(names, dtype=object)), "name": None}))


def table(columns: dict[str, np.ndarray], names: Any = None) -> Call:
    """A table in the layout of PandaSet, a block for each type."""
    names = range(len(next(iter(columns.values())))) if names is None else names
    kinds = sorted({str(column.dtype) for column in columns.values()})
    blocks = []
    for kind in kinds:
        places = np.array([k for k, column in enumerate(columns.values()) if str(column.dtype) == kind])
        values = np.stack([column for column in columns.values() if str(column.dtype) == kind])
        blocks.append({"values": array(values), "mgr_locs": array(places)})
    axes = [index(list(columns)), index(names)]
    state = ([], [], [], {"0.14.1": {"axes": axes, "blocks": blocks}})
    manager = Call(Name("pandas.core.internals.managers", "BlockManager"), (), state, new=True)
    return Call(Name("pandas.core.frame", "DataFrame"), (), {"_data": manager, "_typ": "dataframe"}, new=True)


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content, 1, mtime=0))


def write_table(path: Path, columns: dict[str, np.ndarray], names: Any = None) -> None:
    write(path, pickled(table(columns, names)))


class Sequence:
    """A car that turns while it drives. Another one moves, seen by both lidars; one is parked, one is seen once."""

    def __init__(self, num_frames: int = 3, num_points: int = 60, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.turns = [Rotation.from_euler("ZYX", [-0.7 + 0.05 * k, 0.01, 0.02]) for k in range(num_frames)]
        self.shifts = [np.array([5.0 + 0.7 * k, -3.0 + 0.6 * k, 0.2]) for k in range(num_frames)]
        self.world = [rng.uniform(-30, 30, (num_points, 3)) for _ in self.turns]
        self.lidar = [rng.permutation(np.arange(num_points) % 3 == 0).astype(np.int64) for _ in self.turns]
        self.labels = [rng.integers(1, 43, num_points) for _ in self.turns]
        self.intensity = np.arange(num_points, dtype=np.float64)
        self.speed = np.array([6.0, 2.0, 0.0])

    def ego(self, frame: int, world: np.ndarray) -> np.ndarray:
        """From the world to x forward, y left, on the road, 0.31 m below the origin of the poses."""
        right, forward, up = (self.turns[frame].inv().apply(world - self.shifts[frame])).T
        return np.stack([forward, -right, up + 0.31], axis=1)

    def cuboids(self, frame: int) -> dict[str, np.ndarray]:
        late = self.speed * (STEP_S * frame)
        names = [PARKED, MOVER, MOVER_FORWARD] + [LONELY] * (frame == 0)
        places = np.array([[9.0, 4.0, 0.4], [3.0, 8.0, 0.5] + late, [3.2, 8.1, 0.5] + late, [20.0, 20.0, 0.5]])
        n = len(names)
        objects = {
            "uuid": names,
            "label": ["Car", "Bus", "Bus", "Cones"][:n],
            "cuboids.sibling_id": ["-", MOVER_FORWARD, MOVER[:-1], "-"][:n],  # cut short, as one in sequence 002 is
        }
        numbers = dict(zip(("position.x", "position.y", "position.z"), places[:n].T))
        numbers |= {"dimensions.x": np.full(n, 1.9), "dimensions.y": np.full(n, 4.5), "dimensions.z": np.full(n, 1.6)}
        return (
            {name: np.array(column, dtype=object) for name, column in objects.items()}
            | {"yaw": np.linspace(0.1, 0.4, 4)[:n], "stationary": np.array([True, False, False, True])[:n]}
            | numbers
            | {"cuboids.sensor_id": np.array([-1, 0, 1, 1])[:n]}
        )

    def points(self, frame: int) -> dict[str, np.ndarray]:
        times = FIRST_S + STEP_S * frame + np.linspace(-0.1, 0, len(self.intensity))
        return dict(zip("xyz", self.world[frame].T)) | {"i": self.intensity, "t": times, "d": self.lidar[frame]}

    def write(self, folder: Path, annotations: bool = True) -> Path:
        poses = []
        for frame, (turn, shift) in enumerate(zip(self.turns, self.shifts)):
            poses.append({"position": dict(zip("xyz", shift)), "heading": dict(zip("xyzw", turn.as_quat()))})
            write_table(folder / "lidar" / f"{frame:02d}.pkl.gz", self.points(frame))
            if annotations:
                write_table(folder / "annotations" / "cuboids" / f"{frame:02d}.pkl.gz", self.cuboids(frame))
                labels = {"class": self.labels[frame]}
                write_table(folder / "annotations" / "semseg" / f"{frame:02d}.pkl.gz", labels)
        (folder / "lidar" / "poses.json").write_text(json.dumps(poses))
        times = [FIRST_S + STEP_S * frame for frame in range(len(self.turns))]
        (folder / "lidar" / "timestamps.json").write_text(json.dumps(times))
        return folder


def read_all(folder: Path) -> None:
    source = PandaSet(folder, PandaSetConfig(lidar="both"))
    every_frame.read_all(source, len(source))


def damage(path: Path, whole: bytes, rng: np.random.Generator) -> bytes:
    """In most cases behind gzip, whose sums would notice all else."""
    if path.suffix != ".gz" or rng.random() < 0.2:
        return fuzzing.damaged(whole, rng)
    return gzip.compress(fuzzing.damaged(gzip.decompress(whole), rng), 1, mtime=0)
