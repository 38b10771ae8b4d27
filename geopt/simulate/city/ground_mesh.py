"""The ground as triangles: cells of the grid, cut along the edges of every surface, and the steps of the kerbs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geopt.simulate.city.ground import Ground, classify
from geopt.simulate.classes import OTHER_FLAT, ROAD, SIDEWALK, TERRAIN
from geopt.simulate.meshes import Mesh, merged, painted
from geopt.simulate.randomness import Floats, stream

X, Y, Z, KERB, FIRST_FIELD = range(5)
Truth = NDArray[np.bool_]


class _Pieces:
    """Triangles whose corners carry values that are linear on them."""

    def __init__(self, corners: Floats, cell: NDArray[np.int64], names: list[str]) -> None:
        self.corners, self.cell, self.names = corners, cell, names
        """(N, 3, values), (N,), and the names of the values from FIRST_FIELD on."""
        self.is_in: Truth = np.asarray((corners[:, :, FIRST_FIELD:] < 0).all(axis=1))
        """(N, fields)."""

    def cut(self, name: str, among: Truth) -> Floats:
        """Cut along the zero of a field; returns the cuts (C, 2, values)."""
        field = self.names.index(name)
        value = self.corners[:, :, FIRST_FIELD + field]
        is_negative = value < 0
        count = is_negative.sum(axis=1)
        mixed = np.flatnonzero((count % 3 != 0) & among)
        is_lone_in = count[mixed] == 1
        lone = np.where(is_lone_in, is_negative[mixed].argmax(axis=1), (~is_negative[mixed]).argmax(axis=1))
        order = (lone[:, None] + np.arange(3)) % 3
        a, b, c = (self.corners[mixed, order[:, k]] for k in range(3))
        v, w, x = (value[mixed, order[:, k]] for k in range(3))
        p = a + (v / (v - w))[:, None] * (b - a)
        q = a + (v / (v - x))[:, None] * (c - a)
        whole = np.ones(len(self.corners), dtype=bool)
        whole[mixed] = False
        alone, rest = self.is_in[mixed], self.is_in[mixed]  # copies
        alone[:, field], rest[:, field] = is_lone_in, ~is_lone_in
        pieces = [np.stack(corners, axis=1) for corners in ((a, p, q), (p, b, c), (p, c, q))]
        self.corners = np.concatenate([self.corners[whole], *pieces])
        self.is_in = np.concatenate([self.is_in[whole], alone, rest, rest])
        self.cell = np.concatenate([self.cell[whole], *(3 * [self.cell[mixed]])])
        return np.stack([p, q], axis=1)

    def inside(self, name: str) -> Truth:
        return self.is_in[:, self.names.index(name)]


def ground_mesh(seed: int, name: str, ground: Ground) -> Mesh:
    """Mesh of the ground, everywhere as high as ``ground.height`` and of the class ``ground.surface``."""
    columns = ground.grid.shape[1]
    names = list(ground.fields)
    x, y = ground.grid.xy()
    values = [*np.broadcast_arrays(x, y), ground.base_m, ground.kerb_m, *ground.fields.values()]
    values = [value.ravel() for value in values]

    rows, cells = [], []
    for first, step in _squares(ground):
        east, north = step * columns, step
        rows += [np.stack([first, first + east, first + east + north], 1)]
        rows += [np.stack([first, first + east + north, first + north], 1)]
        cells += [first, first]
    corners, cell = np.concatenate(rows), np.concatenate(cells)
    soup = np.stack([value[corners] for value in values], axis=-1)
    is_in = soup[:, :, FIRST_FIELD:] < 0
    is_plain = (is_in == is_in[:, :1]).all(axis=(1, 2))
    whole, cut = (_Pieces(soup[kept], cell[kept], names) for kept in (is_plain, ~is_plain))
    kerbs = cut.cut("road", np.ones(len(cut.cell), dtype=bool))
    islands = cut.cut("island", cut.inside("road"))
    cut.cut("walk", ~cut.inside("road"))
    cut.cut("paved", ~cut.inside("road"))
    for strip in ("grass", "gravel"):
        cut.cut(strip, ~cut.inside("road") & cut.inside("walk") & ~cut.inside("paved"))
    cut.cut("plaza", ~cut.inside("road") & ~cut.inside("walk") & ~cut.inside("paved"))
    steps = [_steps(kerbs, SIDEWALK), _steps(islands, OTHER_FLAT)]
    return merged([_surface(seed, name, ground, whole), _surface(seed, name, ground, cut), *steps])


def _squares(ground: Ground) -> list[tuple[NDArray[np.int64], int]]:
    """Flat rows of the first vertices of the squares that make up the ground, by their size in cells."""
    columns = ground.grid.shape[1]
    is_left = np.ones([n - 1 for n in ground.grid.shape], dtype=bool)
    squares = []
    for size, is_plain in ground.blocks.items():
        i, j = np.nonzero(is_plain & is_left[::size, ::size])
        squares.append(((i * columns + j) * size, size))
        is_left &= ~np.repeat(np.repeat(is_plain, size, axis=0), size, axis=1)
    i, j = np.nonzero(is_left)
    squares.append((i * columns + j, 1))
    return squares


def _surface(seed: int, name: str, ground: Ground, pieces: _Pieces) -> Mesh:
    columns = ground.grid.shape[1]
    is_in = {field: pieces.inside(field) for field in pieces.names}
    label = classify(is_in, ground.open_land[pieces.cell // columns, pieces.cell % columns])
    is_raised = ~is_in["road"] | is_in["island"]
    vertices = pieces.corners[:, :, :3].copy()
    vertices[:, :, Z] += np.where(is_raised[:, None], pieces.corners[:, :, KERB], 0.0)
    rng = stream(seed, name, "ground", len(label))
    by_label = np.zeros(32)
    by_label[[ROAD, SIDEWALK, TERRAIN, OTHER_FLAT]] = 0.09, 0.22, 0.30, 0.20
    spread = 1 + 0.12 * np.clip(rng.normal(size=len(label)), -2, 2)
    faces = np.arange(3 * len(label))
    return painted(vertices, faces, label, by_label[label] * spread)


def _steps(cuts: Floats, label: int) -> Mesh:
    """Upright faces from the carriageway to the top of the kerb over each cut (C, 2, values)."""
    low = cuts[:, :, :3]
    high = low.copy()
    high[:, :, Z] += cuts[:, :, KERB]
    net = np.stack([low[:, 0], low[:, 1], high[:, 1], high[:, 0]], axis=1)
    first = 4 * np.arange(len(cuts))
    faces = np.concatenate([np.stack([first, first + 1, first + 2], 1), np.stack([first, first + 2, first + 3], 1)])
    return painted(net, faces, label, 0.28)
