"""Small groups of people: how fast they go, where they cross a street, and that they stay together."""

from __future__ import annotations

import dataclasses

import numpy as np

from geopt.simulate.actors.junctions import Claim, Reservations, Wish
from geopt.simulate.actors.walkways import ONE_WAY_M, Walkers, Walkways
from geopt.simulate.randomness import Floats

CROSS_CHANCE = 0.4
"""Of those who come to a crosswalk."""
PATIENCE_S = 4.0
"""Waiting after which cars that come later give way."""
GIVE_UP_S = 25.0
STUCK_STEPS = 40
FASTEST_M = 0.6
"""Nobody goes farther in one step."""
BESIDE_M = 1.0
"""Between those of a group who wait to cross."""


@dataclasses.dataclass(eq=False)
class Group:
    """People who go together; the first leads."""

    members: list[int]
    walk: int
    direction: int
    speed_mps: float
    rng: np.random.Generator
    crossing: int = -1
    """That they wait for or are on; -1 for none."""
    end: int = 0
    """Which end of it they come from."""
    passed: tuple[int, int] = (-1, 0)
    """Crosswalk that they have decided about last."""
    since_s: float = 0.0
    claim: Claim | None = None
    is_crossing: bool = False
    stuck_steps: int = 0
    """Since somebody went on."""
    idle_steps: int = 0
    """Before the next crosswalk can be near."""


class Groups:
    """What the members of all groups want."""

    def __init__(self, ways: Walkways, reservations: Reservations, groups: list[Group]) -> None:
        self._ways, self._reservations, self._groups = ways, reservations, groups

    def wishes(self, state: Walkers, xy: Floats, time_s: float) -> tuple[Floats, Floats]:
        """(N,) speeds and (N,) places across the way, to the left as each sees it; some change from walk to crossing."""
        wished, goal = np.zeros(len(xy)), state.wish_d.copy()
        for number, group in enumerate(self._groups):
            if group.crossing < 0:
                self._decide(group, state, time_s)
            elif not group.is_crossing:
                self._start_crossing(number, group, state, xy, time_s)
            if group.is_crossing:
                self._arrive(group, state, xy)
            if group.crossing >= 0 and not group.is_crossing:
                self._gather(group, state, wished, goal)
            else:
                self._go(group, state, wished, goal)
        return wished, goal

    def _decide(self, group: Group, state: Walkers, time_s: float) -> None:
        """Before each crosswalk, whether to cross."""
        group.idle_steps -= 1
        if group.idle_steps > 0:
            return
        lead, nearest = group.members[0], 9.0
        for place, crossing, end in self._ways.ends[group.walk]:
            ahead = ((place - state.s[lead]) * group.direction) % float(self._ways.walks.length_m[group.walk])
            if 1.5 < ahead < 3.5 and group.passed != (crossing, end):
                group.passed = crossing, end
                if group.rng.uniform() < CROSS_CHANCE:
                    group.crossing, group.end, group.since_s = crossing, end, time_s
                return
            nearest = min(nearest, ahead)
        group.idle_steps = int((nearest - 3.5) / FASTEST_M)

    def _ahead(self, group: Group, rank: int, state: Walkers) -> float:
        """Metres to where a member waits to cross; negative behind it."""
        place = self._ways.place_of[group.crossing][group.end] + BESIDE_M * (rank - (len(group.members) - 1) / 2)
        length = float(self._ways.walks.length_m[group.walk])
        return float(((place - state.s[group.members[rank]]) * group.direction + length / 2) % length - length / 2)

    def _gather(self, group: Group, state: Walkers, wished: Floats, goal: Floats) -> None:
        """Walk up to the crosswalk, and to the side of the walk where it begins."""
        side = self._ways.side[group.crossing][group.end] * group.direction
        for rank, row in enumerate(group.members):
            wished[row] = min(max(1.2 * self._ahead(group, rank, state), 0.0), group.speed_mps)
            goal[row] = side * float(self._ways.limit[group.walk])

    def _start_crossing(self, number: int, group: Group, state: Walkers, xy: Floats, time_s: float) -> None:
        """Step onto the crosswalk when all are there and its ground is free."""
        ways, crossing, is_along = self._ways, group.crossing, group.end == 0
        junction, holder = ways.junction[crossing], ("group", number)
        if time_s - group.since_s > GIVE_UP_S:
            group.crossing = -1
            self._reservations.forget(junction, holder)
            return
        if any(abs(self._ahead(group, rank, state)) > 0.4 for rank in range(len(group.members))):
            return
        way = ("crossing", crossing)
        wish = Wish(group.since_s, way, ways.left(crossing, -9.0, is_along), ("walk", group.walk))
        if not self._reservations.ask(junction, holder, wish, time_s, PATIENCE_S):
            return
        group.claim = Claim(holder, way, wish.cells)
        self._reservations.take(junction, group.claim)
        group.is_crossing, group.passed = True, (crossing, 1 - group.end)
        group.walk = ways.walk_of[crossing][1 - group.end]
        is_narrow = ways.width_m[group.walk] < ONE_WAY_M
        group.direction = 1 if is_narrow or group.rng.uniform() < 0.5 else -1
        for row in group.members:
            state.s[row], state.d[row] = ways.onto_crossing(xy[row], crossing)
            state.path[row], state.on_crossing[row] = crossing, True
            state.direction[row] = 1 if is_along else -1

    def _arrive(self, group: Group, state: Walkers, xy: Floats) -> None:
        """Step onto the walk on the other side, and give back the ground that is passed."""
        ways, crossing, is_along, cells = self._ways, group.crossing, group.end == 0, 0
        length = float(ways.crossings.length_m[crossing])
        edge = length - max(float(ways.limit[group.walk]) - 0.05, 0.0)
        for row in group.members:
            if not state.on_crossing[row]:
                continue
            progress = float(state.s[row]) if is_along else length - float(state.s[row])
            cells |= ways.left(crossing, progress, is_along)
            if progress >= edge:
                place = ways.place_of[crossing][1 - group.end]
                state.s[row], state.d[row] = ways.onto_walk(xy[row], group.walk, place)
                state.path[row], state.on_crossing[row] = group.walk, False
                state.direction[row] = group.direction
        if group.claim is not None:
            group.claim.left = cells
            if not cells:
                self._reservations.release(ways.junction[crossing], group.claim)
                group.claim = None
        if not state.on_crossing[group.members].any():
            group.is_crossing, group.crossing = False, -1

    def _turn_back(self, group: Group, state: Walkers) -> None:
        """Who is stuck on a walk where people go both ways turns round at last."""
        is_stuck = not group.is_crossing and bool((state.speed[group.members] < 0.05).all())
        group.stuck_steps = group.stuck_steps + 1 if is_stuck else 0
        if group.stuck_steps > STUCK_STEPS and self._ways.width_m[group.walk] >= ONE_WAY_M:
            group.stuck_steps = 0
            if group.rng.uniform() < 0.5:
                group.direction = -group.direction
                state.direction[group.members] = group.direction
                state.lag_m[group.members] = -state.lag_m[group.members]
                group.idle_steps = 0

    def _go(self, group: Group, state: Walkers, wished: Floats, goal: Floats) -> None:
        """Walk on; those behind catch up, and keep to the right on a crosswalk."""
        lead = group.members[0]
        length = float(self._ways.walks.length_m[group.walk])
        self._turn_back(group, state)
        for row in group.members:
            wished[row] = group.speed_mps
            if (
                row != lead
                and state.on_crossing[row] == state.on_crossing[lead]
                and state.path[row] == state.path[lead]
            ):
                behind = float((state.s[lead] - state.s[row]) * state.direction[row])
                if not state.on_crossing[row]:
                    behind = (behind + length / 2) % length - length / 2
                late = behind - float(state.lag_m[row])
                wished[row] = group.speed_mps * min(max(1.0 + 0.5 * late, 0.5), 1.4)
            if state.on_crossing[row]:
                goal[row] = min(float(state.d[row] * state.direction[row]), -0.3)
