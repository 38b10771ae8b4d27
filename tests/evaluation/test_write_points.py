"""Submissions of point labels: the evaluators read back what was written, and wrong labels never reach the disk."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import devkit
import label_oracle
import numpy as np
import pytest
from label_database import SPLIT, VERSION, write_database, write_predictions
from nuscenes_folder import write_nuscenes

from geopt.evaluation import nuscenes_lidarseg, nuscenes_panoptic
from geopt.evaluation.split_frames import split_frames
from geopt.evaluation.write_boxes import InputsUsed
from geopt.evaluation.write_points import LabelWriter, write_lidarseg, write_panoptic

VALIDATE = """
import sys
from nuscenes import NuScenes
from nuscenes.eval.lidarseg.validate_submission import validate_submission
validate_submission(NuScenes(sys.argv[1], sys.argv[2], verbose=False), sys.argv[3], sys.argv[4])
"""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_database(tmp_path_factory.mktemp("points") / "db", seed=7, num_points=500)


def predicted(database: Path, folder: Path, task: str, noise: float) -> dict[str, np.ndarray]:
    """Labels of every scan of the split."""
    written = write_predictions(folder, database, seed=7, noise=noise) / task / SPLIT
    if task == "lidarseg":
        return {path.name.removesuffix("_lidarseg.bin"): np.fromfile(path, "u1") for path in written.iterdir()}
    labels = {path.name.removesuffix("_panoptic.npz"): np.load(path)["data"] for path in written.iterdir()}
    # the writer wants stuff and void without an instance
    return {token: np.where((row < 1000) | (row >= 11_000), row // 1000 * 1000, row) for token, row in labels.items()}


def counts(labels: dict[str, np.ndarray]) -> dict[str, int]:
    return {token: len(row) for token, row in labels.items()}


def test_lidarseg_files_are_what_the_evaluator_reads(database, tmp_path):
    labels = predicted(database, tmp_path / "source", "lidarseg", noise=0.2)
    out = tmp_path / "out"
    assert write_lidarseg(out, SPLIT, labels.items(), counts(labels)) == out / SPLIT / "submission.json"
    assert json.loads((out / SPLIT / "submission.json").read_text()) == {
        "meta": {"use_camera": False, "use_lidar": True, "use_radar": False, "use_map": False, "use_external": False}
    }
    for token, row in labels.items():
        assert (out / "lidarseg" / SPLIT / f"{token}_lidarseg.bin").read_bytes() == row.tobytes()
    assert sum(path.is_file() for path in out.rglob("*")) == len(labels) + 1
    got, source = (nuscenes_lidarseg(folder, database, VERSION, SPLIT) for folder in (out, tmp_path / "source"))
    assert got["confusion_matrix_gt_rows_pred_cols"] == source["confusion_matrix_gt_rows_pred_cols"]
    assert 0.1 < got["miou"] < 1


@pytest.mark.parametrize("task", ["segmentation", "tracking"])
def test_panoptic_files_are_what_the_evaluator_reads(database, tmp_path, task):
    labels = predicted(database, tmp_path / "source", "panoptic", noise=0)
    inputs = InputsUsed(use_external=True)
    write_panoptic(tmp_path / "out", SPLIT, labels.items(), counts(labels), task=task, inputs=inputs)
    meta = json.loads((tmp_path / "out" / SPLIT / "submission.json").read_text())["meta"]
    assert meta["task"] == task and meta["use_external"] and len(meta) == 6
    for token, row in labels.items():
        stored = np.load(tmp_path / "out" / "panoptic" / SPLIT / f"{token}_panoptic.npz")
        assert stored.files == ["data"] and stored["data"].dtype == np.uint16
        assert np.array_equal(stored["data"], row)
    summary = nuscenes_panoptic(tmp_path / "out", database, VERSION, SPLIT, task)
    assert summary["segmentation"]["all"]["PQ"] == summary["segmentation"]["all"]["mIoU"] == 1
    if task == "tracking":
        assert summary["tracking"]["all"]["TQ"] == summary["tracking"]["all"]["PTQ"] == 1


def test_the_same_labels_make_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_panoptic(tmp_path / name, "val", [("t", np.arange(4000, 4600))], {"t": 600})
    first, second = ((tmp_path / name / "panoptic/val/t_panoptic.npz").read_bytes() for name in "ab")
    assert first == second


WRONG = {
    "lidarseg": {
        "ignored": ([1, 0, 16], "must be 1 to 16 .*got 0 for point 1"),
        "too large": ([1, 2, 17], "got 17 for point 2"),
        "negative": ([-1, 2, 3], "got -1 for point 0"),
        "too few": ([1, 2], r"must be \(3,\) integers, got int64 \(2,\)"),
        "fractions": ([1.0, 2.0, 3.0], r"integers, got float64"),
    },
    "panoptic": {
        "void with an instance": ([5, 4001, 4001], "got 5 for point 0"),
        "stuff with an instance": ([4001, 11_001, 11_000], "got 11001 for point 1"),
        "no such class": ([4001, 4001, 17_000], "got 17000 for point 2"),
        "negative": ([4001, -1000, 0], "got -1000 for point 1"),
        "too many": ([0, 0, 0, 0], r"must be \(3,\) integers, got int64 \(4,\)"),
    },
}


@pytest.mark.parametrize(("task", "name"), [(task, name) for task in WRONG for name in WRONG[task]])
def test_wrong_labels_are_refused_and_named(task, name, tmp_path):
    values, words = WRONG[task][name]
    writer = LabelWriter(task, tmp_path, "val", {"t": 3})
    with pytest.raises(ValueError, match=f"scan 't' must be .*{words}|{words}"):
        writer.write("t", np.array(values))
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_the_borders_of_what_is_allowed_are_written(tmp_path):
    writer = LabelWriter("panoptic", tmp_path, "val", {"t": 5})
    path = writer.write("t", [0, 1000, 10_999, 11_000, 16_000])
    assert np.load(path)["data"].tolist() == [0, 1000, 10_999, 11_000, 16_000]


def test_a_submission_is_complete_or_has_no_submission_json(tmp_path):
    write_lidarseg(tmp_path, "val", [("a", [1]), ("b", [2])], {"a": 1, "b": 1})
    writer = LabelWriter("lidarseg", tmp_path, "val", {"a": 1, "b": 1})
    assert not (tmp_path / "val/submission.json").exists()  # the old one is no more than half right from now on
    writer.write("b", [3])
    with pytest.raises(ValueError, match="scan 'b' was written already"):
        writer.write("b", [3])
    with pytest.raises(ValueError, match="token must be that of a scan of the split, got 'c'"):
        writer.write("c", [3])
    with pytest.raises(ValueError, match="1 of 2 have none, such as 'a'"):
        writer.finish()
    assert not (tmp_path / "val/submission.json").exists()
    writer.write("a", [4])
    assert writer.finish().is_file()
    with pytest.raises(ValueError, match=r"must hold scans of split val alone, got b_lidarseg\.bin"):
        LabelWriter("lidarseg", tmp_path, "val", {"a": 1})


def test_wrong_arguments_are_named(tmp_path):
    with pytest.raises(ValueError, match="task must be one of lidarseg, panoptic, got 'boxes'"):
        LabelWriter("boxes", tmp_path, "val", {})
    with pytest.raises(ValueError, match="panoptic_task must be one of segmentation, tracking, got 'x'"):
        LabelWriter("panoptic", tmp_path, "val", {}, panoptic_task="x")


def test_frames_of_a_split_are_named_by_sample_and_scan(tmp_path):
    root = write_nuscenes(tmp_path / "db", num_key_frames=3, num_points=50)
    frames = split_frames(root, "v1.0-mini", "mini_val")
    assert [(frame.scene, frame.sample_token) for frame in frames] == [
        ("scene-0103", f"scene-0103-key{k}") for k in range(3)
    ]
    by_token = {row["token"]: row for row in json.loads((root / "v1.0-mini/sample_data.json").read_text())}
    for frame in frames:
        row = by_token[frame.lidar_token]
        assert (
            row["sample_token"] == frame.sample_token
            and row["is_key_frame"]
            and "lidar" in row["calibrated_sensor_token"]
        )
        assert frame.num_points == 50 and frame.timestamp_us == row["timestamp"]
    (root / "v1.0-mini/splits.json").write_text('{"mine": ["scene-0061"], "none": ["scene-9999"]}')
    assert {frame.scene for frame in split_frames(root, "v1.0-mini", "mine")} == {"scene-0061"}
    with pytest.raises(ValueError, match=r"has no scene of split none"):
        split_frames(root, "v1.0-mini", "none")
    with pytest.raises(ValueError, match=re.escape("split val belongs to a version that ends in trainval")):
        split_frames(root, "v1.0-mini", "val")


@devkit.needed
def test_the_devkit_scores_the_written_files_as_we_do(database, tmp_path):
    semantic = predicted(database, tmp_path / "a", "lidarseg", noise=0.2)
    labels = predicted(database, tmp_path / "b", "panoptic", noise=0.2)
    write_lidarseg(tmp_path / "out", SPLIT, semantic.items(), counts(semantic))
    subprocess.run(
        [devkit.PYTHON, "-c", VALIDATE, VERSION, str(database), str(tmp_path / "out"), SPLIT],
        check=True,
        capture_output=True,
    )
    write_panoptic(tmp_path / "out", SPLIT, labels.items(), counts(labels), task="tracking")
    cases = [(task, database, VERSION, SPLIT, tmp_path / "out", "tracking", 15) for task in ("lidarseg", "panoptic")]
    expected = [answer["metrics"] for answer in devkit.answers(label_oracle, cases)]
    got = nuscenes_lidarseg(tmp_path / "out", database, VERSION, SPLIT)
    assert got["miou"] == pytest.approx(expected[0]["miou"], rel=0, abs=1e-12)
    assert got["confusion_matrix_gt_rows_pred_cols"] == expected[0]["confusion_matrix_gt_rows_pred_cols"]
    ours = nuscenes_panoptic(tmp_path / "out", database, VERSION, SPLIT, "tracking")
    for part in ("segmentation", "tracking"):
        for key, value in expected[1][part]["all"].items():
            assert ours[part]["all"][key] == pytest.approx(value, rel=0, abs=1e-12, nan_ok=True), (part, key)
