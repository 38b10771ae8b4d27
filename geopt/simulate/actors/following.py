"""How one vehicle follows another: the intelligent driver model.

Source: Treiber, Hennecke, Helbing, Congested traffic states, Phys. Rev. E 62 (2000), arXiv:cond-mat/0002177.
"""

from __future__ import annotations

import math
from typing import NamedTuple

HARDEST_MPS2 = 6.0
"""Braking of a driver who is surprised."""


class Manner(NamedTuple):
    """How somebody drives."""

    hurry: float
    """Share of the speed limit driven on an empty road."""
    top_mps: float
    accelerate_mps2: float
    brake_mps2: float
    headway_s: float
    gap_m: float
    """Between bumpers at a standstill."""


def acceleration(manner: Manner, speed: float, wished: float, gap_m: float, lead_mps: float) -> float:
    """Metres per second squared of somebody who drives ``speed`` behind bumper ``gap_m`` away; inf without one."""
    ratio = speed / max(wished, 0.1)
    result = manner.accelerate_mps2 * (1.0 - ratio * ratio * ratio * ratio)
    if gap_m < math.inf:
        closing = speed * (speed - lead_mps) / (2.0 * math.sqrt(manner.accelerate_mps2 * manner.brake_mps2))
        wanted = manner.gap_m + max(0.0, speed * manner.headway_s + closing)
        share = wanted / max(gap_m, 0.1)
        result -= manner.accelerate_mps2 * share * share
    return max(result, -HARDEST_MPS2)


def approach_mps(limit_mps: float, distance_m: float) -> float:
    """Speed from which gentle braking reaches a lower limit at a distance."""
    return math.sqrt(limit_mps * limit_mps + 2.0 * 1.6 * max(distance_m, 0.0))
