"""SemanticKITTI: the official formulas, counted another way, and what is refused."""

from __future__ import annotations

import fuzzing
import numpy as np
import pytest
from semantickitti_files import LABELS, write_labels

from geopt.evaluation import SubmissionError, semantickitti_breakdown, semantickitti_segmentation
from geopt.evaluation.semantickitti_segmentation import CLASSES, summary

# config/semantic-kitti.yaml of semantic-kitti-api
MERGED = {
    **{1: [10, 252], 2: [11], 3: [15], 4: [18, 258], 5: [13, 16, 20, 256, 257, 259], 6: [30, 254], 7: [31, 253]},
    **{8: [32, 255], 9: [40, 60], 10: [44], 11: [48], 12: [49], 13: [50], 14: [51], 15: [70], 16: [71], 17: [72]},
    **{18: [80], 19: [81]},
}

SCORED = [label for labels in MERGED.values() for label in labels]


def by_sets(truth, predicted):
    """IoU of each class and the accuracy, from sets of points that are labelled."""
    labelled = set(np.flatnonzero(np.isin(truth, SCORED)))
    iou, right, said_anything = {}, 0, 0
    for number, labels in MERGED.items():
        true = set(np.flatnonzero(np.isin(truth, labels)))
        said = set(np.flatnonzero(np.isin(predicted, labels))) & labelled
        iou[CLASSES[number]] = len(true & said) / len(true | said) if true | said else 0.0
        right, said_anything = right + len(true & said), said_anything + len(said)
    return iou, right / said_anything


@pytest.mark.parametrize("seed", range(20))
def test_equals_sets_of_points(seed, tmp_path):
    rng = np.random.default_rng(seed)
    known = rng.choice(LABELS, size=int(rng.integers(2, len(LABELS) + 1)), replace=False)
    truth = [rng.choice(known, size=int(rng.integers(1, 3000))) for _ in range(4)]
    predicted = [np.where(rng.random(len(t)) < 0.7, t, rng.choice(LABELS, size=len(t))) for t in truth]
    write_labels(tmp_path / "truth", truth[:3])
    write_labels(tmp_path / "truth", truth[3:], sequence="05")
    write_labels(tmp_path / "mine", predicted[:3], "predictions")
    write_labels(tmp_path / "mine", predicted[3:], "predictions", "05")
    got = semantickitti_segmentation(tmp_path / "truth", tmp_path / "mine", ["08", "05"])
    iou, accuracy = by_sets(np.concatenate(truth), np.concatenate(predicted))
    assert got["iou_per_class"] == pytest.approx(iou, abs=1e-12)
    assert got["miou"] == pytest.approx(np.mean(list(iou.values())), abs=1e-12)
    assert got["accuracy"] == pytest.approx(accuracy, abs=1e-12)
    labelled = np.isin(np.concatenate(truth), SCORED)
    assert np.sum(got["confusion_matrix_gt_rows_pred_cols"]) == labelled.sum()
    for threads in (1, 3):
        again = semantickitti_segmentation(tmp_path / "truth", tmp_path / "mine", ("08", "05"), num_threads=threads)
        assert again == got


def test_what_a_mac_leaves_behind_is_no_scan(tmp_path):
    labels = [np.array([10, 40])]
    write_labels(tmp_path / "truth", labels)
    write_labels(tmp_path / "mine", labels, "predictions")
    for path in list(tmp_path.glob("**/*.label")):
        path.with_name(f"._{path.name}").write_bytes(bytes(163))
    assert semantickitti_segmentation(tmp_path / "truth", tmp_path / "mine", ["08"])["accuracy"] == pytest.approx(1)


def test_real_labels(shared_data, tmp_path):
    """Those of a real scan, as its own prediction and with a third of the points said to be something else."""
    path = shared_data / "semantickitti" / "sequences" / "00" / "labels" / "000000.label"
    if not path.is_file():
        pytest.skip(f"no {path}")
    truth = np.fromfile(path, dtype=np.uint32) & 0xFFFF
    rng = np.random.default_rng(0)
    other = np.where(rng.random(len(truth)) < 1 / 3, rng.choice(LABELS, size=len(truth)), truth)
    for predicted in (truth, other):
        write_labels(tmp_path, [predicted], "predictions", "00")
        got = semantickitti_segmentation(shared_data / "semantickitti", tmp_path, ["00"])
        iou, accuracy = by_sets(truth, predicted)
        assert got["iou_per_class"] == pytest.approx(iou, abs=1e-12)
        assert got["accuracy"] == pytest.approx(accuracy, abs=1e-12)
    present = [number for number, labels in MERGED.items() if np.isin(truth, labels).any()]
    write_labels(tmp_path, [truth], "predictions", "00")
    perfect = semantickitti_segmentation(shared_data / "semantickitti", tmp_path, ["00"])
    assert 5 < len(present) < 19 and perfect["accuracy"] == 1
    assert perfect["miou"] == pytest.approx(len(present) / 19)  # classes that are nowhere count 0


def test_points_said_to_be_unlabeled_are_misses_and_no_part_of_the_accuracy(tmp_path):
    write_labels(tmp_path, [[10, 10, 10, 70, 0, 99]])
    write_labels(tmp_path, [[10, 0, 70, 70, 10, 70]], "predictions")
    got = semantickitti_segmentation(tmp_path, tmp_path)
    assert got["iou_per_class"]["car"] == pytest.approx(1 / 3)
    assert got["iou_per_class"]["vegetation"] == pytest.approx(1 / 2)
    assert got["miou"] == pytest.approx((1 / 3 + 1 / 2) / 19)
    assert got["accuracy"] == pytest.approx(2 / 3)


def test_moving_is_as_good_as_standing(tmp_path):
    write_labels(tmp_path, [[252, 254, 257, 259, 60]])
    write_labels(tmp_path, [[10, 30, 20, 16, 40]], "predictions")
    scores = semantickitti_segmentation(tmp_path, tmp_path)["iou_per_class"]
    assert {name for name, iou in scores.items() if iou > 0.999} == {"car", "person", "other-vehicle", "road"}


def test_nothing_labelled_scores_nothing():
    got = summary(np.diag([5] + [0] * 19))
    assert got["miou"] == got["accuracy"] == 0


@pytest.fixture
def pair(tmp_path):
    """Folders of labels and of predictions that are right, two scans each."""
    labels = [[10, 40, 40, 0], [70, 50, 81]]
    return write_labels(tmp_path / "truth", labels), write_labels(tmp_path / "mine", labels, "predictions")


@pytest.mark.parametrize("side", [0, 1], ids=["truth", "prediction"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "must hold a label of 4 bytes for each point, got 0 bytes"),
        (b"1234567", "must hold a label of 4 bytes for each point, got 7 bytes"),
        (np.array([70, 50, 2 + (3 << 16)], "<u4").tobytes(), r"label 2 of point 2 is none of the dataset's, .*classes"),
        (np.array([70, 50, 0xFFFF], "<u4").tobytes(), "label 65535 of point 2"),
    ],
)
def test_damaged_files_are_named(side, content, message, pair):
    path = pair[side] / "sequences/08" / ("labels", "predictions")[side] / "000001.label"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"semantickitti_segmentation: {path}:? {message}") as caught:
        semantickitti_segmentation(*pair)
    assert isinstance(caught.value, SubmissionError) == (side == 1)


def test_missing_and_unknown_files_are_named(pair):
    truth, mine = pair
    path = mine / "sequences/08/predictions/000001.label"
    whole = path.read_bytes()
    path.write_bytes(whole[:8])
    with pytest.raises(SubmissionError, match=rf"{path} must hold 3 labels of 4 bytes, as many as .*, got 2"):
        semantickitti_segmentation(truth, mine)
    path.unlink()
    with pytest.raises(SubmissionError, match=rf"{path} is missing \(1 such files\)"):
        semantickitti_segmentation(truth, mine)
    path.write_bytes(whole)
    (path.parent / "000002.label").write_bytes(whole)
    with pytest.raises(SubmissionError, match=r"000002\.label belongs to no scan with labels in"):
        semantickitti_segmentation(truth, mine)
    with pytest.raises(FileNotFoundError, match=r"sequences/11/labels must hold the labels .*not public"):
        semantickitti_segmentation(truth, mine, "test")


@pytest.mark.parametrize("split", ["valid", "08", [], [8], ["../08"]])
def test_splits_that_are_none_are_refused(split, pair):
    with pytest.raises(ValueError, match=r"split must .*list"):
        semantickitti_segmentation(*pair, split)


def score_small(folder):
    semantickitti_segmentation(folder, folder)
    semantickitti_breakdown(folder, folder)


def test_damage_is_refused_by_name(tmp_path):
    rng = np.random.default_rng(0)
    write_labels(tmp_path, rng.choice(LABELS, (2, 40)))
    write_labels(tmp_path, rng.choice(LABELS, (2, 40)), "predictions")
    (tmp_path / "sequences/08/velodyne").mkdir()
    for scan in range(2):
        rng.normal(0, 20, (40, 4)).astype(np.float32).tofile(tmp_path / f"sequences/08/velodyne/{scan:06d}.bin")
    found = fuzzing.run(score_small, tmp_path, cases=1000)
    assert found.refused > 500 and found.good > 100  # numbers of instances may be any, and so may coordinates
    assert found.slowest_s < 5 and found.memory_mb < 100
