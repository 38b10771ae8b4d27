"""Panoptic nuScenes: the official numbers, small scenes worked out by hand, and refusals."""

from __future__ import annotations

import json
import math
import re
import shutil
from pathlib import Path

import bad_labels
import numpy as np
import pytest
from label_database import SPLIT, VERSION, write_database, write_predictions

from geopt import _host
from geopt.evaluation import SubmissionError, nuscenes_panoptic
from geopt.evaluation.panoptic_quality import PanopticSums, segmentation_summary
from geopt.evaluation.panoptic_segments import Segments
from geopt.evaluation.panoptic_tracking import TrackingSums

CAR, BUS, ROAD = 4000, 3000, 11_000
CLASSES = np.arange(256, dtype=np.int16)  # a category is its class
CLASSES[17:] = -1


def frame(truth: list[int], prediction: list[int]) -> Segments:
    """A frame of ten points for each label given."""
    truth, prediction = (np.repeat(np.array(labels, dtype=np.uint32), 10) for labels in (truth, prediction))
    confusion, bad, *found = _host.panoptic_segments(truth, prediction, CLASSES)
    assert bad == -1
    return Segments(confusion, found[0], found[0] // 1000, *found[1:])


def tracked(*frames: Segments, min_points: int = 0, scenes: str = "") -> dict:
    sums = TrackingSums(min_points)
    for scene, segments in zip(scenes or "a" * len(frames), frames):
        sums.add(scene, segments)
    return sums.summary()["all"]


def leaves(tree: dict, path: str = "") -> dict[str, float]:
    found = {}
    for key, value in tree.items():
        found |= leaves(value, f"{path}/{key}") if isinstance(value, dict) else {f"{path}/{key}": value}
    return found


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_database(tmp_path_factory.mktemp("panoptic") / "db", seed=2, num_points=600)


@pytest.fixture(scope="module")
def predictions(database: Path) -> Path:
    return write_predictions(database.parent / "predictions", database, seed=2)


@pytest.fixture
def copy(predictions: Path, tmp_path: Path) -> Path:
    """Predictions that a test may damage."""
    return Path(shutil.copytree(predictions, tmp_path / "copy"))


def score(predictions: Path, database: Path, **options) -> dict:
    return nuscenes_panoptic(predictions, database, VERSION, SPLIT, "tracking", **options)


@pytest.mark.parametrize("case", ["case01", "case02", "case03", "case04", "case05"])
def test_stored_official_numbers(shared_fixtures, case):
    folder = shared_fixtures / "nuscenes_panoptic" / case
    facts = json.loads((folder / "case.json").read_text())
    official = json.loads((folder / "official" / "metrics.json").read_text())
    got = nuscenes_panoptic(
        *(folder / facts["predictions"], folder / facts["dataroot"], facts["version"], facts["eval_set"]),
        task=facts["panoptic_task"],
        min_instance_points=facts["min_inst_points"],
    )
    assert list(leaves(got)) == list(leaves(official))
    assert leaves(got) == pytest.approx(leaves(official), abs=1e-12)


def test_the_truth_scores_one_but_for_classes_that_are_absent(tmp_path):
    database = write_database(tmp_path / "db", seed=5, without=("car",))
    perfect = write_predictions(tmp_path / "perfect", database, seed=5, noise=0)
    got = score(perfect, database)
    assert got["segmentation"]["all"]["PQ"] == got["segmentation"]["all"]["mIoU"] == 15 / 16
    assert got["segmentation"]["bus"]["PQ"] == 1 and got["segmentation"]["car"]["PQ"] == 0
    everyone = {"TQ", "PTQ", "sPTQ", "S_assoc", "MOTSA", "sMOTSA", "MOTSP"}
    assert {key: got["tracking"]["all"][key] for key in everyone} == dict.fromkeys(everyone, 1.0)


def test_tracking_segments_as_segmentation_does(database, predictions):
    both = score(predictions, database)
    alone = nuscenes_panoptic(predictions, database, VERSION, SPLIT)
    assert alone == {"segmentation": both["segmentation"]}
    assert both["tracking"]["all"]["PQ"] == pytest.approx(both["segmentation"]["all"]["PQ"], abs=1e-6)


def test_the_number_of_threads_does_not_show(database, predictions):
    assert score(predictions, database, num_threads=1) == score(predictions, database, num_threads=3)


def test_the_numbers_of_instances_mean_nothing(database, predictions, copy):
    for path in (copy / "panoptic" / SPLIT).iterdir():
        labels = np.load(path)["data"]
        np.savez(path, data=np.where(labels >= 1000, labels // 1000 * 1000 + 999 - labels % 1000, 0))
    expected = leaves(score(predictions, database))
    assert leaves(score(copy, database)) == pytest.approx(expected, abs=1e-6)  # float32 sums in another order


def test_a_switch_costs_a_track_what_the_formulas_say():
    steps = [frame([CAR + 1], [CAR + label]) for label in (5, 5, 6, 6)]
    got = tracked(*steps)
    assert got["TQ"] == pytest.approx(math.sqrt(1 / 2 * 2 / 3))  # each label covers half, one of three steps switches
    assert got["S_assoc"] == pytest.approx(0.5)
    assert got["MOTSA"] == got["PTQ"] == pytest.approx(0.75)  # one switch for four matches
    assert got["sPTQ"] == pytest.approx(0.75) and got["MOTSP"] == 1
    assert tracked(*[frame([CAR + 1], [CAR + 5])] * 4)["TQ"] == 1


def test_a_switch_counts_between_matches_of_neighbouring_frames_only():
    there, gone, other = frame([CAR + 1], [CAR + 5]), frame([CAR + 1], [0]), frame([CAR + 1], [CAR + 6])
    assert tracked(there, gone, other)["MOTSA"] == pytest.approx(2 / 3)  # the miss alone
    assert tracked(there, other, scenes="ab")["MOTSA"] == 1
    # Labels may differ between scenes, and each scene has a track of its own.
    assert tracked(there, other, scenes="ab")["TQ"] == 1


def test_steps_into_within_and_out_of_a_gap_are_not_steady():
    labels = (5, 0, 0, 5, 5)
    got = tracked(*(frame([CAR + 1], [CAR + label if label else 0]) for label in labels))
    assert got["TQ"] == pytest.approx(math.sqrt((3**2 / 5) / 5 * (1 - 3 / 4)))


def test_stuff_may_change_its_label():
    got = tracked(*(frame([CAR + 1, ROAD], [CAR + 5, ROAD + label]) for label in (0, 7, 8)))
    assert got["PTQ"] == got["sPTQ"] == got["MOTSA"] == 1


def test_a_track_may_be_covered_by_another_class_but_a_match_may_not():
    got = tracked(frame([CAR + 1], [BUS + 5]), frame([CAR + 1], [BUS + 5]))
    assert got["TQ"] == 1 and got["S_assoc"] == 1
    assert got["PQ"] == 0 and got["MOTSA"] == -0.0  # both missed; the buses count against the class that they claim


def test_frames_elsewhere_cost_association():
    first, second = frame([CAR + 1], [CAR + 5]), frame([CAR + 2], [CAR + 5])
    got = tracked(first, second)
    assert got["TQ"] == pytest.approx(math.sqrt(1 / 2))
    assert got["S_assoc"] == pytest.approx(1 / 2)


def test_an_object_is_large_above_the_minimum_for_tracks_and_at_it_for_misses():
    small = frame([CAR + 1, ROAD], [0, ROAD])  # ten points each
    sums = PanopticSums(10, np.float64)
    sums.add(small)
    assert sums.missed[4] == 1
    sums = PanopticSums(11, np.float64)
    sums.add(small)
    assert sums.missed[4] == 0
    assert tracked(small, min_points=9)["TQ"] == 0
    with pytest.raises(ValueError, match="no object of the ground truth has more than 10 points"):
        tracked(small, min_points=10)


def test_half_is_no_match_and_more_than_half_is():
    half = frame([CAR + 1, CAR + 1], [CAR + 5, 0])
    assert PanopticSums(0, np.float64).add(half).true.size == 0
    more = frame([CAR + 1, CAR + 1, CAR + 1], [CAR + 5, CAR + 5, 0])
    assert PanopticSums(0, np.float64).add(more).iou.tolist() == [2 / 3]


def test_ignored_points_take_no_part_and_void_ones_do():
    sums = PanopticSums(0, np.float64)
    sums.add(frame([1, CAR + 1, CAR + 1], [CAR + 5, CAR + 5, 0]))  # category 0 is ignored
    got = segmentation_summary(sums)["car"]
    assert got == {"PQ": 0.0, "SQ": 0.0, "RQ": 0.0, "IoU": 0.5}
    sums = PanopticSums(0, np.float64)
    sums.add(frame([1, CAR + 1], [CAR + 5, CAR + 5]))
    assert segmentation_summary(sums)["car"] == {"PQ": 1.0, "SQ": 1.0, "RQ": 1.0, "IoU": 1.0}


@pytest.mark.parametrize("seed", range(4))
def test_pairs_of_segments_share_the_points_that_numpy_counts(seed):
    rng = np.random.default_rng(seed)
    labels = np.array([0, 7, 999, 1000, CAR, CAR + 1, BUS + 999, 16_999], dtype=np.uint32)
    truth, prediction = (rng.choice(labels, 200 * seed) for _ in range(2))
    confusion, bad, *found = _host.panoptic_segments(truth, prediction, CLASSES)
    expected = np.zeros((17, 17), dtype=np.int64)
    np.add.at(expected, (truth // 1000, prediction // 1000), 1)
    assert bad == -1 and np.array_equal(confusion, expected)
    kept = truth >= 1000
    for rows, (label, points) in ((truth[kept], found[:2]), (prediction[kept], found[2:4])):
        expected_label, expected_points = np.unique(rows, return_counts=True)
        assert np.array_equal(label, expected_label) and np.array_equal(points, expected_points)
    pairs, shared = np.unique(np.stack([truth[kept], prediction[kept]]), axis=1, return_counts=True)
    assert np.array_equal(np.stack([found[0][found[4]], found[2][found[5]]]), pairs)
    assert np.array_equal(found[6], shared)


SPOILS = bad_labels.REFUSED["panoptic"] | bad_labels.REFUSED_HERE_ONLY["panoptic"]


@pytest.mark.parametrize("name", SPOILS)
def test_bad_predictions_are_refused_and_named(name, database, copy):
    path = bad_labels.spoiled_file(copy, "panoptic")
    SPOILS[name](copy)
    named = path.parent if name == "no folder" else path
    with pytest.raises(SubmissionError, match=f"nuscenes_panoptic: {re.escape(str(named))}"):
        nuscenes_panoptic(copy, database, VERSION, SPLIT)


@pytest.mark.parametrize("name", bad_labels.ACCEPTED["panoptic"])
def test_odd_predictions_are_scored(name, database, predictions, copy):
    bad_labels.ACCEPTED["panoptic"][name](copy)
    got, expected = score(copy, database), score(predictions, database)
    if name == "void":
        assert got["segmentation"]["all"]["PQ"] == got["tracking"]["all"]["TQ"] == 0
        assert math.isnan(got["tracking"]["all"]["PAT"])
    else:
        assert got == expected


def test_damaged_ground_truth_is_no_fault_of_the_submission(database, predictions, tmp_path):
    spoiled = Path(shutil.copytree(database, tmp_path / "db"))
    path = sorted((spoiled / "panoptic" / VERSION).iterdir())[1]
    labels = np.load(path)["data"]
    refused = {"is damaged": b"labels", "of shape": labels[None], "float32": labels.astype(np.float32)}
    for words, content in refused.items():
        path.unlink()
        path.write_bytes(content) if isinstance(content, bytes) else np.savez(path, data=content)
        with pytest.raises(ValueError, match=rf"{path.name} .*{words}") as caught:
            score(predictions, spoiled)
        assert not isinstance(caught.value, SubmissionError)
    np.savez(path, data=np.where(labels == labels[0], 40_000, labels))
    with pytest.raises(ValueError, match=rf"{path.name}: category 40 of point 0 is in no row"):
        score(predictions, spoiled)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=path.name):
        score(predictions, spoiled)
    (spoiled / VERSION / "panoptic.json").unlink()
    with pytest.raises(FileNotFoundError, match="unpack nuScenes-panoptic"):
        score(predictions, spoiled)


def test_wrong_arguments_are_named(database, predictions):
    with pytest.raises(ValueError, match="task must be one of segmentation, tracking, got 'track'"):
        nuscenes_panoptic(predictions, database, VERSION, SPLIT, "track")
    with pytest.raises(ValueError, match="min_instance_points must be at least 0, got -1"):
        nuscenes_panoptic(predictions, database, VERSION, SPLIT, min_instance_points=-1)
