"""The keys with which ``geopt pretrain`` reads a dataset that was inspected."""

from __future__ import annotations

import shlex
import statistics

from geopt.inspection.checks.axes import UPRIGHT
from geopt.inspection.checks.intensity import SCALES, scale_of
from geopt.inspection.facts import Facts

HEIGHTS_M = 0.3, 6.0
"""Between these a sensor stands over the ground on a robot, a car or a truck."""
SPLITS = ("train", "mini_train", "training", "all")


def intensity_scale(facts: Facts) -> str | None:
    """The scale of most scans; None without intensity."""
    found = [scale_of(scan.columns["intensity"]) for scan in facts.scans if "intensity" in scan.columns]
    return statistics.mode(found) if found else None


def up_axis(facts: Facts) -> str | None:
    """The axis that points up in most scans; None where that is unknown."""
    found = [scan.up.axis for scan in facts.scans if scan.up is not None]
    return statistics.mode(found) if 2 * len(found) > len(facts.scans) else None


def ground_m(facts: Facts) -> float | None:
    """Height of the ground over the sensor, negative; None where that is unknown."""
    axis = up_axis(facts)
    found = [scan.up.ground for scan in facts.scans if scan.up is not None and scan.up.axis == axis]
    return statistics.median(found) if found else None


def keys(facts: Facts) -> dict[str, str]:
    """``data`` keys by name, such as ``kind`` and ``folder.sensor_height_m``."""
    config = facts.config
    found = {"kind": config.kind, "root": str(facts.root)}
    if config.kind == "nuscenes":
        found["version"] = config.version
    if config.kind == "folder":
        found |= _of_folder(facts)
    return found | _splits(config.train, config.val, facts.splits)


def command(found: dict[str, str]) -> str:
    """The line that pre-trains."""
    return " ".join(["geopt pretrain tiny", *(shlex.quote(f"data.{name}={value}") for name, value in found.items())])


def _of_folder(facts: Facts) -> dict[str, str]:
    mine = facts.config.folder
    found: dict[str, str] = {}
    given = {name: getattr(mine, name) for name in ("pattern", "poses", "times", "topic") if getattr(mine, name)}
    found |= {f"folder.{name}": value for name, value in given.items() if (name, value) != ("pattern", "**/*")}
    if mine.columns:
        found["folder.columns"] = f"[{','.join(mine.columns)}]"
    if mine.unit_m != 1:
        found["folder.unit_m"] = f"{mine.unit_m:g}"
    axis, ground = up_axis(facts), ground_m(facts)
    axes = UPRIGHT.get(axis or "z", f"[{','.join(mine.axes)}]")
    if axes != "[x,y,z]":
        found["folder.axes"] = axes
    if ground is not None and HEIGHTS_M[0] < -ground < HEIGHTS_M[1]:
        found["folder.sensor_height_m"] = f"{-ground:.2f}"
    scale = intensity_scale(facts)
    if scale in SCALES:
        found |= {"features": "[intensity]", "intensity_scale": f"{1 / SCALES[scale]:.6g}"}
    return found


def _splits(train: str, val: str, there: tuple[str, ...]) -> dict[str, str]:
    """``train`` and ``val`` where what they are by default is not there."""
    name = next((name for name in (train, *SPLITS) if name in there), train)
    wanted = val if name == train else name.replace("train", "val")
    found = {"train": name, "val": wanted if wanted != name and wanted in there else ""}
    return {} if found == {"train": train, "val": val} else found
