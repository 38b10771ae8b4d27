"""What stands at work sites, on plazas, in racks, and in rows along the street."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geopt.simulate.actors.stage import Stage, Stance
from geopt.simulate.randomness import Floats, stream

if TYPE_CHECKING:
    from geopt.simulate.city import City, Site

BARRIER_M = 2.75
"""From one barrier of a row to the next."""
NARROW_M = 4.0
"""Sites narrower than this lie in a parking strip."""


class Spot:
    """A rectangle with its own frame, on which things are put."""

    def __init__(
        self, stage: Stage, name: str, rng: np.random.Generator, xy: Floats, yaw: float, length_m: float, width_m: float
    ) -> None:
        self.stage, self.rng, self.length_m, self.width_m = stage, rng, length_m, width_m
        self._name, self._xy, self._yaw, self._count = name, np.asarray(xy, dtype=np.float64), float(yaw), 0

    def put(self, kind: str, x: float, y: float, turn: float = 0.0, stance: Stance = "") -> bool:
        """Put something at a place of the rectangle; False if there is no room."""
        cos, sin = np.cos(self._yaw), np.sin(self._yaw)
        place = self._xy + np.array([x * cos - y * sin, x * sin + y * cos])
        self._count += 1
        name = f"{self._name}/{kind}{self._count}"
        return self.stage.draw(name, kind, self.rng, place, self._yaw + turn, stance) is not None

    def anywhere(self, kind: str, stance: Stance = "", margin_m: float = 0.7) -> bool:
        """Put something somewhere on the rectangle."""
        for _ in range(6):
            x = (self.length_m / 2 - margin_m) * self.rng.uniform(-1, 1)
            y = max(self.width_m / 2 - margin_m, 0.0) * self.rng.uniform(-1, 1)
            if self.put(kind, float(x), float(y), float(self.rng.uniform(-np.pi, np.pi)), stance):
                return True
        return False

    def row(self, kind: str, y: float, spacing_m: float, turn: float, stance: Stance = "") -> int:
        """Put a row of things along the rectangle; how many found room."""
        num = max(1, int((self.length_m - 0.5) / spacing_m) + 1)
        first = -(num - 1) * spacing_m / 2
        return sum(self.put(kind, first + k * spacing_m, y, turn, stance) for k in range(num))

    def talk(self, num: int) -> None:
        """Some people who stand together and look at each other."""
        x = (self.length_m / 2 - 1.2) * self.rng.uniform(-1, 1)
        y = max(self.width_m / 2 - 1.2, 0.0) * self.rng.uniform(-1, 1)
        begin = float(self.rng.uniform(0, 2 * np.pi))
        for k in range(num):
            angle = begin + 2 * np.pi * k / num
            radius = 0.55 + 0.1 * num
            self.put(
                "adult_standing", x + radius * np.cos(angle), y + radius * np.sin(angle), angle + np.pi, "standing"
            )


def furnish_all(stage: Stage, seed: int, name: str, city: City) -> None:
    """Put things on all sites of a city."""
    for row, site in enumerate(city.sites):
        furnish(stage, stream(seed, name, "site", row), f"{site.kind}{row}", site)


def furnish(stage: Stage, rng: np.random.Generator, name: str, site: Site) -> None:
    """Put things on one site, by its kind."""
    spot = Spot(stage, name, rng, site.xy, site.yaw, site.length_m, site.width_m)
    if site.kind == "construction":
        if site.width_m < NARROW_M:
            street_works(spot)
        else:
            _building_works(spot)
    elif site.kind == "plaza":
        _plaza(spot)
    elif site.kind == "rack":
        _rack(spot)
    elif site.kind == "bins":
        spot.row("bin", 0.0, float(rng.uniform(0.85, 1.1)), float(rng.choice([-1, 1])) * np.pi / 2)
    elif site.kind == "barriers":
        spot.row("barrier", 0.0, BARRIER_M, np.pi / 2)
    else:
        raise ValueError(f"furnish: site must be of a known kind, got {site.kind!r}")


def street_works(spot: Spot) -> None:
    """A strip along the street closed by cones and barriers, with workers."""
    rng, edge = spot.rng, spot.width_m / 2 - 0.35
    for end in (-1, 1):
        spot.put("barrier", end * (spot.length_m / 2 - 0.4), 0.0)
    for y in (-edge, edge) if rng.uniform() < 0.5 else (-edge,):
        spacing = float(rng.uniform(1.6, 2.6))
        for x in np.arange(-spot.length_m / 2 + 1.4, spot.length_m / 2 - 1.3, spacing):
            spot.put("cone", float(x), y)
    for _ in range(int(rng.integers(1, 4))):
        spot.anywhere("worker_standing", "standing")
    if rng.uniform() < 0.6:
        spot.anywhere("debris")


def _building_works(spot: Spot) -> None:
    """A machine or two, workers, heaps, a trailer; barriers towards one side and cones at the others."""
    rng = spot.rng
    if rng.uniform() < 0.8:
        x, y = spot.length_m / 2 - 7.6, spot.width_m / 2 - 2.6
        spot.put("trailer", x * float(rng.uniform(-1, 1)), y * float(rng.choice([-1, 1])), stance="parked")
    for _ in range(int(rng.integers(1, 3))):
        spot.anywhere(
            str(rng.choice(["excavator", "wheel_loader"])), "stopped" if rng.uniform() < 0.6 else "parked", 4.0
        )
    side = float(rng.choice([-1, 1]))
    spot.row("barrier", side * (spot.width_m / 2 - 0.5), BARRIER_M, np.pi / 2)
    spot.row("cone", -side * (spot.width_m / 2 - 0.5), float(rng.uniform(2.5, 4.0)), 0.0)
    for _ in range(int(rng.integers(2, 5))):
        spot.anywhere("worker_standing", "standing")
    for _ in range(int(rng.integers(1, 3))):
        spot.anywhere("debris")


def _plaza(spot: Spot) -> None:
    """People who meet, sit, or watch children."""
    rng = spot.rng
    for _ in range(int(rng.integers(1, 3))):
        spot.talk(int(rng.integers(2, 5)))
    for _ in range(int(rng.integers(1, 4))):
        spot.anywhere("adult_sitting", "sitting")
    for kind, chance, stance in (
        ("stroller", 0.5, "standing"),
        ("wheelchair", 0.4, "sitting"),
        ("animal", 0.6, ""),
        ("bicycle", 0.5, ""),
        ("bin", 0.6, ""),
        ("adult_standing", 0.7, "standing"),
    ):
        if rng.uniform() < chance:
            spot.anywhere(kind, stance)  # type: ignore[arg-type]


def _rack(spot: Spot) -> None:
    """A rack with bicycles in it, and some leaning beside it."""
    rng = spot.rng
    first = -spot.length_m / 2 + 1.6
    spot.put("bicycle_rack", first, 0.0, np.pi / 2)
    x = first + 1.9
    while x < spot.length_m / 2 - 0.3:
        spot.put("motorcycle" if rng.uniform() < 0.25 else "bicycle", x, 0.0, np.pi / 2 + float(rng.normal(scale=0.1)))
        x += float(rng.uniform(0.95, 1.3))
