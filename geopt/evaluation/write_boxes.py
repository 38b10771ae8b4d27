"""Detections and tracks as the nuScenes benchmarks want them. Needs no torch.

Source of the formats: nuscenes-devkit 1.2.0, ``eval/detection`` and ``eval/tracking``.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from geopt import files, official
from geopt.evaluation.global_boxes import GlobalBoxes, Tracks
from geopt.evaluation.submission import MAX_BOXES_PER_SAMPLE

MOVING_MPS = 0.2
"""An object that is faster moves."""
ATTRIBUTE = {
    "car": ("vehicle.parked", "vehicle.moving"),
    "truck": ("vehicle.parked", "vehicle.moving"),
    "bus": ("vehicle.stopped", "vehicle.moving"),
    "trailer": ("vehicle.parked", "vehicle.moving"),
    "construction_vehicle": ("vehicle.parked", "vehicle.moving"),
    "pedestrian": ("pedestrian.standing", "pedestrian.moving"),
    "motorcycle": ("cycle.without_rider", "cycle.with_rider"),
    "bicycle": ("cycle.without_rider", "cycle.with_rider"),
    "traffic_cone": ("", ""),
    "barrier": ("", ""),
}
"""Attribute of an object that stands and of one that moves. Source: the rule of CenterPoint and mmdetection3d."""


@dataclasses.dataclass(frozen=True)
class InputsUsed:
    """What a method used, as a submission must say."""

    use_camera: bool = False
    use_lidar: bool = True
    use_radar: bool = False
    use_map: bool = False
    use_external: bool = False


LIDAR_ALONE = InputsUsed()


def write_detections(
    path: str | os.PathLike[str],
    boxes: Mapping[str, GlobalBoxes],
    samples: Collection[str],
    *,
    classes: Sequence[str] | None = None,
    inputs: InputsUsed = LIDAR_ALONE,
) -> None:
    """Write a submission for the nuScenes detection benchmark.

    The attribute of a box follows from its class and whether it is faster than ``MOVING_MPS``, see ``ATTRIBUTE``; one of
    unknown velocity stands.

    Args:
        path: JSON file; it appears whole or not at all.
        boxes: By sample token; at most 500 each, 0 where nothing was found.
        samples: Tokens of every sample of the split; see :func:`geopt.evaluation.split_frames.split_frames`.
        classes: Names that ``boxes.classes`` are rows of; None for the ten of the benchmark in their order.
        inputs: What the method used.

    Raises:
        ValueError: the samples of ``boxes`` are not those of the split, one has more than 500 boxes, a class is not one of
            the benchmark's, or a box has a number that the evaluator refuses. Nothing is written then.
    """
    names = _class_names("write_detections", "detection", classes)

    def rows(token: str) -> list[dict[str, Any]]:
        found = boxes[token]
        speed = np.hypot(*found.velocity.T)
        return [
            box | {"detection_name": name, "detection_score": score, "attribute_name": ATTRIBUTE[name][moves]}
            for box, name, score, moves in zip(
                _plain("write_detections", token, found, names),
                (names[label] for label in found.classes.tolist()),
                found.scores.tolist(),
                (speed > MOVING_MPS).tolist(),
            )
        ]

    _write("write_detections", Path(path), rows, list(boxes), samples, inputs)


def write_tracks(
    path: str | os.PathLike[str],
    tracks: Mapping[str, Tracks],
    samples: Collection[str],
    *,
    classes: Sequence[str] | None = None,
    inputs: InputsUsed = LIDAR_ALONE,
) -> None:
    """Write a submission for the nuScenes tracking benchmark.

    Args:
        path: JSON file; it appears whole or not at all.
        tracks: By sample token; at most 500 boxes each, no id twice in a sample.
        samples: Tokens of every sample of the split; see :func:`geopt.evaluation.split_frames.split_frames`.
        classes: Names that ``boxes.classes`` are rows of; None for the ten of the detection benchmark in their order. The
            boxes must be of the seven that are tracked.
        inputs: What the method used.

    Raises:
        ValueError: as :func:`write_detections`; or a sample has an id twice. Nothing is written then.
    """
    names = _class_names("write_tracks", "detection", classes)
    tracked = official.class_map("tracking").classes

    def rows(token: str) -> list[dict[str, Any]]:
        found, ids, _ = tracks[token]
        if len(ids) != len(found) or len(set(ids)) != len(ids):
            raise ValueError(
                f"write_tracks: sample {token!r} must have an id of its own for each of {len(found)} boxes, got {ids}"
            )
        plain = _plain("write_tracks", token, found, names)
        strange = sorted({names[label] for label in found.classes.tolist()} - set(tracked))
        if strange:
            raise ValueError(
                f"write_tracks: boxes must be of {', '.join(tracked)}, sample {token!r} has {strange[0]}; "
                "leave the other classes out with Tracks.take"
            )
        return [
            box | {"tracking_id": track, "tracking_name": names[label], "tracking_score": score}
            for box, track, label, score in zip(plain, ids, found.classes.tolist(), found.scores.tolist())
        ]

    _write("write_tracks", Path(path), rows, list(tracks), samples, inputs)


def _class_names(function: str, benchmark: str, classes: Sequence[str] | None) -> tuple[str, ...]:
    known = official.class_map(benchmark).classes
    strange = [name for name in classes or () if name not in known]
    if strange:
        raise ValueError(f"{function}: classes must be of {', '.join(known)}, got {strange[0]!r}")
    return tuple(classes) if classes is not None else known


def _plain(function: str, token: str, boxes: GlobalBoxes, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The part of a box that both benchmarks share, checked."""
    where = f"{function}: sample {token!r}"
    if len(boxes) > MAX_BOXES_PER_SAMPLE:
        raise ValueError(
            f"{where} must have at most {MAX_BOXES_PER_SAMPLE} boxes, got {len(boxes)}; "
            f"keep those of the highest scores with GlobalBoxes.best({MAX_BOXES_PER_SAMPLE})"
        )
    checks = {
        "translation must be finite": np.isfinite(boxes.translation).all(axis=1),
        "size must be finite and above 0": (np.isfinite(boxes.size_wlh) & (boxes.size_wlh > 0)).all(axis=1),
        "rotation must be a finite quaternion that is not 0": np.isfinite(boxes.quat_wxyz).all(axis=1)
        & (boxes.quat_wxyz != 0).any(axis=1),
        "velocity must not be infinite": ~np.isinf(boxes.velocity).any(axis=1),
        "score must be finite and at least 0": np.isfinite(boxes.scores) & (boxes.scores >= 0),
        f"class must be a row of {len(names)} names": (boxes.classes >= 0) & (boxes.classes < len(names)),
    }
    for what, good in checks.items():
        if not good.all():
            row = int(np.argmin(good))
            box = {field.name: getattr(boxes, field.name)[row].tolist() for field in dataclasses.fields(boxes)}
            raise ValueError(f"{where}, box {row}: {what}, got {box}")
    columns = (boxes.translation, boxes.size_wlh, boxes.quat_wxyz, boxes.velocity)
    keys = ("translation", "size", "rotation", "velocity")
    return ({"sample_token": token} | dict(zip(keys, row)) for row in zip(*(column.tolist() for column in columns)))


def _write(
    function: str,
    path: Path,
    rows: Callable[[str], list[dict[str, Any]]],
    given: Sequence[str],
    samples: Collection[str],
    inputs: InputsUsed,
) -> None:
    wanted = set(samples)
    for fault, tokens in (("are missing", wanted - set(given)), ("are not in the split", set(given) - wanted)):
        if tokens:
            raise ValueError(
                f"{function}: boxes must be given for every sample of the split and no other (0 boxes where nothing was "
                f"found), {len(tokens)} of {len(wanted)} samples {fault}, such as {min(tokens)!r}"
            )

    def write(temporary: Path) -> None:
        with temporary.open("w", encoding="utf-8") as file:
            _write_samples(file, rows, given, inputs)

    files.replace(path, write)


def _write_samples(
    file: IO[str], rows: Callable[[str], list[dict[str, Any]]], given: Sequence[str], inputs: InputsUsed
) -> None:
    file.write(f'{{"meta": {json.dumps(dataclasses.asdict(inputs))}, "results": {{')
    for number, token in enumerate(given):  # one sample at a time: all of val together would be gigabytes of dicts
        file.write(f"{',' if number else ''}\n{json.dumps(token)}: {json.dumps(rows(token))}")
    file.write("\n}}\n")
