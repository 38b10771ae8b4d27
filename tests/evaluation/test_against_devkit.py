"""Detection beside the official devkit on databases that nobody has seen, good and bad submissions alike.

Runs where GEOPT_DEVKIT_PYTHON names the Python of an environment with nuscenes-devkit 1.2.0.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import bad_boxes
import box_oracle
import devkit
import pytest
from box_database import SPLIT, VERSION, write_database, write_detections

from geopt.evaluation import SubmissionError, nuscenes_detection

pytestmark = devkit.needed

# (objects of a scene, boxes of a sample, classes that the ground truth lacks)
DRAWS = [(60, 60, ()), (200, 300, ()), (30, 20, ("car", "barrier")), (9, 40, ()), (60, 60, ("bicycle", "traffic_cone"))]


def ours(case: tuple[str, Path, str, str, Path]) -> dict[str, Any]:
    summary, details = nuscenes_detection(case[-1], *case[1:4], details=True)
    return {"summary": summary, "details": details}


def assert_same(got: Any, expected: Any, about: Any) -> None:
    got, expected = devkit.flat(got), devkit.flat(expected)
    words = {path for path, value in expected.items() if isinstance(value, str | bool)}
    assert {path: got.pop(path) for path in words} == {path: expected.pop(path) for path in words}, about
    assert got == pytest.approx(expected, rel=0, abs=1e-12, nan_ok=True), about


def test_fresh_databases_get_the_official_numbers_and_curves(tmp_path):
    seed = int.from_bytes(os.urandom(3))
    cases = []
    for draw, (num_objects, num_boxes, without) in enumerate(DRAWS):
        root = write_database(tmp_path / f"db{draw}", seed + draw, num_objects=num_objects, without=without)
        path = write_detections(tmp_path / f"{draw}.json", root, seed + draw, num_boxes=num_boxes)
        cases.append(("detection", root, VERSION, SPLIT, path))
    for case, expected in zip(cases, devkit.answers(box_oracle, cases)):
        assert "error" not in expected, (seed, case, expected)
        assert len(devkit.flat(expected)) > 101 * 8 * 40
        assert_same(ours(case), expected, (seed, case))


def test_the_devkit_refuses_what_we_refuse_and_scores_what_we_score(tmp_path):
    root = write_database(tmp_path / "db", seed=5, num_objects=40)
    good = json.loads(write_detections(tmp_path / "good.json", root, 5, num_boxes=20, awkward=False).read_text())
    token = next(token for token, boxes in good["results"].items() if len(boxes) > 2)
    names, cases = [], []
    for name, spoil in (bad_boxes.REFUSED | bad_boxes.ACCEPTED).items():
        spoiled = spoil(good, token)
        path = tmp_path / f"{name}.json"
        path.write_text(spoiled if isinstance(spoiled, str) else json.dumps(spoiled))
        names.append(name)
        cases.append(("detection", root, VERSION, SPLIT, path))
    for name, case, expected in zip(names, cases, devkit.answers(box_oracle, cases)):
        assert ("error" in expected) == (name in bad_boxes.REFUSED), (name, expected)
        if name in bad_boxes.REFUSED:
            with pytest.raises(SubmissionError):
                ours(case)
        else:
            assert_same(ours(case), expected, name)


def test_the_devkit_refuses_the_splits_that_we_refuse(tmp_path):
    root = write_database(tmp_path / "db", seed=6, num_objects=10)
    path = write_detections(tmp_path / "p.json", root, 6, num_boxes=9)
    for case, expected in zip(
        cases := [("detection", root, VERSION, split, path) for split in ("val", "test", "mini_train", "mine")],
        devkit.answers(box_oracle, cases),
    ):
        assert "error" in expected
        with pytest.raises(ValueError):
            ours(case)
