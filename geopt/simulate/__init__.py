"""Ray-cast a procedural street into a data set in nuScenes format. Needs no torch and no data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from geopt import official
from geopt.simulate.sensor import SensorConfig
from geopt.simulate.world import World
from geopt.simulate.writer import Row, SceneWriter, prepare, write_tables

KEY_FRAME_US = 500_000
FIRST_DAY_US = 1_530_000_000_000_000


def simulate(
    out: str | Path,
    scenes: int = 4,
    keyframes: int = 10,
    sweeps: int = 3,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a nuScenes folder of version v1.0-mini with simulated LiDAR, boxes and point labels.

    Key frames come at 2 Hz. The same arguments give the same bytes on one machine. A scene depends on ``seed`` and
    its name only: more scenes do not change it, more key frames continue it.

    Args:
        out: Folder to write: new, empty, or from an earlier run, whose data set it then replaces.
        scenes: Number of scenes. Names are official ones; the last two are those of ``mini_val``.
        keyframes: Annotated key frames in each scene.
        sweeps: Scans written for each key frame, itself included: it and those 0.05 s apart before it; at most 10.
        seed: Any whole number >= 0.
        progress: Called after each scan with the scans done and the scans in all.

    Returns:
        ``out``. Its ``v1.0-mini/splits.json`` names the last two scenes ``val`` and the others ``train``.

    Raises:
        ValueError: a number is out of range.
        FileExistsError: ``out`` holds something else.
        ImportError: embreex is not installed.
    """
    config, folder = SensorConfig(), Path(out)
    limit = round(KEY_FRAME_US * 1e-6 / config.turn_s)
    for name, value, highest in (("scenes", scenes, 500), ("keyframes", keyframes, 1000), ("sweeps", sweeps, limit)):
        if not 1 <= value <= highest:
            raise ValueError(f"simulate: {name} must be between 1 and {highest}, got {value}")
    if seed < 0:
        raise ValueError(f"simulate: seed must be >= 0, got {seed}")
    names, done = scene_names(scenes), 0
    prepare(folder, {"scenes": scenes, "keyframes": keyframes, "sweeps": sweeps, "seed": seed})
    tables: dict[str, list[Row]] = defaultdict(list)
    for name in names:
        world = World(seed, name, keyframes * KEY_FRAME_US * 1e-6, config)
        writer = SceneWriter(folder, tables, world, FIRST_DAY_US + int(name.split("-")[1]) * 1_000_000_000)
        for key_frame in range(keyframes):
            for back in reversed(range(sweeps)):
                time_us = key_frame * KEY_FRAME_US - round(back * config.turn_s * 1e6)
                time_s = time_us * 1e-6
                scan, ego_pose = world.observe(time_s), world.to_global(world.ego_pose(time_s))
                sample = writer.add(time_us, key_frame, back == 0, ego_pose, scan)
                if back == 0:
                    writer.add_boxes(sample, world.boxes(time_s, scan))
                done += 1
                if progress is not None:
                    progress(done, scenes * keyframes * sweeps)
        writer.finish()
    write_tables(folder, tables, {"train": names[:-2], "val": names[-2:]})
    return folder


def scene_names(count: int) -> list[str]:
    """Official names for simulated scenes: those of ``mini_train``, then of ``train``, and at the end ``mini_val``."""
    splits = official.splits()
    mini = (*splits["mini_train"], *splits["mini_val"])
    first = [*splits["mini_train"], *(name for name in splits["train"] if name not in mini)]
    return [*first[: max(0, count - 2)], *splits["mini_val"][-min(count, 2) :]]
