"""Who walks: alone, in pairs, with children, strollers and dogs; and where they begin."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from geopt.simulate.actors import cast
from geopt.simulate.actors.avoiding import NOBODY, Bodies
from geopt.simulate.actors.boxes import box_size, corners, overlapping
from geopt.simulate.actors.groups import Group
from geopt.simulate.actors.routes import weighted
from geopt.simulate.actors.stage import Stage
from geopt.simulate.actors.walkways import BODY_HALF_M, ONE_WAY_M, Walkers, Walkways
from geopt.simulate.meshes import Figure
from geopt.simulate.randomness import Floats, stream

PARTIES: dict[tuple[str, ...], float] = {
    ("adult",): 0.50, ("adult", "adult"): 0.16, ("adult", "adult", "adult"): 0.04, ("adult", "child"): 0.05,
    ("adult", "child", "adult"): 0.02, ("adult", "stroller"): 0.05, ("adult", "animal"): 0.05, ("scooter_rider",): 0.04,
    ("wheelchair",): 0.03, ("worker",): 0.03, ("police_officer",): 0.02, ("police_officer", "police_officer"): 0.01,
}  # fmt: skip
"""Who goes together, and how often; a stroller is pushed by the one before it in the list."""
PACE_MPS = {"scooter_rider": (2.6, 0.4), "wheelchair": (1.05, 0.15), "child": (1.1, 0.1)}
"""Mean and spread of the speeds of those who do not walk as adults do."""
WALK_MPS = (1.32, 0.17)
HANDLE_M = 0.08
"""Between the boxes of a stroller and of who pushes it."""
FILE_M = 1.3
"""From one to the next where a group walks in single file."""


class Cast(NamedTuple):
    """Everybody on the walks."""

    figures: list[Figure]
    """Walkers, row by row."""
    pushed: list[Figure]
    """Strollers, in the order of those who push them."""
    state: Walkers
    groups: list[Group]
    sizes: Floats
    """(N, 2) of the boxes."""
    pushed_sizes: Floats
    """(N, 3) length, width and distance of what each pushes; 0 for nothing."""


def draw_walkers(seed: int, name: str, ways: Walkways, way: Floats, stage: Stage, num_groups: int) -> Cast:
    """Draw groups, more of them near the way (W, 2) of the ego, none overlapping another or a thing on the stage."""
    spots, weights = _spots(ways, way)
    taken = [(p.xy, p.yaw, *box_size(p.figure)[:2]) for p in stage.props]
    figures: list[Figure] = []
    pushed: list[Figure] = []
    rows: list[tuple[float, ...]] = []
    groups: list[Group] = []
    pushed_sizes: list[tuple[float, float, float]] = []
    for number in range(num_groups):
        rng = stream(seed, name, "group", number)
        party = list(PARTIES)[weighted(rng, list(PARTIES.values()))]
        drawn = [stage.wardrobe.draw(kind, rng) for kind in party]
        # a cart is no rival of who pushes it: they are apart by HANDLE_M
        walkers = [figure for figure in drawn if figure.kind != "stroller"]
        cart = next((figure for figure in drawn if figure.kind == "stroller"), None)
        mean, spread = PACE_MPS.get(party[-1], WALK_MPS)
        speed = float(np.clip(rng.normal(mean, spread), 0.6, 3.4))
        for _ in range(8):
            walk, s = spots[weighted(rng, weights)]
            direction = 1 if ways.width_m[walk] < ONE_WAY_M or rng.uniform() < 0.5 else -1
            places = _places(ways, rng, walk, s, direction, walkers)
            bodies = _bodies(ways, walk, places, direction, walkers, cart)
            if not any(_collides(bodies[k : k + 1], [*taken, *bodies[:k]]) for k in range(len(bodies))):
                break
        else:
            continue  # no room for this group
        taken += bodies
        members = list(range(len(figures), len(figures) + len(walkers)))
        figures += walkers
        groups.append(Group(members, walk, direction, speed, rng))
        lead_s = places[0][0]
        for k, (at, own_d) in enumerate(places):
            lag = (lead_s - at) * direction
            rows.append((walk, at, own_d * direction, direction, bodies[k][1], own_d, lag))
            pushed_sizes.append((0.0, 0.0, 0.0))
        if cart is not None:
            length, width, _ = box_size(cart)
            pushed_sizes[-1] = (length, width, _reach(walkers[-1], cart))
            pushed.append(cart)
    table = np.array(rows, dtype=np.float64).reshape(-1, 7)
    num = len(table)
    state = Walkers(
        table[:, 0].astype(np.int64), np.zeros(num, dtype=bool), np.round(table[:, 1], 6), np.round(table[:, 2], 6),
        table[:, 3], np.zeros(num), np.round(table[:, 4], 6), table[:, 5], table[:, 6],
    )  # fmt: skip
    sizes = np.array([box_size(figure)[:2] for figure in figures]).reshape(-1, 2)
    return Cast(figures, pushed, state, groups, sizes, np.array(pushed_sizes).reshape(-1, 3))


def _spots(ways: Walkways, way: Floats) -> tuple[list[tuple[int, float]], list[float]]:
    """(walk, s) every few metres, and how often each is chosen."""
    spots = [(row, s) for row in range(len(ways.walks)) for s in np.arange(0.0, float(ways.walks.length_m[row]), 4.0)]
    places = ways.walks.point(np.array([row for row, _ in spots]), np.array([s for _, s in spots]))
    away = np.sqrt(((places[:, None, :] - way[None]) ** 2).sum(axis=2)).min(axis=1)
    return spots, (0.08 + np.exp(-away / 22.0)).tolist()


def _places(
    ways: Walkways, rng: np.random.Generator, walk: int, s: float, direction: int, walkers: list[Figure]
) -> list[tuple[float, float]]:
    """(s, d) of the members of a group; d is to the left as they see it."""
    limit, num = float(ways.limit[walk]), len(walkers)
    apart = max(box_size(figure)[1] for figure in walkers) + 0.15
    abreast = max(1, min(num, int((2 * limit + 2 * BODY_HALF_M) / apart) - 1))  # others can pass
    middle = -float(rng.uniform(0.1, 1.0)) * max(limit - apart / 2 * (abreast - 1), 0.0)
    at = s + float(rng.uniform(0.0, 2.0))
    return [
        (at - direction * FILE_M * (k // abreast), middle + apart * (k % abreast - (min(abreast, num) - 1) / 2))
        for k in range(num)
    ]


def _reach(pusher: Figure, cart: Figure) -> float:
    """From the middle of who pushes to the middle of what is pushed."""
    return (box_size(pusher)[0] + box_size(cart)[0]) / 2 + HANDLE_M


Body = tuple[Floats, float, float, float]


def _bodies(
    ways: Walkways,
    walk: int,
    places: list[tuple[float, float]],
    direction: int,
    walkers: list[Figure],
    cart: Figure | None,
) -> list[Body]:
    """(place, yaw, length, width) of the members, and of what the last of them pushes."""
    s, own_d = np.array([place[0] for place in places]), np.array([place[1] for place in places])
    middle, along, _ = ways.walks.frame(np.full(len(s), walk), s)
    xy = middle + (own_d * direction)[:, None] * np.stack([-along[:, 1], along[:, 0]], axis=1)
    ahead = along * direction
    yaw = np.arctan2(ahead[:, 1], ahead[:, 0])
    bodies = [(xy[k], float(yaw[k]), *box_size(figure)[:2]) for k, figure in enumerate(walkers)]
    if cart is not None:
        place = xy[-1] + _reach(walkers[-1], cart) * ahead[-1]
        bodies.append((place, float(yaw[-1]), *box_size(cart)[:2]))
    return bodies


def _collides(bodies: list[Body], taken: list[Body]) -> bool:
    """Whether a group stands in somebody's way."""
    if not taken:
        return False
    middles = np.array([body[0] for body in taken])
    for xy, yaw, length, width in bodies:
        near = np.flatnonzero((np.abs(middles - xy) < 15.0).all(axis=1))
        if not len(near):
            continue
        mine = corners(xy[None], np.array([yaw]), length + 0.12, width + 0.12)
        others = corners(
            middles[near],
            np.array([taken[k][1] for k in near]),
            np.array([taken[k][2] for k in near]),
            np.array([taken[k][3] for k in near]),
        )
        if overlapping(np.repeat(mine, len(near), axis=0), others).any():
            return True
    return False


def stand_about(seed: int, name: str, ways: Walkways, way: Floats, stage: Stage, num: int) -> None:
    """Put people on wide walks near the way of the ego, where they stand for ever."""
    spots, weights = _spots(ways, way)
    for number in range(num):
        rng = stream(seed, name, "stander", number)
        walk, s = spots[weighted(rng, weights)]
        edge = float(ways.width_m[walk]) - 0.3
        if ways.width_m[walk] < 0.75:
            continue  # nobody could pass
        middle, along, _ = ways.walks.frame(np.array([walk]), np.array([s]))
        left = np.array([-along[0, 1], along[0, 0]])
        side = -1.0 if rng.uniform() < 0.8 else 1.0  # most stand at the kerb
        yaw = float(np.arctan2(along[0, 1], along[0, 0]) + rng.uniform(-np.pi, np.pi))
        kind = cast.draw_kind({"adult_standing": 0.85, "police_officer": 0.05, "worker_standing": 0.1}, rng)
        stage.put(
            f"stander{number}", stage.wardrobe.draw(kind, rng), middle[0] + side * edge * left, yaw, "standing", True
        )


def obstacles(ways: Walkways, stage: Stage) -> Bodies:
    """All that stands on the walks and crossings, or so near that somebody could touch it."""
    lines = np.concatenate([ways.walks.points, ways.crossings.points])
    widest = float(max(ways.width_m.max(), ways.cross_limit.max()))
    near = []
    for prop in stage.props:
        reach = widest + 1.5 + max(box_size(prop.figure)[:2]) / 2
        if ((lines - prop.xy) ** 2).sum(axis=1).min() < reach * reach:
            near.append(prop)
    return Bodies(
        np.array([prop.xy for prop in near]).reshape(-1, 2),
        np.array([prop.yaw for prop in near]),
        np.array([box_size(prop.figure)[:2] for prop in near]).reshape(-1, 2),
        np.full(len(near), NOBODY),
        np.zeros((len(near), 2)),
    )
