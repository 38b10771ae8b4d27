"""Streets and their traffic, each made once for all tests that ask."""

from __future__ import annotations

import functools
from typing import NamedTuple

from geopt.simulate.actors import Traffic
from geopt.simulate.city import City

NAMES = ("scene-0061", "scene-0553", "scene-0103", "scene-0916")


class Scene(NamedTuple):
    city: City
    traffic: Traffic


@functools.cache
def scene(seed: int, name: str = NAMES[0]) -> Scene:
    city = City(seed, name)
    return Scene(city, Traffic(seed, name, city))
