"""What the ground is made of and how high it lies, at every place.

Every kind of surface is where a field is negative. The fields are known at the vertices of a grid of 1 m and are linear on
the two triangles of each cell, as is the height, so the mesh that is cut along them agrees with them everywhere.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from geopt.simulate.city.plan import EAST, ENDLESS_M, NORTH, NUM_STREETS, Plan, Street, beyond
from geopt.simulate.city.rect import Rect
from geopt.simulate.classes import OTHER_FLAT, ROAD, SIDEWALK, TERRAIN
from geopt.simulate.randomness import Floats, stream

MARGIN_M = 115.0
"""Of ground around the outermost streets."""
FAR_M = 40.0
"""Fields are this value where they would be larger."""
BLOCKS = (4, 2)
"""Cells along the sides of the blocks that are drawn with two triangles if no edge crosses them, largest first."""
LOWEST_KERB_M = 0.02

Fields = dict[str, Floats]


@dataclasses.dataclass(frozen=True, eq=False)
class Grid:
    """Square cells of 1 m: vertex (i, j) lies at ``lower`` + (i, j)."""

    lower: tuple[int, int]
    shape: tuple[int, int]
    """Vertices along x and y; one more than a multiple of the largest block."""

    def xy(self) -> tuple[Floats, Floats]:
        """x (I, 1) and y (1, J) of the vertices."""
        x, y = (low + np.arange(size, dtype=np.float64) for low, size in zip(self.lower, self.shape))
        return x[:, None], y[None, :]

    def around(self, rect: Rect) -> tuple[slice, slice]:
        """The vertices in the box around a rectangle and one more on every side."""
        low, high = rect.corners().min(axis=0), rect.corners().max(axis=0)
        first = [max(0, int(np.floor(low[k])) - 1 - self.lower[k]) for k in (0, 1)]
        last = [max(0, int(np.ceil(high[k])) + 2 - self.lower[k]) for k in (0, 1)]
        return slice(first[0], last[0]), slice(first[1], last[1])

    def weights(self, xy: Floats) -> tuple[NDArray[np.int64], Floats]:
        """Flat rows (N, 3) of the vertices of the triangle around each place, and their weights (N, 3)."""
        a, b = (np.asarray(xy[:, k], dtype=np.float64) - self.lower[k] for k in (0, 1))
        if not (((a >= 0) & (a <= self.shape[0] - 1) & (b >= 0) & (b <= self.shape[1] - 1)).all()):
            upper = [low + size - 1 for low, size in zip(self.lower, self.shape)]
            raise ValueError(f"City: places must lie between {self.lower} and {upper}, got {xy.min(0)} to {xy.max(0)}")
        i, j = np.minimum(a.astype(int), self.shape[0] - 2), np.minimum(b.astype(int), self.shape[1] - 2)
        a, b = a - i, b - j
        first, is_below = i * self.shape[1] + j, b <= a
        second = np.where(is_below, first + self.shape[1], first + 1)
        rows = np.stack([first, second, first + self.shape[1] + 1], axis=1)
        return rows, np.stack([1 - np.maximum(a, b), np.abs(a - b), np.minimum(a, b)], axis=1)

    def value(self, field: Floats, xy: Floats) -> Floats:
        """A field (I, J) at places (N, 2)."""
        return _mix(field, *self.weights(xy))


def _mix(field: Floats, rows: NDArray[np.int64], weights: Floats) -> Floats:
    corner = field.ravel()[rows]
    return corner[:, 0] * weights[:, 0] + corner[:, 1] * weights[:, 1] + corner[:, 2] * weights[:, 2]


def grid_of(plan: Plan) -> Grid:
    """The grid that covers a city and its surroundings."""
    places = np.array([node.xy for node in plan.nodes.values()])
    lower = np.floor(places.min(axis=0) - MARGIN_M).astype(int)
    cells = np.ceil((places.max(axis=0) + MARGIN_M - lower) / BLOCKS[0]).astype(int) * BLOCKS[0]
    return Grid((int(lower[0]), int(lower[1])), (int(cells[0]) + 1, int(cells[1]) + 1))


def street_fields(plan: Plan, grid: Grid) -> Fields:
    """Fields of carriageway ``road``, ``island``, strips of ``grass`` and ``gravel``, and ``walk`` (all of these and the
    sidewalks), each (I, J): negative inside, metres outside where nothing else is near."""
    names = ("road", "island", "grass", "gravel", "walk")
    fields = {name: np.full(grid.shape, FAR_M) for name in names}
    x, y = grid.xy()
    bands = {}
    for street in (*plan.rows, *plan.columns):
        rank = (plan.columns if street.is_north else plan.rows).index(street)
        line = street.point(np.linspace(-400.0, 400.0, 81))
        across = 0 if street.is_north else 1
        low, high = line[:, across].min() - FAR_M, line[:, across].max() + FAR_M
        first, last = (int(np.clip(v - grid.lower[across], 0, grid.shape[across])) for v in (low, high + 1))
        slab = (slice(first, last), slice(None)) if street.is_north else (slice(None), slice(first, last))
        xy = np.stack(np.broadcast_arrays(x[slab[0]], y[:, slab[1]]), axis=-1)
        u, d = street.project(xy)
        side = np.abs(d)
        stretches, arms = _stretches(plan, street, rank)
        beyond_end = 3 * _outside(u, stretches)  # steep, so that an end in another street rounds no corner there
        between = _outside(u, arms)
        bands[street.is_north, rank] = slab, np.maximum(side, beyond_end)
        if street.median_m:
            _join(fields["island"], slab, np.maximum(side - street.median_m, between + 0.6))
        if street.strip != SIDEWALK:
            strip = np.maximum(side - street.half_m - street.strip_m, between)
            _join(fields["grass" if street.strip == TERRAIN else "gravel"], slab, strip)
        _join(fields["road"], slab, np.maximum(side - street.half_m, beyond_end))
        _join(fields["walk"], slab, np.maximum(side - street.edge_m, beyond_end))
    for place, node in plan.nodes.items():
        east, north = plan.rows[place[0]], plan.columns[place[1]]
        inner = max(0.5, plan.walk_radius_m(place) - min(east.walk_m, north.walk_m) / 2 + 0.6)
        window = grid.around(Rect(node.xy, 0.0, 80.0, 80.0))
        row, column = (_within(bands[key], window, grid) for key in ((False, place[0]), (True, place[1])))
        for name, one, two, radius_m in (
            ("road", row - east.half_m, column - north.half_m, plan.corner_m),
            ("walk", row - east.edge_m, column - north.edge_m, inner),
        ):
            fields[name][window] = np.minimum(fields[name][window], rounded(one, two, radius_m))
    return fields


def rounded(first: Floats, second: Floats, radius_m: float) -> Floats:
    """Field of the union of two others whose inner corners are rounded."""
    near, far = np.maximum(radius_m - first, 0), np.maximum(radius_m - second, 0)
    return np.maximum(radius_m, np.minimum(first, second)) - np.sqrt(near * near + far * far)


def _stretches(plan: Plan, street: Street, rank: int) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """From where to where (u) a street exists, and the parts of it between the stop lines."""
    stretches, arms = [], []
    out, back = (NORTH, NORTH + 2) if street.is_north else (EAST, EAST + 2)
    for k in range(NUM_STREETS):
        place = (k, rank) if street.is_north else (rank, k)
        node = plan.nodes[place]
        u = node.u[out]
        if back in node.stubs:
            stretches.append((-ENDLESS_M, u))
            arms.append((-ENDLESS_M, plan.leave(place, back, node.stop_m[back])))
        if out in node.arms:
            other = beyond(place, out)
            is_road = out in node.roads
            stretches.append((u, plan.nodes[other].u[out] if is_road else ENDLESS_M))
            end = plan.leave(other, back, plan.nodes[other].stop_m[back]) if is_road else ENDLESS_M
            arms.append((plan.leave(place, out, node.stop_m[out]), end))
    joined: list[tuple[float, float]] = []
    for start, end in stretches:
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined, arms


def _outside(u: Floats, intervals: list[tuple[float, float]]) -> Floats:
    return np.minimum.reduce([np.maximum(start - u, u - end) for start, end in intervals])


def _join(field: Floats, window: tuple[slice, slice], other: Floats) -> None:
    field[window] = np.minimum(field[window], other)


def _within(band: tuple[tuple[slice, slice], Floats], window: tuple[slice, slice], grid: Grid) -> Floats:
    """The part of a street's band in a window; far where the band was not worked out."""
    slab, values = band
    whole = [s.indices(size)[:2] for s, size in zip(slab, grid.shape)]
    part = [s.indices(size)[:2] for s, size in zip(window, grid.shape)]
    found = np.full([end - start for start, end in part], 2 * FAR_M)
    shared = [(max(a[0], b[0]), min(a[1], b[1])) for a, b in zip(whole, part)]
    target = tuple(slice(s[0] - p[0], s[1] - p[0]) for s, p in zip(shared, part))
    found[target] = values[tuple(slice(s[0] - w[0], s[1] - w[0]) for s, w in zip(shared, whole))]
    return found


class Ground:
    """Surface and height of the ground everywhere in a city.

    Args:
        dips: (N, 3) x, y and radius of places where the kerb is lowered.
        paved: Rectangles of carriageway beyond the kerb: driveways and parking lots.
        plazas: Rectangles paved like a sidewalk.
    """

    def __init__(
        self,
        seed: int,
        name: str,
        plan: Plan,
        grid: Grid,
        fields: Fields,
        dips: Floats,
        paved: list[Rect],
        plazas: list[Rect],
    ) -> None:
        self.grid = grid
        self.fields = dict(fields)
        x, y = grid.xy()
        for key, rects in (("paved", paved), ("plaza", plazas)):
            field = self.fields[key] = np.full(grid.shape, FAR_M)
            for rect in rects:
                window = grid.around(rect)
                places = np.stack(np.broadcast_arrays(x[window[0]], y[:, window[1]]), axis=-1)
                _join(field, window, rect.outside_m(places))
        self.kerb_m = np.full(grid.shape, plan.kerb_m)
        for px, py, radius in dips:
            window = grid.around(Rect(np.array([px, py]), 0.0, 2 * radius + 6, 2 * radius + 6))
            away = np.sqrt((x[window[0]] - px) ** 2 + (y[:, window[1]] - py) ** 2)
            share = np.clip((away - radius) / 1.5, 0, 1)
            _join(self.kerb_m, window, LOWEST_KERB_M + (plan.kerb_m - LOWEST_KERB_M) * share)
        self.base_m = _base(seed, name, x, y, fields["walk"])
        self.open_land = _open_land(plan, x[:-1] + 0.5, y[:, :-1] + 0.5)
        self.blocks = {size: self._flatten(size) for size in BLOCKS}
        """By their size in cells, largest first: the blocks that are two planes, smaller ones inside larger ones too."""

    def surface(self, xy: Floats) -> NDArray[np.uint8]:
        """Class of the ground at places (N, 2)."""
        rows, weights = self.grid.weights(xy)
        is_in = {name: _mix(field, rows, weights) < 0 for name, field in self.fields.items()}
        first = rows[:, 0]
        cell = first // self.grid.shape[1], first % self.grid.shape[1]
        return classify(is_in, self.open_land[cell])

    def height(self, xy: Floats) -> Floats:
        """Height of the ground at places (N, 2), on top of kerbs and islands."""
        rows, weights = self.grid.weights(xy)
        is_raised = (_mix(self.fields["road"], rows, weights) >= 0) | (_mix(self.fields["island"], rows, weights) < 0)
        step = np.where(is_raised, _mix(self.kerb_m, rows, weights), 0.0)
        return _mix(self.base_m, rows, weights) + step

    def value(self, name: str, xy: Floats) -> Floats:
        """A field at places (N, 2), metres."""
        return self.grid.value(self.fields[name], xy)

    def _flatten(self, size: int) -> NDArray[np.bool_]:
        """Find the blocks of ``size`` x ``size`` cells that no edge crosses, and make each of them two planes."""
        low, high = _reduced(self.kerb_m, np.minimum, size), _reduced(self.kerb_m, np.maximum, size)
        is_plain = low == high
        for field in self.fields.values():
            is_plain &= (_reduced(field, np.minimum, size) > 0) | (_reduced(field, np.maximum, size) < 0)
        corner = self.base_m[::size, ::size]
        c00, c10, c01, c11 = corner[:-1, :-1], corner[1:, :-1], corner[:-1, 1:], corner[1:, 1:]
        for a in range(size + 1):
            for b in range(size + 1):
                p, q = a / size, b / size
                plane = c00 + p * (c10 - c00) + q * (c11 - c10) if q <= p else c00 + q * (c01 - c00) + p * (c11 - c01)
                last = (self.grid.shape[0] - size + a, self.grid.shape[1] - size + b)
                target = self.base_m[a : last[0] : size, b : last[1] : size]
                target[is_plain] = plane[is_plain]
        return is_plain


def _reduced(field: Floats, extreme: np.ufunc, size: int) -> Floats:
    """The extreme of each block of cells, the vertices on its edges included."""
    columns = extreme.reduce([field[k : field.shape[0] - size + k : size] for k in range(size + 1)])
    return np.asarray(extreme.reduce([columns[:, k : field.shape[1] - size + k : size] for k in range(size + 1)]))


def classify(is_in: dict[str, NDArray[np.bool_]], open_land: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Class of the ground by the fields that are negative there, and by what the land beyond the sidewalks is."""
    lots = np.where(is_in["plaza"], SIDEWALK, open_land)
    strips = np.where(is_in["grass"], TERRAIN, np.where(is_in["gravel"], OTHER_FLAT, SIDEWALK))
    beside = np.where(is_in["paved"], ROAD, np.where(is_in["walk"], strips, lots))
    return np.where(is_in["road"], np.where(is_in["island"], OTHER_FLAT, ROAD), beside).astype(np.uint8)


def _base(seed: int, name: str, x: Floats, y: Floats, walk: Floats) -> Floats:
    """Height of the carriageway's level everywhere: a grade, waves, and bumps and banks beyond the sidewalks."""
    rng = stream(seed, name, "height")
    z = rng.uniform(-0.02, 0.02) * x + rng.uniform(-0.02, 0.02) * y

    def wave(length_m: float, size_m: float) -> Floats:
        turn, phase = rng.uniform(0, 2 * np.pi, size=2)
        rate = 2 * np.pi / (length_m * rng.uniform(0.8, 1.25))
        return np.asarray(size_m * np.sin(rate * (np.cos(turn) * x + np.sin(turn) * y) + phase))

    for length_m, size_m in ((210.0, 1.0), (80.0, 0.22), (33.0, 0.05)):
        z = z + wave(length_m, size_m * rng.uniform(0.4, 1.0))
    bumps = sum(wave(length_m, 0.05) for length_m in (7.0, 9.0, 11.0))
    banks = rng.uniform(0.0, 1.2) * (1 + wave(90.0, 0.7) + wave(60.0, 0.5))
    off, away = np.clip((walk - 0.3) / 4.0, 0, 1), np.clip((walk - 1.0) / 20.0, 0, 1)
    return np.asarray(z + bumps * off + banks * away * away * (3 - 2 * away))


def _open_land(plan: Plan, x: Floats, y: Floats) -> NDArray[np.uint8]:
    """Class of the land beyond the sidewalks, for each cell by its middle."""
    row = sum((y > s.point(x)[..., 1]).astype(int) for s in plan.rows)
    column = sum((x > s.point(y)[..., 0]).astype(int) for s in plan.columns)
    land = np.zeros((NUM_STREETS + 1, NUM_STREETS + 1), dtype=np.uint8)
    for place, block in plan.blocks.items():
        land[place] = block.land
    return land[row, column]
