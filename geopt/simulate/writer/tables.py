"""Rows of the tables: tokens, links, and the tables that are the same in every data set."""

from __future__ import annotations

import hashlib
from typing import Any

from geopt.simulate.classes import CLASSES

Row = dict[str, Any]
ATTRIBUTES = (
    "vehicle.moving",
    "vehicle.stopped",
    "vehicle.parked",
    "cycle.with_rider",
    "cycle.without_rider",
    "pedestrian.sitting_lying_down",
    "pedestrian.standing",
    "pedestrian.moving",
)
VISIBILITY = {"1": "v0-40", "2": "v40-60", "3": "v60-80", "4": "v80-100"}
OF_A_SCENE = (
    "calibrated_sensor ego_pose instance log map sample sample_annotation sample_data scene lidarseg panoptic"
).split()
"""Tables that every scene adds rows to."""


def token(*names: object) -> str:
    """32 hexadecimal digits that stand for a name; the same names give the same token."""
    return hashlib.md5("/".join(map(str, names)).encode(), usedforsecurity=False).hexdigest()


def linked(rows: list[Row]) -> list[Row]:
    """The rows with ``prev`` and ``next``, "" at the ends."""
    tokens = ["", *(row["token"] for row in rows), ""]
    return [{**row, "prev": tokens[i], "next": tokens[i + 2]} for i, row in enumerate(rows)]


def common() -> dict[str, list[Row]]:
    """The tables that do not depend on the scenes."""
    return {
        "category": [
            {"token": token("category", name), "name": name, "description": name, "index": index}
            for index, name in enumerate(CLASSES)
        ],
        "attribute": [{"token": token("attribute", name), "name": name, "description": name} for name in ATTRIBUTES],
        "visibility": [{"token": key, "level": level, "description": level} for key, level in VISIBILITY.items()],
        "sensor": [{"token": token("sensor", "LIDAR_TOP"), "channel": "LIDAR_TOP", "modality": "lidar"}],
    }
