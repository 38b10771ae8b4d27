"""The annotated boxes of a split, and which of them count, against plain loops over the JSON tables."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from box_database import CLASS_OF, SPLIT, VERSION, write_database
from scipy.spatial.transform import Rotation

from geopt import _host, official
from geopt.evaluation import ground_truth
from geopt.evaluation.boxes import ATTRIBUTES
from geopt.evaluation.filters import filter_boxes, in_racks
from geopt.evaluation.ground_truth import Racks
from geopt.evaluation.nuscenes_detection import CLASS_RANGE_M


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_database(tmp_path_factory.mktemp("boxes"), seed=11, num_objects=120)


def table(root: Path, name: str) -> list[dict]:
    return json.loads((root / VERSION / f"{name}.json").read_text())


@pytest.mark.parametrize("task", ["detection", "tracking"])
def test_every_box_is_that_of_the_tables(task, root):
    truth = ground_truth.load(root, VERSION, SPLIT, task)
    scenes = {row["token"]: row["name"] for row in table(root, "scene") if row["name"] in official.splits()[SPLIT]}
    samples = {row["token"]: row for row in table(root, "sample") if row["scene_token"] in scenes}
    rows = {row["token"]: row for row in table(root, "sample_annotation")}
    names = {row["token"]: row["name"] for row in table(root, "category")}
    category = {row["token"]: names[row["category_token"]] for row in table(root, "instance")}
    assert truth.samples == list(samples)
    assert truth.timestamps_us.tolist() == [row["timestamp"] for row in samples.values()]
    assert [truth.scene_names[i] for i in truth.scene] == [scenes[row["scene_token"]] for row in samples.values()]
    poses = {row["token"]: row["translation"] for row in table(root, "ego_pose")}
    assert truth.ego_translation.tolist() == [poses[token] for token in samples]

    boxes, i = truth.boxes, 0
    for s, token in enumerate(samples):
        for row in (row for row in rows.values() if row["sample_token"] == token):
            name = CLASS_OF.get(category[row["instance_token"]])
            if name not in truth.classes:
                continue
            assert (boxes.sample[i], truth.classes[boxes.label[i]]) == (s, name)
            assert boxes.translation[i].tolist() == row["translation"] and boxes.size[i].tolist() == row["size"]
            assert boxes.rotation[i].tolist() == row["rotation"]
            assert boxes.num_pts[i] == row["num_lidar_pts"] + row["num_radar_pts"]
            assert boxes.ids[boxes.track[i]] == row["instance_token"] and boxes.score[i] == -1
            if task == "detection":
                attribute = -1 if not row["attribute_tokens"] else int(row["attribute_tokens"][0][1:])
                assert boxes.attribute[i] == attribute < len(ATTRIBUTES)
            assert np.array_equal(boxes.velocity[i], velocity(row, rows, samples), equal_nan=True)
            i += 1
    assert i == len(boxes) > 500 and np.isnan(boxes.velocity).any() and not np.isnan(boxes.velocity).all()


def velocity(row: dict, rows: dict[str, dict], samples: dict[str, dict]) -> list[float]:
    first, last = rows.get(row["prev"], row), rows.get(row["next"], row)
    gap = 1e-6 * samples[last["sample_token"]]["timestamp"] - 1e-6 * samples[first["sample_token"]]["timestamp"]
    if first is last or gap > (3.0 if row["prev"] and row["next"] else 1.5):
        return [math.nan, math.nan]
    return [(last["translation"][axis] - first["translation"][axis]) / gap for axis in (0, 1)]


def test_the_boxes_that_count_are_near_have_points_and_stand_in_no_rack(root):
    truth = ground_truth.load(root, VERSION, SPLIT, "detection")
    kept = set(filter_boxes(truth.boxes, truth, CLASS_RANGE_M).order.tolist())
    assert 50 < len(kept) < len(truth.boxes) - 50
    parked = 0
    for i in range(len(truth.boxes)):
        name, sample = truth.classes[truth.boxes.label[i]], truth.boxes.sample[i]
        away = truth.boxes.translation[i] - truth.ego_translation[sample]
        count = math.sqrt(away[0] ** 2 + away[1] ** 2) < CLASS_RANGE_M[name] and truth.boxes.num_pts[i] != 0
        if count and name in ("bicycle", "motorcycle"):
            inside = any(
                truth.racks.sample[r] == sample and within(truth.boxes.translation[i], truth.racks, r)
                for r in range(len(truth.racks.sample))
            )
            parked += inside
            count = not inside
        assert (i in kept) == count
    assert parked > 3


def within(point: np.ndarray, racks: Racks, row: int) -> bool:
    turn = Rotation.from_quat(np.roll(racks.rotation[row], -1))
    own = turn.inv().apply(point - racks.translation[row])
    return bool((np.abs(own) <= racks.size[row][[1, 0, 2]] / 2 + 1e-9).all())


def test_the_border_belongs_to_a_rack():
    racks = Racks(np.array([3]), np.zeros((1, 3)), np.array([[2.0, 6.0, 1.0]]), np.array([[2.0, 0.0, 0.0, 0.0]]))
    points = np.array(
        [[3, 1, 0.5], [-3, -1, -0.5], [3.0001, 0, 0], [0, 1.0001, 0], [0, 0, 0.5001], [0, 0, 0], [0, 0, 0]]
    )
    samples = np.array([3, 3, 3, 3, 3, 3, 2])
    assert in_racks(points, samples, racks).tolist() == [True, True, False, False, False, True, False]


def test_damaged_tables_are_named(root, tmp_path):
    def broken(name: str, change) -> Path:
        folder = tmp_path / name / VERSION
        folder.mkdir(parents=True)
        for path in (root / VERSION).iterdir():
            text = path.read_text()
            (folder / path.name).write_text(change(text) if path.stem == name else text)
        return folder.parent

    def told(path: Path) -> str:
        with pytest.raises((ValueError, FileNotFoundError)) as caught:
            ground_truth.load(path, VERSION, SPLIT, "detection")
        return str(caught.value)

    assert "sample_annotation.json is damaged or no nuScenes table (line 1, byte" in told(
        broken("sample_annotation", lambda text: text[: len(text) // 2])
    )
    assert "a row has no 'translation'" in told(broken("ego_pose", lambda text: text.replace("translation", "place")))
    assert "category.json has no row that another table calls" in told(broken("category", lambda text: "[]"))
    assert "no LIDAR_TOP key frame of sample" in told(broken("sample_data", lambda text: "[]"))
    assert "has no box of a detection class in split mini_val" in told(broken("instance", lambda text: _animals(text)))
    two = broken("attribute", lambda text: text)
    rows = (two / VERSION / "sample_annotation.json").read_text()
    (two / VERSION / "sample_annotation.json").write_text(rows.replace('["a1"]', '["a1","a2"]'))
    assert "has 2 attributes; detection allows one" in told(two)
    (tmp_path / "category" / VERSION / "sensor.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"sensor\.json is missing"):
        ground_truth.load(tmp_path / "category", VERSION, SPLIT, "detection")


def _animals(text: str) -> str:
    rows = json.loads(text)
    return json.dumps([row | {"category_token": f"c{len(CLASS_OF)}"} for row in rows])


def test_a_table_of_many_chunks_is_read_in_its_order(tmp_path):
    rows = [
        {"token": f"{i:x}", "more": "x" * (i % 999), "place": [i, 0.5, -i], "at": i, "on": i % 3 == 0}
        for i in range(9000)
    ]
    (tmp_path / "t.json").write_text(json.dumps(rows))
    fields = [("token", "text"), ("place", "vector3"), ("at", "integer"), ("on", "boolean")]
    found = _host.read_table(str(tmp_path / "t.json"), fields, "", [], 3)
    assert found["token"].tolist() == [row["token"].encode() for row in rows]
    assert found["place"].tolist() == [row["place"] for row in rows] and found["at"].tolist() == list(range(9000))
    assert found["on"].tolist() == [row["on"] for row in rows]
    some = _host.read_table(str(tmp_path / "t.json"), fields, "token", ["ff", "9", "zz"], 2)
    assert some["at"].tolist() == [9, 255]
    assert _host.rows_of(found["token"], np.array([b"ff", b"zz", b"0"])).tolist() == [255, -1, 0]
