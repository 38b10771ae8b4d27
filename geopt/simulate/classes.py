"""The 32 point classes of nuScenes-lidarseg in their official order, and the rows that the simulator uses."""

from __future__ import annotations

CLASSES = (
    "noise",
    "animal",
    "human.pedestrian.adult",
    "human.pedestrian.child",
    "human.pedestrian.construction_worker",
    "human.pedestrian.personal_mobility",
    "human.pedestrian.police_officer",
    "human.pedestrian.stroller",
    "human.pedestrian.wheelchair",
    "movable_object.barrier",
    "movable_object.debris",
    "movable_object.pushable_pullable",
    "movable_object.trafficcone",
    "static_object.bicycle_rack",
    "vehicle.bicycle",
    "vehicle.bus.bendy",
    "vehicle.bus.rigid",
    "vehicle.car",
    "vehicle.construction",
    "vehicle.emergency.ambulance",
    "vehicle.emergency.police",
    "vehicle.motorcycle",
    "vehicle.trailer",
    "vehicle.truck",
    "flat.driveable_surface",
    "flat.other",
    "flat.sidewalk",
    "flat.terrain",
    "static.manmade",
    "static.other",
    "static.vegetation",
    "vehicle.ego",
)

PEDESTRIAN = CLASSES.index("human.pedestrian.adult")
CONE = CLASSES.index("movable_object.trafficcone")
BUS = CLASSES.index("vehicle.bus.rigid")
CAR = CLASSES.index("vehicle.car")
TRUCK = CLASSES.index("vehicle.truck")
ROAD = CLASSES.index("flat.driveable_surface")
OTHER_FLAT = CLASSES.index("flat.other")
SIDEWALK = CLASSES.index("flat.sidewalk")
TERRAIN = CLASSES.index("flat.terrain")
MANMADE = CLASSES.index("static.manmade")
STATIC_OTHER = CLASSES.index("static.other")
VEGETATION = CLASSES.index("static.vegetation")
EGO = CLASSES.index("vehicle.ego")
