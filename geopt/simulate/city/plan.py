"""The plan of a city: which streets there are, how wide, and where they meet."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from geopt.simulate.classes import OTHER_FLAT, SIDEWALK, TERRAIN
from geopt.simulate.randomness import Floats, stream

NUM_STREETS = 4
"""Streets in each direction: 3 x 3 blocks between them."""
EAST, NORTH, WEST, SOUTH = range(4)
GUTTER_M = 0.5
"""Between the outer lane and the kerb where nobody parks: turning vehicles need it."""
CROSSWALK_HALF_M = 1.5
ENDLESS_M = 1e4
"""Beyond every edge of the ground."""


class Style(NamedTuple):
    """From what a city, or one of its blocks, is drawn; pairs are the limits of a uniform draw."""

    gap_m: tuple[float, float]
    """Between parallel streets."""
    lane_m: tuple[float, float]
    walk_m: tuple[float, float]
    strip_m: tuple[float, float]
    strips: tuple[int, ...]
    """Surfaces of the strip between kerb and sidewalk, one to be drawn for each street."""
    two_lanes: float
    """Share of streets with two lanes in each direction."""
    parking: float
    """Share of streets with parking strips."""
    median: float
    """Share of streets with an island in the middle."""
    open_land: tuple[float, float]
    """Share of blocks whose open ground is paved, and of those where it is gravel; the others are green."""


STYLES = {
    "residential": Style(
        gap_m=(82.0, 102.0), lane_m=(3.1, 3.5), walk_m=(1.7, 2.4), strip_m=(1.4, 2.6),
        strips=(TERRAIN, TERRAIN, TERRAIN, SIDEWALK), two_lanes=0.12, parking=0.85, median=0.0, open_land=(0.0, 0.0),
    ),
    "downtown": Style(
        gap_m=(88.0, 118.0), lane_m=(3.2, 3.6), walk_m=(2.0, 3.2), strip_m=(1.3, 2.0),
        strips=(SIDEWALK, SIDEWALK, TERRAIN), two_lanes=0.45, parking=0.65, median=0.08, open_land=(0.4, 0.0),
    ),
    "industrial": Style(
        gap_m=(95.0, 125.0), lane_m=(3.4, 3.8), walk_m=(1.7, 2.2), strip_m=(1.4, 2.8),
        strips=(TERRAIN, TERRAIN, SIDEWALK), two_lanes=0.2, parking=0.55, median=0.0, open_land=(0.25, 0.1),
    ),
    "park": Style(
        gap_m=(88.0, 112.0), lane_m=(3.1, 3.6), walk_m=(2.0, 2.8), strip_m=(1.4, 2.6),
        strips=(TERRAIN, TERRAIN, SIDEWALK), two_lanes=0.25, parking=0.7, median=0.05, open_land=(0.0, 0.0),
    ),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Street:
    """A gently bent street through the whole city, with the same cross-section all along.

    A place beside it is (u, d): u grows along the street (it is x for a street to the east, y for one to the north), d is
    the distance from the centre line, positive to the left of growing u.
    """

    is_north: bool
    offset_m: float
    slope: float
    bends: tuple[tuple[float, float, float], ...]
    """(metres, radians per metre, phase) of each wave of the centre line."""
    lanes: int
    """In each direction; traffic keeps to the right."""
    lane_m: float
    median_m: float
    """Half the width of the island in the middle; 0 without one."""
    parking_m: float
    """Width of the parking strip on either side; 0 without."""
    strip_m: float
    """Between kerb and sidewalk: lamps, trees and signs stand there."""
    strip: int
    """Surface of that strip."""
    walk_m: float
    speed_mps: float

    @property
    def half_m(self) -> float:
        """From the centre line to the kerb."""
        return self.median_m + self.lanes * self.lane_m + (self.parking_m or GUTTER_M)

    @property
    def walk_d_m(self) -> float:
        """From the centre line to the middle of the sidewalk."""
        return self.half_m + self.strip_m + self.walk_m / 2

    @property
    def edge_m(self) -> float:
        """From the centre line to where the lots begin."""
        return self.half_m + self.strip_m + self.walk_m

    def _centre(self, u: Floats) -> tuple[Floats, Floats, Floats]:
        """Offset of the centre line at u, and its first two derivatives."""
        value, first, second = self.offset_m + self.slope * u, np.full_like(u, self.slope), np.zeros_like(u)
        for size, rate, phase in self.bends:
            sin, cos = np.sin(rate * u + phase), np.cos(rate * u + phase)
            value, first, second = value + size * sin, first + size * rate * cos, second - size * rate * rate * sin
        return value, first, second

    def point(self, u: ArrayLike, d: Floats | float = 0.0) -> Floats:
        """City coordinates (..., 2) of places (u, d)."""
        along = np.asarray(u, dtype=np.float64)
        centre, slope, _ = self._centre(along)
        norm = np.sqrt(1 + slope * slope)
        x, y = along - d * slope / norm, centre + d / norm
        return np.stack([-y, x] if self.is_north else [x, y], axis=-1)

    def heading(self, u: ArrayLike) -> Floats:
        """Direction of growing u, radians."""
        return np.arctan(self._centre(np.asarray(u, dtype=np.float64))[1]) + (np.pi / 2 if self.is_north else 0.0)

    def stretch(self, u: ArrayLike) -> Floats:
        """Metres of centre line for each unit of u."""
        slope = self._centre(np.asarray(u, dtype=np.float64))[1]
        return np.sqrt(1 + slope * slope)

    def project(self, xy: Floats) -> tuple[Floats, Floats]:
        """(u, d) of the nearest place of the centre line, for places (..., 2) less than 60 m from it."""
        x, y = (xy[..., 1], -xy[..., 0]) if self.is_north else (xy[..., 0], xy[..., 1])
        u = x
        for _ in range(3):  # Newton; from 60 m away the error is below a micrometre after three steps
            centre, slope, bend = self._centre(u)
            u = u + ((x - u) + (y - centre) * slope) / (1 + slope * slope - (y - centre) * bend)
        centre, slope, _ = self._centre(u)
        return u, ((y - centre) - (x - u) * slope) / np.sqrt(1 + slope * slope)


@dataclasses.dataclass(frozen=True)
class Node:
    """Where two streets meet. Arms are EAST, NORTH, WEST, SOUTH."""

    xy: Floats
    u: tuple[float, float]
    """Place on the street to the east and on that to the north."""
    roads: tuple[int, ...]
    """Arms that lead to another node."""
    stubs: tuple[int, ...]
    """Arms that leave the city: streets without traffic."""
    stop_m: tuple[float, ...]
    """From the middle to the stop line of each arm."""
    cross_m: tuple[float, ...]
    """From the middle to the middle of the crosswalk of each arm."""

    @property
    def arms(self) -> tuple[int, ...]:
        """All arms, counter-clockwise from east."""
        return tuple(sorted(self.roads + self.stubs))


class Block(NamedTuple):
    """What the ground between streets is like."""

    style: str
    land: int
    """Class of the open ground."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """Streets and nodes. ``rows`` run east, from south to north; ``columns`` run north, from west to east."""

    style: str
    corner_m: float
    """Radius of the kerb at corners."""
    kerb_m: float
    rows: tuple[Street, ...]
    columns: tuple[Street, ...]
    nodes: dict[tuple[int, int], Node]
    """By (row, column)."""
    blocks: dict[tuple[int, int], Block]
    """The ground above row i - 1 and right of column j - 1, i and j from 0 to NUM_STREETS."""

    def street(self, node: tuple[int, int], arm: int) -> Street:
        """The street that an arm is part of."""
        return self.columns[node[1]] if arm % 2 else self.rows[node[0]]

    def leave(self, node: tuple[int, int], arm: int, distance_m: float) -> float:
        """u on the arm's street at a distance from the node."""
        street, u = self.street(node, arm), self.nodes[node].u[arm % 2]
        return u + (1 if arm < WEST else -1) * distance_m / float(street.stretch(u))

    def walk_radius_m(self, node: tuple[int, int]) -> float:
        """Radius of the middle of the sidewalk at the corners of a node: no nearer to the kerb than along the streets."""
        row, column = self.rows[node[0]], self.columns[node[1]]
        return max(2.5, self.corner_m - min(s.walk_d_m - s.half_m for s in (row, column)))


def beyond(node: tuple[int, int], arm: int) -> tuple[int, int]:
    """The place in the grid that an arm leads to."""
    return node[0] + (0, 1, 0, -1)[arm], node[1] + (1, 0, -1, 0)[arm]


def draw_plan(seed: int, name: str) -> Plan:
    """Draw a city."""
    rng = stream(seed, name, "plan")
    style = str(rng.choice(["residential", "residential", "downtown", "downtown", "industrial", "park"]))
    corner_m, kerb_m = rng.uniform(7.0, 9.0), rng.uniform(0.10, 0.17)
    rows = _draw_streets(seed, name, STYLES[style], False)
    columns = _draw_streets(seed, name, STYLES[style], True)
    roads, stubs = _draw_arms(stream(seed, name, "arms"))
    nodes = {}
    for i, j in np.ndindex(NUM_STREETS, NUM_STREETS):
        x = y = 0.0
        for _ in range(40):  # slopes are below 0.3, so an error shrinks ten times a step
            x = float(columns[j].point(y)[0])
            y = float(rows[i].point(x)[1])
        skew = float(rows[i].heading(x) - columns[j].heading(y)) + np.pi / 2
        cross = [_crosswalk_m(*pair, corner_m, skew) for pair in 2 * [(rows[i], columns[j]), (columns[j], rows[i])]]
        stop = [middle + CROSSWALK_HALF_M + 1.0 for middle in cross]
        arms = tuple(sorted(roads[i, j])), tuple(sorted(stubs[i, j]))
        nodes[i, j] = Node(np.round([x, y], 6), (x, y), *arms, tuple(stop), tuple(cross))
    blocks = _draw_blocks(stream(seed, name, "blocks"), style, {place: roads[place] | stubs[place] for place in roads})
    return Plan(style, corner_m, kerb_m, rows, columns, nodes, blocks)


def _crosswalk_m(street: Street, cross: Street, corner_m: float, skew: float) -> float:
    """Distance of a street's crosswalk from the middle of its junction with another."""
    beside = max(cross.strip_m + cross.walk_m / 2, 0.6 * corner_m)
    return (cross.half_m + beside + street.half_m * abs(np.sin(skew))) / np.cos(skew)


def _draw_streets(seed: int, name: str, style: Style, is_north: bool) -> tuple[Street, ...]:
    rng = stream(seed, name, "streets", is_north)
    gaps = rng.uniform(*style.gap_m, size=NUM_STREETS - 1)
    offsets = np.concatenate([[0.0], np.cumsum(gaps)]) - gaps.sum() / 2
    lean, streets = rng.uniform(-0.04, 0.04), []
    boulevard, island, gravel = rng.integers(NUM_STREETS, size=3)
    for k in range(NUM_STREETS):
        own = stream(seed, name, "street", is_north, k)
        lanes = 2 if k == boulevard or own.uniform() < style.two_lanes else 1
        streets.append(
            Street(
                is_north=is_north,
                offset_m=float(-offsets[k] if is_north else offsets[k]),
                slope=lean + own.uniform(-0.03, 0.03),
                bends=tuple(
                    (size * own.uniform(-1, 1), 2 * np.pi / own.uniform(low, high), own.uniform(0, 2 * np.pi))
                    for size, low, high in ((4.5, 240.0, 400.0), (0.8, 110.0, 160.0))
                ),
                lanes=lanes,
                lane_m=own.uniform(*style.lane_m),
                median_m=own.uniform(0.9, 1.3) if (k == island and is_north) or own.uniform() < style.median else 0.0,
                parking_m=own.uniform(2.3, 2.7) if own.uniform() < style.parking else 0.0,
                strip_m=own.uniform(*style.strip_m),
                strip=OTHER_FLAT if k == gravel and not is_north else int(own.choice(style.strips)),
                walk_m=own.uniform(*style.walk_m),
                speed_mps=own.uniform(8.3, 11.1) if lanes == 1 else own.uniform(11.1, 13.9),
            )
        )
    return tuple(streets)


Arms = dict[tuple[int, int], set[int]]


def _draw_arms(rng: np.random.Generator) -> tuple[Arms, Arms]:
    """Roads and stubs of each node. Every node has three arms or more, and two or more of them are roads."""
    places, last = list(np.ndindex(NUM_STREETS, NUM_STREETS)), NUM_STREETS - 1
    inside = {place: {arm for arm in range(4) if beyond(place, arm) in places} for place in places}
    stubs: Arms = {}
    for place in places:
        outside = [arm for arm in range(4) if arm not in inside[place]]
        stubs[place] = {arm for arm in outside if rng.uniform() < 0.6}
        if len(outside) == 2 and not stubs[place]:
            stubs[place] = {int(rng.choice(outside))}
    middle = [(i, j, arm) for i, j in places for arm in (EAST, NORTH)
              if (0 < i < last if arm == EAST else 0 < j < last) and arm in inside[i, j]]  # fmt: skip
    for row in rng.permutation(len(middle))[: rng.integers(0, 4)]:
        i, j, arm = middle[row]
        other = beyond((i, j), arm)
        if all(len(inside[end]) > 2 and len(inside[end] | stubs[end]) > 3 for end in ((i, j), other)):
            inside[i, j].remove(arm)
            inside[other].remove((arm + 2) % 4)
    return inside, stubs


def _draw_blocks(rng: np.random.Generator, style: str, arms: Arms) -> dict[tuple[int, int], Block]:
    """Most blocks are like the city, some are not; ground that no street divides is alike."""
    blocks: dict[tuple[int, int], Block] = {}
    last = NUM_STREETS - 1
    for i, j in np.ndindex(NUM_STREETS + 1, NUM_STREETS + 1):
        own = style if rng.uniform() < 0.6 else str(rng.choice(list(STYLES)))
        kind, (paved, gravel) = rng.uniform(), STYLES[own].open_land
        land = SIDEWALK if kind < paved else OTHER_FLAT if kind < paved + gravel else TERRAIN
        blocks[i, j] = Block(own, land)
        west, south = (min(max(i - 1, 0), last), j - 1), (i - 1, min(max(j - 1, 0), last))
        if j > 0 and (SOUTH if i == 0 else NORTH) not in arms[west]:
            blocks[i, j] = blocks[i, j - 1]
        if i > 0 and (WEST if j == 0 else EAST) not in arms[south]:
            blocks[i, j] = blocks[i - 1, j]
    return blocks
