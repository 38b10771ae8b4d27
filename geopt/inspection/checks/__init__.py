"""What can be wrong with a dataset, one kind of fault a file; each check is a function of what was measured."""

from __future__ import annotations

from collections.abc import Callable

from geopt.inspection.checks import (
    axes,
    box_points,
    box_shape,
    columns,
    file_sizes,
    frozen,
    geographic,
    intensity,
    jumps,
    labels,
    mixed_sensors,
    no_position,
    numbering,
    on_vehicle,
    point_times,
    poses,
    repeated_points,
    same_scans,
    spherical,
    times,
    too_far,
    unit,
    unreadable,
    world_frame,
)
from geopt.inspection.facts import Facts
from geopt.inspection.findings import Finding

Check = Callable[[Facts], list[Finding]]
CHECKS: tuple[Check, ...] = (
    unreadable.check,
    file_sizes.check,
    columns.check,
    mixed_sensors.check,
    same_scans.check,
    spherical.check,
    unit.check,
    world_frame.check,
    axes.check,
    no_position.check,
    too_far.check,
    on_vehicle.check,
    repeated_points.check,
    intensity.check,
    numbering.check,
    times.check,
    point_times.check,
    jumps.check,
    geographic.check,
    frozen.check,
    poses.check,
    box_points.check,
    box_shape.check,
    labels.check,
)
"""In the order of a report, roughly what is seen first; :func:`geopt.inspection.inspect` takes these or others."""
