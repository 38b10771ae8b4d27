"""Colours of the pictures: of middle lightness, so that they are legible on white, on black and on paper."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

HEIGHT = ("#4d79c7", "#2f9fb3", "#4fae6a", "#c9a227", "#df6b3c", "#c2477f")
"""Low to high."""
ERROR = ("#2f9fb3", "#c9a227", "#df6b3c", "#b3314f")
"""No error to the largest."""
TOKENS = {"visible": "#4d79c7", "hidden": "#c08a52"}
CELLS = {"found": "#1f9d77", "missed": "#9a63d6", "invented": "#e8912d"}
"""Occupied and predicted; occupied only; predicted only."""
AXES = ("#d9553f", "#3fa35c", "#4d79c7")
"""Normals along x, y and z; those between get the mixture."""
BOX = "#d9553f"
INK = "#808790"
CLASSES = {
    "barrier": "#9a5a24",
    "bicycle": "#a62a5c",
    "bus": "#0fa6c0",
    "car": "#2f7fe0",
    "construction_vehicle": "#b8921c",
    "motorcycle": "#e8529c",
    "pedestrian": "#e03c3c",
    "traffic_cone": "#ef7d1a",
    "trailer": "#c24fd0",
    "truck": "#7a5fe0",
    "driveable_surface": "#579c8c",
    "other_flat": "#a583bd",
    "sidewalk": "#d3919b",
    "terrain": "#95a63c",
    "manmade": "#b39c78",
    "vegetation": "#36a850",
}
"""Of points and of boxes: objects are strong colours, surroundings are soft ones."""
LIKE = {
    "vehicle": "car",
    "cyclist": "bicycle",
    "bicyclist": "bicycle",
    "motorcyclist": "motorcycle",
    "other_vehicle": "construction_vehicle",
    "construction_cone": "traffic_cone",
    "building": "manmade",
    "tree_trunk": "vegetation",
    "road": "driveable_surface",
    "lane_marker": "driveable_surface",
    "curb": "sidewalk",
    "other_ground": "other_flat",
    "walkable": "terrain",
    "person": "pedestrian",
    "other-vehicle": "construction_vehicle",
    "parking": "other_flat",
    "other-ground": "other_flat",
    "fence": "barrier",
    "trunk": "vegetation",
    "pole": "manmade",
    "traffic-sign": "traffic_cone",
}
"""Classes of Waymo and SemanticKITTI that have the colour of one of nuScenes."""
UNKNOWN = INK
"""What has no class."""
GREYS = ("#5f656d", "#a6adb5")
"""Low to high, beside coloured classes."""
VERDICTS = {"right": INK, "wrong": "#e010c8"}
"""Of predicted labels."""


def quantile_range(values: ArrayLike, low: float = 0.02, high: float = 0.98) -> tuple[float, float]:
    """Two quantiles of finite numbers, apart from each other even if all are equal or there are none."""
    values = np.asarray(values, dtype=np.float64)
    if not len(values):
        return 0.0, 1.0
    first, last = np.quantile(values, (low, high))
    return float(first), float(max(last, first + 1e-3))


def ramp(colors: Sequence[str], values: ArrayLike, value_range: tuple[float, float]) -> NDArray[np.float64]:
    """Colours of numbers: (N, 3) RGB in [0, 1], linear between ``colors`` spread over ``value_range``."""
    first, last = value_range
    place = np.clip((np.asarray(values, dtype=np.float64) - first) / (last - first), 0, 1) * (len(colors) - 1)
    table = rgb(colors)
    return np.stack([np.interp(place, np.arange(len(colors)), table[:, channel]) for channel in range(3)], axis=1)


def rgb(colors: Sequence[str]) -> NDArray[np.float64]:
    """(N, 3) RGB in [0, 1] of colours written as ``#rrggbb``."""
    return np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in colors])
