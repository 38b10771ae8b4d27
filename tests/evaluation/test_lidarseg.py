"""nuScenes-lidarseg: the official numbers, and the official refusals with better words."""

from __future__ import annotations

import json
import math
import re
import shutil
from pathlib import Path

import bad_labels
import numpy as np
import pytest
from label_database import CLASSES, SPLIT, VERSION, write_database, write_predictions

from geopt import _host
from geopt.evaluation import SubmissionError, nuscenes_lidarseg
from geopt.evaluation.nuscenes_lidarseg import summary


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_database(tmp_path_factory.mktemp("lidarseg") / "db", seed=1, num_points=300)


@pytest.fixture(scope="module")
def predictions(database: Path) -> Path:
    return write_predictions(database.parent / "predictions", database, seed=1)


@pytest.fixture
def copy(predictions: Path, tmp_path: Path) -> Path:
    """Predictions that a test may damage."""
    return Path(shutil.copytree(predictions, tmp_path / "copy"))


@pytest.fixture
def database_copy(database: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(database, tmp_path / "db"))


def edit(database: Path, table: str, change) -> None:
    path = database / VERSION / f"{table}.json"
    rows = json.loads(path.read_text())
    change(rows)
    path.write_text(json.dumps(rows))


@pytest.mark.parametrize("case", ["case01", "case02", "case03", "case04"])
def test_stored_official_numbers(shared_fixtures, case):
    folder = shared_fixtures / "nuscenes_lidarseg" / case
    facts = json.loads((folder / "case.json").read_text())
    official = json.loads((folder / "official" / "metrics.json").read_text())
    got = nuscenes_lidarseg(
        folder / facts["predictions"], folder / facts["dataroot"], facts["version"], facts["eval_set"]
    )
    assert got.keys() == official.keys()
    assert got["confusion_matrix_gt_rows_pred_cols"] == official["confusion_matrix_gt_rows_pred_cols"]
    assert got["miou"] == pytest.approx(official["miou"], abs=1e-12)
    assert got["freq_weighted_iou"] == pytest.approx(official["freq_weighted_iou"], abs=1e-12)
    assert list(got["iou_per_class"]) == list(official["iou_per_class"])
    for name, iou in official["iou_per_class"].items():
        assert got["iou_per_class"][name] == pytest.approx(math.nan if iou is None else iou, abs=1e-12, nan_ok=True)


def test_label_zero_is_refused_as_officially(shared_fixtures):
    folder = shared_fixtures / "nuscenes_lidarseg" / "case05"
    facts = json.loads((folder / "case.json").read_text())
    with pytest.raises(SubmissionError, match=r"_lidarseg\.bin: labels must be 1 to 16, got 0 for point \d+"):
        nuscenes_lidarseg(
            folder / facts["predictions"], folder / facts["dataroot"], facts["version"], facts["eval_set"]
        )


def test_the_truth_scores_one(database, tmp_path):
    perfect = write_predictions(tmp_path / "perfect", database, seed=1, noise=0)
    got = nuscenes_lidarseg(perfect, database, VERSION, SPLIT)
    assert got["miou"] == got["freq_weighted_iou"] == 1.0
    assert math.isnan(got["iou_per_class"]["ignore"])


def test_the_number_of_threads_does_not_show(database, predictions):
    one, three = (nuscenes_lidarseg(predictions, database, VERSION, SPLIT, num_threads=n) for n in (1, 3))
    np.testing.assert_equal(one, three)


def test_ignored_points_may_be_called_anything(database, copy):
    before = nuscenes_lidarseg(copy, database, VERSION, SPLIT)
    categories = json.loads((database / VERSION / "category.json").read_text())
    noise = next(row["index"] for row in categories if row["name"] == "noise")
    for path in (copy / "lidarseg" / SPLIT).iterdir():
        labels = np.fromfile(path, dtype=np.uint8)
        ignored = np.fromfile(database / "lidarseg" / VERSION / path.name, dtype=np.uint8) == noise
        assert ignored.any()
        labels[ignored] = 17 - labels[ignored]
        labels.tofile(path)
    np.testing.assert_equal(nuscenes_lidarseg(copy, database, VERSION, SPLIT), before)


@pytest.mark.parametrize("num_points", [1, 2, 7, 1000])
def test_the_confusion_matrix_counts_each_point_once(num_points):
    rng = np.random.default_rng(num_points)
    truth, prediction = (rng.integers(1, 17, num_points).astype(np.uint8) for _ in range(2))
    classes = np.arange(256, dtype=np.int16) % 17
    counts, *bad = _host.lidarseg_confusion(truth, prediction, classes)
    expected = np.zeros((17, 17), dtype=np.int64)
    np.add.at(expected, (truth, prediction), 1)
    assert np.array_equal(counts, expected) and bad == [-1, -1]


def test_a_union_of_many_points_is_rounded_as_officially():
    confusion = np.zeros((17, 17), dtype=np.int64)
    confusion[4, 4] = 2**24 + 1  # no float32
    confusion[4, 3] = 2
    got = summary(confusion)["iou_per_class"]["car"]
    assert got == (2**24 + 1) / (2**24 + 4) != (2**24 + 1) / (2**24 + 3)


def test_a_class_that_is_nowhere_is_left_out_of_the_mean():
    confusion = np.zeros((17, 17), dtype=np.int64)
    confusion[1, 1], confusion[2, 3] = 5, 4
    got = summary(confusion)
    assert got["iou_per_class"]["barrier"] == 1 and got["iou_per_class"]["bicycle"] == got["iou_per_class"]["bus"] == 0
    assert sum(math.isnan(iou) for iou in got["iou_per_class"].values()) == len(CLASSES) - 3
    assert got["miou"] == 1 / 3 and got["freq_weighted_iou"] == 5 / 9


SPOILS = bad_labels.REFUSED["lidarseg"] | bad_labels.REFUSED_HERE_ONLY["lidarseg"]


@pytest.mark.parametrize("name", SPOILS)
def test_bad_predictions_are_refused_and_named(name, database, copy):
    path = bad_labels.spoiled_file(copy, "lidarseg")
    SPOILS[name](copy)
    named = path.parent if name == "no folder" else path
    with pytest.raises(SubmissionError, match=f"nuscenes_lidarseg: {re.escape(str(named))}"):
        nuscenes_lidarseg(copy, database, VERSION, SPLIT)


def test_the_first_bad_file_is_named_with_any_number_of_threads(database, copy):
    for path in (copy / "lidarseg" / SPLIT).iterdir():
        if "scene-0916" in path.name:
            path.write_bytes(b"\1")
    with pytest.raises(SubmissionError, match="scene-0916-sample0"):
        nuscenes_lidarseg(copy, database, VERSION, SPLIT, num_threads=3)


def test_more_files_do_no_harm(database, copy, predictions):
    bad_labels.ACCEPTED["lidarseg"]["more files"](copy)
    np.testing.assert_equal(
        nuscenes_lidarseg(copy, database, VERSION, SPLIT), nuscenes_lidarseg(predictions, database, VERSION, SPLIT)
    )


def test_a_split_is_official_and_its_scenes_are_there(database, predictions):
    with pytest.raises(ValueError, match=r"split must be one of .*mini_val.*, got 'minival'"):
        nuscenes_lidarseg(predictions, database, VERSION, "minival")
    (predictions / "lidarseg" / "mini_train").mkdir(exist_ok=True)
    with pytest.raises(ValueError, match="lacks 8 of the 8 scenes of split mini_train, such as scene-0061"):
        nuscenes_lidarseg(predictions, database, VERSION, "mini_train")


@pytest.mark.parametrize("number", [3, 7])
def test_the_number_of_samples_must_be_right(number, database_copy, predictions):
    edit(database_copy, "scene", lambda rows: rows[1].update(nbr_samples=number))
    with pytest.raises(ValueError, match=rf"nbr_samples of scene-0103 .*, got {number} where (more|\d) follow"):
        nuscenes_lidarseg(predictions, database_copy, VERSION, SPLIT)


def test_samples_that_lead_in_a_circle_are_refused(database_copy, predictions):
    edit(database_copy, "sample", lambda rows: rows[2].update(next=rows[0]["token"]))
    with pytest.raises(ValueError, match="nbr_samples"):
        nuscenes_lidarseg(predictions, database_copy, VERSION, SPLIT)


def test_a_sample_that_is_nowhere_is_named(database_copy, predictions):
    edit(database_copy, "sample", lambda rows: rows[1].update(next="elsewhere"))
    with pytest.raises(ValueError, match=r"sample\.json has no sample elsewhere"):
        nuscenes_lidarseg(predictions, database_copy, VERSION, SPLIT)


def test_missing_parts_of_the_dataset_are_named(database_copy, predictions):
    with pytest.raises(FileNotFoundError, match=r"v9 is missing; versions there: v1\.0-mini"):
        nuscenes_lidarseg(predictions, database_copy, "v9", SPLIT)
    truth = sorted((database_copy / "lidarseg" / VERSION).iterdir())[0]
    truth.unlink()
    with pytest.raises(FileNotFoundError, match=truth.name):
        nuscenes_lidarseg(predictions, database_copy, VERSION, SPLIT)
    edit(database_copy, "lidarseg", lambda rows: rows.pop())
    with pytest.raises(ValueError, match="no labels of the LiDAR sweep of sample scene"):
        nuscenes_lidarseg(predictions, database_copy, VERSION, SPLIT)
    edit(database_copy, "lidarseg", lambda rows: rows.clear())
    with pytest.raises(ValueError, match="no ground truth"):
        nuscenes_lidarseg(predictions, database_copy, VERSION, SPLIT)
    (database_copy / VERSION / "lidarseg.json").unlink()
    with pytest.raises(FileNotFoundError, match="unpack nuScenes-lidarseg"):
        nuscenes_lidarseg(predictions, database_copy, VERSION, SPLIT)


def test_categories_without_an_index_are_refused(database_copy, predictions):
    edit(database_copy, "category", lambda rows: rows[5].pop("index"))
    with pytest.raises(ValueError, match=r"category\.json must give every category an index"):
        nuscenes_lidarseg(predictions, database_copy, VERSION, SPLIT)


def test_true_labels_without_a_category_are_refused(database_copy, predictions):
    path = sorted((database_copy / "lidarseg" / VERSION).iterdir())[0]
    labels = np.fromfile(path, dtype=np.uint8)
    labels[3] = 77
    labels.tofile(path)
    with pytest.raises(ValueError, match=rf"{path.name}: label 77 of point 3"):
        nuscenes_lidarseg(predictions, database_copy, VERSION, SPLIT)


def test_threads_are_at_least_one(database, predictions):
    with pytest.raises(ValueError, match="num_threads must be at least 1, got 0"):
        nuscenes_lidarseg(predictions, database, VERSION, SPLIT, num_threads=0)
