"""Predictions of fine-tuned runs: what is written is what the models say."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from nuscenes_folder import write_nuscenes

from geopt import finetuning, predicting
from geopt.config_errors import ConfigError
from geopt.data import LabelledCollate
from geopt.evaluation.split_frames import split_frames

VAL = "mini_val"  # scene-0103


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_nuscenes(tmp_path_factory.mktemp("nuscenes"))


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory):
    """A detector that finds boxes anywhere and a segmenter, both after one step."""
    folder = tmp_path_factory.mktemp("runs")
    small = [
        f"data.root={data}",
        "data.version=v1.0-mini",
        "data.train=scene-0061",
        f"data.val={VAL}",
        "data.workers=0",
    ]
    small += ["train.max_steps=1", "train.batch_size=1", "train.num_threads=1", "train.validate_every=0"]
    detect = finetuning.load(
        "detect/tiny", [*small, f"run.dir={folder / 'detect'}", "detection.decode.score_threshold=0.05"]
    )
    segment = finetuning.load("segment/tiny", [*small, f"run.dir={folder / 'segment'}"])
    return [finetuning.finetune(detect), finetuning.finetune(segment)]


@pytest.fixture(scope="module")
def predicted(runs, data, tmp_path_factory):
    out = tmp_path_factory.mktemp("predictions")
    return out, predicting.predict(runs, out, predicting.load(["data.workers=0", "pictures=1"]))


def test_everything_that_the_models_can_say_is_written(predicted):
    out, written = predicted
    assert written.keys() == {"detection", "tracking", "lidarseg", "panoptic", "pictures", "summary"}
    assert all(path.exists() for path in written.values())
    assert sorted(path.suffix for path in (out / "pictures").iterdir()) == [".ply", ".png"]
    assert json.loads((out / "summary.json").read_text())["data"]["split"] == VAL


def test_labels_are_those_of_the_model_for_every_point_of_the_file(predicted, runs, data):
    out, _ = predicted
    config, model = finetuning.load_run(runs[1])
    frames = finetuning.build_datasets(config).val
    for place, frame in enumerate(split_frames(data, "v1.0-mini", VAL)):
        labels = np.fromfile(out / "lidarseg" / "lidarseg" / VAL / f"{frame.lidar_token}_lidarseg.bin", dtype=np.uint8)
        sample = frames.read(place)
        assert len(labels) == frame.num_points == np.count_nonzero(sample.sweep == 0)
        with torch.no_grad():
            expected = model.logits(LabelledCollate(config.class_map())([sample])).argmax(dim=1)
        assert np.array_equal(labels, expected[: len(labels)].numpy())


def test_boxes_are_those_of_the_model_in_the_map(predicted, runs, data):
    out, _ = predicted
    config, model = finetuning.load_run(runs[0])
    frames = finetuning.build_datasets(config).val
    written = json.loads((out / "detection.json").read_text())["results"]
    num_boxes = 0
    for place, frame in enumerate(split_frames(data, "v1.0-mini", VAL)):
        found = model.detections(LabelledCollate(config.class_map())([frames.read(place)]))[0]
        boxes = written[frame.sample_token]
        num_boxes += len(boxes)
        assert [box["detection_name"] for box in boxes] == [model.classes[c] for c in found.classes]
        assert np.allclose([box["detection_score"] for box in boxes], found.scores)
        motion = frames.source.global_from_model(int(frames.frames.rows[place]))
        centers = found.boxes[:, :3].numpy() @ motion[:, :3].T + motion[:, 3]
        assert np.allclose([box["translation"] for box in boxes], centers, atol=1e-9)
    assert num_boxes > 0


def test_panoptic_labels_have_the_classes_of_the_points(predicted, data):
    out, _ = predicted
    for frame in split_frames(data, "v1.0-mini", VAL):
        labels = np.fromfile(out / "lidarseg" / "lidarseg" / VAL / f"{frame.lidar_token}_lidarseg.bin", dtype=np.uint8)
        with np.load(out / "panoptic" / "panoptic" / VAL / f"{frame.lidar_token}_panoptic.npz") as file:
            assert np.array_equal(file["data"] // 1000, labels)


def test_a_part_of_a_split_is_no_split_and_the_remedy_is_told(runs, tmp_path):
    options = predicting.load(["data.workers=0", "data.split=mini_train"])
    whole = (runs[1] / "config.yaml").read_text()
    part = shutil.copytree(runs[1], tmp_path / "run")
    (part / "config.yaml").write_text(whole.replace(f"val: {VAL}", "val: scene-0103[2:]"))
    with pytest.raises(
        ValueError, match=r"got 'scene-0103\[2:\]'; this is data.val of the run, .* with data.split=SPLIT"
    ):
        predicting.predict([part], tmp_path / "out")
    assert predicting.predict([part], tmp_path / "out", options).keys() == {"lidarseg", "pictures", "summary"}


def test_a_run_without_validation_needs_a_split(runs, tmp_path):
    run = shutil.copytree(runs[1], tmp_path / "run")
    (run / "config.yaml").write_text((run / "config.yaml").read_text().replace(f"val: {VAL}", "val: ''"))
    with pytest.raises(ConfigError, match=r"the run has no data\.val; add data.split=SPLIT"):
        predicting.predict([run], tmp_path / "out")


def test_one_run_writes_what_it_can(runs, tmp_path):
    written = predicting.predict(runs[1:], tmp_path, predicting.load(["data.workers=0", "pictures=0"]))
    assert written.keys() == {"lidarseg", "summary"}


def test_two_runs_of_one_task_are_refused(runs, tmp_path):
    with pytest.raises(ConfigError, match="two for detection"):
        predicting.predict([runs[0], runs[0]], tmp_path)


def test_a_threshold_leaves_weak_boxes_out(predicted, runs, tmp_path):
    out, _ = predicted
    scores = [
        b["detection_score"] for r in json.loads((out / "detection.json").read_text())["results"].values() for b in r
    ]
    middle = float(np.median(scores))
    options = predicting.load(["data.workers=0", "pictures=0", f"score_threshold={middle}"])
    predicting.predict(runs[:1], tmp_path, options)
    strong = [
        b["detection_score"]
        for r in json.loads((tmp_path / "detection.json").read_text())["results"].values()
        for b in r
    ]
    assert 0 < len(strong) < len(scores) and min(strong) >= middle


def test_boxes_of_scans_say_in_which_frame_they_are(data, tmp_path):
    options = ["train.max_steps=1", "train.batch_size=1", "train.num_threads=1", "train.validate_every=0"]
    options += [f"data.root={data}", "data.version=v1.0-mini", "data.train=scene-0061", f"data.val={VAL}"]
    options += ["data.workers=0", "data.frame=lidar", f"run.dir={tmp_path / 'run'}"]
    run = finetuning.finetune(finetuning.load("detect/tiny", options))
    (tmp_path / "scans").mkdir()
    np.random.default_rng(0).uniform(-20, 20, size=(301, 5)).astype(np.float32).tofile(tmp_path / "scans" / "a.bin")
    predicting.predict_scans([run], tmp_path / "scans", tmp_path / "out", predicting.load(["scans.yaw_deg=-90"]))
    assert json.loads((tmp_path / "out" / "boxes" / "a.json").read_text())["frame"] == "lidar"


def test_plain_scans_get_boxes_labels_and_pictures(runs, tmp_path):
    rng = np.random.default_rng(0)
    clouds = {f"drive/{i:02}": rng.uniform(-20, 20, size=(301, 4)).astype(np.float32) for i in range(2)}
    for name, cloud in clouds.items():
        path = tmp_path / "scans" / f"{name}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        cloud.tofile(path)
    options = predicting.load(["scans.sensor_height_m=1.8", "scans.columns=[x,y,z,intensity]"])
    written = predicting.predict_scans(runs, tmp_path / "scans", tmp_path / "out", options)
    assert written.keys() == {"boxes", "labels", "pictures"}
    for name, cloud in clouds.items():
        labels = np.fromfile(tmp_path / "out" / "labels" / f"{name}.bin", dtype=np.uint8)
        assert len(labels) == len(cloud) and labels.min() >= 1 and labels.max() <= 16
        boxes = json.loads((tmp_path / "out" / "boxes" / f"{name}.json").read_text())
        assert boxes["frame"] == "ego" and all(0 <= box["score"] <= 1 for box in boxes["boxes"])
        assert (tmp_path / "out" / "pictures" / f"{name}.png").is_file()
        header = (tmp_path / "out" / "pictures" / f"{name}.ply").read_bytes()[:80]
        assert header.startswith(b"ply") and b"element vertex 301" in header


def test_labels_that_training_left_out_are_no_matter_for_prediction(runs, data, tmp_path, caplog):
    """``frames-10-seed0`` keeps none of the five key frames of the validation scene."""
    options = ["train.max_steps=1", "train.batch_size=1", "train.num_threads=1", "train.validate_every=0"]
    options += [f"data.root={data}", "data.version=v1.0-mini", "data.train=scene-0061", f"data.val={VAL}"]
    options += ["data.workers=0", "data.label_fraction=frames-10-seed0", f"run.dir={tmp_path / 'run'}"]
    run = finetuning.finetune(finetuning.load("segment/tiny", options))
    caplog.clear()
    written = predicting.predict([run], tmp_path / "out", predicting.load(["data.workers=0", "pictures=0"]))
    assert len(list((written["lidarseg"] / "lidarseg" / VAL).iterdir())) == 5
    assert "training frames" not in caplog.text


def test_frames_without_any_annotation_can_be_predicted(runs, data, tmp_path):
    """As the official test split is: neither boxes nor labels of points."""
    root = shutil.copytree(data, tmp_path / "unlabelled")
    shutil.rmtree(root / "lidarseg")
    for name in ("sample_annotation", "instance"):
        (root / "v1.0-mini" / f"{name}.json").write_text("[]")
    (root / "v1.0-mini" / "lidarseg.json").unlink()
    options = predicting.load(["data.workers=0", "pictures=0", f"data.root={root}"])
    written = predicting.predict(runs, tmp_path / "out", options)
    assert len(json.loads(written["detection"].read_text())["results"]) == 5
