"""Label fractions: named choices of training frames that anybody can draw again, in any language.

``scenes-10-seed0``
    A tenth of the scenes. Scenes ascend by sha256 of ``<seed>/<scene>``, written in hexadecimal, and the first
    ceil(n * 10 / 100) are kept.
``frames-10-seed0``
    About a tenth of the key frames. Key frame ``number`` (from 0) of a scene is kept if and only if the first 8 bytes of
    sha256 of ``<seed>/<scene>/<number>``, read as a big-endian number, are below 2**64 * 10 / 100. No other frame
    matters, so a part of a dataset keeps what the whole keeps.
``every-100``
    Every 100th key frame in the order of time, the first included: ``load_interval=100`` of mmdetection3d.
``every-100-scenes``
    All frames of the 100th, 200th, ... scene in the order of names: ``dataset_skip_step: 100`` of SLidR.

All texts are ASCII. Within a seed a smaller fraction is part of every larger one.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import hashlib
import logging
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

log = logging.getLogger(__name__)

ALL = "all"
SEEDS = (0, 1, 2, 3, 4)
SCENE_PERMILLES = {"1": 10, "2": 20, "5": 50, "10": 100, "20": 200, "50": 500, "100": 1000}
"""Thousandths of the scenes by their name in per cent."""
FRAME_PERMILLES = {"0.1": 1, "0.2": 2, "0.5": 5, **SCENE_PERMILLES}
STEPS = (2, 5, 10, 20, 50, 100)


class KeyFrames(NamedTuple):
    """Key frames to choose from."""

    scene: Sequence[str]
    """(K,) name of the scene of each."""
    number: NDArray[np.int64]
    """(K,) place in its scene, from 0."""
    timestamp_us: NDArray[np.int64]
    """(K,) time."""


@dataclasses.dataclass(frozen=True)
class Fraction:
    """One of :func:`names`, taken apart."""

    name: str
    kind: Literal["all", "scenes", "frames", "every", "every_scenes"]
    permille: int = 1000
    """Thousandths that ``scenes`` and ``frames`` keep."""
    seed: int = 0
    step: int = 1
    """Of the two kinds with ``every``."""

    def scenes(self, scenes: Sequence[str]) -> tuple[str, ...]:
        """Scenes of which anything is kept, sorted.

        Args:
            scenes: All that the fraction is a fraction of, each once; those that are not on the disk count too.
        """
        ordered = sorted(scenes)
        if self.kind == "scenes":
            count = -(-len(ordered) * self.permille // 1000)
            return tuple(sorted(sorted(ordered, key=lambda scene: digest(f"{self.seed}/{scene}"))[:count]))
        if self.kind == "every_scenes":
            return tuple(ordered[self.step - 1 :: self.step])
        return tuple(ordered)

    def keeps(self, scene: str, number: int) -> bool:
        """Whether ``frames`` keeps a key frame; the other kinds need to see more than one."""
        below = int(digest(f"{self.seed}/{scene}/{number}")[:16], 16)
        return below * 1000 < self.permille << 64  # whole numbers: the same in every language

    def mask(self, frames: KeyFrames, scenes: Sequence[str]) -> NDArray[np.bool_]:
        """(K,) whether each key frame is kept.

        Args:
            frames: The key frames that are there.
            scenes: As for :meth:`scenes`.
        """
        kept = set(self.scenes(scenes))
        mask = np.array([scene in kept for scene in frames.scene], dtype=bool)
        if self.kind == "frames":
            mask[:] = [self.keeps(scene, int(number)) for scene, number in zip(frames.scene, frames.number)]
        elif self.kind == "every":
            mask[:] = False
            mask[np.argsort(frames.timestamp_us, kind="stable")[:: self.step]] = True
        return mask


@functools.cache
def fractions() -> dict[str, Fraction]:
    """Every fraction by its name, ``all`` first."""
    every = [Fraction(ALL, "all")]
    for seed in SEEDS:
        every += [Fraction(f"scenes-{p}-seed{seed}", "scenes", m, seed) for p, m in SCENE_PERMILLES.items()]
    for seed in SEEDS:
        every += [Fraction(f"frames-{p}-seed{seed}", "frames", m, seed) for p, m in FRAME_PERMILLES.items()]
    every += [Fraction(f"every-{step}", "every", step=step) for step in STEPS]
    every += [Fraction(f"every-{step}-scenes", "every_scenes", step=step) for step in STEPS]
    return {fraction.name: fraction for fraction in every}


def find(name: str) -> Fraction:
    """The fraction of this name.

    Raises:
        ValueError: there is none; names the nearest.
    """
    known = fractions()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "such as scenes-10-seed0, frames-1-seed3, every-100"
        raise ValueError(f"fractions: must be 'all' or a list that `geopt splits` names, got {name!r}; {hint}")
    return known[name]


def choose(name: str, frames: KeyFrames, scenes: Sequence[str]) -> NDArray[np.bool_]:
    """(K,) which key frames a fraction keeps; says once how many.

    Args:
        name: Of the fraction.
        frames: The key frames that are there, at least one.
        scenes: As for :meth:`Fraction.scenes`.

    Raises:
        ValueError: there is no such fraction, or it keeps nothing.
    """
    fraction = find(name)
    mask = fraction.mask(frames, scenes)
    if not mask.any():
        raise ValueError(
            f"fractions: {name} keeps none of the {len(mask)} key frames that are there of {len(scenes)} scenes; "
            "take a larger fraction"
        )
    _tell(name, int(mask.sum()), len(mask), len(fraction.scenes(scenes)), len(scenes))
    return mask


@functools.cache  # a message once, however often a dataset is opened
def _tell(name: str, kept: int, there: int, scenes: int, of_scenes: int) -> None:
    log.info("labels: %s, %d of %d key frames, from %d of %d scenes", name, kept, there, scenes, of_scenes)


def digest(text: str) -> str:
    """sha256 of a text as 64 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()
