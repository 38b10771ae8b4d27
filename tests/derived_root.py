"""Cuts a nuScenes folder of one scene into several, so that a part can be scored as a split.

The official devkit scores whole scenes only. Of the folder that is written, both it and our evaluators score the same
key frames. Tables are written, sensor files are links.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Rows = list[dict[str, Any]]
UNCHANGED = ("attribute", "calibrated_sensor", "category", "log", "map", "sensor", "visibility")
POINT_LABELS = ("lidarseg", "panoptic")
HALVES = {"scene-0061": (0, 30), "scene-0103": (30, 40)}
"""The first 30 of 40 key frames become a scene of mini_train, the last ten one of mini_val."""


def write_derived_root(
    source: Path,
    root: Path,
    parts: Mapping[str, tuple[int, int]] = HALVES,
    splits: Mapping[str, Sequence[str]] | None = None,
    version: str = "v1.0-mini",
) -> Path:
    """Write the tables of ``parts`` below ``root``, with links to the sensor files, and return it.

    Tokens stay those of ``source``, but for scenes and instances. What was linked across a cut is not any more: the
    first key frame of a part has no sweep before it, and a box there no box before.

    Args:
        source: Folder with one scene.
        root: Folder that does not exist, or is empty.
        parts: Key frames [start, stop) by the name of the scene that they become; names of official splits make the
            parts official splits.
        splits: For ``splits.json``; by default ``first_part``, ``second_part``, ... with a scene each.
    """
    tables = {path.stem: json.loads(path.read_text()) for path in sorted((source / version).glob("*.json"))}
    (scene,) = tables["scene"]
    samples = sorted(tables["sample"], key=lambda row: row["timestamp"])
    part_of = {row["token"]: name for name, (start, stop) in parts.items() for row in samples[start:stop]}

    written: dict[str, Rows] = {name: tables[name] for name in UNCHANGED if name in tables}
    written["sample"] = [
        row | {"scene_token": f"{scene['token']}-{part_of[row['token']]}"} for row in samples if row["token"] in part_of
    ]
    written["scene"] = []
    for name in parts:
        tokens = [row["token"] for row in written["sample"] if part_of[row["token"]] == name]
        written["scene"].append(
            scene
            | {"token": f"{scene['token']}-{name}", "name": name, "nbr_samples": len(tokens)}
            | {"first_sample_token": tokens[0], "last_sample_token": tokens[-1]}
        )
    for name in ("sample_data", "sample_annotation"):
        written[name] = [row for row in tables[name] if row["sample_token"] in part_of]
    poses = {row["ego_pose_token"] for row in written["sample_data"]}
    written["ego_pose"] = [row for row in tables["ego_pose"] if row["token"] in poses]
    _cut(written["sample"], lambda row: part_of[row["token"]])
    for name in ("sample_data", "sample_annotation"):
        _cut(written[name], lambda row: part_of[row["sample_token"]])
    written["instance"] = _instances(tables["instance"], written["sample_annotation"], part_of, samples)

    (root / version).mkdir(parents=True)
    for folder in ("samples", "sweeps", "maps"):
        if (source / folder).is_dir():
            (root / folder).symlink_to((source / folder).resolve())
    scans = {row["token"] for row in written["sample_data"]}
    for name in POINT_LABELS:
        if name in tables:
            written[name] = [row for row in tables[name] if row["sample_data_token"] in scans]
            for row in written[name]:
                (root / row["filename"]).parent.mkdir(parents=True, exist_ok=True)
                (root / row["filename"]).symlink_to((source / row["filename"]).resolve())
    numbered = ("first", "second", "third", "fourth")
    own_splits = splits or {f"{number}_part": [name] for number, name in zip(numbered, parts)}
    for name, content in (written | {"splits": own_splits}).items():
        (root / version / f"{name}.json").write_text(json.dumps(content, indent=1))
    return root


def _cut(rows: Rows, part) -> None:
    """Make copies of rows whose neighbours are in the same part."""
    parts = {row["token"]: part(row) for row in rows}
    for i, row in enumerate(rows):
        sides = {side: row[side] for side in ("prev", "next")}
        rows[i] = row | {s: token if parts.get(token) == parts[row["token"]] else "" for s, token in sides.items()}


def _instances(instances: Rows, annotations: Rows, part_of: dict[str, str], samples: Rows) -> Rows:
    """An instance of its own for each part of an object; the annotations are changed to name it."""
    when = {row["token"]: row["timestamp"] for row in samples}
    by_token = {row["token"]: row for row in instances}
    seen: dict[str, Rows] = {}
    for row in annotations:
        source = row["instance_token"]
        row["instance_token"] = f"{source}-{part_of[row['sample_token']]}"
        seen.setdefault(row["instance_token"], []).append(row | {"source": source})
    written = []
    for token, rows in seen.items():
        rows.sort(key=lambda row: when[row["sample_token"]])
        written.append(
            by_token[rows[0]["source"]]
            | {"token": token, "nbr_annotations": len(rows)}
            | {"first_annotation_token": rows[0]["token"], "last_annotation_token": rows[-1]["token"]}
        )
    return written
