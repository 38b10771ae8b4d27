"""From the text of ``data.train`` and ``data.val`` to scenes and ranges of key frames."""

from __future__ import annotations

import difflib
import functools
import itertools
import logging
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

log = logging.getLogger(__name__)

PART = re.compile(r"(?P<name>[^\[\]]+)(?P<slice>\[(?P<start>-?\d+)?:(?P<stop>-?\d+)?\])?")


class KeyFrameRange(NamedTuple):
    """Key frames ``start`` up to, not including, ``stop`` of a scene."""

    scene: str
    start: int
    stop: int


def resolve(
    selection: str, splits: Mapping[str, Sequence[str]], num_key_frames: Mapping[str, int], where: str
) -> list[KeyFrameRange]:
    """Find the scenes that a selection means.

    A selection is a split, a scene, or a slice of a scene such as ``scene-0523[:30]`` with Python's meaning of the
    numbers; several are joined by ``,`` or ``+``. A split whose scenes are only partly there gives those that are,
    with one log message of how many.

    Args:
        selection: What the user wrote.
        splits: Scene names of each known split.
        num_key_frames: Of each scene that is there, in the order of the dataset.
        where: The dataset's place for messages.

    Raises:
        ValueError: a part is no split and no scene (names the nearest), none of a split's scenes is there, a slice
            is empty, or two parts hold the same key frame.
    """
    ranges: list[KeyFrameRange] = []
    for part in re.split("[,+]", selection):
        match = PART.fullmatch(part.strip())
        if match is None:
            raise ValueError(
                f"splits: selection must be splits, scenes or slices like scene-0001[:30], joined by ',' or '+', "
                f"got {part.strip()!r} in {selection!r}"
            )
        name = match["name"].strip()
        if name in splits and match["slice"]:
            raise ValueError(f"splits: a slice belongs to a scene, got {part.strip()!r}; {name} is a split")
        if name in splits:
            names = _scenes_there(name, tuple(splits[name]), tuple(num_key_frames), where)
            ranges += [KeyFrameRange(scene, 0, num_key_frames[scene]) for scene in names]
        elif name in num_key_frames:
            bounds = slice(*(int(match[side]) if match[side] else None for side in ("start", "stop")))
            start, stop, _ = bounds.indices(num_key_frames[name])
            if start >= stop:
                raise ValueError(
                    f"splits: {part.strip()} selects nothing, {name} has {num_key_frames[name]} key frames"
                )
            ranges.append(KeyFrameRange(name, start, stop))
        else:
            raise ValueError(_unknown(name, splits, num_key_frames, where))
    _refuse_overlap(ranges, selection)
    return ranges


def scenes_of(selection: str, splits: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Scenes that a selection names, sorted, each once, whether they are there or not.

    Args:
        selection: As for :func:`resolve`, which must have accepted it.
        splits: Scene names of each known split.
    """
    names = {match["name"].strip() for part in re.split("[,+]", selection) if (match := PART.fullmatch(part.strip()))}
    return tuple(sorted({scene for name in names for scene in splits.get(name, (name,))}))


@functools.cache  # a message once, however often a dataset is opened
def _scenes_there(split: str, scenes: tuple[str, ...], there: tuple[str, ...], where: str) -> tuple[str, ...]:
    found = tuple(sorted(set(scenes) & set(there)))
    if not found:
        raise ValueError(
            f"splits: none of the {len(scenes)} scenes of split {split!r} is in {where}, which has {_listed(there)}; "
            "name what is there, and run without validation by data.val="
        )
    if len(found) < len(scenes):
        log.warning("%d of the %d scenes of split %r are in %s; using those", len(found), len(scenes), split, where)
    return found


def _unknown(name: str, splits: Mapping[str, Sequence[str]], scenes: Mapping[str, int], where: str) -> str:
    near = difflib.get_close_matches(name, [*splits, *scenes], n=3)
    hint = f"did you mean {' or '.join(near)}" if near else f"splits are {_listed(tuple(splits))}"
    official = any(name in names for names in splits.values())
    what = "is an official scene that is not there" if official else "is neither a split nor a scene"
    return (
        f"splits: {name!r} {what}; {hint}; {where} has {_listed(tuple(scenes))}; say with data.train and data.val which to take, "
        "data.val= for none"
    )


def _listed(names: Sequence[str]) -> str:
    if not names:
        return "no scene"
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _refuse_overlap(ranges: Sequence[KeyFrameRange], selection: str) -> None:
    ordered = sorted(ranges)
    for first, second in itertools.pairwise(ordered):
        if first.scene == second.scene and second.start < first.stop:
            raise ValueError(f"splits: key frame {second.start} of {first.scene} is named twice in {selection!r}")
