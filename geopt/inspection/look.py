"""Opens a dataset and measures some of its scans, one at a time."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from geopt import config as configs
from geopt.config_errors import ConfigError
from geopt.data import DataConfig, NuScenes
from geopt.data.formats import open_source
from geopt.data.source import Source
from geopt.inspection import annotated, layouts, motion, scan_files
from geopt.inspection.facts import Facts, Problem
from geopt.inspection.measure import measure, read_raw
from geopt.schema import Frozen

log = logging.getLogger("geopt.data")
PAIRS, BOXED = 5, 5
"""Pairs of scans, and frames with boxes or labels, that are looked at: each costs about as much as two scans."""
OPTIONAL = ("poses", "times")
"""What lies beside the scans of a folder; where one is damaged, the scans are looked at without it."""


class InspectConfig(Frozen):
    """Everything that ``geopt inspect`` can be told."""

    data: DataConfig = DataConfig()
    """The dataset; what its files tell need not be said."""


def load(path: str | Path, overrides: Sequence[str] = ()) -> DataConfig:
    """The config that a dataset is opened with: what its layout tells, then overrides such as ``data.folder.unit_m=0.001``.

    Raises:
        FileNotFoundError: there is nothing that geopt reads.
        ConfigError: an override is wrong.
    """
    said = [override.removeprefix("data.kind=") for override in overrides if override.startswith("data.kind=")]
    layout = layouts.Layout(said[-1], Path(path).expanduser(), {}) if said else layouts.detect(path)
    found = {"kind": layout.kind, "root": str(layout.root), **layout.options}
    mine = [f"data.{key}={value}" for key, value in found.items()]
    config = configs.load(InspectConfig, "default", [*mine, *overrides], group="inspect").data
    if config.mix:
        raise ConfigError(["data.mix: must be left out; inspect the datasets one by one"])
    return config


def look(config: DataConfig, scans: int, progress: Callable[[int, int], None] | None = None) -> Facts:
    """Measure a dataset.

    Args:
        config: Which one.
        scans: How many scans are read, spread evenly. Memory is that of two scans at a time.
        progress: Called with scans read and scans in all.

    Raises:
        ImportError: its files need a package that is not installed; says which.
    """
    files = scan_files.find(config)
    problems: list[Problem] = []
    source, config = _open(config, problems)
    facts = Facts(
        root=Path(config.root).expanduser(),
        config=config,
        files=files,
        same_files=scan_files.same(files),
        widths=scan_files.widths(config, files, scans),
    )
    if source is None:
        return dataclasses.replace(facts, problems=tuple(problems))
    order = source.order
    rows = _spread(np.arange(len(order.scene)), scans)
    measured = []
    with _quiet():
        for number, row in enumerate(rows):
            with _noting(problems, "scan", source.name(row)):
                raw = read_raw(source, row)
                raw = raw._replace(name=raw.name.removeprefix(f"{config.root}{os.sep}"))
                measured.append(measure(raw, row, order.scenes[int(order.scene[row])]))
            if progress is not None:
                progress(number + 1, len(rows))
        poses, boxed, labelled = _poses(source), _with_boxes(source), _labelled(source)
        unread = {problem.name for problem in problems}
        pairs, boxes, labels = [], [], []
        for first, second in [] if poses is None else motion.choose(source, poses, PAIRS):
            if not unread & {source.name(first), source.name(second)}:
                with _noting(problems, "scan", source.name(second)):
                    pairs.append(motion.measure(source, first, second))
        for row in _spread(boxed, min(scans, BOXED)):
            with _noting(problems, "boxes", source.name(row)):
                boxes.append(annotated.of_boxes(source, row))
        for row in _spread(labelled, min(scans, BOXED)):
            with _noting(problems, "labels", source.name(row)):
                labels.append(annotated.of_labels(source, row))
    times = np.asarray(order.timestamp_us)
    return dataclasses.replace(
        facts,
        problems=tuple(problems),
        sensor=source.sensor,
        scenes=tuple(order.scenes),
        splits=_splits(source),
        scene=np.asarray(order.scene, dtype=np.int64),
        timestamp_us=times if times.any() else None,
        num_with_boxes=len(boxed),
        num_labelled=len(labelled),
        global_from_ego=poses,
        scans=tuple(measured),
        pairs=tuple(pairs),
        boxes=tuple(boxes),
        labels=tuple(labels),
    )


def _open(config: DataConfig, problems: list[Problem]) -> tuple[Source | None, DataConfig]:
    """Open a dataset; a folder if need be without the poses or times beside its scans."""
    with _noting(problems, "dataset", config.root):
        return open_source(config), config
    for without in ((OPTIONAL[0],), (OPTIONAL[1],), OPTIONAL) if config.kind == "folder" else ():
        kept = config.folder.model_copy(update=dict.fromkeys(without, "none"))
        less = config.model_copy(update={"folder": kept})
        try:
            source = open_source(less)
        except (ValueError, OSError):
            continue
        problems[-1] = problems[-1]._replace(part=without[0])  # type: ignore[arg-type]
        return source, less
    return None, config


def _spread(rows: NDArray, number: int) -> list[int]:
    """So many rows, evenly over all of them."""
    if not len(rows):
        return []
    at = np.unique(np.linspace(0, len(rows) - 1, min(number, len(rows))).astype(int))
    return [int(rows[place]) for place in at]


def _splits(source: Source) -> tuple[str, ...]:
    here = set(source.order.scenes)
    return tuple(name for name, scenes in source.splits().items() if here & set(scenes))


def _poses(source: Source) -> NDArray[np.float64] | None:
    """(S, 3, 4); a dataset without poses says of each that there is no motion."""
    poses = np.stack([source.global_from_ego(row) for row in range(len(source.order.scene))])
    return poses if np.any(poses != np.eye(3, 4)) else None


def _with_boxes(source: Source) -> NDArray[np.int64]:
    return _rows_with(source, source.is_key_frame, "sample_annotation.json")


def _labelled(source: Source) -> NDArray[np.int64]:
    return _rows_with(source, source.has_labels, "lidarseg.json")


def _rows_with(source: Source, has: Callable[[int], bool], table: str) -> NDArray[np.int64]:
    """Rows that have boxes or labels; nuScenes says so of all key frames, whether the table of these is there or not."""
    there = not isinstance(source, NuScenes) or (source.folder / table).is_file()
    return np.array([row for row in range(len(source.order.scene)) if there and has(row)], dtype=np.int64)


@contextmanager
def _noting(problems: list[Problem], part: Literal["dataset", "scan", "boxes", "labels"], name: str) -> Iterator[None]:
    """Take down what a reader refuses, and go on."""
    try:
        yield
    except (ValueError, OSError, MemoryError) as error:
        problems.append(Problem(part, name, str(error)))


@contextmanager
def _quiet() -> Iterator[None]:
    """Readers log points that they leave out; the inspection counts them."""
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)
