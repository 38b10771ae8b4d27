"""Waymo detection: the official numbers, an evaluator that was written twice, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import waymo_oracle
from scipy.optimize import linear_sum_assignment
from waymo_database import random_case

from geopt import _host
from geopt.evaluation import SubmissionError, waymo_all_ns, waymo_detection, waymo_iou, waymo_preprocess
from geopt.evaluation.waymo_config import OFFICIAL, checked, decide_score_cutoffs

METRICS = ("AP", "APH", "APL")
COARSE = [i / 10 for i in range(11)]
EVERYTHING = {
    "breakdowns": ["ONE_SHARD", "OBJECT_TYPE", "RANGE", "ALL_BUT_SIGN", "SIZE", "VELOCITY", "CAMERA"],
    "difficulties": [[], [1, 2], [2], [1], [1, 2], [1, 2], [2]],
    "score_cutoffs": COARSE,
}
LET = {
    "enabled": True,
    "sensor_location": [1.43, 0.0, 2.18],
    "longitudinal_tolerance_percentage": 0.1,
    "min_longitudinal_tolerance_meter": 0.5,
    "align_type": "TYPE_RANGE_ALIGNED",
}
CROWD: dict[str, Any] = {"spread_m": 6.0, "num_truths": 24, "copies": 0.7}
SECOND_SET: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "official": ({}, {}),
    "crowd": (CROWD, {"iou_thresholds": [0.0, 0.25, 0.1, 0.1, 0.1], "score_cutoffs": COARSE}),
    "scores on the cutoffs": ({"score_step": 0.01}, {}),
    "no-label zones": ({"nlz": 0.5, "num_noise": 12}, {"score_cutoffs": COARSE}),
    "from above": ({}, {"box_type": "TYPE_2D", "score_cutoffs": COARSE}),
    "along the axes": ({"spread_m": 20.0}, {"box_type": "TYPE_AA_2D", "score_cutoffs": COARSE}),
    "every breakdown": ({"num_truths": 30, "spread_m": 40.0, "copies": 0.6}, EVERYTHING),
    "wide steps": ({"num_truths": 6}, {"desired_recall_delta": 0.3}),
    "camera": (
        {"along_sight": 0.04},
        {"let": LET, "iou_thresholds": [0.0, 0.5, 0.3, 0.3, 0.3], "score_cutoffs": COARSE},
    ),
}


def inputs(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / "inputs.npz") as found:
        return {name: found[name] for name in found}


def arguments(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: value for name, value in columns.items() if name.startswith(("prediction_", "ground_truth_"))}


@pytest.mark.parametrize("case", range(1, 17))
def test_stored_official_numbers(shared_fixtures, case):
    folder = shared_fixtures / "waymo_det" / f"case{case:02d}"
    config = json.loads((folder / "case.json").read_text())["config"]
    official = json.loads((folder / "official" / "metrics.json").read_text())
    scores, curves = waymo_detection(**arguments(inputs(folder)), config=config, details=True)
    assert list(scores) == list(official)
    for name, metrics in official.items():
        assert scores[name] == pytest.approx(metrics, abs=1e-7)
    with np.load(folder / "official" / "curves.npz") as stored:
        assert set(curves) == set(stored)
        for name in stored:
            assert curves[name].shape == stored[name].shape
            if name in ("breakdown", "breakdown_names"):
                assert np.array_equal(curves[name], stored[name])
        counts = curves["precision_recall_tp_fp_fn"][..., 2:]
        assert np.array_equal(counts, stored["precision_recall_tp_fp_fn"][..., 2:])
        for name in ("precision_recall_tp_fp_fn", "precision_recall_ha", "precision_recall_la"):
            np.testing.assert_allclose(curves[name], stored[name], atol=1e-7)


@pytest.mark.parametrize("case", range(1, 17))
def test_labels_are_prepared_as_officially(shared_fixtures, case):
    columns = inputs(shared_fixtures / "waymo_det" / f"case{case:02d}")
    raw = {name.removeprefix("raw_ground_truth_"): v for name, v in columns.items() if name.startswith("raw_")}
    prepared = waymo_preprocess(**raw)
    assert len(prepared) == 5
    for name, values in prepared.items():
        assert np.array_equal(values, columns[name]) and values.dtype == columns[name].dtype


def test_overlaps_are_the_official_ones(shared_fixtures):
    folder = shared_fixtures / "waymo_iou" / "case01"
    got = waymo_iou(**inputs(folder))
    with np.load(folder / "official" / "iou.npz") as official:
        for name in ("iou_3d", "iou_bev"):
            assert got[name].dtype == np.float32 and (official[name] > 0.1).sum() > 50
            np.testing.assert_allclose(got[name], official[name], atol=6e-8)


def test_facts_of_the_official_unit_tests(shared_fixtures):
    facts = json.loads((shared_fixtures / "waymo_unit" / "facts.json").read_text())
    for fact in facts["mean_average_precision"]:
        got = _host.waymo_average_precision(fact["precisions"], fact["recalls"], fact["delta"])
        assert got == pytest.approx(fact["expected"], abs=1e-6)
    for fact in facts["decide_score_cutoffs"]:
        got = decide_score_cutoffs(np.array(fact["scores"], dtype=np.float32), fact["n"])
        assert got == pytest.approx(fact["expected"], abs=1e-6)
    for fact in facts["heading_accuracy"]:
        assert accuracy_of(fact["gt"], fact["pred"]) == pytest.approx(fact["expected"], abs=1e-6)


def accuracy_of(truth: float, prediction: float) -> float:
    """Precision by heading of one hit."""
    boxes = [np.array([[5.0, 0, 0, 4, 2, 2, heading]]) for heading in (truth, prediction)]
    _, curves = waymo_detection(**one_frame(*boxes), details=True)
    return float(curves["precision_recall_ha"][0, 0, 0])


def one_frame(truth: np.ndarray, prediction: np.ndarray, **more: Any) -> dict[str, Any]:
    """Vehicles of LEVEL_1 in one frame, scores 1."""
    n, m = len(prediction), len(truth)
    return {
        "prediction_bbox": prediction,
        "prediction_type": np.ones(n, dtype=int),
        "prediction_score": np.ones(n),
        "prediction_frame_id": np.zeros(n, dtype=int),
        "ground_truth_bbox": truth,
        "ground_truth_type": np.ones(m, dtype=int),
        "ground_truth_frame_id": np.zeros(m, dtype=int),
        "ground_truth_difficulty": np.ones(m, dtype=int),
    } | more


def test_one_ground_truth_and_two_predictions():
    """The official unit test of one shard: the better overlap wins, whatever the scores."""
    truth = np.array([[0.0, 0, 0, 100, 1, 1, 0]])
    predictions = np.array([[0.0, 0, 0, 90, 1, 1, 0], [0.0, 0, 0, 60, 1, 1, 0]])
    config = {"breakdowns": ["ONE_SHARD"], "iou_thresholds": [0.5] * 5, "score_cutoffs": [0, 0.5, 1]}
    given = one_frame(truth, predictions, prediction_score=np.array([0.0, 0.5]))
    scores, curves = waymo_detection(**given, config=config, details=True)
    assert curves["precision_recall_tp_fp_fn"][0, :, 2:].tolist() == [[1, 1, 0], [1, 0, 0], [0, 0, 1]]
    assert scores["ONE_SHARD_LEVEL_1"] == pytest.approx(dict.fromkeys(METRICS, 1.0))


@pytest.mark.parametrize("seed", [11, 12])
@pytest.mark.parametrize("name", SECOND_SET)
def test_random_databases_score_as_in_the_slow_evaluator(name, seed):
    about, changes = SECOND_SET[name]
    case, config = random_case(seed, **about), OFFICIAL | changes
    scores, curves = waymo_detection(**case, config=config, details=True)
    slow = waymo_oracle.evaluate(case, config)["counts"]
    assert slow[..., 0].sum() > 50 and slow[..., 1].sum() > 50 and slow[..., 2].sum() > 20
    counts = curves["precision_recall_tp_fp_fn"][..., 2:]
    assert np.array_equal(counts, slow[..., :3])
    expected = waymo_oracle.curves(slow)
    np.testing.assert_allclose(curves["precision_recall_tp_fp_fn"][..., :2], expected[..., :2], atol=1e-6)
    np.testing.assert_allclose(curves["precision_recall_ha"][..., 0], expected[..., 2], atol=1e-6)
    np.testing.assert_allclose(curves["precision_recall_la"][..., 0], expected[..., 3], atol=1e-6)
    for row, metrics in zip(expected.astype(np.float32).astype(np.float64), scores.values()):
        for column, metric in zip((0, 2, 3), METRICS):
            area = waymo_oracle.average_precision(row[:, column], row[:, 1], config["desired_recall_delta"])
            assert metrics[metric] == pytest.approx(area, abs=1e-6)


@pytest.mark.parametrize("seed", [21, 22, 24])
def test_of_equal_solutions_the_official_one_is_taken(seed):
    """Exact copies with other headings and zones: which copy matches shows in APH and in the false alarms."""
    case = random_case(seed, num_frames=3, spread_m=8.0, num_truths=10, nlz=0.4)
    rng = np.random.default_rng(seed)
    rows = np.concatenate(
        [np.arange(len(case["prediction_type"])), rng.integers(len(case["prediction_type"]), size=30)]
    )
    case |= {name: value[rows] for name, value in case.items() if name.startswith("prediction_")}
    turned = rng.random(len(rows)) < 0.5
    case["prediction_bbox"][turned, 6] += np.float32(np.pi)
    case["prediction_overlap_nlz"] = rng.random(len(rows)) < 0.5
    config = OFFICIAL | {"iou_thresholds": [0.0, 0.2, 0.1, 0.1, 0.1], "score_cutoffs": COARSE}
    _, curves = waymo_detection(**case, config=config, details=True)
    slow = waymo_oracle.evaluate(case, config, like_official=True)["counts"]
    other = waymo_oracle.evaluate(case, config)["counts"]
    assert not np.allclose(slow, other)  # so the choice does show
    assert np.array_equal(curves["precision_recall_tp_fp_fn"][..., 2:], slow[..., :3])
    np.testing.assert_allclose(curves["precision_recall_ha"][..., 0], waymo_oracle.curves(slow)[..., 2], atol=1e-6)


@pytest.mark.parametrize("highest", [1, 3, 1_000_000])
def test_matching_has_the_greatest_weight_and_follows_the_official_rules(highest):
    rng = np.random.default_rng(highest)
    for n in (1, 2, 3, 5, 8, 13, 21):
        for density in (0.1, 0.4, 1.0):
            weights = rng.integers(0, highest, (n, n), endpoint=True) * (rng.random((n, n)) < density)
            columns = _host.waymo_assignment(weights.astype(np.int32))
            assert sorted(columns) == list(range(n))
            assert columns == waymo_oracle.official_assignment(weights)
            best = weights[linear_sum_assignment(weights, maximize=True)].sum()
            assert weights[np.arange(n), columns].sum() == best


@pytest.mark.parametrize("matcher", ["TYPE_HUNGARIAN", "TYPE_SCORE_FIRST"])
def test_the_number_of_threads_does_not_show(matcher):
    case = random_case(31, num_frames=40)
    one, three = (
        waymo_detection(**case, config=EVERYTHING | {"matcher": matcher}, details=True, num_threads=n) for n in (1, 3)
    )
    assert one[0] == three[0]
    assert all(np.array_equal(one[1][name], three[1][name]) for name in one[1])


def test_frames_may_come_in_any_order():
    case = random_case(32)
    order = np.argsort(-case["ground_truth_frame_id"], kind="stable")
    moved = {name: value[order] if name.startswith("ground") else value for name, value in case.items()}
    assert waymo_detection(**moved) == waymo_detection(**case)
    far = {name: value * 10**15 if name.endswith("frame_id") else value for name, value in case.items()}
    assert waymo_detection(**far) == waymo_detection(**case)


def test_lists_and_other_widths_of_numbers_are_taken():
    case = random_case(33, num_frames=2)
    lists = {name: value.tolist() for name, value in case.items() if not name.endswith("bbox")}
    lists |= {name: value for name, value in case.items() if name.endswith("bbox")}
    assert waymo_detection(**lists) == waymo_detection(**case)
    wide = case | {"prediction_type": case["prediction_type"].astype(np.int64)}
    wide["prediction_overlap_nlz"] = case["prediction_overlap_nlz"].astype(np.uint8)
    assert waymo_detection(**wide) == waymo_detection(**case)


def test_boxes_are_compared_in_the_digits_they_have():
    """The tool takes float64, the op float32: a pair just below an overlap of 0.7 may match in the op only."""
    truth = np.array([[65.0, 0, 0, 1, 1, 1, 0]])
    prediction = truth + [3 / 17 + 2e-7, 0, 0, 0, 0, 0, 0]
    for dtype, hits in ((np.float64, 0), (np.float32, 1)):
        given = one_frame(truth.astype(dtype), prediction.astype(dtype))
        _, curves = waymo_detection(**given, details=True)
        assert curves["precision_recall_tp_fp_fn"][0, 0, 2] == hits


def test_overlaps_are_rounded_to_float32_before_they_are_compared():
    """0.69999997 is below the float32 next to 0.7, but rounds to it; 0.69999994 does not."""
    truth = np.array([[0.0, 0, 0, 1, 1, 1, 0]])
    for length, hits in ((0.69999997, 1), (0.69999994, 0)):
        assert length < float(np.float32(0.7))
        _, curves = waymo_detection(**one_frame(truth, np.array([[0.0, 0, 0, length, 1, 1, 0]])), details=True)
        assert curves["precision_recall_tp_fp_fn"][0, 0, 2] == hits


def test_nothing_at_all_scores_zero():
    empty = one_frame(np.zeros((0, 7)), np.zeros((0, 7)))
    for given in (empty, empty | {"prediction_bbox": [], "ground_truth_type": []}):
        scores, curves = waymo_detection(**given, details=True)
        assert all(value == 0 for metrics in scores.values() for value in metrics.values())
        assert len(scores) == 32 and curves["precision_recall_tp_fp_fn"].shape == (32, 101, 5)


def test_an_unmatched_prediction_in_another_part_is_no_error():
    """Breakdowns by the ground truth's velocity: a box on a slow car is no false alarm among fast ones."""
    truth = np.array([[10.0, 0, 0, 4, 2, 2, 0], [10.0, 20, 0, 4, 2, 2, 0]])
    loose = truth + [1.5, 0, 0, 0, 0, 0, 0]
    config = {"breakdowns": ["VELOCITY"], "score_cutoffs": [0.0]}
    speed = np.array([[0.0, 0.0], [20.0, 0.0]])
    given = one_frame(truth, loose[:1], ground_truth_speed=speed)
    _, curves = waymo_detection(**given, config=config, details=True)
    counts = dict(zip(curves["breakdown_names"].tolist(), curves["precision_recall_tp_fp_fn"][:, 0, 2:].tolist()))
    assert counts["VELOCITY_TYPE_VEHICLE_STATIONARY_LEVEL_1"] == [0, 1, 1]
    assert counts["VELOCITY_TYPE_VEHICLE_VERY_FAST_LEVEL_1"] == [0, 0, 1]


def test_cutoffs_follow_the_scores_where_a_config_has_none():
    case = random_case(34)
    config = {"score_cutoffs": None, "num_desired_score_cutoffs": 7}
    scores, curves = waymo_detection(**case, config=config, details=True)
    assert curves["precision_recall_ha"].shape == (32, 7, 2)
    cutoffs = decide_score_cutoffs(case["prediction_score"], 7)
    assert (np.diff(cutoffs) > 0).all() and cutoffs[0] == case["prediction_score"].min() and cutoffs[-1] == 1
    assert scores == waymo_detection(**case, config={"score_cutoffs": cutoffs.tolist()})


def test_the_mean_of_the_leaderboard_leaves_signs_out():
    case = random_case(35, num_frames=10)
    scores = waymo_detection(**case)
    means = waymo_all_ns(scores)
    assert set(means) == {"ALL_NS_LEVEL_1", "ALL_NS_LEVEL_2"}
    kinds = ("VEHICLE", "PEDESTRIAN", "CYCLIST")
    expected = sum(scores[f"OBJECT_TYPE_TYPE_{kind}_LEVEL_2"]["APH"] for kind in kinds) / 3
    assert means["ALL_NS_LEVEL_2"]["APH"] == pytest.approx(expected, abs=1e-12)
    with pytest.raises(ValueError, match="waymo_all_ns: scores must have the breakdown OBJECT_TYPE, got ONE_SHARD_LEV"):
        waymo_all_ns(waymo_detection(**case, config={"breakdowns": ["ONE_SHARD"]}))


def test_boxes_of_five_and_four_columns():
    case = random_case(36, spread_m=10.0)
    for kind, columns in (("TYPE_2D", [0, 1, 3, 4, 6]), ("TYPE_AA_2D", [0, 1, 3, 4])):
        flat = {name: value.copy() for name, value in case.items()}
        narrow = dict(flat)
        for name in ("prediction_bbox", "ground_truth_bbox"):
            flat[name][:, [c for c in range(7) if c not in columns]] = 0
            narrow[name] = case[name][:, columns]
        config = {"box_type": kind}
        assert waymo_detection(**narrow, config=config) == waymo_detection(**flat, config=config)
        with pytest.raises(SubmissionError, match=r"prediction_bbox must have shape \(N, 7\), got \(\d+, "):
            waymo_detection(**narrow)


def at(name: str, value: Any, row: int = 3) -> dict[str, np.ndarray]:
    """A column of the random case, with one row another."""
    column = random_case(1)[name].copy()
    column[row] = value
    return {name: column}


WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    (at("prediction_bbox", np.nan), SubmissionError, r"prediction_bbox must be finite, got \[nan, .*\] in row 3"),
    (at("ground_truth_bbox", np.inf), ValueError, r"ground_truth_bbox must be finite, got \[inf, .*\] in row 3"),
    (at("prediction_score", np.nan), SubmissionError, "prediction_score must be from 0 to 1, got nan in row 3"),
    (at("prediction_score", 55), SubmissionError, "prediction_score must be from 0 to 1, got 55.0 in row 3"),
    (at("prediction_type", 0), SubmissionError, r"prediction_type must be 1 \(vehicle\), .*, got 0 in row 3"),
    (at("prediction_type", 5), SubmissionError, "prediction_type must be 1 .*, got 5 in row 3"),
    (at("ground_truth_type", 5), ValueError, r"ground_truth_type must be 0 \(unknown\) to 4, got 5 in row 3"),
    (at("ground_truth_difficulty", 3), ValueError, "ground_truth_difficulty must be 1 or 2, .*, got 3 in row 3"),
    ({"prediction_bbox": np.zeros((5, 4))}, SubmissionError, r"prediction_bbox must have shape \(N, 7\), got \(5, 4\)"),
    (
        {"prediction_score": np.zeros(4)},
        SubmissionError,
        r"prediction_score must have shape \(\d+,\), a row for each box",
    ),
    ({"ground_truth_frame_id": np.zeros(4, int)}, ValueError, r"ground_truth_frame_id must have shape .*, got \(4,\)"),
    ({"prediction_overlap_nlz": np.full(3, True)}, SubmissionError, r"prediction_overlap_nlz must have shape"),
    ({"prediction_frame_id": np.zeros(4)}, TypeError, "prediction_frame_id must hold whole numbers, got float64"),
    ({"prediction_bbox": np.zeros((4, 7), int)}, TypeError, "prediction_bbox must be float32 or float64, got int64"),
    ({"ground_truth_type": np.array(["car"])}, TypeError, "ground_truth_type must hold whole numbers, got <U3"),
    ({"num_threads": 0}, ValueError, "num_threads must be at least 1"),
    ({"config": {"iou": 1}}, ValueError, "config has no key 'iou'; it knows breakdowns, "),
    ({"config": {"breakdowns": ["RANGES"]}}, ValueError, "config breakdowns must be one of .*, got 'RANGES'"),
    ({"config": {"breakdowns": "RANGE"}}, ValueError, "config breakdowns must be a list, got 'RANGE'"),
    ({"config": {"breakdowns": ["RANGE", "RANGE"]}}, ValueError, "config breakdowns must name each once"),
    ({"config": {"difficulties": [[1]]}}, ValueError, "config difficulties must hold a list for each of the 2"),
    ({"config": {"difficulties": [[1], [3]]}}, ValueError, r"levels of config difficulties must be 1 and 2, .*\[3\]"),
    ({"config": {"matcher": "GREEDY"}}, ValueError, "config matcher must be one of TYPE_HUNGARIAN, "),
    ({"config": {"iou_thresholds": [0.7]}}, ValueError, "config iou_thresholds must be a list of 5 numbers"),
    ({"config": {"iou_thresholds": [70] * 5}}, ValueError, "config iou_thresholds must be finite and from 0 to 1"),
    ({"config": {"score_cutoffs": []}}, ValueError, "config num_desired_score_cutoffs must be a whole number"),
    ({"config": {"desired_recall_delta": 0}}, ValueError, "config desired_recall_delta must be greater than 0"),
    (
        {"config": {"let": {"enabled": True}}},
        ValueError,
        "config let must be None or have the keys enabled, sensor_loc",
    ),
    ({"config": {"let": LET, "box_type": "TYPE_AA_2D"}}, ValueError, "config let needs boxes of TYPE_3D or TYPE_2D"),
    (
        {"config": EVERYTHING, "ground_truth_speed": None},
        ValueError,
        "ground_truth_speed must be given for .* VELOCITY",
    ),
    ({"config": EVERYTHING, "ground_truth_speed": np.zeros(2)}, ValueError, "ground_truth_speed must have shape"),
]


@pytest.mark.parametrize(("change", "error", "message"), WRONG, ids=lambda value: str(value)[:40])
def test_wrong_arguments_are_named(change, error, message):
    with pytest.raises(error, match=message) as caught:
        waymo_detection(**random_case(1) | change)
    assert error is not ValueError or not isinstance(caught.value, SubmissionError)


def test_wrong_labels_are_named():
    given: dict[str, Any] = {"bbox": np.zeros((2, 7)), "type": [1, 1], "frame_id": [0, 0], "num_lidar_points": [1, 1]}
    assert waymo_preprocess(**given)["ground_truth_difficulty"].tolist() == [2, 2]
    for name, value, error in (
        ("bbox", np.zeros((2, 6)), r"waymo_preprocess: bbox must have shape \(N, 7\), got \(2, 6\)"),
        ("num_lidar_points", [1], r"num_lidar_points must have shape \(2,\)"),
        ("difficulty", [0, 4], "difficulty must be 1 or 2, .*, got 4 in row 1"),
        ("speed", np.full((2, 2), np.nan), "speed must be finite"),
    ):
        with pytest.raises(ValueError, match=error):
            waymo_preprocess(**given | {name: value})
    with pytest.raises(ValueError, match="box_b: bbox must have shape"):
        waymo_iou(np.zeros((2, 7)), np.zeros((2, 6)))
    with pytest.raises(ValueError, match="box_a and box_b must have as many rows, got 2 and 1"):
        waymo_iou(np.zeros((2, 7)), np.zeros((1, 7)))


def test_names_of_all_breakdowns(shared_fixtures):
    folder = shared_fixtures / "waymo_det" / "case11"
    config = json.loads((folder / "case.json").read_text())["config"]
    with np.load(folder / "official" / "curves.npz") as official:
        assert checked(config).names == official["breakdown_names"].tolist()
