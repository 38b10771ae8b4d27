"""People who walk along the sidewalks and over the crosswalks, alone or in small groups."""

from __future__ import annotations

import dataclasses

import numpy as np

from geopt.simulate.actors import avoiding
from geopt.simulate.actors.avoiding import Bodies
from geopt.simulate.actors.groups import Group, Groups
from geopt.simulate.actors.junctions import Reservations
from geopt.simulate.actors.lines import DIGITS
from geopt.simulate.actors.walkways import Walkers, Walkways
from geopt.simulate.randomness import Floats

TURN_RATE, PUSHING_RATE, CLOSING_RATE = 3.0, 1.2, 3.0
"""Of the direction, alone and with a stroller, and of the gait of who comes to stand; radians per second."""
PATIENCE_S, PUSHY_MPS = 2.0, 0.4
"""Who has been stuck on a crosswalk so long squeezes through where there is room for a box, if not for comfort."""


class Crowd:
    """All walkers, and one step of time for them.

    Args:
        ways: Where they walk.
        reservations: Shared with those who drive.
        state: Where they begin; no boxes overlap.
        groups: Every walker belongs to one.
        sizes: (N, 2) length and width of their boxes.
        pushed: (N, 3) length and width of the box before each and the distance to its middle; 0 for nothing.
        standing: Bodies of those who stand on the walks for ever.
        phase_per_m: (N,) radians of gait for each metre.
        step_s: Seconds.
    """

    def __init__(
        self,
        ways: Walkways,
        reservations: Reservations,
        state: Walkers,
        groups: list[Group],
        sizes: Floats,
        pushed: Floats,
        standing: Bodies,
        phase_per_m: Floats,
        step_s: float,
    ) -> None:
        self._ways, self._groups, self.state = ways, Groups(ways, reservations, groups), state
        self._sizes, self._step_s, self._standing = sizes, step_s, standing
        self._pushers = np.flatnonzero(pushed[:, 0] > 0)
        self._pushed = pushed[self._pushers]
        self._front = np.where(pushed[:, 0] > 0, pushed[:, 2] + pushed[:, 0] / 2, sizes[:, 0] / 2)
        self._turn_rate = np.where(pushed[:, 0] > 0, PUSHING_RATE, TURN_RATE)
        self._half = np.maximum(sizes[:, 1], pushed[:, 1]) / 2
        self.xy = self._places()[0]
        self._velocity = np.zeros_like(self.xy)
        self._phase_per_m, self._stuck_s = phase_per_m, np.zeros(len(self.xy))
        self.phase = np.zeros(len(self.xy))
        """(N,) radians; whoever stands puts the feet together, at a multiple of pi."""

    def step(self, time_s: float) -> None:
        """Move everybody by one step from ``time_s`` on."""
        state, num, dt = self.state, len(self.xy), self._step_s
        if not num:
            return
        wished, goal = self._groups.wishes(state, self.xy, time_s)
        _, along, bend = self._ways.frame(state)
        heading = along * state.direction[:, None]
        limit = np.where(state.on_crossing, self._ways.cross_limit[np.where(state.on_crossing, state.path, 0)],
                         self._ways.limit[np.where(state.on_crossing, 0, state.path)])  # fmt: skip
        own = state.d * state.direction  # to the left as the walker sees it
        now = self._bodies(self.xy, state.yaw, self._velocity)
        sight = avoiding.look(now, heading, self._front, self._half, wished, (limit - own, limit + own))
        aim = np.where(sight.aside_m != 0.0, own + sight.aside_m, np.clip(goal, -limit, limit))
        self._stuck_s = np.where((state.speed < 0.05) & (wished > 0.1), self._stuck_s + dt, 0.0)
        is_pushy = (self._stuck_s > PATIENCE_S) & state.on_crossing
        allowed = np.where(is_pushy, np.maximum(sight.allowed_mps, np.minimum(wished, PUSHY_MPS)), sight.allowed_mps)
        speed = np.clip(allowed, state.speed - 4.0 * dt, state.speed + 1.5 * dt).clip(0.0)
        most = dt * (0.15 + 0.35 * speed)
        moved = np.clip(np.clip(aim - own, -most, most), -np.minimum(sight.right_m, 9.0), sight.left_m)
        s = state.s + state.direction * speed * dt / np.maximum(1.0 - bend * state.d, 0.3)
        old = dataclasses.replace(state)
        state.s, state.d = np.round(s, DIGITS), np.round(state.d + moved * state.direction, DIGITS)
        xy, yaw = self._places()
        turn = (yaw - old.yaw + np.pi) % (2 * np.pi) - np.pi
        is_going = np.hypot(*(xy - self.xy).T) > 0.1 * dt
        step = np.clip(np.where(is_going, turn, 0.0), -self._turn_rate * dt, self._turn_rate * dt)
        yaw = np.round(old.yaw + step, DIGITS)
        stays = avoiding.blocked(now, self._bodies(xy, yaw, self._velocity), num)
        if stays.any():  # there may be room to go on, if not to turn
            yaw = np.where(stays, old.yaw, yaw)
            kept = self._bodies(np.where(stays[:, None], self.xy, xy), yaw, self._velocity)
            stays &= avoiding.blocked(kept, self._bodies(xy, yaw, self._velocity), num)
        state.s, state.d = np.where(stays, old.s, state.s), np.where(stays, old.d, state.d)
        state.yaw, xy = np.where(stays, old.yaw, yaw), np.where(stays[:, None], self.xy, xy)
        state.speed = np.where(stays, 0.0, np.round(speed, DIGITS))
        self._velocity = (xy - self.xy) / dt
        gone = np.hypot(*(xy - self.xy).T)
        rest = np.round(self.phase / np.pi) * np.pi - self.phase
        closing = np.where(gone < 0.05 * dt, np.clip(rest, -CLOSING_RATE * dt, CLOSING_RATE * dt), 0.0)
        self.phase = np.round(self.phase + gone * self._phase_per_m + closing, DIGITS)
        self.xy = xy

    def pushed_places(self) -> tuple[Floats, Floats]:
        """(P, 2) middles and (P,) yaws of what is pushed."""
        yaw = self.state.yaw[self._pushers]
        ahead = np.stack([np.cos(yaw), np.sin(yaw)], axis=1) * self._pushed[:, 2:]
        return np.round(self.xy[self._pushers] + ahead, DIGITS), yaw

    def _bodies(self, xy: Floats, yaw: Floats, velocity: Floats) -> Bodies:
        turn, rows = yaw[self._pushers], self._pushers
        ahead = np.stack([np.cos(turn), np.sin(turn)], axis=1) * self._pushed[:, 2:]
        still = self._standing
        return Bodies(
            np.concatenate([xy, xy[rows] + ahead, still.xy]),
            np.concatenate([yaw, turn, still.yaw]),
            np.concatenate([self._sizes, self._pushed[:, :2], still.size]),
            np.concatenate([np.arange(len(xy)), rows, still.owner]),
            np.concatenate([velocity, velocity[rows], still.velocity]),
        )

    def _places(self) -> tuple[Floats, Floats]:
        """(N, 2) where they are, and (N,) where they look when they walk."""
        place, along, _ = self._ways.frame(self.state)
        left = np.stack([-along[:, 1], along[:, 0]], axis=1)
        xy = np.round(place + self.state.d[:, None] * left, DIGITS)
        ahead = along * self.state.direction[:, None]
        return xy, np.arctan2(ahead[:, 1], ahead[:, 0])
