"""Tracking beside the official devkit on databases that nobody has seen: crowds, ties, switches, repeated ids.

Runs where GEOPT_DEVKIT_PYTHON names the Python of an environment with nuscenes-devkit 1.2.0.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import box_oracle
import devkit
import pytest
from track_database import FAR_M, track_results, version_of, write_track_database

from geopt.evaluation import SubmissionError, nuscenes_tracking

pytestmark = devkit.needed

SPLIT = "mini_val"
# How the database is crowded, and how the tracker is; exact centres show how distances are rounded.
DRAWS: list[tuple[float, dict[str, Any]]] = [
    (FAR_M, {}),
    (8.0, {"grid_m": 0.5, "noise_m": 0.7, "found": 0.9}),
    (15.0, {"grid_m": 1.0, "noise_m": 0.8, "found": 1.0, "same_scores": True}),
    (25.0, {"repeated_ids": True}),
    (FAR_M, {"noise_m": 0.0, "found": 1.0}),
]
REFUSED = ("scores without a mean", "an id that is a list")
# Spoils every box of a submission, given its number.
ODD = {
    "ids are numbers": lambda box, i: box | {"tracking_id": int(box["tracking_id"])},
    "one id for all": lambda box, i: box | {"tracking_id": "x"},
    "no score": lambda box, i: {key: value for key, value in box.items() if key != "tracking_score"},
    "negative scores": lambda box, i: box | {"tracking_score": box["tracking_score"] - 0.5},
    "infinite scores": lambda box, i: box | {"tracking_score": math.inf if i % 9 == 0 else 0.5},
    "scores without a mean": lambda box, i: box | {"tracking_score": [math.inf, -math.inf, 0.5][i % 9 // 4]},
    "scores whose sum is infinite": lambda box, i: box | {"tracking_score": 1e308},
    "velocities unknown": lambda box, i: box | {"velocity": [math.nan, math.nan]},
    "an id that is a list": lambda box, i: box | {"tracking_id": ["1"]},
}


def assert_same(case: tuple, expected: dict[str, Any], about: Any) -> None:
    summary, details = nuscenes_tracking(case[-1], *case[1:4], details=True)
    got, expected = devkit.flat({"summary": summary, "details": details}), devkit.flat(expected)
    assert got.keys() == expected.keys(), about
    for path, value in expected.items():
        if isinstance(value, str):
            assert got[path] == value, (about, path)
        else:
            tolerance = 2e-5 if "motp" in path and "avx512f" not in Path("/proc/cpuinfo").read_text() else 1e-12
            assert got[path] == pytest.approx(value, rel=0, abs=tolerance, nan_ok=True), (about, path)


def test_fresh_databases_get_the_official_numbers_and_curves(tmp_path: Path):
    seed = int.from_bytes(os.urandom(3))
    cases = []
    for draw, (spread_m, tracker) in enumerate(DRAWS):
        root = write_track_database(
            tmp_path / f"db{draw}", seed + draw, num_frames=8, boxes_per_frame=25, spread_m=spread_m
        )
        path = tmp_path / f"{draw}.json"
        path.write_text(json.dumps(track_results(root, seed + draw, **tracker)))
        cases.append(("tracking", root, version_of(SPLIT), SPLIT, path))
    answers = devkit.answers(box_oracle, cases)
    assert sum("error" in answer for answer in answers) < 2, (seed, answers)
    for case, expected in zip(cases, answers):
        if "error" in expected:  # far away, tracks that swap may leave a sample with an id twice, which nobody scores
            with pytest.raises(SubmissionError, match="its own id"):
                nuscenes_tracking(case[-1], *case[1:4])
        else:
            assert_same(case, expected, (seed, case))


def test_odd_submissions_are_scored_or_refused_as_the_devkit_does(tmp_path: Path):
    root = write_track_database(tmp_path / "db", seed=5, num_frames=6, boxes_per_frame=12)
    results = track_results(root, seed=5)
    cases = []
    for name, spoil in ODD.items():
        number = iter(range(10**6))
        spoiled = {sample: [spoil(box, next(number)) for box in boxes] for sample, boxes in results["results"].items()}
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(results | {"results": spoiled}))
        cases.append(("tracking", root, version_of(SPLIT), SPLIT, path))
    answers = devkit.answers(box_oracle, cases)
    assert ["error" in answer for answer in answers] == [name in REFUSED for name in ODD]
    for name, case, expected in zip(ODD, cases, answers):
        if "error" not in expected:
            assert_same(case, expected, name)
        else:
            with pytest.raises(SubmissionError):
                nuscenes_tracking(case[-1], *case[1:4])
