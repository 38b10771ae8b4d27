"""The lists of ``datasets/splits``: label fractions of the official nuScenes training scenes, and their locks.

``python -m geopt.data.fraction_files --write`` makes the files again from :mod:`geopt.data.fractions`.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from geopt import files, official, resources
from geopt.data.fractions import FRAME_PERMILLES, SCENE_PERMILLES, SEEDS, STEPS, Fraction, digest, find, fractions

FRAMES_PER_SCENE = 40
"""Key frames 0 to 39 of every scene stand for the official ones in locks. Scenes have 39 to 41; which has how many is
known to the dataset alone."""
LOCKS = "nuscenes-locks.json"
Table = TypeVar("Table")


class Lock(NamedTuple):
    """What a list of the official training scenes must be."""

    size: int
    """Scenes, or key frames, in it."""
    sha256: str
    """Of :func:`expanded`, every line ended by a newline."""


def expanded(fraction: Fraction) -> list[str]:
    """A fraction of the 700 official training scenes, in the order of names.

    Returns:
        Scenes such as ``scene-0001``; for ``frames``, key frames such as ``scene-0001/12``, 12 counted from 0, of the
        key frames 0 to 39 of every scene.

    Raises:
        ValueError: the fraction goes by time, which the dataset alone knows.
    """
    scenes = official.splits()["train"]
    if fraction.kind == "every":
        raise ValueError(
            f"splits: {fraction.name} goes by the time of key frames, which the dataset alone knows; "
            "give it with --data and --version"
        )
    if fraction.kind == "frames":
        numbers = range(FRAMES_PER_SCENE)
        return [f"{scene}/{number}" for scene in scenes for number in numbers if fraction.keeps(scene, number)]
    return list(fraction.scenes(scenes))


def lock(lines: list[str]) -> Lock:
    """Count and sha256 of a list."""
    return Lock(len(lines), digest("".join(f"{line}\n" for line in lines)))


def locks(folder: Path | None = None) -> dict[str, Lock]:
    """The shipped lock of every list that has one.

    Raises:
        FileNotFoundError, ValueError: the file is missing or damaged.
    """
    return _read((folder or resources.path("datasets") / "splits") / LOCKS, dict[str, Lock])


def scene_file(seed: int) -> str:
    """Name of the file with the lists of scenes of a seed."""
    return f"nuscenes-scenes-seed{seed}.json"


def write(folder: Path) -> None:
    """Write all lists of scenes, and the locks of all lists."""
    for seed in SEEDS:
        lists = {name: expanded(find(name)) for name in (f"scenes-{p}-seed{seed}" for p in SCENE_PERMILLES)}
        files.replace_text(folder / scene_file(seed), _wrapped(lists))
    lines = [
        f"  {json.dumps(fraction.name)}: {json.dumps(lock(expanded(fraction)))}"
        for fraction in fractions().values()
        if fraction.kind != "every"
    ]
    files.replace_text(folder / LOCKS, "{\n" + ",\n".join(lines) + "\n}\n")


def check(folder: Path | None = None) -> int:
    """Draw every list again; compare it with the shipped one and its lock, and smaller ones with larger ones.

    Args:
        folder: Of the files; None means those that come with geopt.

    Returns:
        How many lists were compared.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a list differs, is no part of the next larger one, or a file is damaged; one line for each.
    """
    folder = folder or resources.path("datasets") / "splits"
    shipped: dict[str, list[str]] = {}
    for seed in SEEDS:
        shipped |= _read(folder / scene_file(seed), dict[str, list[str]])
    known, problems = locks(folder), []
    drawn = {f.name: expanded(f) for f in fractions().values() if f.kind != "every"}
    for name in known.keys() - drawn.keys() | shipped.keys() - drawn.keys():
        problems.append(f"splits: {name} in {folder} is no list that geopt draws")
    for name, lines in drawn.items():
        if find(name).kind == "scenes" and shipped.get(name) != lines:
            problems.append(f"splits: {name} in {folder} is not the list that its rule draws")
        if known.get(name) != lock(lines):
            problems.append(f"splits: {name} must have {lock(lines)}, {LOCKS} has {known.get(name)}")
    for smaller, larger in chains():
        outside = set(shipped.get(smaller, drawn[smaller])) - set(shipped.get(larger, drawn[larger]))
        if outside:
            problems.append(f"splits: {smaller} is not within {larger}, which lacks {min(outside)}")
    if problems:
        raise ValueError("\n".join(problems))
    return len(drawn)


def chains() -> Iterator[tuple[str, str]]:
    """Pairs of names, the first of which must be within the second."""
    for kind, percents in (("scenes", tuple(SCENE_PERMILLES)), ("frames", tuple(FRAME_PERMILLES))):
        for seed in SEEDS:
            for smaller, larger in zip(percents, percents[1:]):
                yield f"{kind}-{smaller}-seed{seed}", f"{kind}-{larger}-seed{seed}"


def table() -> list[tuple[str, ...]]:
    """Rows of a table of all lists: name, what it counts, and the count for each seed (or the one count)."""
    known, rows = locks(), []
    for kind, percents in (("scenes", SCENE_PERMILLES), ("frames", FRAME_PERMILLES)):
        for percent in percents:
            counts = (f"{known[f'{kind}-{percent}-seed{seed}'].size:,}" for seed in SEEDS)
            rows.append((f"{kind}-{percent}-seedN", "scenes" if kind == "scenes" else "key frames", *counts))
    rows += [(f"every-{step}-scenes", "scenes", f"{known[f'every-{step}-scenes'].size:,}") for step in STEPS]
    rows += [(f"every-{step}", "key frames", f"1 in {step}") for step in STEPS]
    return rows


def _read(path: Path, kind: type[Table]) -> Table:
    if not path.is_file():
        raise FileNotFoundError(f"splits: {path} is missing; reinstall geopt-lidar")
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except msgspec.MsgspecError as error:
        raise ValueError(f"splits: {path} is damaged ({error}); reinstall geopt-lidar") from error


def _wrapped(lists: dict[str, list[str]]) -> str:
    parts = []
    for name, scenes in lists.items():
        text = textwrap.fill(", ".join(f'"{scene}"' for scene in scenes), 116, break_on_hyphens=False)
        parts.append(f'  "{name}": [\n{textwrap.indent(text, "    ")}\n  ]')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def main(arguments: list[str]) -> None:
    """``--write`` writes the files of a checkout; without it they are checked."""
    if arguments not in ([], ["--write"]):
        sys.exit("usage: python -m geopt.data.fraction_files [--write]")
    if arguments:
        write(resources.path("datasets") / "splits")
    print(f"{check()} lists are as their rules draw them")


if __name__ == "__main__":
    main(sys.argv[1:])
