"""From arguments to a data set on disk."""

from __future__ import annotations

import dataclasses
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

from geopt import official
from geopt.simulate import processes
from geopt.simulate.sensor import sensor as sensor_of
from geopt.simulate.world import World
from geopt.simulate.writer import Folder, OwnedFolder, Settings, WaymoFolder

KEY_FRAME_US = 500_000
FIRST_DAY_US = 1_530_000_000_000_000
FORMATS = ("nuscenes", "waymo-v2")
MINI_SCENES = 10
"""Up to here a data set is a v1.0-mini, beyond a v1.0-trainval."""
REVISION = 2
"""Of what a seed gives; raise it when the same arguments give another data set, so that no folder mixes two."""


def simulate(
    out: str | Path,
    scenes: int = 4,
    keyframes: int = 10,
    sweeps: int = 3,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    *,
    sensor: str = "hdl32e",
    motion_distortion: bool = False,
    workers: int = 1,
    overwrite: bool = False,
    format: str = "nuscenes",
) -> Path:
    """Write a data set with simulated LiDAR, boxes and point labels; in nuScenes format also maps.

    Key frames come at 2 Hz. The same arguments give the same tables, and on one machine the same bytes, however many
    processes work. A scene depends on its name and the settings only: more scenes do not change it. A run that was cut off goes
    on with the scenes that are not finished, a finished data set is left as it is, and more scenes of the same settings are
    added to those that are there.

    Args:
        out: Folder to write: new, empty, or from an earlier run with the same settings and not more scenes.
        scenes: Number of scenes, at most 850. Names are official ones; the last two are those of ``mini_val``. Up to ten
            scenes are version ``v1.0-mini``, more are ``v1.0-trainval``.
        keyframes: Annotated key frames in each scene.
        sweeps: Scans written for each key frame, itself included: it and those just before it, one turn of the sensor
            apart.
        seed: Any whole number >= 0.
        progress: Called after each scan with the scans done and the scans in all.
        sensor: A name of ``geopt.simulate.sensor.SENSORS``.
        motion_distortion: Measure each column at its own time, so that what moves relative to the sensor is sheared; the
            last column of a scan is measured at its timestamp. False: all of a turn is measured at its timestamp.
        workers: Processes that make scenes side by side. More than one need the guard ``if __name__ == "__main__"`` in a
            script.
        overwrite: Delete a data set of an earlier run that is in ``out``.
        format: ``nuscenes``; or ``waymo-v2``, the parquet components of the Waymo Open Dataset. There every scan is a frame
            with boxes, key frames have labels of points as well, and ``splits.json`` lies in ``out``. A sensor that turns
            ten times a second, as ``waymo-top``, fills the half second between key frames with ``sweeps=5``.

    Returns:
        ``out``. ``splits.json`` beside its tables names the scenes of ``train`` and ``val``: of a mini version the last two are
        ``val``, of a larger one those of the official split.

    Raises:
        ValueError: a number is out of range, or there is no such sensor or format.
        FileExistsError: ``out`` holds something else.
        ImportError: embreex is not installed, or for ``waymo-v2`` pyarrow.
    """
    model, folder = sensor_of(sensor), Path(out)
    limit = round(KEY_FRAME_US * 1e-6 / model.turn_s)
    for name, value, lowest, highest in (
        ("scenes", scenes, 1, len(scene_order())),
        ("keyframes", keyframes, 1, 1000),
        ("sweeps", sweeps, 1, limit),
        ("seed", seed, 0, 2**63),
        ("workers", workers, 1, 1000),
    ):
        if not lowest <= value <= highest:
            raise ValueError(f"simulate: {name} must be between {lowest} and {highest}, got {value}")
    settings: Settings = {"revision": REVISION, "keyframes": keyframes, "sweeps": sweeps, "seed": seed}
    settings |= {"sensor": sensor, "motion_distortion": motion_distortion}
    if format not in FORMATS:
        raise ValueError(f"simulate: format must be one of {', '.join(FORMATS)}, got {format!r}")
    names, data = scene_names(scenes), _folder(format, folder, settings, scenes, overwrite)
    total, each = scenes * keyframes * sweeps, keyframes * sweeps
    done = 0

    def tick(count: int = 1) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress(done, total)

    if data.is_complete():
        tick(total)
        return folder
    data.begin()
    missing = [name for name in names if not data.is_finished(name)]
    if len(missing) < len(names):
        tick((len(names) - len(missing)) * each)
    work = SceneWork(data, seed, sensor, motion_distortion, keyframes, sweeps)
    processes.run(work, missing, workers, tick)
    data.write_tables(names, split_names(names))
    return folder


def _folder(format: str, root: Path, settings: Settings, scenes: int, overwrite: bool) -> OwnedFolder[Any]:
    if format == "nuscenes":
        return Folder(root, settings, scenes, version_of(scenes), overwrite)
    return WaymoFolder(root, settings | {"format": format}, scenes, overwrite)


@dataclasses.dataclass(frozen=True)
class SceneWork:
    """Makes a scene; can be sent to another process."""

    folder: OwnedFolder[Any]
    seed: int
    sensor: str
    motion_distortion: bool
    keyframes: int
    sweeps: int

    def __call__(self, name: str, tick: Callable[[], None]) -> None:
        gc.collect()  # the world before refers to itself in places: 100 MB each would wait for the collector
        world = World(self.seed, name, sensor_of(self.sensor), self.motion_distortion)
        start_us = FIRST_DAY_US + int(name.split("-")[1]) * 1_000_000_000
        writer = self.folder.writer(world, start_us)
        turn_us = round(world.sensor.turn_s * 1e6)
        for key_frame in range(self.keyframes):
            for back in reversed(range(self.sweeps)):
                time_us = key_frame * KEY_FRAME_US - back * turn_us
                scan = world.observe(time_us * 1e-6, writer.first_azimuth_rad)
                writer.take(time_us, key_frame, back == 0, scan)
                tick()
        self.folder.finish(name, writer)


def version_of(count: int) -> str:
    """Name of the version of a data set with so many scenes."""
    return "v1.0-mini" if count <= MINI_SCENES else "v1.0-trainval"


def scene_order() -> list[str]:
    """All scenes that can be simulated: ``mini_train``, then four of ``train`` and one of ``val`` in turn; at the end
    ``mini_val``."""
    splits = official.splits()
    mini = (*splits["mini_train"], *splits["mini_val"])
    train, val = ([name for name in splits[split] if name not in mini] for split in ("train", "val"))
    turns = len(train) // 4 + 1
    mixed = [name for turn in range(turns) for name in (*train[4 * turn : 4 * turn + 4], *val[turn : turn + 1])]
    return [*splits["mini_train"], *mixed, *val[turns:], *splits["mini_val"]]


def scene_names(count: int) -> list[str]:
    """Official names for simulated scenes; the last two are those of ``mini_val``."""
    order = scene_order()
    return [*order[: max(0, count - 2)], *order[len(order) - min(count, 2) :]]


def split_names(names: list[str]) -> dict[str, list[str]]:
    """Scenes of ``train`` and ``val``: the last two of a mini version, of a larger one the official val scenes."""
    val = set(names[-2:]) if len(names) <= MINI_SCENES else set(official.splits()["val"])
    return {"train": [n for n in names if n not in val], "val": [n for n in names if n in val]}
