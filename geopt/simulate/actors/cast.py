"""Who is drawn: shares of the kinds, and how each of them drives."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from geopt.simulate.actors.following import Manner

MOVING: Mapping[str, float] = {
    "car": 0.42, "suv": 0.17, "van": 0.06, "pickup": 0.05, "taxi": 0.05, "truck": 0.045, "box_truck": 0.035, "bus": 0.025,
    "bendy_bus": 0.004, "motorcyclist": 0.05, "cyclist": 0.05, "police_car": 0.015, "ambulance": 0.01, "tractor": 0.012,
}  # fmt: skip
"""Shares of the kinds in the traffic; a tractor always pulls a trailer."""
COMPANIONS: Mapping[str, float] = {
    "car": 0.24, "bus": 0.16, "truck": 0.09, "box_truck": 0.08, "tractor": 0.16, "motorcyclist": 0.11, "cyclist": 0.06,
    "police_car": 0.04, "ambulance": 0.03, "bendy_bus": 0.03,
}  # fmt: skip
"""Shares of the kinds behind the ego that share its way, so that rare ones are seen."""
LEADERS: Mapping[str, float] = {
    "car": 0.38, "truck": 0.1, "box_truck": 0.1, "bus": 0.15, "motorcyclist": 0.15, "cyclist": 0.04, "police_car": 0.04,
    "ambulance": 0.04,
}  # fmt: skip
"""Shares of the kinds before the ego: those that do not hold it up for long."""
PARKED: Mapping[str, float] = {
    "car": 0.50, "suv": 0.20, "van": 0.09, "pickup": 0.07, "taxi": 0.03, "motorcycle": 0.06, "truck": 0.02,
    "box_truck": 0.02, "police_car": 0.01,
}  # fmt: skip
PAUSES: Mapping[str, float] = {"bus": 0.25, "bendy_bus": 0.2, "taxi": 0.08, "van": 0.08, "box_truck": 0.08}
"""Chance to stop for some seconds on a road."""
LONGEST = {"bendy_bus", "tractor"}
HEAVY = {"truck", "box_truck", "bus", "bendy_bus", "tractor", "ambulance"}


def draw_kind(shares: Mapping[str, float], rng: np.random.Generator) -> str:
    """One kind by its share."""
    kinds = list(shares)
    weights = np.cumsum([shares[kind] for kind in kinds])
    return kinds[int(np.searchsorted(weights, rng.uniform() * weights[-1], side="right"))]


def draw_manner(kind: str, rng: np.random.Generator) -> Manner:
    """How the driver of a kind drives."""
    calm = 0.75 if kind in HEAVY else 1.0
    top = float(rng.uniform(4.2, 6.2)) if kind == "cyclist" else 10.5 if kind in HEAVY else 14.0
    return Manner(
        hurry=float(np.clip(rng.normal(0.95, 0.09), 0.75, 1.1)),
        top_mps=top,
        accelerate_mps2=calm * float(rng.uniform(1.8, 2.6)),
        brake_mps2=float(rng.uniform(1.6, 2.2)),
        headway_s=float(rng.uniform(0.9, 1.5)),
        gap_m=float(rng.uniform(1.6, 2.6)),
    )
