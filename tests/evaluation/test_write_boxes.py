"""Submissions of boxes: they say what the boxes say, and are refused with a reason."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from annotated_boxes import DETECTION, boxes_at
from scipy.spatial.transform import Rotation

from geopt.evaluation.global_boxes import GlobalBoxes, Tracks, to_global
from geopt.evaluation.write_boxes import ATTRIBUTE, InputsUsed, write_detections, write_tracks


def test_a_detection_file_says_what_the_boxes_say(tmp_path):
    names = DETECTION.classes
    boxes = boxes_at(
        1.0, 2.0, classes=[names.index("bicycle"), names.index("barrier")], velocity=[[0.3, 0.1], [math.nan, math.nan]]
    )
    path = tmp_path / "new" / "results.json"
    write_detections(path, {"b": boxes, "a": boxes_at()}, ["a", "b"], inputs=InputsUsed(use_map=True))
    written = json.loads(path.read_text())
    assert written["meta"] == {
        "use_camera": False, "use_lidar": True, "use_radar": False, "use_map": True, "use_external": False,
    }  # fmt: skip
    assert list(written["results"]) == ["b", "a"] and written["results"]["a"] == []
    first, second = written["results"]["b"]
    assert first == {
        "sample_token": "b", "translation": [1.0, 0.0, 1.0], "size": [2.0, 4.0, 1.5], "rotation": [1.0, 0.0, 0.0, 0.0],
        "velocity": [0.3, 0.1], "detection_name": "bicycle", "detection_score": 0.5,
        "attribute_name": "cycle.with_rider",
    }  # fmt: skip
    assert second["detection_name"] == "barrier" and second["attribute_name"] == ""
    assert all(math.isnan(v) for v in second["velocity"])
    assert [path.name for path in path.parent.iterdir()] == ["results.json"]


def test_attributes_follow_from_class_and_speed(tmp_path):
    names = list(ATTRIBUTE)
    assert set(names) == set(DETECTION.classes)
    speeds = [0.0, 0.2, 0.21, math.nan]
    boxes = boxes_at(
        *range(4 * len(names)), classes=[k // 4 for k in range(4 * len(names))],
        velocity=[[0.0, -speed] for speed in speeds] * len(names),
    )  # fmt: skip
    write_detections(tmp_path / "r.json", {"a": boxes}, ["a"], classes=names)
    rows = json.loads((tmp_path / "r.json").read_text())["results"]["a"]
    for number, name in enumerate(names):
        still, at_limit, moving, unknown = (row["attribute_name"] for row in rows[4 * number : 4 * number + 4])
        assert (still, moving) == ATTRIBUTE[name] and at_limit == unknown == still


def test_a_track_file_says_what_the_tracks_say(tmp_path):
    boxes = boxes_at(1.0, 2.0, classes=DETECTION.classes.index("car"))
    write_tracks(tmp_path / "r.json", {"a": Tracks(boxes, ("s/1", "s/2"), np.arange(2))}, ["a"])
    row = json.loads((tmp_path / "r.json").read_text())["results"]["a"][1]
    assert {key: row[key] for key in row if key.startswith("tracking")} == {
        "tracking_id": "s/2", "tracking_name": "car", "tracking_score": 0.5,
    }  # fmt: skip
    assert "detection_name" not in row


BAD_BOXES = {
    "translation": ([[math.nan, 0.0, 0.0]], "translation must be finite"),
    "size_wlh": ([[1.0, 0.0, 1.0]], "size must be finite and above 0"),
    "quat_wxyz": ([[0.0, 0.0, 0.0, 0.0]], "quaternion that is not 0"),
    "velocity": ([[math.inf, 0.0]], "velocity must not be infinite"),
    "scores": ([-0.1], "score must be finite and at least 0"),
    "classes": ([10], "class must be a row of 10 names"),
}


@pytest.mark.parametrize("column", BAD_BOXES)
def test_a_bad_box_is_named_and_the_old_file_stays(column, tmp_path):
    path = tmp_path / "r.json"
    write_detections(path, {"a": boxes_at(1.0)}, ["a"])
    before = path.read_bytes()
    value, words = BAD_BOXES[column]
    good = boxes_at(1.0)
    bad = boxes_at(1.0, **{column: value})
    both = GlobalBoxes(
        **{
            field.name: np.concatenate([getattr(good, field.name), getattr(bad, field.name)])
            for field in dataclasses.fields(good)
        }
    )
    with pytest.raises(ValueError, match=f"write_detections: sample 'a', box 1: .*{words}"):
        write_detections(path, {"a": both}, ["a"])
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_five_hundred_boxes_are_written_and_one_more_is_refused(tmp_path):
    boxes = boxes_at(*range(501), scores=np.linspace(0, 1, 501))
    with pytest.raises(ValueError, match=r"sample 'a' must have at most 500 boxes, got 501; .*best\(500\)"):
        write_detections(tmp_path / "r.json", {"a": boxes}, ["a"])
    write_detections(tmp_path / "r.json", {"a": boxes.best(500)}, ["a"])
    rows = json.loads((tmp_path / "r.json").read_text())["results"]["a"]
    assert [row["translation"][0] for row in rows] == list(range(1, 501))  # box 0 has the lowest score


def test_every_sample_of_the_split_and_no_other_must_be_given(tmp_path):
    with pytest.raises(ValueError, match="2 of 3 samples are missing, such as 'b'"):
        write_detections(tmp_path / "r.json", {"a": boxes_at()}, ["a", "b", "c"])
    with pytest.raises(ValueError, match="1 of 1 samples are not in the split, such as 'x'"):
        write_tracks(tmp_path / "r.json", {t: Tracks(boxes_at(), (), np.arange(0)) for t in "ax"}, ["a"])
    assert not list(tmp_path.iterdir())


def test_tracks_need_ids_of_their_own_and_classes_that_are_tracked(tmp_path):
    barrier = boxes_at(1.0, classes=DETECTION.classes.index("barrier"))
    with pytest.raises(ValueError, match="sample 'a' has barrier; leave the other classes out"):
        write_tracks(tmp_path / "r.json", {"a": Tracks(barrier, ("1",), np.arange(1))}, ["a"])
    with pytest.raises(ValueError, match="an id of its own for each of 2 boxes"):
        write_tracks(tmp_path / "r.json", {"a": Tracks(boxes_at(1.0, 2.0), ("1", "1"), np.arange(2))}, ["a"])
    with pytest.raises(ValueError, match=r"classes must be of car, .*, got 'tram'"):
        write_tracks(tmp_path / "r.json", {}, [], classes=["tram"])


def test_boxes_move_as_scipy_moves_them():
    rng = np.random.default_rng(0)
    turn = Rotation.from_euler("ZYX", [2.0, 0.05, -0.04])
    boxes = rng.normal(size=(50, 9)) * [20, 20, 1, 1, 1, 1, 2, 5, 5]
    boxes[:, 3:6] = np.abs(boxes[:, 3:6]) + 0.1
    motion = np.concatenate([turn.as_matrix(), [[600.0], [1200.0], [3.0]]], axis=1)
    got = to_global(boxes, np.arange(50) / 50, np.arange(50) % 10, motion)
    assert got.translation == pytest.approx(turn.apply(boxes[:, :3]) + [600, 1200, 3], abs=1e-9)
    assert got.size_wlh == pytest.approx(boxes[:, [4, 3, 5]])
    assert got.velocity == pytest.approx(turn.apply(np.c_[boxes[:, 7:], np.zeros(50)])[:, :2], abs=1e-12)
    upright = Rotation.from_quat(got.quat_wxyz[:, [1, 2, 3, 0]])
    assert upright.apply([0, 0, 1]) == pytest.approx(np.tile([0, 0, 1], (50, 1)), abs=1e-12)
    seen = turn.inv().apply(upright.apply([1, 0, 0]))  # back in the model frame the box heads where it did
    assert np.exp(1j * np.arctan2(seen[:, 1], seen[:, 0])) == pytest.approx(np.exp(1j * boxes[:, 6]), abs=1e-12)


def test_a_model_frame_on_its_side_and_odd_shapes_are_refused():
    box = np.zeros((1, 9))
    upended = np.concatenate([Rotation.from_euler("Y", np.pi / 2).as_matrix(), np.zeros((3, 1))], axis=1)
    with pytest.raises(ValueError, match="global_from_model must be"):
        to_global(box, [1.0], [0], upended)
    with pytest.raises(ValueError, match=r"boxes must have shape \(D, 9\), got \(1, 7\)"):
        to_global(box[:, :7], [1.0], [0], np.eye(3, 4))
    with pytest.raises(ValueError, match=r"scores and classes must have shape \(1,\)"):
        to_global(box, [1.0, 1.0], [0], np.eye(3, 4))
