"""Files of Waymo's tools: what is read, what they score on the command line, and what damage does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from waymo_database import field, label_objects, object_message, prediction_objects, random_case, write_objects

from geopt.evaluation import (
    SubmissionError,
    read_waymo_objects,
    waymo_all_ns,
    waymo_breakdown,
    waymo_detection,
    waymo_detection_files,
    waymo_preprocess,
)


def raw_labels(case: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The ground truth of a case as labels of a dataset, some without points and some without a level."""
    rng = np.random.default_rng(0)
    labels = {name: case[f"ground_truth_{name}"] for name in ("bbox", "type", "frame_id", "difficulty", "speed")}
    labels["difficulty"] = labels["difficulty"] * (rng.random(len(labels["type"])) < 0.5)
    return labels | {"num_lidar_points": rng.integers(0, 12, len(labels["type"]))}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Predictions and ground truth of one random case."""
    folder = tmp_path_factory.mktemp("waymo")
    case = random_case(41, dtype=np.float64)
    predictions = write_objects(folder / "predictions.bin", prediction_objects(case))
    return predictions, write_objects(folder / "gt.bin", label_objects(raw_labels(case)))


def test_a_file_says_what_its_columns_say(files):
    case = random_case(41, dtype=np.float64)
    labels = raw_labels(case)
    scores = waymo_detection_files(*files)
    predictions = {name: value for name, value in case.items() if name.startswith("prediction_")}
    in_memory = waymo_detection(**predictions, **waymo_preprocess(**labels))
    assert any(metrics["AP"] > 0.5 for metrics in scores.values())
    for name, metrics in in_memory.items():  # frames are added in another order, in float32
        assert scores[name] == pytest.approx(metrics, abs=1e-6)


def test_frames_are_added_in_the_order_of_the_tool(files):
    """By name of the context, then time: bit by bit what the same order gives in memory."""
    predicted, truth = (read_waymo_objects(path) for path in files)
    order = sorted({*predicted.frames, *truth.frames}, key=lambda frame: (frame[0] + b"_0", frame[2]))
    rows = [np.array([order.index(f) for f in side.frames])[side.frame] for side in (predicted, truth)]
    expected = waymo_detection(
        prediction_bbox=predicted.bbox,
        prediction_type=predicted.type,
        prediction_score=predicted.score,
        prediction_frame_id=rows[0],
        prediction_overlap_nlz=predicted.overlap_nlz,
        **waymo_preprocess(
            bbox=truth.bbox,
            type=truth.type,
            frame_id=rows[1],
            num_lidar_points=truth.num_lidar_points,
            difficulty=truth.difficulty,
        ),
    )
    assert waymo_detection_files(*files) == expected


@pytest.mark.parametrize("case", ["case01", "case05"])
def test_stored_official_numbers_from_files(shared_fixtures, tmp_path, case):
    folder = shared_fixtures / "waymo_det" / case
    official = json.loads((folder / "official" / "metrics.json").read_text())
    with np.load(folder / "inputs.npz") as found:
        columns = {name: found[name] for name in found}
    labels = {name.removeprefix("raw_ground_truth_"): v for name, v in columns.items() if name.startswith("raw_")}
    scores = waymo_detection_files(
        write_objects(tmp_path / "p.bin", prediction_objects(columns)),
        write_objects(tmp_path / "g.bin", label_objects(labels)),
    )
    for name, metrics in official.items():
        assert scores[name] == pytest.approx(metrics, abs=1e-6)


def test_a_real_label_of_the_dataset(shared_data):
    path = shared_data / "waymo_mmdet3d_tests" / "waymo_format" / "gt.bin"
    if not path.is_file():
        pytest.skip(f"no {path}")
    objects = read_waymo_objects(path)
    np.testing.assert_allclose(objects.bbox, [[69.6765, 33.3409, 0.7714, 4.36, 2.01, 1.46, -1.4808]], atol=1e-4)
    assert objects.type.tolist() == [1] and objects.num_lidar_points.tolist() == [100]
    assert objects.frames == [(b"1071392229495085036_1844_790_1864_790", 0, 1507315488219118)]
    assert waymo_detection_files(path, path)["RANGE_TYPE_VEHICLE_[50, +inf)_LEVEL_1"]["AP"] == pytest.approx(1)


def google_messages() -> dict[str, Any]:
    """The messages as the official protobuf library knows them, from their field numbers."""
    pytest.importorskip("google.protobuf")
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    kinds = {"double": 1, "float": 2, "int64": 3, "int32": 5, "bool": 8, "string": 9}
    layout: dict[str, list[tuple[str, int, str]]] = {
        "Box": [("x", 1, "double"), ("y", 2, "double"), ("z", 3, "double"), ("width", 4, "double")]
        + [("length", 5, "double"), ("height", 6, "double"), ("heading", 7, "double")],
        "Metadata": [("speed_x", 1, "double"), ("speed_y", 2, "double"), ("accel_x", 3, "double")],
        "Label": [("box", 1, "Box"), ("metadata", 2, "Metadata"), ("type", 3, "int32"), ("id", 4, "string")]
        + [("difficulty", 5, "int32"), ("points", 7, "int32"), ("synced", 12, "Box")],
        "Object": [("object", 1, "Label"), ("score", 2, "float"), ("nlz", 3, "bool"), ("context", 4, "string")]
        + [("timestamp", 5, "int64"), ("camera", 6, "int32")],
        "Objects": [("objects", 1, "Object")],
    }
    file = descriptor_pb2.FileDescriptorProto(name="objects.proto", package="t", syntax="proto2")
    for name, fields in layout.items():
        message = file.message_type.add(name=name)
        for field_name, number, kind in fields:
            added = message.field.add(name=field_name, number=number, label=3 if name == "Objects" else 1)
            added.type = kinds.get(kind, 11)
            if kind not in kinds:
                added.type_name = f".t.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"t.{name}")) for name in layout}


def test_what_the_protobuf_library_writes_is_read(tmp_path):
    make = google_messages()
    rng = np.random.default_rng(5)
    objects = make["Objects"]()
    expected: dict[str, list[Any]] = {name: [] for name in ("bbox", "type", "score", "nlz", "points", "key", "speed")}
    for _ in range(200):
        one = objects.objects.add()
        box = rng.normal(0, 50, 7)
        names = ("x", "y", "z", "length", "width", "height", "heading")
        for name, value in zip(names, box):
            setattr(one.object.box, name, value)
            setattr(one.object.synced, name, -value)
        one.object.type, one.object.points = int(rng.integers(1, 5)), int(rng.integers(-3, 300))
        one.object.metadata.speed_x, one.object.metadata.accel_x = rng.normal(), 4.0
        one.object.id = "x" * int(rng.integers(0, 300))
        score = None if rng.random() < 0.2 else float(np.float32(rng.random()))
        if score is not None:
            one.score = score
        one.nlz = bool(rng.integers(2))
        one.context, one.timestamp = f"c{rng.integers(3)}", int(rng.integers(-(2**62), 2**62))
        one.camera = int(rng.integers(0, 3))
        rows = (box, one.object.type, 1.0 if score is None else score, one.nlz, one.object.points)
        rows += ((one.context.encode(), one.camera, one.timestamp), (one.object.metadata.speed_x, 0.0))
        for column, value in zip(expected.values(), rows):
            column.append(value)
    path = tmp_path / "objects.bin"
    path.write_bytes(objects.SerializeToString())
    got = read_waymo_objects(path)
    assert np.array_equal(got.bbox, expected["bbox"]) and got.type.tolist() == expected["type"]
    assert got.score.tolist() == expected["score"] and got.overlap_nlz.tolist() == expected["nlz"]
    assert got.num_lidar_points.tolist() == expected["points"] and np.array_equal(got.speed, expected["speed"])
    assert [got.frames[row] for row in got.frame] == expected["key"] and len(set(got.frames)) == len(got.frames)


def test_numbers_without_a_name_are_as_if_unsaid(tmp_path):
    """As the official parser has it: an unknown type is no type, an unknown level no level."""
    messages = [object_message(np.ones(7), 9, "c", 1, num_points=3, difficulty=7, camera=30)]
    got = read_waymo_objects(write_objects(tmp_path / "o.bin", messages))
    assert (got.type.tolist(), got.difficulty.tolist(), got.frames) == ([0], [0], [(b"c", 0, 1)])


def test_boxes_of_other_cameras_are_other_frames(tmp_path):
    box = [10.0, 0, 0, 4, 2, 2, 0]
    truth = write_objects(tmp_path / "g.bin", [object_message(box, 1, "c", 1, num_points=9, camera=1)])
    for camera, ap in ((1, 1.0), (2, 0.0)):
        same = write_objects(tmp_path / "p.bin", [object_message(box, 1, "c", 1, score=0.5, camera=camera)])
        scores = waymo_detection_files(same, truth)
        assert scores["OBJECT_TYPE_TYPE_VEHICLE_LEVEL_1"]["AP"] == pytest.approx(ap)


def test_the_command_line_writes_what_the_function_returns(files, score, tmp_path):
    predictions, truth = files
    out = tmp_path / "new" / "m.json"
    arguments = ("--predictions", predictions, "--ground-truth", truth, "--out", out)
    code, shown, err = score("waymo-detection", *arguments, "--details")
    assert (code, err) == (0, "")
    scores, curves = waymo_detection_files(predictions, truth, details=True)
    assert json.loads(out.read_text()) == scores | waymo_all_ns(scores)
    mean = waymo_all_ns(scores)["ALL_NS_LEVEL_2"]
    assert f"APH/L2 {mean['APH']:.4f}" in shown and "pedestrian [30, 50)" in shown and "ALL_NS" in shown
    details = json.loads((tmp_path / "new" / "m_details.json").read_text())
    assert "APH/L2 by range" in shown and "30-50 m" in shown
    breakdown = json.loads(json.dumps(waymo_breakdown(scores, curves)))
    assert {key: details.pop(key) for key in ("by_class", "by_range")} == breakdown
    assert list(details) == list(scores)
    row = details["OBJECT_TYPE_TYPE_PEDESTRIAN_LEVEL_2"]
    assert set(row) == {"precision", "recall", "tp", "fp", "fn", "precision_ha", "precision_la"}
    assert row["tp"] == curves["precision_recall_tp_fp_fn"][3, :, 2].tolist() and len(row["precision_ha"]) == 101


def test_mistakes_on_the_command_line_are_one_line(files, score, tmp_path):
    predictions, truth = files
    out = ("--out", tmp_path / "m.json")
    code, _, err = score("waymo-detection", "--predictions", tmp_path / "no.bin", "--ground-truth", truth, *out)
    assert code == 1 and f"{tmp_path / 'no.bin'} is not a file" in err
    cut = tmp_path / "cut.bin"
    cut.write_bytes(predictions.read_bytes()[:-40])
    code, _, err = score("waymo-detection", "--predictions", cut, "--ground-truth", truth, *out)
    assert code == 1 and re.search(rf"{cut}: byte \d+: a field is longer than what holds it", err)
    assert len(err.strip().splitlines()) == 1 and not (tmp_path / "m.json").exists()


def test_wrong_values_name_file_and_row(files, tmp_path):
    predictions, truth = files
    good = object_message(np.ones(7), 1, "c", 1, score=0.5)
    for bad, what in (
        (object_message(np.ones(7), 0, "c", 1, score=0.5), "prediction_type must be 1 .*, got 0 in row 1"),
        (object_message(np.ones(7), 1, "c", 1, score=7), "prediction_score must be from 0 to 1, got 7.0 in row 1"),
        (object_message(np.full(7, np.nan), 1, "c", 1), r"prediction_bbox must be finite, got \[nan"),
    ):
        path = write_objects(tmp_path / "bad.bin", [good, bad])
        with pytest.raises(SubmissionError, match=rf"bad\.bin: waymo_detection: {what}"):
            waymo_detection_files(path, truth)
    nowhere = write_objects(tmp_path / "g.bin", [object_message(np.full(7, np.inf), 1, "c", 1, num_points=4)])
    with pytest.raises(ValueError, match=r"g\.bin: waymo_preprocess: bbox must be finite"):
        waymo_detection_files(predictions, nowhere)


def test_other_files_are_not_taken_for_predictions(files, tmp_path):
    predictions, truth = files
    other = tmp_path / "other.bin"
    other.write_bytes(field(7, b"somebody") + field(2, b"method"))
    with pytest.raises(SubmissionError, match=r"other\.bin holds no object; it must be an Objects message"):
        waymo_detection_files(other, truth)
    other.write_bytes(b"")
    assert all(metrics["AP"] == 0 for metrics in waymo_detection_files(other, truth).values())
    with pytest.raises(ValueError, match=r"other\.bin is empty; it must hold the labels") as caught:
        waymo_detection_files(predictions, other)
    assert not isinstance(caught.value, SubmissionError)
    with pytest.raises(FileNotFoundError, match="is not a file"):
        waymo_detection_files(tmp_path, truth)


def test_damage_is_told_by_file_and_byte(tmp_path):
    """Every beginning of a file, and some hundred changed bytes: columns or an error that says where, never a crash."""
    case = random_case(42, num_frames=1, num_truths=2, num_noise=0)
    whole = write_objects(tmp_path / "whole.bin", prediction_objects(case)).read_bytes()
    path = tmp_path / "damaged.bin"
    rng = np.random.default_rng(6)
    changed = []
    for _ in range(400):
        text = bytearray(whole)
        text[rng.integers(len(text))] = rng.integers(256)
        changed.append(bytes(text))
    refused = 0
    for text in [*(whole[:end] for end in range(len(whole))), *changed]:
        path.write_bytes(text)
        try:
            objects = read_waymo_objects(path)
        except ValueError as error:
            at = re.match(rf"read_waymo_objects: {re.escape(str(path))}: byte (\d+): ", str(error))
            assert (at and int(at[1]) <= len(text)) or "holds no object" in str(error)
            refused += 1
        else:
            assert len(objects.bbox) == len(objects.frame) <= len(text)
    assert refused > len(whole) * 0.8
