"""nuScenes tracking: the official numbers, small scenes worked out by hand, and refusals."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from track_database import track_results, write_track_database

from geopt import _host
from geopt.evaluation import SubmissionError, nuscenes_tracking
from geopt.evaluation.boxes import BoxTable
from geopt.evaluation.nuscenes_tracking import summarize_classes
from geopt.evaluation.tracking_curves import METRICS, Curves, tracking_curves
from geopt.evaluation.tracking_tracks import build_tracks, frames_of_samples, track_means

CASES = [f"case{number:02d}" for number in range(1, 14)]
NOWHERE = 500.0
Track = list[float | None]  # x of an object in each frame, None where it is not seen


def flat(tree: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(tree, dict | list):
        return {path: math.nan if tree is None else tree}
    children = tree.items() if isinstance(tree, dict) else enumerate(tree)
    return {k: v for key, child in children for k, v in flat(child, f"{path}/{key}").items()}


def table(tracks: dict[str, Track], scores: dict[str, float], labels: dict[str, int]) -> BoxTable:
    """Boxes of named tracks, listed by track; frame k is sample k."""
    ids = list(tracks)
    seen = [(k, i, x) for i, name in enumerate(ids) for k, x in enumerate(tracks[name]) if x is not None]
    count = len(seen)
    sample, track, x = (np.array(column) for column in zip(*seen)) if seen else (np.empty(0),) * 3
    return BoxTable(
        sample=sample.astype(np.int32),
        named_sample=sample.astype(np.int32),
        translation=np.stack([x.astype(float), np.zeros(count), np.zeros(count)], axis=1),
        size=np.ones((count, 3)),
        rotation=np.tile([1.0, 0.0, 0.0, 0.0], (count, 1)),
        velocity=np.zeros((count, 2)),
        velocity_known=np.ones(count, dtype=bool),
        label=np.array([labels.get(ids[int(i)], 0) for i in track], dtype=np.int16),
        score=np.array([scores.get(ids[int(i)], 0.5) for i in track], dtype=float),
        attribute=np.full(count, -1, dtype=np.int16),
        num_pts=np.full(count, -1),
        track=track.astype(np.int64),
        order=np.arange(count),
        ids=ids,
    )


def scored(
    truth: dict[str, Track], predicted: dict[str, Track], times_s: list[float] | None = None, **scores: float
) -> Curves:
    """Curves of the only class in one scene of one dimension."""
    num_frames = max(len(track) for track in (truth | predicted).values())
    times = np.array(times_s or range(num_frames)) * 500_000
    frames = frames_of_samples(times.astype(np.int64), np.zeros(num_frames, dtype=np.int64))
    tracks = (build_tracks(table(tracks, scores, {}), frames, 1) for tracks in (truth, predicted))
    return tracking_curves(*tracks, frames, ("car",), 1)["car"]


def at_best(curves: Curves) -> dict[str, float]:
    return {metric: values["car"] for metric, values in summarize_classes({"car": curves}).items()}


@pytest.mark.parametrize("case", CASES)
def test_official_numbers(shared_fixtures: Path, case: str):
    folder = shared_fixtures / "nuscenes_track" / case
    about = json.loads((folder / "case.json").read_text())
    found = nuscenes_tracking(
        folder / about["predictions"], folder / about["dataroot"], about["version"], about["eval_set"], details=True
    )
    official = (
        json.loads((folder / "official/metrics_summary.json").read_text()),
        json.loads(gzip.decompress((folder / "official/metrics_details.json.gz").read_bytes())),
    )
    for ours, theirs in zip(map(flat, found), map(flat, official)):
        ours.pop("/eval_time", None)
        assert ours.keys() == theirs.keys()
        wrong = {
            key: (ours[key], value)
            for key, value in theirs.items()
            if ours[key] != pytest.approx(value, abs=1e-9, nan_ok=True)
        }
        assert not wrong


def test_refuses_what_the_official_code_refuses(shared_fixtures: Path):
    folder = shared_fixtures / "nuscenes_track/case14"
    about = json.loads((folder / "case.json").read_text())
    for name, official in json.loads((folder / "official/errors.json").read_text()).items():
        assert not official["ok"]
        with pytest.raises(SubmissionError, match=name):
            nuscenes_tracking(folder / "bad" / name, folder / about["dataroot"], about["version"], about["eval_set"])


def test_perfect_tracks_score_one():
    tracks = {"a": [0.0, 1.0, 2.0], "b": [30.0, 30.0, 30.0]}
    curves = scored(tracks, tracks)
    assert at_best(curves) | {"motp": 0, "amotp": 0} == {
        "amota": 1, "amotp": 0, "recall": 1, "motar": 1, "gt": 6, "mota": 1, "motp": 0, "mt": 2, "ml": 0, "faf": 0,
        "tp": 6, "fp": 0, "fn": 0, "ids": 0, "frag": 0, "tid": 0, "lgd": 0,
    }  # fmt: skip
    assert curves["motp"] == pytest.approx(np.zeros(40), abs=1e-5)
    assert curves["recall_hypo"][[0, -1]].tolist() == [1.0, 0.1]


def test_change_of_id_is_one_switch_and_no_miss():
    best = at_best(scored({"a": [0.0] * 4}, {"p": [0.0, 0.0, None, None], "q": [None, None, 0.0, 0.0]}))
    assert (best["ids"], best["tp"], best["fn"], best["frag"]) == (1, 3, 0, 0)
    assert best["recall"] == 1 and best["mota"] == 0.75


def test_id_is_remembered_through_frames_without_it():
    away = {"p": [0.0, 50.0, 50.0, 0.0]}
    best = at_best(scored({"a": [0.0] * 4}, away))
    assert (best["tp"], best["ids"], best["fn"], best["fp"]) == (2, 0, 2, 2)
    best = at_best(scored({"a": [0.0] * 4}, away | {"q": [None, 0.5, None, None]}))
    assert (best["tp"], best["ids"]) == (1, 2)  # to q, and back to p


def test_id_is_kept_although_another_is_nearer():
    best = at_best(scored({"a": [0.0, 0.0]}, {"p": [0.0, 1.9], "q": [None, 0.0]}))
    assert (best["tp"], best["ids"], best["fp"]) == (2, 0, 1)
    assert best["motp"] == pytest.approx(0.95)


def test_rest_is_assigned_at_least_total_distance():
    truth, predicted = {"a": [0.0], "b": [1.5]}, {"p": [1.4], "q": [2.4]}
    best = at_best(scored(truth, predicted))
    assert best["tp"] == 2  # b leaves p to a, which reaches nothing else
    assert best["motp"] == pytest.approx((1.4 + 0.9) / 2)


def test_two_metres_are_too_far():
    assert at_best(scored({"a": [0.0]}, {"p": [2.0]}))["tp"] == 0
    assert at_best(scored({"a": [0.0]}, {"p": [1.999]}))["tp"] == 1


def test_gap_late_start_and_fragment_are_timed_in_half_seconds():
    truth = {"a": [0.0] * 8}
    best = at_best(scored(truth, {"p": [None, 0.0, 9.0, 9.0, 0.0, None, None, None]}))
    assert (best["tid"], best["lgd"], best["frag"]) == (0.5, 1.5, 1)
    assert (best["mt"], best["ml"]) == (0, 0)  # 2 of 8


@pytest.mark.parametrize(("hits", "mostly_tracked", "mostly_lost"), [(8, 1, 0), (7, 0, 0), (2, 0, 0), (1, 0, 1)])
def test_mostly_tracked_from_80_percent_and_mostly_lost_below_20(hits, mostly_tracked, mostly_lost):
    best = at_best(scored({"a": [0.0] * 10}, {"p": [0.0] * hits}))
    assert (best["mt"], best["ml"]) == (mostly_tracked, mostly_lost)


def test_frames_without_a_box_of_the_class_are_no_frames():
    best = at_best(scored({"a": [0.0, None, None, None]}, {"p": [0.0, None, None, None], "q": [None, None, None, 7.0]}))
    assert best["faf"] == 50.0


def test_hole_is_filled_nearer_to_the_box_that_is_farther_in_time():
    frames = frames_of_samples(np.array([0, 100, 400]), np.zeros(3, dtype=np.int64))
    tracks = build_tracks(table({"a": [0.0, None, 8.0]}, {}, {}), frames, 1)
    assert tracks.xy[:, 0].tolist() == [0.0, 0.75 * 8.0, 8.0]
    assert tracks.offsets.tolist() == [0, 1, 2, 3]


def test_filled_box_has_the_class_of_the_later_one_and_stands_last():
    frames = frames_of_samples(np.arange(3), np.zeros(3, dtype=np.int64))
    boxes = table({"late": [None, 1.0, None], "hole": [5.0, None, 7.0], "hole2": [6.0, None, 8.0]}, {}, {})
    boxes.label[(boxes.track == 1) & (boxes.sample == 0)] = 1
    tracks = build_tracks(boxes, frames, 2)
    assert np.diff(tracks.offsets).tolist() == [1, 3, 2, 1, 0, 0]
    assert tracks.xy[1:4, 0].tolist() == [1.0, 6.0, 7.0]


def test_ids_of_two_scenes_are_different_tracks():
    frames = frames_of_samples(np.array([3, 1, 2, 0]), np.array([1, 1, 0, 0]))
    assert frames.of_sample.tolist() == [3, 2, 1, 0]
    boxes = table({"a": [1.0, 2.0, 3.0, 4.0]}, {}, {})
    tracks = build_tracks(boxes, frames, 1)
    assert tracks.xy[:, 0].tolist() == [4.0, 3.0, 2.0, 1.0]
    assert tracks.track.tolist() == [0, 0, 1, 1]


def test_mean_scores_are_those_of_numpy_to_the_last_bit():
    rng = np.random.default_rng(0)
    lengths = np.concatenate([np.arange(1, 300), rng.integers(1, 41, 500)])
    score = rng.random(lengths.sum())
    means = track_means(score, np.repeat(np.arange(len(lengths)), lengths))
    assert means.tolist() == [np.mean(part.tolist()) for part in np.split(score, np.cumsum(lengths)[:-1])]


def test_track_below_the_threshold_is_not_there():
    truth = {"a": [0.0] * 5, "b": [20.0] * 5}
    curves = scored(truth, {"p": [0.0] * 5, "q": [20.5] * 5, "r": [40.0] * 5}, p=0.9, q=0.5, r=0.4)
    assert curves["fp"][0] == 0 and curves["recall"][0] == 1  # r matches nothing, and its score is below that of q
    assert curves["confidence"][[0, -1]].tolist() == [0.5, 0.9]
    assert curves["recall"][-1] == 0.5


def test_recall_that_is_not_reached_counts_worst():
    curves = scored({"a": [0.0] * 5, "b": [20.0] * 5}, {"p": [0.0] * 5})
    reached = ~np.isnan(curves["confidence"])
    assert reached.sum() == np.count_nonzero(curves["recall_hypo"] <= 0.5) and not reached[0]
    assert at_best(curves)["amota"] == pytest.approx(reached.mean())
    assert at_best(curves)["amotp"] == pytest.approx(2 * (1 - reached.mean()), abs=1e-5)


def test_class_that_nothing_matches_gets_the_worst_values():
    curves = scored({"a": [0.0, 0.0], "b": [9.0, 9.0]}, {"p": [NOWHERE]})
    best = at_best(curves)
    assert [best[m] for m in ("amota", "amotp", "recall", "gt", "fn", "ml", "faf", "tid", "lgd")] == [
        0, 2, 0, 4, 4, 2, 500, 20, 20,
    ]  # fmt: skip
    assert math.isnan(best["fp"]) and math.isnan(best["ids"]) and math.isnan(best["frag"])
    assert np.isnan(curves["confidence"]).all()


def test_class_without_ground_truth_is_nan():
    curves = scored({}, {"p": [0.0, 0.0]})
    assert set(curves) == {"confidence", "recall_hypo", *METRICS}
    assert all(np.isnan(curve).all() for curve in curves.values())
    assert all(math.isnan(value) for value in at_best(curves).values())


def test_more_matches_than_ground_truth_are_refused():
    frames = frames_of_samples(np.arange(2), np.zeros(2, dtype=np.int64))
    truth = build_tracks(table({"a": [0.0, 0.0]}, {}, {}), frames, 1)
    boxes = table({"p": [0.0, 0.0], "q": [0.5, 0.5]}, {}, {})
    boxes.track[:] = 0
    with pytest.raises(SubmissionError, match=r"4 predictions of class car match 2 .* several times in one sample"):
        tracking_curves(truth, build_tracks(boxes, frames, 1), frames, ("car",), 1)


def test_assignment_takes_the_same_of_equal_solutions_as_scipy():
    rng = np.random.default_rng(0)
    for draw in range(4000):
        shape = rng.integers(1, 9 if draw % 10 else 30, 2)
        cost = [rng.integers(0, 3, shape).astype(float), rng.integers(0, 20, shape) / 7, rng.random(shape)][draw % 3]
        cost[rng.random(shape) < rng.choice([0, 0.7])] = 41.0
        expected = np.full(shape[0], -1)
        rows, columns = linear_sum_assignment(cost)
        expected[rows] = columns
        assert np.array_equal(_host.assign(cost), expected), cost


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_track_database(tmp_path_factory.mktemp("tracks") / "db", seed=1, spread_m=15.0)


def test_numbers_do_not_depend_on_threads(database: Path):
    results = track_results(database, seed=1, grid_m=0.5)
    one, three = (nuscenes_tracking(results, database, "v1.0-mini", "mini_val", num_threads=n) for n in (1, 3))
    one.pop("eval_time"), three.pop("eval_time")
    assert 0.1 < one["amota"] < 0.9
    assert repr(one) == repr(three)


def test_file_and_dict_give_the_same(database: Path, tmp_path: Path):
    results = track_results(database, seed=2, same_scores=True)
    path = tmp_path / "results.json"
    path.write_text(json.dumps(results))
    from_file, from_dict = (
        nuscenes_tracking(given, database, "v1.0-mini", "mini_val", details=True) for given in (path, results)
    )
    assert repr(from_file[1]) == repr(from_dict[1])
    assert from_file[0]["meta"] == results["meta"]
    assert set(from_file[1]) == set(from_file[0]["cfg"]["tracking_names"])


def test_order_of_samples_in_the_file_does_not_matter(database: Path):
    results = track_results(database, seed=3)
    turned = results | {"results": dict(reversed(results["results"].items()))}
    first, second = (
        nuscenes_tracking(r, database, "v1.0-mini", "mini_val", details=True)[1] for r in (results, turned)
    )
    assert repr(first) == repr(second)
