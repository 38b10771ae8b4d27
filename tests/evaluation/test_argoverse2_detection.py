"""Argoverse 2 detection: the official numbers, an evaluator that was written twice, and what is refused."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import argoverse2_official
import argoverse2_oracle
import devkit
import fuzzing
import numpy as np
import pytest
from argoverse2_database import random_case, write_feather, write_npz, write_split

from geopt.evaluation import SubmissionError, argoverse2_detection
from geopt.evaluation.argoverse2_detection import CATEGORIES, mean_over_categories
from geopt.evaluation.pairs import in_same_group, place_in_group

SECOND_SET: dict[str, dict[str, Any]] = {
    "typical": {},
    "equal scores": {"score_step": 0.1},
    "crowd": {"spread_m": 3.0, "num_boxes": 60, "copies": 0.8},
    "more than 100": {"spread_m": 20.0, "num_boxes": 500, "num_noise": 400, "num_logs": 1, "num_sweeps": 2},
    "few": {"num_logs": 1, "num_sweeps": 1, "num_boxes": 8, "num_noise": 1, "never_true": (), "never_found": ()},
    "far away": {"spread_m": 110.0, "num_sweeps": 8},
}
WORST = {"AP": 0.0, "ATE": 2.0, "ASE": 1.0, "AOE": math.pi, "CDS": 0.0}


def assert_close(got: dict[str, Any], wanted: dict[str, Any], about: Any = None) -> None:
    assert list(got) == list(wanted)
    for name, row in wanted.items():
        assert got[name] == pytest.approx(row, rel=0, abs=1e-12), (about, name)


@pytest.mark.parametrize("case", range(1, 4))
def test_stored_official_numbers(shared_fixtures, case):
    folder = shared_fixtures / "av2_det" / f"case{case:02d}"
    official = json.loads((folder / "official" / "metrics.json").read_text())
    got = argoverse2_detection(folder / "dts.npz", folder / "gts.npz")
    assert list(got) == list(official)
    assert_close(got["per_category"], official["per_category"])
    assert got["rounded_table"] == official["rounded_table"]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", SECOND_SET)
def test_random_databases_score_as_in_the_slow_evaluator(name, seed):
    case = random_case(seed, **SECOND_SET[name])
    got = argoverse2_detection(*case)["per_category"]
    assert_close(got, argoverse2_oracle.evaluate(*case, CATEGORIES))
    assert any(0 < row["AP"] for row in got.values())


def apart_in_each_sweep(case: tuple[dict, dict]) -> tuple[dict, dict]:
    """Scores that come in several sweeps, but once in each: the official order of one sweep's equals is not defined."""
    predictions, truth = case
    keys = list(zip(*(predictions[key].tolist() for key in ("log_id", "timestamp_ns", "category"))))
    group = np.array([sorted(set(keys)).index(key) for key in keys])
    order = np.lexsort((predictions["last"], group))
    last = np.empty(len(order))
    last[order] = place_in_group(group[order]) / 64
    return predictions | {"last": last}, truth


@pytest.mark.skipif(not devkit.AV2_PYTHON, reason="no official evaluator: set GEOPT_AV2_PYTHON")
def test_random_databases_get_the_official_numbers(tmp_path):
    cases = {
        f"{name} {seed}": random_case(seed, **about)
        for name, about in SECOND_SET.items()
        for seed in range(100, 106)
        if name != "equal scores"
    }
    cases |= {f"equals {seed}": apart_in_each_sweep(random_case(seed)) for seed in range(6)}
    paths = [write_npz(tmp_path / name, case) for name, case in cases.items()]
    answers = devkit.answers(argoverse2_official, paths, devkit.AV2_PYTHON)
    for (name, case), official in zip(cases.items(), answers):
        got = argoverse2_detection(*case)
        assert_close(got["per_category"], official["per_category"], name)
        assert got["rounded_table"] == official["rounded_table"], name


def boxes(*rows: tuple[float, ...], category: str = "BUS", last: Any = 1.0, **columns: Any) -> dict[str, Any]:
    """A table of one sweep by x, y, z; 4 m long, 2 m wide and high, heading along x."""
    count = len(rows)
    return {
        "log_id": np.full(count, "log"),
        "timestamp_ns": np.full(count, 7),
        "category": np.full(count, category),
        "cuboids": np.array([[*row, 4, 2, 2, 1, 0, 0, 0] for row in rows], dtype=float).reshape(-1, 10),
        "last": np.broadcast_to(last, count).astype(float),
    } | columns


def bus(predictions: dict[str, Any], truth: dict[str, Any]) -> dict[str, float]:
    return argoverse2_detection(predictions, truth)["per_category"]["BUS"]


def test_a_perfect_prediction_has_no_errors():
    assert bus(boxes((3, 0, 0)), boxes((3, 0, 0))) == {"AP": 1.0, "ATE": 0.0, "ASE": 0.0, "AOE": 0.0, "CDS": 1.0}


def test_a_hit_is_nearer_than_the_threshold():
    for apart, share in ((0.49, 1.0), (0.5, 0.75), (1.0, 0.5), (2.0, 0.25), (4.0, 0.0)):
        assert bus(boxes((3 + apart, 0, 0)), boxes((3, 0, 0)))["AP"] == share


def test_a_sure_prediction_far_away_takes_the_place_of_a_near_one():
    near_and_far = boxes((3, 0, 0), (50, 0, 0), last=[0.5, 0.9])
    assert bus(near_and_far, boxes((3, 0, 0))) == WORST
    assert bus(near_and_far, boxes((3, 0, 0), (51, 0, 0)))["AP"] > 0.5


def test_a_prediction_looks_at_its_nearest_ground_truth_only():
    truth = boxes((0, 0, 0), (1, 0, 0))
    got = bus(boxes((0.1, 0, 0), (0.2, 0, 0), last=[0.9, 0.8]), truth)
    # The second one stands for the first box too. At a recall of one half the last precision counts, not the best one.
    assert got["AP"] == pytest.approx(50.5 / 101)


def test_range_and_points_decide_what_is_scored():
    assert bus(boxes((149.9, 0, 0)), boxes((149.9, 0, 0)))["AP"] == 1
    assert bus(boxes((150, 0, 0)), boxes((150, 0, 0))) == WORST
    assert bus(boxes((3, 0, 0)), boxes((3, 0, 0), last=0)) == WORST
    assert bus(boxes((3, 0, 0), (160, 0, 0), last=[0.5, 0.9]), boxes((3, 0, 0)))["AP"] == 1
    assert bus(boxes((149.99, 0, 3)), boxes((149, 0, 0))) == WORST  # the range is that in space


def test_the_hundred_surest_are_scored():
    wrong = boxes(*[(60, 0, 0)] * 100, last=0.9)
    right = boxes((3, 0, 0), last=0.1)
    both = {key: np.concatenate([wrong[key], right[key]]) for key in right}
    fewer = {key: np.concatenate([wrong[key][1:], right[key]]) for key in right}
    truth = boxes((3, 0, 0), (60, 50, 0))
    assert bus(both, truth) == WORST
    assert bus(fewer, truth)["AP"] == pytest.approx(0.01 * 51 / 101)


def test_errors_of_a_hit():
    truth = boxes((3, 0, 0))
    for yaw, turn in ((0.3, 0.3), (-0.3, 0.3), (math.pi, math.pi), (3.5, 2 * math.pi - 3.5)):
        quaternion = [2 * math.cos(yaw / 2), 0, 0, 2 * math.sin(yaw / 2)]
        box = np.array([[3.6, 0.8, 0, 5, 1, 2, *quaternion]])
        got = bus(boxes((0, 0, 0), cuboids=box), truth)
        assert got["ATE"] == pytest.approx(1.0) and got["ASE"] == pytest.approx(1 - (4 * 1 * 2) / (5 * 2 * 2))
        assert got["AOE"] == pytest.approx(turn)
        assert got["CDS"] == pytest.approx(got["AP"] * (0.5 + 0.4 + 1 - turn / math.pi) / 3)


def test_other_categories_of_the_dataset_are_left_out():
    animals = boxes((3, 0, 0), category="ANIMAL")
    got = argoverse2_detection(animals, animals)
    assert got["per_category"] == {name: WORST for name in CATEGORIES}
    assert len(CATEGORIES) == len(set(CATEGORIES)) == 26


def test_the_mean_counts_categories_that_are_nowhere():
    got = argoverse2_detection(boxes((3, 0, 0)), boxes((3, 0, 0)))
    assert mean_over_categories(got["per_category"])["AP"] == pytest.approx(1 / 26)
    assert got["rounded_table"]["AVERAGE_METRICS"]["AP"] == 0.038


def test_sweeps_may_come_in_any_order():
    predictions, truth = random_case(3, score_step=0.1)
    wanted = argoverse2_detection(predictions, truth)
    order = np.lexsort((-predictions["timestamp_ns"],))  # stable: the order within a sweep stays
    assert argoverse2_detection({key: column[order] for key, column in predictions.items()}, truth) == wanted


def test_files_of_every_kind_are_scored_alike(tmp_path):
    pytest.importorskip("pyarrow")
    case = random_case(5)
    predictions, truth = case
    wanted = argoverse2_detection(predictions, truth)
    submission = write_feather(tmp_path / "submission.feather", predictions, "score")
    labels = write_feather(tmp_path / "labels.feather", truth, "num_interior_pts")
    split = write_split(tmp_path / "val", truth)
    for mine in (str(submission), write_npz(tmp_path, case)[0]):
        for true in (labels, split, tmp_path / "gts.npz"):
            assert argoverse2_detection(mine, true) == wanted
    one_log = sorted(split.iterdir())[0]
    part = {key: column[truth["log_id"] == one_log.name] for key, column in truth.items()}
    mine = {key: column[predictions["log_id"] == one_log.name] for key, column in predictions.items()}
    got = argoverse2_detection(mine, one_log / "annotations.feather")
    assert got == argoverse2_detection(mine, part) != wanted


def test_real_annotations_score_themselves(shared_data):
    pytest.importorskip("pyarrow")
    from pyarrow import feather

    split = shared_data / "argoverse2" / "sensor" / "val"
    (path,) = split.glob("*/annotations.feather")
    table = feather.read_table(path)
    names = ("tx_m", "ty_m", "tz_m", "length_m", "width_m", "height_m", "qw", "qx", "qy", "qz")
    predictions = {
        "log_id": [path.parent.name] * len(table),
        "timestamp_ns": table["timestamp_ns"].to_numpy(),
        "category": table["category"].to_pylist(),
        "cuboids": np.stack([table[name].to_numpy() for name in names], axis=1),
        "last": np.full(len(table), 0.5),
    }
    seen = table["num_interior_pts"].to_numpy() > 0
    predictions = {key: np.asarray(column)[seen] for key, column in predictions.items()}
    got = argoverse2_detection(predictions, split)["per_category"]
    perfect = {"AP": 1.0, "ATE": 0.0, "ASE": 0.0, "AOE": 0.0, "CDS": 1.0}
    for name in set(predictions["category"].tolist()):
        assert got[name] == pytest.approx(perfect, abs=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"last": None}, r"must have the keys log_id, timestamp_ns, category, cuboids, last, got"),
        ({"cuboids": np.zeros((2, 7))}, r"cuboids must have shape (1, 10) like timestamp_ns, got (2, 7)"),
        ({"log_id": np.array([1])}, r"log_id must hold text, got int64"),
        ({"category": np.array([None])}, r"category must hold text in every row"),
        ({"timestamp_ns": np.array([1.5])}, r"timestamp_ns must hold whole numbers, got float64"),
        ({"last": np.array([math.nan])}, r"last must be finite, got nan in row 0"),
        ({"cuboids": np.array([[0, 0, math.inf, 1, 1, 1, 1, 0, 0, 0]])}, r"cuboids must be finite, got [0.0, 0.0, inf"),
        (
            {"cuboids": np.array([[0, 0, 0, 1, 0, 1, 1, 0, 0, 0]])},
            r"cuboids must be of a length, width and height above 0",
        ),
        ({"cuboids": np.array([[0, 0, 0, 1, 1, 1, 0, 0, 0, 0]])}, r"cuboids must be with a quaternion that is not 0"),
        ({"category": np.array(["CAR"])}, r"has category 'CAR' in row 0, which the dataset does not know"),
    ],
)
def test_wrong_columns_are_refused(change, message, tmp_path):
    good = boxes((3, 0, 0))
    bad = {key: value for key, value in (good | change).items() if value is not None}
    with pytest.raises(SubmissionError, match=re.escape(message)) as caught:
        argoverse2_detection(bad, good)
    assert str(caught.value).startswith("argoverse2_detection: predictions")
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        argoverse2_detection(good, bad)
    assert not isinstance(caught.value, SubmissionError)
    assert str(caught.value).startswith("argoverse2_detection: ground_truth")


def test_no_predictions_score_nothing_and_no_ground_truth_is_refused():
    nothing = boxes()
    assert bus(nothing, boxes((3, 0, 0))) == WORST
    assert bus({key: [] for key in nothing}, boxes((3, 0, 0))) == WORST
    with pytest.raises(ValueError, match="ground_truth is empty"):
        argoverse2_detection(boxes((3, 0, 0)), nothing)


def test_damaged_and_missing_files_are_refused_by_name(tmp_path):
    pytest.importorskip("pyarrow")
    good = boxes((3, 0, 0))
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "no.npz", tmp_path / "empty"):
        with pytest.raises(FileNotFoundError, match=re.escape(f"found none at {path}")):
            argoverse2_detection(path, good)
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 no archive")
    (tmp_path / "a.feather").write_bytes(b"ARROW1 no table")
    for name in ("a.npz", "a.feather"):
        message = re.escape(f"argoverse2_detection: {tmp_path / name} is damaged: ")
        with pytest.raises(SubmissionError, match=f"^{message}"):
            argoverse2_detection(tmp_path / name, good)
        with pytest.raises(ValueError, match=f"^{message}") as caught:
            argoverse2_detection(good, tmp_path / name)
        assert not isinstance(caught.value, SubmissionError)
    path = write_feather(tmp_path / "b.feather", good, "confidence")
    with pytest.raises(SubmissionError, match="it must have column score, got log_id, timestamp_ns"):
        argoverse2_detection(path, good)
    path = write_feather(tmp_path / "b.feather", good, "score", log_id=None)
    with pytest.raises(SubmissionError, match="it must have column log_id, got timestamp_ns"):
        argoverse2_detection(path, good)


def test_pairs_of_rows_in_the_same_group():
    a, b = np.array([5, 1, 1, 9]), np.array([1, 1, 5, 7])
    left, right = in_same_group(a, b)
    assert list(zip(left.tolist(), right.tolist())) == [(i, j) for i in range(4) for j in range(4) if a[i] == b[j]]
    assert place_in_group(np.array([2, 2, 2, 3, 7, 7])).tolist() == [0, 1, 2, 0, 0, 1]
    assert [len(rows) for rows in in_same_group(a[:0], b)] == [0, 0]


def test_the_command_writes_and_shows_what_the_function_returns(score, tmp_path):
    predictions, truth = write_npz(tmp_path, random_case(1))
    out = tmp_path / "m.json"
    code, shown, err = score(
        "argoverse2-detection", "--predictions", predictions, "--ground-truth", truth, "--out", out
    )
    wanted = argoverse2_detection(predictions, truth)
    assert (code, err) == (0, "") and json.loads(out.read_text()) == wanted
    mean = mean_over_categories(wanted["per_category"])
    assert f"mAP {mean['AP']:.4f}, CDS {mean['CDS']:.4f}" in shown
    for value in wanted["per_category"]["PEDESTRIAN"].values():
        assert f" {value:.3f} " in next(line for line in shown.splitlines() if " pedestrian " in line)
    code, _, err = score("argoverse2-detection", "--predictions", tmp_path / "no.npz", "--ground-truth", truth)
    assert code == 1 and err.startswith("argoverse2_detection: predictions must be an .npz or .feather file")


def read_small(folder: Path) -> None:
    argoverse2_detection(folder / "submission.feather", folder / "val")
    argoverse2_detection(folder / "dts.npz", folder / "gts.npz")


def test_damage_is_refused_by_name(tmp_path):
    pytest.importorskip("pyarrow")
    case = random_case(2, num_sweeps=2, num_boxes=5, num_noise=2)
    write_npz(tmp_path, case)
    write_feather(tmp_path / "submission.feather", case[0], "score")
    write_split(tmp_path / "val", case[1])
    found = fuzzing.run(read_small, tmp_path, cases=500)
    assert found.refused > 200 and found.slowest_s < 5 and found.memory_mb < 300
