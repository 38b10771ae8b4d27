"""The whole way on a simulated Waymo data set, as the commands go it: read, pre-train, fine-tune, predict, score."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from geopt.cli import app
from geopt.data import Waymo
from geopt.evaluation.waymo_files import read_waymo_objects
from geopt.predicting import waymo as predicting

pytest.importorskip("embreex")
pytest.importorskip("pyarrow")

COARSE = ["grid.lower=[-38.4,-38.4,-3.2]", "grid.upper=[38.4,38.4,4.8]", "grid.size=[0.96,0.96,8.0]"]
SHORT = ["train.max_steps=2", "train.batch_size=1", "train.validate_every=2", "train.device=cpu", "data.workers=0"]
SCENES = ["data.train=scene-0103", "data.val=scene-0916"]


def command(*words):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, f"{done.output}\n{done.exception!r}"
    return done.output


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    """Two segments with two frames each; the points of the second are labelled."""
    root = tmp_path_factory.mktemp("waymo") / "city"
    size = ("--scenes", 2, "--keyframes", 1, "--sweeps", 2, "--workers", 1)
    command("simulate", root, *size, "--sensor", "waymo-top", "--format", "waymo-v2", "--motion-distortion")
    return root


@pytest.fixture(scope="module")
def runs(city, tmp_path_factory):
    """A pre-trained encoder, and a detector and a segmenter from it."""
    folder = tmp_path_factory.mktemp("runs")
    data = ["data.kind=waymo", f"data.root={city}", *SCENES, *COARSE, *SHORT]
    command("pretrain", "tiny", *data, "data.num_sweeps=2", f"run.dir={folder}/pretrain")
    for name in ("detect", "segment"):
        command("finetune", f"{name}/tiny", *data, f"init={folder}/pretrain", f"run.dir={folder}/{name}")
    return folder


@pytest.fixture(scope="module")
def predicted(city, runs, tmp_path_factory):
    out = tmp_path_factory.mktemp("predictions")
    command("predict", runs / "detect", runs / "segment", "score_threshold=0.0", "data.workers=0", "--out", out)
    return out


def test_losses_are_those_of_real_frames(runs):
    for name in ("pretrain", "detect", "segment"):
        rows = [json.loads(line) for line in (runs / name / "metrics.jsonl").read_text().splitlines()]
        assert all(np.isfinite(row["loss"]) for row in rows if "loss" in row), name
        assert any(key.startswith("val/") for row in rows for key in row), name


def test_predictions_cover_the_frames(city, predicted):
    waymo = Waymo(city)
    rows = waymo.select("scene-0916").rows
    truth = read_waymo_objects(predicted / predicting.DETECTION_TRUTH)
    names = [waymo.token(int(row)).split(":") for row in rows]
    assert truth.frames == [(segment.encode(), 0, int(time_us)) for segment, time_us in names]
    assert np.array_equal(truth.bbox, np.concatenate([waymo.laser_labels(int(row)).box for row in rows]))
    found = read_waymo_objects(predicted / predicting.DETECTION)
    assert set(found.frames) <= set(truth.frames) and set(found.type.tolist()) <= {1, 2, 4}
    summary = json.loads((predicted / "summary.json").read_text())
    assert summary["data"]["key_frames"] == len(rows) == 2
    assert {"detection", "segmentation", "detection_ground_truth", "segmentation_ground_truth"} <= set(
        summary["written"]
    )
    assert len(list((predicted / "pictures").glob("*.png"))) == 2


def test_scores_of_predictions_are_numbers(predicted):
    for task in ("detection", "segmentation"):
        files = ("--predictions", predicted / f"{task}.bin", "--ground-truth", predicted / f"{task}_ground_truth.bin")
        command("score", f"waymo-{task}", *files, "--out", predicted / f"{task}.json")
        scores = json.loads((predicted / f"{task}.json").read_text())
        values = scores["miou"] if task == "segmentation" else scores["OBJECT_TYPE_TYPE_VEHICLE_LEVEL_2"]["AP"]
        assert 0 <= values <= 1


def test_what_is_true_scores_perfectly(city, predicted, tmp_path):
    """So frames, boxes, types and pixels mean the same to the writer and to the official rules."""
    for task in ("detection", "segmentation"):
        truth = predicted / f"{task}_ground_truth.bin"
        command("score", f"waymo-{task}", "--predictions", truth, "--ground-truth", truth, "--out", tmp_path / "s.json")
        scores = json.loads((tmp_path / "s.json").read_text())
        if task == "segmentation":
            assert scores["miou"] == 1.0
        else:
            assert scores["OBJECT_TYPE_TYPE_VEHICLE_LEVEL_2"]["AP"] == pytest.approx(1.0, abs=0.02)


def test_classes_of_points_are_at_their_pixels(city, runs, predicted):
    """The true labels in place of the model's: every point of the top lidar gets its own label back."""
    from geopt import finetuning

    config, _ = finetuning.load_run(runs / "segment")
    waymo = Waymo(city, config.data.waymo)
    row = int(waymo.select("scene-0916").rows[1])
    images = waymo.images(row, with_labels=True)
    writers = predicting._Writers.__new__(predicting._Writers)
    writers.source = waymo
    labels = waymo.points(row, with_labels=True).semantic
    first, second = writers._pair(row, images, labels)
    seen = images[1].returns[0][..., 0] > 0
    assert np.array_equal(first[seen][:, 1], images[1].segmentation[0][seen][:, 1]) and not first[~seen].any()
    assert not second.any() and seen.sum() == len(labels)
