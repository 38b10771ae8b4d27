"""Whether points are lengths about the sensor at all; what they are like tells nothing before they are."""

from __future__ import annotations

from geopt.inspection.checks import axes, columns, spherical, unit, world_frame
from geopt.inspection.facts import Facts


def is_plain(facts: Facts) -> bool:
    """Read by the right columns, metres, about the sensor, z up, as far as one can see."""
    return not any(one.check(facts) for one in (columns, spherical, unit, world_frame, axes))
