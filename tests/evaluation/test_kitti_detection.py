"""KITTI detection: the official numbers, an evaluator that was written twice, and what is refused."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fuzzing
import kitti_oracle
import numpy as np
import pytest
from kitti_database import write_case, write_grid_case

from geopt.evaluation import SubmissionError, kitti_detection
from geopt.evaluation.kitti_files import Objects
from geopt.evaluation.kitti_matching import recall_steps
from geopt.evaluation.kitti_overlap import overlap

SECOND_SET: dict[str, dict[str, Any]] = {
    "typical": {},
    "equal scores": {"score_step": 0.1, "noise": 0.7},
    "at the limits of a level": {"boundaries": True, "num_labels": 14},
    "few ground truths": {"num_frames": 4, "num_labels": 6},
    "crowd": {"spread_m": 4.0, "num_labels": 20, "num_frames": 6, "noise": 1.5},
    "no angles, no cyclists, boxes in the image only": {
        "with_alpha": False,
        "never_found": ("Cyclist",),
        "image_only": 0.3,
    },
    "neighbours": {"classes": ("Car", "Van", "Pedestrian", "Person_sitting")},
}
OFFICIAL = os.environ.get("GEOPT_KITTI_EVALUATOR", "")
"""The program of kitti_eval 955c04c (evaluate_object_3d_offline), which takes the folder of labels and that of ``data``."""
LABEL = "Car 0.00 0 0.10 100.00 100.00 200.00 200.00 1.50 1.60 3.90 0.00 1.65 20.00 0.10"


def assert_scores_equal(got: dict[str, Any], wanted: dict[str, Any], tolerance: float) -> None:
    assert list(got) == sorted(wanted)
    for name, levels in wanted.items():
        assert list(got[name]) == ["easy", "moderate", "hard"]
        for level, metrics in levels.items():
            assert set(got[name][level]) == {"curve41", "AP_R11", "AP_R40"}
            curve, ap = got[name][level]["curve41"], (got[name][level]["AP_R11"], got[name][level]["AP_R40"])
            np.testing.assert_allclose(curve, metrics["curve41"], rtol=0, atol=tolerance, err_msg=name)
            np.testing.assert_allclose(ap, (metrics["AP_R11"], metrics["AP_R40"]), rtol=0, atol=1e-10)


@pytest.mark.parametrize("case", range(1, 6))
def test_stored_official_numbers(shared_fixtures, case):
    folder = shared_fixtures / "kitti" / f"case{case:02d}"
    official = json.loads((folder / "official" / "metrics.json").read_text())
    assert_scores_equal(
        kitti_detection(folder / "label_2", folder / "data"), official, 5e-7
    )  # the curves have six digits


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", SECOND_SET)
def test_random_databases_score_as_in_the_slow_evaluator(name, seed, tmp_path):
    labels, predictions = write_case(tmp_path, seed, **SECOND_SET[name])
    wanted = kitti_oracle.evaluate(labels, predictions)
    assert_scores_equal(kitti_detection(labels, predictions), wanted, 1e-12)
    assert any(0 < levels["hard"]["AP_R11"] < 100 for levels in wanted.values())


def test_heaps_of_boxes_score_as_in_the_slow_evaluator(tmp_path):
    curves = []
    for seed in range(80):
        labels, predictions = write_grid_case(tmp_path / str(seed), seed)
        got = kitti_detection(labels, predictions)
        assert_scores_equal(got, kitti_oracle.evaluate(labels, predictions), 1e-12)
        curves += [metrics["curve41"] for levels in got.values() for metrics in levels.values()]
    first = np.array(curves)[:, 0]
    assert ((first > 0) & (first < 1)).sum() > 50 and np.isnan(
        curves
    ).any()  # a threshold where nothing counts any more


def official_curves(labels: Path, predictions: Path) -> dict[str, dict[str, Any]]:
    """What the official program writes beside the folder ``data`` of predictions."""
    subprocess.run([OFFICIAL, str(labels), str(predictions.parent)], check=True, capture_output=True)
    found = {}
    for path in predictions.parent.glob("stats_*.txt"):
        levels = dict(zip(("easy", "moderate", "hard"), np.loadtxt(path, ndmin=2).tolist()))
        found[path.stem.removeprefix("stats_")] = levels
    return found


@pytest.mark.skipif(not OFFICIAL, reason="no official evaluator: set GEOPT_KITTI_EVALUATOR to its program")
def test_random_databases_get_the_official_curves(tmp_path):
    names = [*SECOND_SET, "on a grid"]
    for number, name in enumerate(names * 5):
        folder = tmp_path / str(number)
        case = (
            write_case(folder, 100 + number, **SECOND_SET[name])
            if name in SECOND_SET
            else write_grid_case(folder, number)
        )
        got, official = kitti_detection(*case), official_curves(*case)
        assert list(got) == sorted(official), (name, number)
        for key, levels in official.items():
            for level, curve in levels.items():
                np.testing.assert_allclose(
                    got[key][level]["curve41"], curve, rtol=0, atol=5.1e-7, err_msg=f"{name} {number}"
                )


@pytest.fixture
def folders(tmp_path: Path) -> Callable[[dict[str, str], dict[str, str]], tuple[Path, Path]]:
    """Writes files by name; returns the folders of labels and predictions."""

    def write(labels: dict[str, str], predictions: dict[str, str]) -> tuple[Path, Path]:
        places = tmp_path / "label_2", tmp_path / "data"
        for place, files in zip(places, (labels, predictions)):
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            for name, text in files.items():
                (place / f"{name}.txt").write_bytes(text.encode("latin-1"))
        return places

    return write


def line(base: str = LABEL, score: float | None = None, **changes: Any) -> str:
    """A label with other columns, or with a score a prediction."""
    names = ("kind", "cut", "hidden", "alpha", "x1", "y1", "x2", "y2", "h", "w", "l", "x", "y", "z", "yaw")
    words = dict(zip(names, base.split())) | {name: str(value) for name, value in changes.items()}
    return " ".join(words.values()) + (f" {score}" if score is not None else "") + "\n"


def hits_and_alarms(folders: Callable, labels: str, predictions: str, name: str, level: str = "moderate") -> float:
    """The precision at the lowest recall."""
    return kitti_detection(*folders({"000000": labels}, {"000000": predictions}))[name][level]["curve41"][0]


def test_overlap_must_exceed_the_limit(folders):
    """A prediction that covers 0.7 of its label and nothing else is no match yet."""
    for x2, precision in ((200.0, 1.0), (170.0, 0.0), (171.0, 1.0)):
        got = hits_and_alarms(folders, line(), line(score=0.5, x2=x2), "car_detection")
        assert got == precision


def test_heights_at_the_limit_count_and_whole_pixels_decide_for_predictions(folders):
    for height, hits in ((25.0, 1.0), (24.99, 0.0)):
        labels = line(y2=100 + height)
        assert hits_and_alarms(folders, labels, line(score=0.5, y2=126), "car_detection") == hits
    # A prediction of 24.99 pixels is neither right nor wrong, one of 25.9 counts as 25.
    for height, hits in ((25.9, 1.0), (24.99, 0.0)):
        labels = line(y2=126.0)
        assert hits_and_alarms(folders, labels, line(score=0.5, y2=100 + height), "car_detection") == hits


def test_a_small_prediction_of_any_class_may_hide_a_label_while_steps_of_recall_are_sought(folders):
    small = line(kind="Tram", score=0.9, y2=124.5)
    tall = line(score=0.8, y2=125.5, x1=110)
    labels = line(y2=125.0) + line(y2=325.0, y1=300)
    other = line(score=0.7, y2=325, y1=300)
    result = kitti_detection(*folders({"000000": labels}, {"000000": small + tall + other}))["car_detection"][
        "moderate"
    ]
    # The small one is taken for its score and leaves one step; there the tall one is taken, although it fits worse.
    assert result["curve41"][:2] == [1.0, 0.0]


def test_a_prediction_inside_a_dont_care_region_is_no_error(folders):
    region = "DontCare -1 -1 -10 300 100 400 200 -1 -1 -1 -1000 -1000 -1000 -10\n"
    right = line(score=0.5)
    for x2, precision in ((440.0, 1.0), (443.0, 0.5)):  # 100 of 140 pixels are in it, or of 143: more than 0.7 or less
        wrong = line(score=0.9, x1=300, x2=x2, x=10)
        assert hits_and_alarms(folders, line() + region, right + wrong, "car_detection") == precision
        assert hits_and_alarms(folders, line() + region, right + wrong, "car_detection_3d") == 0.5


def test_a_van_is_neither_right_nor_wrong(folders):
    van = line(kind="Van", x1=300, x2=400, x=10)
    found = line(score=0.5) + line(score=0.9, x1=300, x2=400, x=10)
    assert hits_and_alarms(folders, line() + van, found, "car_detection") == 1.0
    assert hits_and_alarms(folders, line() + line(van, kind="Truck"), found, "car_detection") == 0.5


def test_orientation_is_the_cosine_of_the_difference(folders):
    for turn in (0.0, 0.5, 1.0, math.pi):
        got = hits_and_alarms(folders, line(alpha=0.1), line(score=0.5, alpha=0.1 + turn), "car_orientation")
        assert got == pytest.approx((1 + math.cos(turn)) / 2, abs=1e-15)


def test_case_of_types_does_not_matter(folders):
    assert hits_and_alarms(folders, line(kind="CAR"), line(kind="car", score=0.5), "car_detection") == 1.0


def test_what_is_not_predicted_is_not_scored(folders):
    def keys(**changes: Any) -> set[str]:
        return set(kitti_detection(*folders({"000000": line()}, {"000000": line(score=0.5, **changes)})))

    everything = {"car_detection", "car_detection_3d", "car_detection_ground", "car_orientation"}
    assert keys() == everything
    assert keys(alpha=-10) == everything - {"car_orientation"}
    assert keys(x1=-1) == everything - {"car_detection", "car_orientation"}
    assert keys(x=-1000) == everything - {"car_detection_ground"}
    assert keys(y=-1000) == everything - {"car_detection_3d"}
    assert keys(kind="Tram") == set()
    assert kitti_detection(*folders({"000000": line()}, {"000000": ""})) == {}


def test_steps_of_recall_of_a_long_list():
    scores = np.linspace(0, 1, 1000)
    assert recall_steps(scores, 1000).tolist() == kitti_oracle.steps(scores.tolist(), 1000)
    assert len(recall_steps(scores, 1000)) == 41 and len(recall_steps(scores[:500], 1000)) == 21
    assert recall_steps(scores[:2], 3).tolist() == [scores[1], scores[0]] and not len(recall_steps(scores[:0], 0))


def objects(*rows: tuple[float, ...]) -> Objects:
    """Boxes by height, width, length, x, y, z, yaw."""
    numbers = np.zeros((len(rows), 14))
    numbers[:, 7:] = rows
    return Objects(np.zeros(len(rows), dtype=np.int64), *[np.full(len(rows), "car")] * 2, numbers)


def test_overlaps_from_above_and_in_space_are_those_of_shapely():
    rng = np.random.default_rng(5)
    rows = [rng.uniform([1, 0.3, 0.3, -3, 1, 10, -4], [2, 4, 6, 3, 3, 14, 4], (400, 7)) for _ in range(2)]
    rows[1][:40] = rows[0][:40]
    rows[1][10:20, 6] += math.pi
    rows[1][20:30, 6] += math.pi / 2  # a cross
    rows[1][30:40, 3] += 30
    a, b = (objects(*map(tuple, found)) for found in rows)
    for space in ("ground", "3d"):
        for of_prediction in (False, True):
            wanted = []
            for one, two in zip(*rows):
                p, t = (
                    kitti_oracle.Thing("car", 0, 0, 0, (0,) * 4, tuple(r[:3]), tuple(r[3:6]), r[6], 0)
                    for r in (one, two)
                )
                shared, own = kitti_oracle.common(p, t, space), kitti_oracle.extent(p, space)
                wanted.append(shared / (own if of_prediction else own + kitti_oracle.extent(t, space) - shared))
            np.testing.assert_allclose(overlap(space, a, b, of_prediction=of_prediction), wanted, rtol=0, atol=1e-13)
    assert np.count_nonzero(wanted) > 200


def test_boxes_without_size_share_nothing():
    flat = objects(
        (1.5, 0, 4, 0, 0, 0, 0), (1.5, -2, 4, 0, 0, 0, 0), (-1.5, 2, 4, 0, 0, 0, 0), (-1, -1, -1, 0, 0, 0, 0)
    )
    car = objects(*[(1.5, 2, 4, 0, 0, 0, 0)] * 4)
    assert overlap("3d", flat, car).tolist() == [0, 0, 0, 0]
    assert overlap("ground", flat, car).tolist() == [0, 0, 1, 1 / 8]


def test_scores_do_not_depend_on_frames_that_are_left_out(folders, tmp_path):
    labels = {"000003": line(), "000007": line(), "000010": line()}
    places = folders(labels, {"000003": line(score=0.5), "000007": line(score=0.4, x1=900, x2=990, x=20)})
    with pytest.raises(SubmissionError, match=r"has no 000010\.txt \(1 of 3 frames are missing\)"):
        kitti_detection(*places)
    (tmp_path / "val.txt").write_text("000003\n000007\n")
    both = kitti_detection(*places, frames=tmp_path / "val.txt")
    assert both == kitti_detection(*places, frames=["000007", "000003"])
    one = kitti_detection(*places, frames=["000003"])
    assert one["car_detection"]["easy"]["AP_R11"] == pytest.approx(100 / 11)
    assert both["car_detection"]["easy"]["curve41"][:2] == [1.0, 0.0]


def test_what_a_mac_leaves_behind_is_no_frame(folders):
    labels, predictions = folders({"000000": line()}, {"000000": line(score=0.5)})
    scores = kitti_detection(labels, predictions)
    for folder in (labels, predictions):
        (folder / "._000000.txt").write_bytes(bytes(163))
    assert kitti_detection(labels, predictions) == scores


def test_the_folders_above_are_taken_too(folders, tmp_path):
    places = folders({"000000": line()}, {"000000": line(score=0.5)})
    assert kitti_detection(tmp_path, tmp_path) == kitti_detection(*places)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (line(), r"line 1: must have 16 columns .* got 15"),
        (line(score=0.5).strip() + " 7\n", r"line 1: must have 16 columns .* got 17"),
        ("\n" + line(score=0.5) + line(score=0.5, h="1.5m"), r"line 3: .* got '1\.5m'"),
        (line(score=0.5, x1="nan"), r"line 1: .* got 'nan'"),
        (line(score=0.5, x1="1_0"), r"line 1: .* got '1_0'"),
        (line(score=1e300), r"line 1: must have finite numbers below 1e\+07"),
        (line(score=-1e7), r"line 1: must have finite numbers below 1e\+07"),
        (line(score=0.5, kind="C\xe4r"), r"line 1: type must be ASCII"),
        (line(score=0.5, x1="9" * 1000), r"line 1: .* got '9{40}' \.\.\."),
        ("\0" * 50, r"line 1: must have 16 columns"),
    ],
)
def test_damaged_predictions_are_refused_by_file_and_line(text, message, folders):
    places = folders({"000000": line()}, {"000000": text})
    with pytest.raises(SubmissionError, match=f"^kitti_detection: {places[1]}/000000.txt, {message}"):
        kitti_detection(*places)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (line(score=0.5), r"line 1: must have 15 columns .* got 16"),
        (line(hidden="0.5"), r"line 1: occlusion must be a whole number, got '0\.5'"),
        (line(z="inf"), r"line 1: .* got 'inf'"),
    ],
)
def test_damaged_labels_are_refused_by_file_and_line(text, message, folders):
    places = folders({"000000": text}, {"000000": line(score=0.5)})
    with pytest.raises(ValueError, match=f"^kitti_detection: {places[0]}/000000.txt, {message}") as caught:
        kitti_detection(*places)
    assert not isinstance(caught.value, SubmissionError)


def test_what_is_missing_is_said(folders, tmp_path):
    labels, predictions = folders({"000000": line()}, {"000000": "", "000001": ""})
    with pytest.raises(SubmissionError, match=r"data/000001\.txt belongs to no label file"):
        kitti_detection(labels, predictions)
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere; it must hold a file for each frame"):
        kitti_detection(labels, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"empty holds no file such as 000000\.txt"):
        kitti_detection(tmp_path / "empty", predictions)
    with pytest.raises(ValueError, match=r"frames has '000002', but .*label_2 has no 000002\.txt"):
        kitti_detection(labels, predictions, frames=["000002"])
    with pytest.raises(ValueError, match="frames must name at least one frame and none twice, got 2"):
        kitti_detection(labels, predictions, frames=["000000", "000000"])
    with pytest.raises(FileNotFoundError, match=r"no file .*val\.txt; frames= is a file"):
        kitti_detection(labels, predictions, frames=tmp_path / "val.txt")


def test_the_command_writes_and_shows_what_the_function_returns(score, tmp_path):
    labels, predictions = write_case(tmp_path, 1)
    frames = [f"{frame:06d}" for frame in range(9)]
    (tmp_path / "val.txt").write_text("\n".join(frames))
    out = tmp_path / "m.json"
    where = ("--predictions", predictions, "--ground-truth", labels)
    code, shown, err = score("kitti-detection", *where, "--frames", tmp_path / "val.txt", "--out", out)
    wanted = kitti_detection(labels, predictions, frames=frames)
    assert (code, err) == (0, "") and json.loads(out.read_text()) == wanted
    for ap in wanted["pedestrian_detection_3d"].values():
        assert f" {ap['AP_R40']:.2f} " in shown and f" {ap['AP_R11']:.2f} " in shown
    mean = np.mean([wanted[f"{name}_detection_3d"]["hard"]["AP_R40"] for name in ("car", "pedestrian", "cyclist")])
    (line_of_means, *_) = [text for text in shown.splitlines() if "mean 3D" in text]
    assert f" {mean:.2f} " in line_of_means
    code, _, err = score("kitti-detection", "--predictions", predictions, "--ground-truth", tmp_path / "no")
    assert code == 1 and err.startswith(f"kitti_detection: no folder {tmp_path / 'no'}; ")


def test_a_submission_without_known_classes_shows_an_empty_table(score, folders, tmp_path):
    labels, predictions = folders({"000000": line()}, {"000000": ""})
    code, shown, _ = score(
        "kitti-detection", "--predictions", predictions, "--ground-truth", labels, "--out", tmp_path / "m.json"
    )
    assert code == 0 and json.loads((tmp_path / "m.json").read_text()) == {} and "mean 3D" in shown


def read_small(folder: Path) -> None:
    kitti_detection(folder / "label_2", folder / "data", frames=folder / "val.txt")


def test_damage_is_refused_by_name(tmp_path):
    write_case(tmp_path, 2, num_frames=4, num_labels=5)
    (tmp_path / "val.txt").write_text("000000\n000001\n000002\n000003\n")
    found = fuzzing.run(read_small, tmp_path, cases=2000)
    assert found.refused > 600 and found.good > 100 and found.slowest_s < 5 and found.memory_mb < 100
