"""Trees and bushes of a few kinds, each used many times, in other sizes and mirrored."""

from __future__ import annotations

import numpy as np

from geopt.simulate.city.vegetation import broad_tree, bush, conifer, slim_tree, tuft
from geopt.simulate.meshes import Mesh
from geopt.simulate.randomness import stream


class Nursery:
    """The plants of one city.

    Kinds: ``avenue`` trees are clear of leaves up to about 2.3 m, ``garden`` trees are of all shapes, ``distant`` trees have
    fewer, larger leaves; ``bush``; ``tuft``.
    """

    def __init__(self, seed: int, name: str) -> None:
        rng = stream(seed, name, "plants")
        shapes = (broad_tree, broad_tree, slim_tree, conifer)
        garden = [shapes[k](rng, 215, 0.26, 1.5) for k in (0, 1, 2, 3, int(rng.integers(4)))]
        distant = [shapes[k](rng, 60, 0.55, 1.8) for k in (0, 1, 2, 3)]
        self._plants = {
            "avenue": [broad_tree(rng, 225, 0.26, 2.5) for _ in range(3)] + [slim_tree(rng, 200, 0.21, 2.3)],
            "garden": garden,
            "distant": distant,
            "bush": [bush(rng, 52, 0.19) for _ in range(4)],
            "tuft": [tuft(rng, rng.uniform(0.4, 1.2), rng.uniform(0.25, 0.6)) for _ in range(4)],
        }

    def grow(self, rng: np.random.Generator, kind: str, size: float = 1.0) -> Mesh:
        """One plant of a kind, root at the origin."""
        plants = self._plants[kind]
        plant = plants[rng.integers(len(plants))]
        wide, tall = size * rng.uniform(0.85, 1.2), size * rng.uniform(0.9, 1.25)
        return plant._replace(vertices=plant.vertices * (wide * rng.choice([-1, 1]), wide * rng.choice([-1, 1]), tall))
