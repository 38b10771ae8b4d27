"""Who may pass a junction: everyone reserves the ground that he will sweep, and gives it back behind him."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable
from typing import NamedTuple

import numpy as np

from geopt.simulate.actors.bodies import Body, Rectangles
from geopt.simulate.randomness import Floats

CELL_M = 0.5
GROW_M = 0.3
"""Ground reserved beyond the box."""
PATIENCE_S = 9.0
"""Who has waited so long may no longer be overtaken by those whose ways cross his."""


class Ground:
    """Cells around a junction; a set of them is a whole number, bit by bit."""

    def __init__(self, centre: Floats, half_m: float) -> None:
        self._num = int(np.ceil(2 * half_m / CELL_M))
        self.num_cells = self._num * self._num
        self._lower = centre - half_m

    def rows(self, xy: Floats) -> np.ndarray:
        """(N,) numbers of the cells that hold places (N, 2); places beyond the cells are left out."""
        cell = np.floor((xy - self._lower) / CELL_M).astype(np.int64)
        inside = ((cell >= 0) & (cell < self._num)).all(axis=1)
        return np.where(inside, cell[:, 0] * self._num + cell[:, 1], self.num_cells)

    def sweep(self, covered: list[Floats]) -> tuple[int, ...]:
        """What is still to be swept from each step on: ``covered`` holds (K, G, 2) places at K steps for each part."""
        last = np.full(self.num_cells + 1, -1, dtype=np.int64)
        num_steps = len(covered[0])
        for places in covered:
            rows = self.rows(places.reshape(-1, 2))
            np.maximum.at(last, rows, np.repeat(np.arange(num_steps), places.shape[1]))
        used = np.flatnonzero(last[:-1] >= 0)
        return tuple(self._number(used[last[used] >= step]) for step in range(num_steps))

    def _number(self, rows: np.ndarray) -> int:
        cells = np.zeros(self.num_cells, dtype=bool)
        cells[rows] = True
        return int.from_bytes(np.packbits(cells, bitorder="little").tobytes(), "little")


def cover(parts: list[Rectangles]) -> list[Floats]:
    """Places on the parts of a body, dense enough to find each cell."""
    return [part.cover(GROW_M, 0.28) for part in parts]


class Swings(NamedTuple):
    """Other lanes over which a long vehicle swings at a junction."""

    arriving_m: dict[int, float]
    """Metres before the end of lanes that lead to the junction."""
    leaving_m: dict[int, float]
    """Metres behind the beginning of lanes that lead away."""


NO_SWINGS = Swings({}, {})


@dataclasses.dataclass(eq=False)
class Claim:
    """Ground that somebody has reserved and not passed yet."""

    holder: Hashable
    way: Hashable
    """Who goes the same way may follow."""
    left: int
    """Cells still to be passed."""
    exit: int = -1
    """Lane into which the holder goes; -1 for those on foot."""
    room_m: float = 0.0
    """Room that the holder needs there, until it has arrived there."""
    swings: Swings = NO_SWINGS
    """Other lanes that must stay clear until the holder has passed."""


@dataclasses.dataclass(frozen=True)
class Wish:
    """What somebody waits for."""

    since_s: float
    way: Hashable
    cells: int
    source: Hashable
    """Where it waits; those behind it are not its rivals."""


class Reservations:
    """The claims and wishes at every junction."""

    def __init__(self, num_junctions: int) -> None:
        self.claims: list[list[Claim]] = [[] for _ in range(num_junctions)]
        self._wishes: list[dict[Hashable, Wish]] = [{} for _ in range(num_junctions)]
        self._long: list[dict[Hashable, Swings]] = [{} for _ in range(num_junctions)]

    def ask(self, junction: int, holder: Hashable, wish: Wish, time_s: float, patience_s: float = PATIENCE_S) -> bool:
        """Whether the ground is free and nobody has waited too long for it; if not, the wish is remembered."""
        wishes = self._wishes[junction]
        free = all(c.way == wish.way or not c.left & wish.cells for c in self.claims[junction])
        if free:
            for other, before in wishes.items():
                is_first = before.since_s < wish.since_s and time_s - before.since_s > patience_s
                if is_first and other != holder and before.source != wish.source and before.cells & wish.cells:
                    free = False
                    break
        if not free:
            wishes[holder] = wish
        return free

    def take(self, junction: int, claim: Claim) -> None:
        """Reserve ground; the holder's wish is fulfilled."""
        self.forget(junction, claim.holder)
        self.claims[junction].append(claim)

    def forget(self, junction: int, holder: Hashable) -> None:
        """Nobody has to wait any more for this holder's wish."""
        self._wishes[junction].pop(holder, None)
        self._long[junction].pop(holder, None)

    def ask_to_keep_clear(self, junction: int, holder: Hashable, swings: Swings) -> None:
        """Who is not there yet stays out of where a long vehicle that waits will swing."""
        self._long[junction][holder] = swings

    def setback_m(self, junction: int, lane: int, holder: Hashable) -> tuple[float, float]:
        """How far from the end of an arriving lane others swing over it; and how far others wish to."""
        taken = max((c.swings.arriving_m.get(lane, 0.0) for c in self.claims[junction]), default=0.0)
        wished = [s.arriving_m.get(lane, 0.0) for other, s in self._long[junction].items() if other != holder]
        return taken, max(wished, default=0.0)

    def is_clear(self, junction: int, lane: int) -> bool:
        """Whether nobody swings over the beginning of a leaving lane."""
        return not any(lane in claim.swings.leaving_m for claim in self.claims[junction])

    def release(self, junction: int, claim: Claim) -> None:
        """Give back all that is left of a claim."""
        self.claims[junction].remove(claim)

    def promised_m(self, junction: int, lane: int) -> float:
        """Room in a lane that is promised to those who have not come there yet."""
        return sum(claim.room_m for claim in self.claims[junction] if claim.exit == lane)


@dataclasses.dataclass(frozen=True)
class Sweep:
    """What a body sweeps on a connector."""

    begin_m: float
    """Where the body's middle is at the first step, from the connector's beginning; negative."""
    left: tuple[int, ...]
    """Cells still to be swept at each step of STEP_M."""

    def at(self, middle_m: float) -> int:
        """Cells still to be swept when the middle is there; 0 when the body has left the junction."""
        step = int((middle_m - self.begin_m) // STEP_M)
        return self.left[max(step, 0)] if step < len(self.left) else 0


STEP_M = 0.5
STOP_BEFORE_M = 0.4
"""Of the nose before the end of the lane."""
LEAVE_M = 0.4
"""Behind the tail when the ground is given back."""


SETTLE_M = 6.0
"""On which a trailer comes into line again."""


def middles(body: Body, length_m: float) -> Floats:
    """(K,) places of the middle on the way over a connector, from its beginning."""
    settle = SETTLE_M if body.trailer is not None else 0.0
    first, last = -(body.nose_m + STOP_BEFORE_M), length_m + body.tail_m + LEAVE_M + settle
    num = int(np.ceil((last - first) / STEP_M)) + 1
    return np.asarray(first + STEP_M * np.arange(num), dtype=np.float64)
