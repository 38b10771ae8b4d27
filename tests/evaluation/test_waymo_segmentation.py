"""Waymo point labels: the official numbers, from arrays and from files, and what is refused."""

from __future__ import annotations

import json
import logging
import re
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from waymo_database import field, frame_name, label_frame, write_label_frames

from geopt import cli
from geopt.evaluation import SubmissionError, waymo_segmentation, waymo_segmentation_files
from geopt.evaluation.waymo_segmentation import CLASSES, summary

CASES = [f"case{number:02d}" for number in range(1, 7)]


def stored(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    with np.load(folder / "inputs.npz") as found:
        columns = {name: found[name] for name in found}
    return columns, json.loads((folder / "official" / "metrics.json").read_text())


def assert_official(got: dict[str, Any], official: dict[str, Any]) -> None:
    assert set(got) == {"miou", "iou_per_class"}
    assert list(got["iou_per_class"]) == list(official["iou_per_class"])
    assert got["miou"] == pytest.approx(official["miou"], abs=2e-6)
    assert got["iou_per_class"] == pytest.approx(official["iou_per_class"], abs=2e-6)


@pytest.mark.parametrize("case", CASES)
def test_stored_official_numbers(shared_fixtures, case):
    columns, official = stored(shared_fixtures / "waymo_seg" / case)
    assert_official(waymo_segmentation(**columns), official)


def images(columns: dict[str, np.ndarray], name: str, channels: bool, leave_out: np.ndarray) -> list[bytes]:
    """A frame for each id, a column of labels for each return; with channels an instance number beside each."""
    frames = []
    for frame in np.unique(columns["frame_id"]):
        if frame in leave_out:
            continue
        returns = []
        for number in np.unique(columns["return_index"]):
            chosen = (columns["frame_id"] == frame) & (columns["return_index"] == number)
            labels = columns[name][chosen].astype(np.int32)[:, None]
            returns.append(np.stack([7 * np.ones_like(labels), labels], axis=-1) if channels else labels)
        frames.append(label_frame(*frame_name(frame), returns, packed=frame % 2 == 0))
    return frames


@pytest.mark.parametrize("channels", [False, True], ids=["H W", "H W 2"])
@pytest.mark.parametrize("case", ["case01", "case05"])
def test_stored_official_numbers_from_files(shared_fixtures, tmp_path, case, channels, caplog):
    columns, official = stored(shared_fixtures / "waymo_seg" / case)
    missing = columns.get("prediction_missing_frames", np.zeros(0, dtype=np.int64))
    truth = write_label_frames(tmp_path / "g.bin", images(columns, "ground_truth", channels, np.zeros(0)))
    predicted = images(columns, "prediction", channels, missing)
    with caplog.at_level(logging.WARNING):
        got = waymo_segmentation_files(write_label_frames(tmp_path / "p.bin", predicted[::-1]), truth)
    assert_official(got, official)
    warned = f"p.bin: {len(missing)} frames have no labels of the TOP lidar and count as undefined"
    assert (warned in caplog.text) == (len(missing) > 0)


def test_facts_of_the_official_unit_tests(shared_fixtures):
    facts = json.loads((shared_fixtures / "waymo_unit" / "facts.json").read_text())
    label = {"UNDEFINED": 0, "CAR": 1, "PED": 7}
    for fact in facts["segmentation_two_classes_CAR_PEDESTRIAN"]:
        truth, predicted = (np.array([label[name] for name in fact[side]], dtype=int) for side in ("gt", "pred"))
        got = waymo_segmentation(ground_truth=truth, prediction=predicted)
        for name, iou in fact["iou"].items():
            assert got["iou_per_class"][f"TYPE_{name}"] == pytest.approx(iou, abs=1e-4)
        others = [iou for name, iou in got["iou_per_class"].items() if name not in ("TYPE_CAR", "TYPE_PEDESTRIAN")]
        assert others == [1.0] * 20


@pytest.mark.parametrize("seed", range(4))
def test_every_class_by_sets_of_points(seed):
    rng = np.random.default_rng(seed)
    truth, predicted = rng.integers(0, 23, (2, 5000))
    got = waymo_segmentation(ground_truth=truth, prediction=predicted)
    for number, name in enumerate(CLASSES, 1):
        true, said = set(np.flatnonzero(truth == number)), set(np.flatnonzero((predicted == number) & (truth > 0)))
        assert got["iou_per_class"][name] == pytest.approx(len(true & said) / len(true | said), abs=1e-7)
    assert got["miou"] == pytest.approx(np.mean(list(got["iou_per_class"].values())), abs=1e-6)


def test_counts_are_rounded_to_float32_as_officially():
    confusion = np.zeros((23, 23), dtype=np.int64)
    confusion[0, 0], confusion[0, 1] = 2**24 + 1, 2
    assert summary(confusion)["iou_per_class"]["TYPE_CAR"] == np.float32(2**24) / np.float32(2**24 + 4)


WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"prediction": [1, 23, 0]}, SubmissionError, r"prediction must be 0 \(undefined\) to 22, got 23 in row 1"),
    ({"ground_truth": [1, -1, 0]}, ValueError, r"ground_truth must be 0 \(undefined\) to 22, got -1 in row 1"),
    ({"prediction": [1, 2]}, SubmissionError, r"prediction must have shape \(3,\), .*, got \(2,\)"),
    ({"prediction": [1.0, 2.0, 3.0]}, TypeError, "prediction must hold whole numbers, got float64"),
    ({"return_index": [1, 2, 5]}, ValueError, "return_index must be 1 or 2, .*, got 5 in row 2"),
    ({"frame_id": [1, 2]}, ValueError, r"frame_id must have shape \(3,\)"),
    ({"prediction_missing_frames": [1]}, ValueError, "frame_id must be given to find prediction_missing_frames"),
    ({"frame_id": [1, 1, 2], "prediction_missing_frames": [3]}, ValueError, "must be in frame_id, got 3 which is not"),
]


@pytest.mark.parametrize(("change", "error", "message"), WRONG, ids=lambda value: str(value)[:40])
def test_wrong_arguments_are_named(change, error, message):
    with pytest.raises(error, match=f"waymo_segmentation: .*{message}"):
        waymo_segmentation(**{"ground_truth": [1, 2, 3], "prediction": [1, 2, 3]} | change)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Predictions and ground truth of two frames."""
    rng = np.random.default_rng(3)
    columns = {name: rng.integers(0, 23, 400) for name in ("ground_truth", "prediction")}
    columns |= {"frame_id": np.repeat([0, 1], 200), "return_index": np.tile([1, 2], 200)}
    files = [images(columns, name, True, np.zeros(0)) for name in ("prediction", "ground_truth")]
    paths = [write_label_frames(tmp_path / name, frames) for name, frames in zip(("p.bin", "g.bin"), files)]
    return paths[0], paths[1]


def test_instance_numbers_count_as_classes_on_request(pair):
    """As in the official tool, for which every number of a range image is a class: here 7 beside each point."""
    plain, both = (waymo_segmentation_files(*pair, both_channels=flag)["iou_per_class"] for flag in (False, True))
    assert {name for name in CLASSES if plain[name] != both[name]} == {"TYPE_PEDESTRIAN"}
    assert both["TYPE_PEDESTRIAN"] > 0.8 > 0.2 > plain["TYPE_PEDESTRIAN"]


def test_the_command_line_writes_what_the_function_returns(pair, tmp_path, monkeypatch, capsys):
    predictions, truth = map(str, pair)
    out = tmp_path / "m.json"
    line = ["--predictions", predictions, "--ground-truth", truth, "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["geopt", "score", "waymo-segmentation", *line])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert not caught.value.code
    scores = waymo_segmentation_files(*pair)
    assert json.loads(out.read_text()) == scores
    shown = capsys.readouterr().out
    assert f"mIoU {scores['miou']:.4f}" in shown and "other ground" in shown


def test_frames_without_labels_in_the_ground_truth_are_left_out(pair):
    predictions, truth = pair
    before = waymo_segmentation_files(predictions, truth)
    more = field(2, b"elsewhere") + field(3, 5)
    truth.write_bytes(truth.read_bytes() + field(1, more))
    predictions.write_bytes(
        predictions.read_bytes() + field(1, label_frame("nowhere", 5, [np.ones((2, 3), dtype=int)] * 2))
    )
    assert waymo_segmentation_files(predictions, truth) == before


def refusal(predictions: Path, truth: Path) -> ValueError:
    with pytest.raises(ValueError, match="waymo_segmentation_files: ") as caught:
        waymo_segmentation_files(predictions, truth)
    return caught.value


def test_bad_predictions_are_refused_and_named(pair, tmp_path):
    predictions, truth = pair
    bad = tmp_path / "bad.bin"
    few = write_label_frames(tmp_path / "few.bin", [label_frame(*frame_name(0), [np.ones((3, 1), dtype=int)] * 2)])
    for content, message in (
        (few.read_bytes(), r"frame segment-0 at \d+ us must have 100 labels in return 1, .*, got 3"),
        (b"", "holds no frame"),
        (predictions.read_bytes()[:-10], r"byte \d+: a field is longer than what holds it"),
    ):
        bad.write_bytes(content)
        error = refusal(bad, truth)
        assert isinstance(error, SubmissionError)
        assert re.search(rf"{bad}:? {message}", str(error))
    with pytest.raises(FileNotFoundError, match="is not a file"):
        waymo_segmentation_files(tmp_path / "no.bin", truth)


def test_bad_ground_truth_is_refused_and_is_no_fault_of_the_submission(pair, tmp_path):
    bad, name = tmp_path / "bad.bin", frame_name(0)
    for frame, message in (
        (
            label_frame(*name, [np.ones((3, 1), dtype=int)] * 2, laser=2),
            r"frame segment-0 at \d+ us must have labels of the TOP lidar only",
        ),
        (
            label_frame(*name, [np.ones((3, 2, 4), dtype=int)] * 2),
            r"byte \d+: labels of .* must have shape \(H, W\) or \(H, W, 2\)",
        ),
    ):
        error = refusal(pair[0], write_label_frames(bad, [frame]))
        assert not isinstance(error, SubmissionError)
        assert re.search(rf"{bad}: {message}", str(error))


def test_damaged_images_are_refused(pair, tmp_path):
    """Changed bytes anywhere: an error that names the file, or another score, never a crash."""
    predictions, truth = pair
    whole = predictions.read_bytes()
    rng = np.random.default_rng(8)
    path = tmp_path / "damaged.bin"
    refused = 0
    for _ in range(300):
        text = bytearray(whole)
        text[rng.integers(len(text))] = rng.integers(256)
        path.write_bytes(bytes(text))
        try:
            waymo_segmentation_files(path, truth)
        except SubmissionError as error:
            assert str(path) in str(error)
            refused += 1
    assert refused > 150


def test_an_image_that_unpacks_to_too_much_is_refused(pair, tmp_path, monkeypatch):
    from geopt.evaluation import waymo_files

    monkeypatch.setattr(waymo_files, "LARGEST_IMAGE", 1 << 20)
    image = field(2, field(6, zlib.compress(bytes((1 << 20) + 1))))
    context, timestamp = frame_name(0)
    frame = field(1, field(1, 1) + image) + field(2, context.encode()) + field(3, timestamp)
    big = write_label_frames(tmp_path / "big.bin", [frame])
    error = refusal(big, pair[1])
    assert isinstance(error, SubmissionError)
    assert re.search(rf"{big}: byte \d+: labels of .* unpack to more than 1 MiB", str(error))
