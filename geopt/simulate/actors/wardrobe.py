"""Figures to draw from: rows of cones look alike, and there are many cars of each make."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from geopt.simulate.meshes import Figure, draw_figure
from geopt.simulate.randomness import stream

VARIANTS: Mapping[str, int] = {
    "car": 40, "suv": 16, "van": 8, "pickup": 8, "adult": 22, "adult_standing": 12, "adult_sitting": 6, "child": 5,
    "worker": 3, "worker_standing": 5, "cone": 2, "barrier": 3, "bin": 6, "bicycle": 8, "debris": 6, "motorcycle": 6,
}  # fmt: skip
"""How many figures of a kind there are in a scene; 4 of all others."""


class Wardrobe:
    """All figures of a scene, made when they are first drawn."""

    def __init__(self, seed: int, name: str) -> None:
        self._seed, self._name = seed, name
        self._made: dict[tuple[str, int], Figure] = {}

    def draw(self, kind: str, rng: np.random.Generator) -> Figure:
        """A figure of a kind."""
        key = kind, int(rng.integers(VARIANTS.get(kind, 4)))
        if key not in self._made:
            self._made[key] = draw_figure(kind, stream(self._seed, self._name, "figure", *key))
        return self._made[key]
