"""What an inspection says, as rows of a table and as JSON."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from geopt import files
from geopt.inspection import suggestion
from geopt.inspection.checks.times import LONGEST_S
from geopt.inspection.facts import Facts
from geopt.inspection.findings import Finding

UNKNOWN = "unknown"


class Report(NamedTuple):
    """The result of :func:`geopt.inspection.inspect`."""

    facts: Facts
    findings: tuple[Finding, ...]
    keys: dict[str, str]
    """Keys of ``data`` with which ``geopt pretrain`` reads the dataset."""

    @property
    def is_sound(self) -> bool:
        """Whether no finding is an error."""
        return all(finding.severity != "error" for finding in self.findings)

    def summary(self) -> dict[str, str]:
        """What was found, in words, line by line."""
        facts = self.facts
        scans = facts.scans
        counts = [scan.num_points for scan in scans]
        ground = suggestion.ground_m(facts)
        lines = {
            "format": facts.kind if facts.config.kind == facts.kind else f"shards of {facts.kind}",
            "sensor": facts.sensor,
            "scenes, scans": f"{len(facts.scenes):,}, {len(facts.scene):,}; {len(scans):,} of them looked at",
            "with boxes, labels of points": f"{facts.num_with_boxes:,}, {facts.num_labelled:,}",
            "points a scan": " / ".join(f"{value:,.0f}" for value in _three(counts)) + " (min / median / max)"
            if counts
            else UNKNOWN,
            "up": suggestion.up_axis(facts) or UNKNOWN,
            "ground under the sensor": UNKNOWN if ground is None else f"{-ground:.2f} m",
            "lasers": _beams(facts),
            "field of view": f"{360 * statistics.median(scan.sectors for scan in scans):.0f} degrees around"
            if scans
            else UNKNOWN,
            "reach": _reach(facts),
            "intensity": suggestion.intensity_scale(facts) or "none",
            "times": _times(facts),
            "poses": _poses(facts),
            "times of points": _point_times(facts),
        }
        return lines

    def fields(self) -> dict[str, tuple[float, float, float, float, float]]:
        """Lowest value, 1st percentile, median, 99th percentile and highest value of each field over the scans that were
        looked at (of percentiles and medians the middle one)."""
        names = list(dict.fromkeys(name for scan in self.facts.scans for name in scan.columns))
        found = {}
        for name in names:
            columns = [scan.columns[name] for scan in self.facts.scans if name in scan.columns]
            middles = [float(np.median([getattr(one, part) for one in columns])) for part in ("p1", "median", "p99")]
            ends = min(one.lowest for one in columns), max(one.highest for one in columns)
            found[name] = (ends[0], middles[0], middles[1], middles[2], ends[1])
        return found

    def command(self) -> str:
        """The line with which the dataset is pre-trained on."""
        return suggestion.command(self.keys)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        names = ("lowest", "p1", "median", "p99", "highest")
        return {
            "root": str(self.facts.root),
            "is_sound": self.is_sound,
            "summary": self.summary(),
            "fields": {name: dict(zip(names, values)) for name, values in self.fields().items()},
            "findings": [finding._asdict() for finding in self.findings],
            "data": self.keys,
            "command": self.command(),
        }

    def write(self, path: Path) -> None:
        """Write it as JSON; NaN, which JSON lacks, becomes null."""
        files.replace_text(path, json.dumps(_without_nan(self.to_dict()), indent=1) + "\n")


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _three(values: list[int]) -> tuple[float, float, float]:
    return min(values), statistics.median(values), max(values)


def _beams(facts: Facts) -> str:
    found = sorted({scan.num_beams for scan in facts.scans if scan.num_beams is not None})
    if not found:
        return UNKNOWN
    return str(found[0]) if len(found) == 1 else f"{found[0]} to {found[-1]}"


def _reach(facts: Facts) -> str:
    if not facts.scans:
        return UNKNOWN
    median, p99, highest = np.median([scan.distance_m for scan in facts.scans], axis=0)
    return f"half of the points within {median:.3g} m, 99 % within {p99:.3g} m, all within {highest:.3g} m"


def _times(facts: Facts) -> str:
    if facts.timestamp_us is None:
        return "none"
    scenes = [times for _, times in facts.in_scenes(facts.timestamp_us) if len(times)]
    steps = np.concatenate([np.diff(times) for times in scenes]) * 1e-6
    usual = float(np.median(steps)) if len(steps) else 0.0
    rate = f"{1 / usual:.3g} Hz" if 0 < usual < LONGEST_S else "rate unknown"
    return f"{rate}, {sum(np.ptp(times) for times in scenes) * 1e-6:,.3g} s in all"


def _poses(facts: Facts) -> str:
    if facts.global_from_ego is None:
        return "none"
    paths = [
        np.linalg.norm(np.diff(poses[:, :, 3], axis=0), axis=1).sum()
        for _, poses in facts.in_scenes(facts.global_from_ego)
    ]
    return f"{len(facts.global_from_ego):,}, {sum(paths):,.4g} m driven"


def _point_times(facts: Facts) -> str:
    spans = [scan.point_time_s[1] - scan.point_time_s[0] for scan in facts.scans if scan.point_time_s is not None]
    return f"a scan takes {statistics.median(spans):.3g} s" if spans else "none"
