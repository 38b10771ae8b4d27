"""What is read from a submission: exactly what Python's json module and NumPy find in it."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from box_database import SPLIT, VERSION, write_database, write_detections

from geopt import _host
from geopt.evaluation import SubmissionError, ground_truth, submission
from geopt.evaluation.boxes import ATTRIBUTES
from geopt.evaluation.ground_truth import GroundTruth

LENGTH = {"translation": 3, "size": 3, "rotation": 4, "velocity": 2}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_database(tmp_path_factory.mktemp("boxes"), seed=2, num_key_frames=3, num_objects=12)


@pytest.fixture(scope="module")
def truth(root: Path) -> GroundTruth:
    return ground_truth.load(root, VERSION, SPLIT, "detection")


@pytest.fixture(scope="module")
def tracking_truth(root: Path) -> GroundTruth:
    return ground_truth.load(root, VERSION, SPLIT, "tracking")


def plainly(text: bytes, truth: GroundTruth) -> list[tuple]:
    """The boxes of a submission by Python's own means; raises some error if it is to be refused."""
    whole = json.loads(text.decode())
    boxes = []
    if not isinstance(whole["meta"], dict | list) or set(whole["results"]) != set(truth.samples):
        raise ValueError
    for token, listed in whole["results"].items():
        assert len(listed) <= submission.MAX_BOXES_PER_SAMPLE
        for box in listed:
            vectors = {key: tuple(box[key]) for key in LENGTH}
            vectors["ego_translation"] = tuple(box.get("ego_translation", (0, 0, 0)))
            for key, values in vectors.items():
                assert len(values) == LENGTH.get(key, 3)
                assert key == "velocity" or not np.isnan(values).any()
            score, points = float(box.get("detection_score", -1.0)), int(box.get("num_pts", -1))
            assert type(box["sample_token"]) is str and not math.isnan(score)
            label = truth.classes.index(box["detection_name"])
            attribute = -1 if box["attribute_name"] == "" else ATTRIBUTES.index(box["attribute_name"])
            named = truth.samples.index(box["sample_token"]) if box["sample_token"] in truth.samples else -1
            numbers = [*vectors["translation"], *vectors["size"], *vectors["rotation"], score]
            row = (truth.samples.index(token), named, label, attribute, points == 0)
            boxes.append((row, [float(value) for value in numbers], vectors["velocity"]))
    assert boxes
    return boxes


def same(loaded, expected: list[tuple]) -> bool:
    assert len(loaded) == len(expected)
    for i, (row, numbers, velocity) in enumerate(expected):
        got = (loaded.sample[i], loaded.named_sample[i], loaded.label[i], loaded.attribute[i], loaded.num_pts[i] == 0)
        assert tuple(map(int, got)) == tuple(map(int, row))
        columns = (loaded.translation[i], loaded.size[i], loaded.rotation[i], [loaded.score[i]])
        assert [value for column in columns for value in column] == numbers  # every bit
        is_number = all(isinstance(value, int | float) for value in velocity)
        assert loaded.velocity_known[i] == is_number
        if is_number:
            assert np.array_equal(loaded.velocity[i], np.array(velocity, float), equal_nan=True)
    return True


@pytest.mark.parametrize("seed", range(5))
def test_every_box_is_what_python_reads(seed, root, truth, tmp_path):
    path = write_detections(tmp_path / "p.json", root, seed, num_boxes=40)
    boxes, meta = submission.load(path, truth, "detection")
    assert same(boxes, plainly(path.read_bytes(), truth)) and meta["use_lidar"] is True
    assert boxes.order.tolist() == list(range(len(boxes)))


def test_random_damage_is_refused_exactly_where_python_refuses(root, truth, tmp_path):
    good = write_detections(tmp_path / "good.json", root, 4, num_boxes=2).read_bytes()
    snippets = [
        *b'{}[],:"\\0123456789.eE+-naut \n\x00\xc3',
        b"NaN",
        b"-Infinity",
        b"null",
        b"1e999",
        b'"":',
        b"[[",
        b"{}",
        "é".encode(),
    ]
    snippets += [b"\\ud800", b"\xed\xa0\x80", b"1e-400", b"123456789012345678901234567890", b"-0", b"0x1", b"true"]
    path, taken = tmp_path / "p.json", 0
    source = random.Random(7)
    for _ in range(1500):
        text = bytearray(good)
        for _ in range(source.choice([1, 1, 2])):
            at = source.randrange(len(text))
            new = source.choice(snippets)
            text[at : at + source.choice([0, 1, 1, 5])] = bytes([new]) if isinstance(new, int) else new
        path.write_bytes(text)
        try:
            expected = plainly(bytes(text), truth)
        except Exception:
            expected = None
        try:
            boxes, _ = submission.load(path, truth, "detection")
        except SubmissionError:
            assert expected is None, bytes(text)
        else:
            assert expected is not None and same(boxes, expected), bytes(text)
            taken += 1
    assert 50 < taken < 1450


@pytest.mark.parametrize(
    "text",
    [
        "0.1",
        "-0.0",
        "1e22",
        "1e23",
        "123456789012345.6",
        "0.30000000000000004",
        "9007199254740993",
        "5e-324",
        "2.5e-308",
    ]
    + ["1.7976931348623157e308", "179769313486231580000e289", "0.1234567890123456789012345678901234567890", "1E+2"]
    + ["123456789012345678e-18", "1" + "0" * 18 + ".5", "4.35", "0.000001", "1e-22", "1e-23", "1e400", "-1e-400"],
)
def test_numbers_are_rounded_as_python_rounds_them(text, truth):
    box = {"sample_token": truth.samples[0], "size": [1, 1, 1], "rotation": [1, 0, 0, 0], "velocity": [0, 0]}
    box |= {"translation": [0, 0, 0], "detection_name": "car", "attribute_name": "", "detection_score": 0}
    whole = json.dumps({"meta": {}, "results": {token: [] for token in truth.samples} | {truth.samples[0]: [box]}})
    columns = _host.read_submission(
        *(whole.replace('"translation": [0', f'"translation": [{text}').encode(), False, list(truth.classes)),
        *(list(ATTRIBUTES), truth.samples, False, 500, 1),
    )
    assert columns["translation"][0, 0].hex() == float(text).hex()


def test_tracks_are_numbered_as_python_tells_keys_apart(tracking_truth):
    ids = ["1", 1, 1.0, True, "a", "\u00e9", 0, -0.0, False, None, 2**53 + 1, float(2**53), 0.5, "0.5", "\ud800"]
    box = {"size": [1, 1, 1], "rotation": [1, 0, 0, 0], "velocity": [0, 0], "translation": [0, 0, 0]}
    box |= {"tracking_name": "car", "sample_token": tracking_truth.samples[0]}
    results = {token: [] for token in tracking_truth.samples} | {
        tracking_truth.samples[0]: [box | {"tracking_id": each} for each in ids]
    }
    boxes, _ = submission.load({"meta": {}, "results": results}, tracking_truth, "tracking")
    numbers = {}
    assert boxes.track.tolist() == [numbers.setdefault(each, len(numbers)) for each in ids]
    assert [boxes.ids[number] for number in boxes.track[[0, 4, 5, 12, 14]]] == ["1", "a", "\u00e9", "0.5", "\ud800"]
    assert set(boxes.score.tolist()) == {-1.0} and set(boxes.attribute.tolist()) == {-1}
    del results[tracking_truth.samples[0]][3]["tracking_id"]
    with pytest.raises(
        SubmissionError, match=f"sample '{tracking_truth.samples[0]}', box 3: has no 'tracking_id'; add it"
    ):
        submission.load({"meta": {}, "results": results}, tracking_truth, "tracking")


def test_a_custom_split_takes_its_own_samples_in_the_order_of_the_table(root, truth, tmp_path):
    whole = json.loads(write_detections(tmp_path / "p.json", root, 5, num_boxes=7, awkward=False).read_text())
    folder = root / VERSION
    scene = json.loads((folder / "scene.json").read_text())[1]["name"]
    (folder / "splits.json").write_text(json.dumps({"mine": [scene, "scene-9999"]}))
    mine = ground_truth.load(root, VERSION, "mine", "detection")
    (folder / "splits.json").unlink()
    assert mine.is_custom_split and mine.scene_names == [scene] and set(mine.samples) < set(truth.samples)
    turned = whole | {"results": dict(reversed(whole["results"].items()))}
    boxes, _ = submission.load(turned, mine, "detection")
    assert len(boxes) == 7 * len(mine.samples) and (np.diff(boxes.sample) >= 0).all()
    first = whole["results"][mine.samples[0]]
    assert boxes.translation[:7].tolist() == [box["translation"] for box in first]
    del turned["results"][mine.samples[1]]
    with pytest.raises(SubmissionError, match=f"sample '{mine.samples[1]}' of the split is missing"):
        submission.load(turned, mine, "detection")


def test_the_place_of_damage_is_told(truth, tmp_path):
    def told(text: str) -> Any:
        path = tmp_path / "p.json"
        path.write_text(text)
        with pytest.raises(SubmissionError) as caught:
            submission.load(path, truth, "detection")
        return str(caught.value).removeprefix(f"{path}: ")

    assert (
        told('{"meta": {},\n"results": {"a": []}}')
        == "sample 'a' is not in the split; leave it out or choose its split"
    )
    assert told('{"meta": {},\n "more": tru}') == "line 2, byte 22: expected a value"
    assert told('{"meta": {}} {') == "line 1, byte 13: there is more text behind the end"
    assert told("[" * 5000) == "line 1, byte 901: values are nested too deeply"
    listed = {token: [] for token in truth.samples}
    text = json.dumps({"meta": {}, "results": listed}).replace("[]", "[)]", 1)
    assert told(text) == f"line 1, byte {text.index(')')}: expected a value"
