"""nuScenes detection: the official numbers on stored cases, and what must hold on any other."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import bad_boxes
import numpy as np
import pytest
from box_database import SPLIT, VERSION, write_database, write_detections

from geopt.evaluation import SubmissionError, nuscenes_detection
from geopt.evaluation.detection_curves import ERRORS, curves, running_mean
from geopt.evaluation.nuscenes_detection import yaw

CASES = [f"case{number:02}" for number in range(1, 14)]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_database(tmp_path_factory.mktemp("boxes"), seed=1)


@pytest.fixture(scope="module")
def submission(database: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("predictions") / "good.json"
    return json.loads(write_detections(path, database, 1, num_boxes=30, awkward=False).read_text())


def case(fixtures: Path, name: str) -> tuple[Path, dict[str, Any], tuple[Path, str, str]]:
    folder = fixtures / "nuscenes_det" / name
    about = json.loads((folder / "case.json").read_text())
    return folder, about, (folder / about["dataroot"], about["version"], about["eval_set"])


def flat(tree: Any, path: str = "") -> dict[str, Any]:
    """Leaves by path; null is NaN."""
    if not isinstance(tree, dict | list | tuple):
        return {path: math.nan if tree is None else tree}
    children = tree.items() if isinstance(tree, dict) else enumerate(tree)
    return {k: v for key, child in children if key != "eval_time" for k, v in flat(child, f"{path}/{key}").items()}


def numbers(tree: Any) -> dict[str, float]:
    return {path: value for path, value in flat(tree).items() if not isinstance(value, str | bool)}


@pytest.mark.parametrize("name", CASES)
def test_summary_and_curves_are_the_official_ones(name, shared_fixtures):
    folder, about, where = case(shared_fixtures, name)
    summary, details = nuscenes_detection(folder / about["predictions"], *where, details=True)
    expected = json.loads((folder / "official/metrics_summary.json").read_text())
    curve_values = json.loads(gzip.decompress((folder / "official/metrics_details.json.gz").read_bytes()))
    assert summary.pop("eval_time") > 0  # the stored files leave it out
    assert list(summary) == list(expected) and list(details) == list(curve_values)
    assert summary["meta"] == expected["meta"] and summary["cfg"] == expected["cfg"]
    assert numbers(summary) == pytest.approx(numbers(expected), rel=0, abs=1e-12, nan_ok=True)
    assert numbers(details) == pytest.approx(numbers(curve_values), rel=0, abs=1e-12, nan_ok=True)


def test_stored_bad_submissions_are_refused_exactly_where_the_official_code_refuses(shared_fixtures):
    folder, _, where = case(shared_fixtures, "case14")
    verdicts = json.loads((folder / "official/errors.json").read_text())
    assert len(verdicts) == 14
    for name, verdict in verdicts.items():
        if verdict["ok"]:
            nuscenes_detection(folder / "bad" / name, *where)
            continue
        with pytest.raises(SubmissionError, match=name):
            nuscenes_detection(folder / "bad" / name, *where)


@pytest.mark.parametrize("name", bad_boxes.REFUSED)
def test_a_spoiled_submission_is_refused_and_the_box_is_named(name, database, submission, tmp_path):
    token = next(token for token, boxes in submission["results"].items() if len(boxes) > 2)
    spoiled = bad_boxes.REFUSED[name](submission, token)
    path = tmp_path / "spoiled.json"
    path.write_text(spoiled if isinstance(spoiled, str) else json.dumps(spoiled))
    with pytest.raises(SubmissionError) as caught:
        nuscenes_detection(path, database, VERSION, SPLIT)
    assert str(caught.value).startswith(f"{path}: ")
    if name in bad_boxes.REFUSED_BOX:
        assert f"sample '{token}', box 2: " in str(caught.value)


@pytest.mark.parametrize("name", bad_boxes.ACCEPTED)
def test_an_odd_submission_that_the_official_code_takes_is_scored(name, database, submission, tmp_path):
    token = next(token for token, boxes in submission["results"].items() if len(boxes) > 2)
    odd = bad_boxes.ACCEPTED[name](submission, token)
    path = tmp_path / "odd.json"
    path.write_text(odd if isinstance(odd, str) else json.dumps(odd))
    assert 0 <= nuscenes_detection(path, database, VERSION, SPLIT)["nd_score"] <= 1


def test_a_dict_with_arrays_is_scored_like_its_file(database, submission, tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps(submission))
    arrays = {
        token: [
            {key: np.array(value) if isinstance(value, list) else value for key, value in box.items()} for box in boxes
        ]
        for token, boxes in submission["results"].items()
    }
    from_file, from_dict = (
        nuscenes_detection(predictions, database, VERSION, SPLIT, details=True)
        for predictions in (path, {"results": arrays, "meta": submission["meta"]})
    )
    assert json.dumps(flat(from_file)) == json.dumps(flat(from_dict))
    with pytest.raises(SubmissionError, match=r"predictions: must be what JSON can hold \(a set is among them\)"):
        nuscenes_detection({"results": {}, "meta": {1, 2}}, database, VERSION, SPLIT)


def test_the_number_of_threads_changes_no_bit(database, tmp_path):
    path = write_detections(tmp_path / "p.json", database, 3, num_boxes=90)
    results = [
        nuscenes_detection(path, database, VERSION, SPLIT, details=True, num_threads=number) for number in (1, 2, 7)
    ]
    one, *others = [json.dumps(flat(result)) for result in results]
    assert others == [one, one]
    with pytest.raises(ValueError, match="num_threads must be at least 1, got 0"):
        nuscenes_detection(path, database, VERSION, SPLIT, num_threads=0)


def test_the_order_of_samples_is_no_matter_where_no_scores_are_equal(database, submission):
    for number, box in enumerate(box for boxes in submission["results"].values() for box in boxes):
        box["detection_score"] = (number * 7919 % 10007) / 10007
    turned = submission | {"results": dict(reversed(submission["results"].items()))}
    one, other = (numbers(nuscenes_detection(each, database, VERSION, SPLIT)) for each in (submission, turned))
    assert one == pytest.approx(other, rel=0, abs=1e-12, nan_ok=True)


def test_missing_files_and_wrong_splits_are_named(database, submission, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no\.json: no such file; a submission is one JSON file"):
        nuscenes_detection(tmp_path / "no.json", database, VERSION, SPLIT)
    with pytest.raises(FileNotFoundError, match=r"v1\.0-test is missing; versions there: v1\.0-mini"):
        nuscenes_detection(submission, database, "v1.0-test", "test")
    with pytest.raises(ValueError, match=r"split val belongs to a version that ends in trainval, got v1\.0-mini"):
        nuscenes_detection(submission, database, VERSION, "val")
    with pytest.raises(ValueError, match=r"split must be one of train, .* or a key of .*splits.json, got 'mine'"):
        nuscenes_detection(submission, database, VERSION, "mine")
    with pytest.raises(ValueError, match="has no sample of split mini_train"):
        root = write_database(tmp_path / "val", 2, num_key_frames=2, num_objects=9)
        scenes = json.loads((root / VERSION / "scene.json").read_text())
        (root / VERSION / "scene.json").write_text(json.dumps([s for s in scenes if s["name"] != "scene-0061"]))
        nuscenes_detection(submission, root, VERSION, "mini_train")


def test_one_hit_and_one_miss_give_the_curves_of_the_book():
    # The better box hits the only annotated one: precision 1 up to recall 1, where the miss behind it makes it 1/2.
    errors = {name: np.array([0.3]) for name in ERRORS} | {"attr_err": np.array([np.nan])}
    found = curves(np.array([True, False]), np.array([0.9, 0.4]), errors, num_positive=1)
    assert found.precision.tolist() == [1.0] * 100 + [0.5] and found.confidence.tolist() == [0.9] * 100 + [0.4]
    assert set(found.errors["vel_err"].tolist()) == {0.3} and set(found.errors["attr_err"].tolist()) == {1.0}


def test_the_running_mean_leaves_out_what_is_unknown():
    assert running_mean(np.array([np.nan, 4.0, np.nan, 2.0])).tolist() == [0.0, 4.0, 4.0, 3.0]
    assert running_mean(np.array([np.nan, np.nan])).tolist() == [1.0, 1.0]


def test_headings_do_not_depend_on_the_length_of_the_quaternion():
    angle = np.linspace(-3, 3, 13)
    quat = np.stack([np.cos(angle / 2), 0 * angle, 0 * angle, np.sin(angle / 2)], axis=1)
    assert np.allclose(yaw(quat), angle, atol=1e-12) and np.allclose(yaw(7 * quat), angle, atol=1e-12)
    assert np.allclose(yaw(-quat), angle, atol=1e-12) and yaw(np.zeros((1, 4))).tolist() == [0.0]
