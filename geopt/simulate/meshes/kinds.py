"""All kinds of figures: their class, their mean size, and who builds them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from geopt.simulate import classes
from geopt.simulate.meshes import (
    animals,
    bicycles,
    bodies,
    buses,
    cars,
    construction,
    motorcycles,
    objects,
    people,
    pushed,
    trailers,
    trucks,
)
from geopt.simulate.meshes.figure import Draft, Family, Figure, figure_of
from geopt.simulate.meshes.solids import Mesh, loft

Builder = Callable[[np.random.Generator, int], Draft]


@dataclass(frozen=True)
class Kind:
    """What all figures of a kind share."""

    label: int
    """Row of ``geopt.simulate.classes.CLASSES``."""
    family: Family
    mean_size_m: tuple[float, float, float]
    """Length, width and height of the box over all phases, averaged over many draws."""
    build: Builder


def _walker(role: bodies.Role = "") -> Builder:
    return lambda rng, label: people.walker(bodies.draw_person(rng, label, role), rng)


def _stander(role: bodies.Role = "") -> Builder:
    return lambda rng, label: people.stander(bodies.draw_person(rng, label, role), rng)


def _sitter(rng: np.random.Generator, label: int) -> Draft:
    return Draft(people.sitting(bodies.draw_person(rng, label, pack="", skirt=False), rng))


def _suv(rng: np.random.Generator, label: int) -> Draft:
    return cars.car(rng, label, cars.SUV)


def _pickup(rng: np.random.Generator, label: int) -> Draft:
    return cars.car(rng, label, cars.PICKUP)


def _kind(name: str, family: Family, mean: tuple[float, float, float], build: Builder) -> Kind:
    return Kind(classes.CLASSES.index(name), family, mean, build)


KINDS: dict[str, Kind] = {
    "car": _kind("vehicle.car", "vehicle", (4.5, 1.95, 1.50), cars.passenger_car),
    "suv": _kind("vehicle.car", "vehicle", (4.75, 2.05, 1.75), _suv),
    "van": _kind("vehicle.car", "vehicle", (5.1, 2.1, 2.05), cars.van),
    "pickup": _kind("vehicle.car", "vehicle", (5.4, 2.1, 1.85), _pickup),
    "taxi": _kind("vehicle.car", "vehicle", (4.7, 1.95, 1.65), cars.taxi),
    "police_car": _kind("vehicle.emergency.police", "vehicle", (4.8, 2.0, 1.65), cars.police_car),
    "ambulance": _kind("vehicle.emergency.ambulance", "vehicle", (5.9, 2.3, 2.85), cars.ambulance),
    "truck": _kind("vehicle.truck", "vehicle", (6.9, 2.6, 2.8), trucks.truck),
    "box_truck": _kind("vehicle.truck", "vehicle", (7.3, 2.6, 3.2), trucks.box_truck),
    "tractor": _kind("vehicle.truck", "vehicle", (6.3, 2.7, 3.45), trucks.tractor),
    "bus": _kind("vehicle.bus.rigid", "vehicle", (11.2, 2.9, 3.4), buses.bus),
    "bendy_bus": _kind("vehicle.bus.bendy", "vehicle", (17.8, 2.9, 3.4), buses.bendy_bus),
    "trailer": _kind("vehicle.trailer", "vehicle", (12.3, 2.6, 3.8), trailers.trailer),
    "excavator": _kind("vehicle.construction", "vehicle", (6.6, 2.6, 3.2), construction.excavator),
    "wheel_loader": _kind("vehicle.construction", "vehicle", (6.6, 2.6, 3.2), construction.wheel_loader),
    "motorcycle": _kind("vehicle.motorcycle", "cycle", (2.1, 0.8, 1.3), motorcycles.motorcycle),
    "motorcyclist": _kind("vehicle.motorcycle", "cycle", (2.05, 0.8, 1.72), motorcycles.motorcyclist),
    "bicycle": _kind("vehicle.bicycle", "cycle", (1.7, 0.6, 1.03), bicycles.bicycle),
    "cyclist": _kind("vehicle.bicycle", "cycle", (1.75, 0.6, 1.7), bicycles.cyclist),
    "adult": _kind("human.pedestrian.adult", "pedestrian", (0.75, 0.6, 1.72), _walker()),
    "adult_standing": _kind("human.pedestrian.adult", "pedestrian", (0.55, 0.6, 1.72), _stander()),
    "adult_sitting": _kind("human.pedestrian.adult", "pedestrian", (0.75, 0.6, 1.35), _sitter),
    "child": _kind("human.pedestrian.child", "pedestrian", (0.52, 0.37, 1.18), _walker("child")),
    "worker": _kind("human.pedestrian.construction_worker", "pedestrian", (0.75, 0.6, 1.75), _walker("worker")),
    "worker_standing": _kind(
        "human.pedestrian.construction_worker", "pedestrian", (0.5, 0.6, 1.75), _stander("worker")
    ),
    "police_officer": _kind("human.pedestrian.police_officer", "pedestrian", (0.75, 0.6, 1.75), _walker("police")),
    "stroller": _kind("human.pedestrian.stroller", "pedestrian", (1.0, 0.6, 1.1), pushed.stroller),
    "wheelchair": _kind("human.pedestrian.wheelchair", "pedestrian", (1.02, 0.66, 1.36), pushed.wheelchair),
    "scooter_rider": _kind(
        "human.pedestrian.personal_mobility", "pedestrian", (1.15, 0.6, 1.85), motorcycles.scooter_rider
    ),
    "animal": _kind("animal", "", (0.8, 0.2, 0.66), animals.animal),
    "cone": _kind("movable_object.trafficcone", "", (0.41, 0.41, 1.0), objects.cone),
    "barrier": _kind("movable_object.barrier", "", (0.5, 2.5, 0.98), objects.barrier),
    "debris": _kind("movable_object.debris", "", (1.0, 1.0, 0.4), objects.debris),
    "bin": _kind("movable_object.pushable_pullable", "", (0.72, 0.64, 1.05), pushed.pushable),
    "bicycle_rack": _kind("static_object.bicycle_rack", "", (1.85, 3.1, 1.05), bicycles.bicycle_rack),
}
"""Every kind that ``draw_figure`` knows."""


def draw_figure(kind: str, rng: np.random.Generator) -> Figure:
    """A figure of a kind, its size, shape, colours and posture drawn from ``rng``: the same state gives the same bytes.

    Raises:
        ValueError: ``kind`` is not a key of ``KINDS``.
    """
    if kind not in KINDS:
        raise ValueError(f"draw_figure: kind must be one of {', '.join(KINDS)}, got {kind!r}")
    row = KINDS[kind]
    return figure_of(kind, row.label, row.family, row.build(rng, row.label))


def ego_body() -> Mesh:
    """What hides the ground from the sensor, in the ego frame: the lowest beams pass only to the sides.

    A roof 0.37 m below the sensor that bulges at the sides and narrows towards the rear. Its outline was chosen so that each
    ring is blocked in the directions, and about as often, as in the 40 key frames of scene-0523.
    """
    ahead = np.array([0.93, 0.92, 0.85, 0.70, 0.56, 0.40, 0.10, -0.20, -0.48, -0.64, -0.81, -0.93, -1.02, -1.08])
    beside = np.array([0.0, 0.22, 0.38, 0.54, 0.60, 0.61, 0.61, 0.60, 0.51, 0.43, 0.35, 0.25, 0.12, 0.0])
    x = 0.94 + np.concatenate([ahead, ahead[-2:0:-1]])  # the sensor stands 0.94 m before the rear axle
    y = np.concatenate([beside, -beside[-2:0:-1]])
    return loft([np.stack([x, y, np.full(len(x), z)], axis=1) for z in (0.3, 1.47)], classes.EGO, 0.3)
