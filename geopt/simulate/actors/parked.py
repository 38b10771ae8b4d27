"""Vehicles that stand in the bays, and rare things beside the way of the ego."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from geopt.simulate.actors import cast
from geopt.simulate.actors.boxes import SIDE_M, box_size
from geopt.simulate.actors.sites import Spot, street_works
from geopt.simulate.actors.stage import Stage, Stance
from geopt.simulate.actors.trailers import DRAWBAR_M
from geopt.simulate.classes import ROAD
from geopt.simulate.meshes import Figure
from geopt.simulate.randomness import Floats, stream

if TYPE_CHECKING:
    from geopt.simulate.city import Bay, City

NEAR_M = 38.0
"""From the way of the ego to what is put beside it."""
GUESTS = (
    ("works", 0.75), ("trailer", 0.7), ("bus", 0.7), ("truck", 0.6), ("loader", 0.8), ("motorcycle", 0.7),
    ("bicycle", 0.6), ("ambulance", 0.2), ("police_car", 0.25), ("bendy_bus", 0.15), ("motorcycle", 0.3),
)  # fmt: skip
"""What is put beside the way of the ego, and how often."""


SIGHTS = {"construction": 5.0, "plaza": 1.5, "rack": 1.0, "bins": 0.3, "barriers": 1.0}


def sights(city: City) -> Floats:
    """(S, 3) places of the sites and parking lots of a city, and how much there is to see."""
    rows = [(*site.xy, SIGHTS.get(site.kind, 0.0)) for site in city.sites]
    return np.array(rows + [(*bay.xy, 0.1) for bay in city.bays if bay.kind == "lot"]).reshape(-1, 3)


class Strip(NamedTuple):
    """Neighbouring bays: behind each other along the kerb, or beside each other on a lot."""

    rows: tuple[int, ...]
    xy: Floats
    yaw: float
    length_m: float
    width_m: float


def strips(city: City, rows: list[int], num: int, kind: str) -> list[Strip]:
    """All runs of ``num`` neighbouring bays of a kind among ``rows``."""
    own = [row for row in rows if city.bays[row].kind == kind]
    found, turn = [], 0.0 if kind == "kerb" else np.pi / 2
    for first in own:
        run = [first]
        while len(run) < num and (after := _next_bay(city, run[-1], own, turn)) >= 0:
            run.append(after)
        if len(run) == num:
            a, b = city.bays[run[0]], city.bays[run[-1]]
            sizes = [_along(bay, turn) for bay in (a, b)]
            length = float(np.hypot(*(b.xy - a.xy))) + (sizes[0][0] + sizes[1][0]) / 2
            found.append(Strip(tuple(run), (a.xy + b.xy) / 2, float(a.yaw) + turn, length, sizes[0][1]))
    return found


def _along(bay: Bay, turn: float) -> tuple[float, float]:
    """Length and width of a bay, seen along a run."""
    return (bay.width_m, bay.length_m) if turn else (bay.length_m, bay.width_m)


def _next_bay(city: City, row: int, rows: list[int], turn: float) -> int:
    """The bay before another one in a run, or -1."""
    bay = city.bays[row]
    (x, y), _ = _axes(float(bay.yaw) + turn)
    for other in rows:
        gap = city.bays[other].xy - bay.xy
        along, across = float(gap[0] * x + gap[1] * y), float(abs(gap[1] * x - gap[0] * y))
        if 0 < along < (_along(bay, turn)[0] + _along(city.bays[other], turn)[0]) / 2 + 1.5 and across < 0.6:
            return other
    return -1


class Parking:
    """Fills the bays of a city.

    Args:
        way: (W, 2) places on the way of the ego.
    """

    def __init__(self, stage: Stage, seed: int, name: str, city: City, way: Floats) -> None:
        self._stage, self._seed, self._name, self._city = stage, seed, name, city
        places = np.array([bay.xy for bay in city.bays]).reshape(-1, 2)
        gap = places[:, None, :] - way[None]
        self._away_m = np.sqrt((gap**2).sum(axis=2)).min(axis=1)
        self._taken: set[int] = set()

    def num_near(self, places: Floats, reach_m: float) -> float:
        """Bays around a place, on average over (P, 2) places."""
        bays = np.array([bay.xy for bay in self._city.bays]).reshape(-1, 2)
        return float((np.hypot(*(bays[:, None, :] - places[None]).T) < reach_m).sum() / len(places))

    def invite(self) -> int:
        """Put rare things beside the way of the ego; how many came."""
        rng, num = stream(self._seed, self._name, "guests"), 0
        near = [row for row in range(len(self._city.bays)) if self._away_m[row] < NEAR_M]
        for number, (kind, chance) in enumerate(GUESTS):
            if rng.uniform() < chance:
                num += self._guest(f"guest{number}", kind, near, stream(self._seed, self._name, "guest", number))
        return num

    def _guest(self, name: str, kind: str, near: list[int], rng: np.random.Generator) -> bool:
        rows = [row for row in near if row not in self._taken]
        if kind == "works":
            return self._works(name, rows, rng)
        figures = [
            self._stage.wardrobe.draw(str(rng.choice(["excavator", "wheel_loader"])) if kind == "loader" else kind, rng)
        ]
        if kind == "trailer" and rng.uniform() < 0.5:
            figures.append(self._stage.wardrobe.draw("tractor", rng))
        gap = DRAWBAR_M + 1.0
        need = sum(box_size(figure)[0] for figure in figures) + gap * (len(figures) - 1)
        for where, num in [("kerb", num) for num in (1, 2, 3, 4)] + [("lot", num) for num in (3, 5, 6, 9)]:
            options = [strip for strip in strips(self._city, rows, num, where) if strip.length_m > need + 0.3]
            for pick in rng.permutation(len(options))[:6]:
                if self._park_row(name, figures, options[pick], gap, rng):
                    return True
        return False

    def _park_row(self, name: str, figures: list[Figure], strip: Strip, gap: float, rng: np.random.Generator) -> bool:
        """Put vehicles behind each other into a run of bays, all or none."""
        total = sum(box_size(figure)[0] for figure in figures) + gap * (len(figures) - 1)
        ahead, left = _axes(strip.yaw)
        aside = self._aside(strip.xy, strip.yaw, total, max(box_size(figure)[1] for figure in figures))
        if aside is None:
            return False
        back, stance = -total / 2, "parked" if rng.uniform() < 0.75 else "stopped"
        for number, figure in enumerate(figures):
            length = box_size(figure)[0]
            place = strip.xy + (back + length / 2) * ahead + aside * left
            self._stage.put(f"{name}/{figure.kind}{number}", figure, place, strip.yaw, _stance(figure, stance))
            back += length + gap
        self._taken.update(strip.rows)
        return True

    def _aside(self, xy: Floats, yaw: float, length: float, width: float) -> float | None:
        """How far to the left of a bay's middle something wide fits: off the kerb, and out of the lane."""
        _, left = _axes(yaw)
        for aside in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6):
            place = xy + aside * left
            if not self._stage.is_free(place, yaw, length, width):
                continue
            x, y = np.meshgrid(np.linspace(-length / 2, length / 2, 12), (-width / 2 + SIDE_M, width / 2))
            ahead, _ = _axes(yaw)
            rim = place + x.reshape(-1, 1) * ahead + y.reshape(-1, 1) * left
            if (self._city.surface(rim) == ROAD).all():
                return aside
        return None

    def _works(self, name: str, rows: list[int], rng: np.random.Generator) -> bool:
        options = strips(self._city, rows, 2, "kerb")
        if not options:
            return False
        strip = options[int(rng.integers(len(options)))]
        street_works(Spot(self._stage, name, rng, strip.xy, strip.yaw, strip.length_m, strip.width_m))
        self._taken.update(strip.rows)
        return True

    def fill(self, share: float) -> None:
        """Put vehicles into this share of the bays that are still free."""
        for row, bay in enumerate(self._city.bays):
            rng = stream(self._seed, self._name, "bay", row)
            if row in self._taken or rng.uniform() >= share:
                continue
            kind = cast.draw_kind(cast.PARKED, rng)
            figure = self._stage.wardrobe.draw(kind, rng)
            length, width, _ = box_size(figure)
            if length > bay.length_m + 0.1:
                continue
            yaw = float(bay.yaw) + (np.pi if bay.kind == "lot" and rng.uniform() < 0.5 else 0.0)
            yaw += float(rng.normal(scale=0.012))
            aside = self._aside(bay.xy, yaw, length, width) if bay.kind == "kerb" else 0.0
            if aside is None:
                continue
            place = bay.xy + aside * _axes(yaw)[1]
            stance = "stopped" if rng.uniform() < 0.06 else "parked"
            self._stage.put(f"parked{row}", figure, place, yaw, _stance(figure, stance))


def _stance(figure: Figure, stance: str) -> Stance:
    """Cycles have riders or not, whether they are parked or not."""
    if figure.family != "vehicle":
        return ""
    return "stopped" if stance == "stopped" else "parked"


def _axes(yaw: float) -> tuple[Floats, Floats]:
    """Unit vectors forward and to the left."""
    return np.array([np.cos(yaw), np.sin(yaw)]), np.array([-np.sin(yaw), np.cos(yaw)])
