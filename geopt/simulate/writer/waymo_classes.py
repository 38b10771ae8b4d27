"""What the things of the city are called in the Waymo Open Dataset."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from geopt.simulate.classes import CLASSES
from geopt.simulate.meshes import Figure
from geopt.simulate.sensor import Scan

VEHICLE, PEDESTRIAN, CYCLIST = 1, 2, 4
"""Types of boxes; signs have none here."""
MOTORCYCLIST, BICYCLIST = 5, 6
POINT_CLASSES = {
    "human.pedestrian.adult": 7,
    "human.pedestrian.child": 7,
    "human.pedestrian.construction_worker": 7,
    "human.pedestrian.personal_mobility": 7,
    "human.pedestrian.police_officer": 7,
    "human.pedestrian.stroller": 7,
    "human.pedestrian.wheelchair": 7,
    "movable_object.trafficcone": 11,
    "vehicle.bicycle": 12,
    "vehicle.bus.bendy": 3,
    "vehicle.bus.rigid": 3,
    "vehicle.car": 1,
    "vehicle.construction": 4,
    "vehicle.emergency.ambulance": 2,
    "vehicle.emergency.police": 1,
    "vehicle.motorcycle": 13,
    "vehicle.trailer": 2,
    "vehicle.truck": 2,
    "flat.driveable_surface": 18,
    "flat.other": 20,
    "flat.sidewalk": 22,
    "flat.terrain": 21,
    "static.manmade": 14,
    "static.vegetation": 15,
}
"""Class of the segmentation benchmark; what is not here is 0, undefined."""
CLASS_OF_LABEL = np.array([POINT_CLASSES.get(name, 0) for name in CLASSES], dtype=np.int32)
RIDDEN = {"vehicle.bicycle": BICYCLIST, "vehicle.motorcycle": MOTORCYCLIST}
WITH_RIDER = "cycle.with_rider"


def box_types(figures: Sequence[Figure]) -> NDArray[np.int64]:
    """(A,) type of the box of each actor, were it ridden if it is a bicycle; 0 for things that get no box."""
    kinds = []
    for figure in figures:
        name = CLASSES[figure.label]
        if name == "vehicle.bicycle":
            kinds.append(CYCLIST)
        elif name.startswith("vehicle."):
            kinds.append(VEHICLE)
        else:
            kinds.append(PEDESTRIAN if name.startswith("human.") else 0)
    return np.array(kinds, dtype=np.int64)


def point_classes(scan: Scan, figures: Sequence[Figure], attributes: Sequence[str]) -> NDArray[np.int32]:
    """(N,) class of each point; a cycle that is ridden is its rider.

    Args:
        scan: One turn.
        figures: All actors.
        attributes: What each of them does at the time.
    """
    classes = CLASS_OF_LABEL[scan.label]
    ridden = np.array(
        [RIDDEN.get(CLASSES[f.label], 0) if what == WITH_RIDER else 0 for f, what in zip(figures, attributes)] + [0]
    )
    rider = ridden[scan.owner]  # the last one for what is no actor's
    return np.where(rider > 0, rider, classes).astype(np.int32)
