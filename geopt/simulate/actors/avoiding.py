"""How people on foot keep out of each other's way: whom they see before them, and where there is room to pass."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geopt.simulate.actors.boxes import corners, overlapping
from geopt.simulate.randomness import Floats

Rows = NDArray[np.int64]
CLEAR_M = 0.12
"""Between two who pass each other."""
SLACK_M = 0.03
"""By which boxes are grown, so that none overlap between two steps."""
NOBODY = -1


class Bodies(NamedTuple):
    """Rectangles on the sidewalk; a person with a stroller has two."""

    xy: Floats
    """(B, 2)."""
    yaw: Floats
    """(B,)."""
    size: Floats
    """(B, 2) length and width."""
    owner: Rows
    """(B,) row of the walker, or NOBODY for what stands for ever."""
    velocity: Floats
    """(B, 2)."""


class Sight(NamedTuple):
    """What each walker sees; ``left`` is seen from the walker."""

    allowed_mps: Floats
    """(N,) speed at which nobody ahead is run into."""
    aside_m: Floats
    """(N,) how far to the left it steps to pass who is ahead; 0 if it need not or cannot."""
    left_m: Floats
    """(N,) free on the left of it."""
    right_m: Floats
    """(N,) free on the right."""


def pairs(bodies: Bodies, reach_m: float) -> tuple[Rows, Rows]:
    """Rows (walker's body, another body) of all that come so near each other and are not one."""
    (x, y), owner = bodies.xy.T, bodies.owner
    first = np.flatnonzero(owner != NOBODY)
    far = reach_m + np.sqrt((bodies.size**2).sum(axis=1)) / 2
    dx, dy = x[first][:, None] - x, y[first][:, None] - y
    i, j = np.nonzero((dx * dx + dy * dy < far * far) & (owner[first][:, None] != owner))
    return first[i], j


def look(
    bodies: Bodies, heading: Floats, front_m: Floats, half_m: Floats, wished: Floats, room: tuple[Floats, Floats]
) -> Sight:
    """What the walkers see from where their first bodies are.

    Args:
        bodies: All; the first N are the walkers themselves, row by row.
        heading: (N, 2) unit vectors: where they want to go.
        front_m: (N,) from their middle to the front of all they push.
        half_m: (N,) half their widths.
        wished: (N,) their speeds when nobody is there.
        room: (N,) metres of sidewalk to the left and to the right of each.
    """
    num = len(heading)
    allowed, aside = wished.copy(), np.zeros(num)
    left, right = np.full(num, 9.0), np.full(num, 9.0)
    i, j = pairs(bodies, 4.5)
    kept = i < num
    i, j = i[kept], j[kept]
    away, (tx, ty) = bodies.xy[j] - bodies.xy[i], heading[i].T
    along, lateral = away[:, 0] * tx + away[:, 1] * ty, away[:, 1] * tx - away[:, 0] * ty
    cos, sin = np.cos(bodies.yaw[j]), np.sin(bodies.yaw[j])
    turned = np.abs(cos * tx + sin * ty), np.abs(sin * tx - cos * ty)
    half_length = (turned[0] * bodies.size[j, 0] + turned[1] * bodies.size[j, 1]) / 2
    half_width = half_m[i] + (turned[1] * bodies.size[j, 0] + turned[0] * bodies.size[j, 1]) / 2
    speed = bodies.velocity[j, 0] * tx + bodies.velocity[j, 1] * ty
    gap, clear = along - front_m[i] - half_length, np.abs(lateral) - half_width
    beside = (along < front_m[i] + half_length + 0.1) & (along > -front_m[i] - half_length - 0.1)
    np.minimum.at(left, i[beside & (lateral > 0)], np.maximum(clear - CLEAR_M, 0.0)[beside & (lateral > 0)])
    np.minimum.at(right, i[beside & (lateral <= 0)], np.maximum(clear - CLEAR_M, 0.0)[beside & (lateral <= 0)])
    ahead = (along > 0) & (clear < CLEAR_M - 0.02) & (gap < 2.5 + 1.2 * wished[i])
    np.minimum.at(allowed, i[ahead], (np.maximum(speed, 0.0) + 1.1 * np.maximum(gap - 0.2, 0.0))[ahead])
    hinders = np.flatnonzero(ahead & (wished[i] - speed > 0.15))
    hinders = hinders[np.lexsort((gap[hinders], i[hinders]))]
    who, first = np.unique(i[hinders], return_index=True)
    pair = hinders[first]
    need = half_width[pair] + CLEAR_M
    to_left, to_right = np.maximum(need + lateral[pair], 0.0), np.maximum(need - lateral[pair], 0.0)
    fits_left, fits_right = to_left <= room[0][who], to_right <= room[1][who]
    is_right = fits_right & (~fits_left | (to_right < to_left) | (speed[pair] < -0.1))
    aside[who] = np.where(is_right, -to_right, np.where(fits_left, to_left, 0.0))
    return Sight(allowed, aside, left, right)


def blocked(now: Bodies, then: Bodies, num_walkers: int) -> NDArray[np.bool_]:
    """(N,) walkers that must stay where they are, so that nobody's box touches another's.

    Whoever does not stay is clear of all others where they are and where they go; so it does not matter who of them stays.
    """
    stays = np.zeros(num_walkers, dtype=bool)
    i, j = pairs(now, 2.0)
    before, after = _grown(now, now.xy, now.yaw), _grown(then, then.xy, then.yaw)
    halfway = _grown(now, (now.xy + then.xy) / 2, now.yaw + _turn(then.yaw - now.yaw) / 2)
    stays[now.owner[i[overlapping(after[i], before[j]) | overlapping(halfway[i], before[j])]]] = True
    both = (now.owner[j] != NOBODY) & (now.owner[i] > now.owner[j])
    both &= ~stays[now.owner[i]] & ~stays[now.owner[j]]
    a, b = i[both], j[both]
    stays[now.owner[a[overlapping(after[a], after[b]) | overlapping(halfway[a], halfway[b])]]] = True
    return stays


def _grown(bodies: Bodies, xy: Floats, yaw: Floats) -> Floats:
    return corners(xy, yaw, bodies.size[:, 0] + 2 * SLACK_M, bodies.size[:, 1] + 2 * SLACK_M)


def _turn(angle: Floats) -> Floats:
    """The same angle between -pi and pi."""
    return (angle + np.pi) % (2 * np.pi) - np.pi
