"""KITTI and SemanticKITTI as the commands go: pre-train, fine-tune, predict, score; and what is refused."""

import json

import kitti_folder
import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from geopt import finetuning, official, predicting
from geopt.cli import app
from geopt.config_errors import ConfigError
from geopt.data import SemanticKitti
from geopt.visualize import facts, runs

SHORT = ["train.max_steps=2", "train.batch_size=1", "train.num_threads=1", "train.validate_every=2", "data.workers=0"]


def command(*words):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, f"{done.output}\n{done.exception!r}"
    return done.output


def rows(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def drives(tmp_path_factory):
    """Sequence 00 to learn from and 08 to be scored on."""
    root = tmp_path_factory.mktemp("semantickitti")
    kitti_folder.write_sequence(root, "00", kitti_folder.make_drive(num_scans=3, num_points=3000))
    return kitti_folder.write_sequence(root, "08", kitti_folder.make_drive(num_scans=2, num_points=3000, seed=1))


@pytest.fixture(scope="module")
def segmenter(drives, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    data = ["data.kind=semantickitti", f"data.root={drives}", *SHORT]
    command("pretrain", "tiny", *data, f"run.dir={folder}/pretrain")
    command("finetune", "segment/tiny", *data, f"init={folder}/pretrain", f"run.dir={folder}/segment")
    return folder / "segment"


def test_a_segmenter_of_semantickitti_is_scored_on_every_point(drives, segmenter, tmp_path):
    assert {"val/iou_car", "val/iou_traffic-sign"} <= {key for row in rows(segmenter) for key in row}
    command("predict", segmenter, "data.workers=0", "pictures=1", "--out", tmp_path)
    dataset = SemanticKitti(drives)
    known = set(official.semantickitti_labels()) - {0}
    for row in dataset.select("val").rows:
        sequence, name = dataset.token(int(row)).split("/")
        labels = np.fromfile(tmp_path / "sequences" / sequence / "predictions" / f"{name}.label", "<u4")
        assert len(labels) == len(dataset.read(int(row)).xyz) and set(labels.tolist()) <= known
    score = ["--predictions", tmp_path, "--data", drives, "--out", tmp_path / "metrics.json"]
    command("score", "semantickitti-segmentation", *score)
    found = json.loads((tmp_path / "metrics.json").read_text())
    by_run = next(row for row in reversed(rows(segmenter)) if "val/iou_car" in row)
    assert found["iou_per_class"]["car"] == pytest.approx(by_run["val/iou_car"], abs=1e-6)
    assert len(list((tmp_path / "pictures").glob("*.png"))) == 1


def test_reports_tell_no_version_of_what_has_none(segmenter):
    told = {fact.name: fact.value for fact in facts.facts(runs.read(segmenter))}
    assert told["Dataset"] == "semantickitti"


def test_an_encoder_learns_from_kitti(tmp_path):
    root = kitti_folder.write_kitti(tmp_path / "kitti", num_points=3000)
    command("pretrain", "tiny", "data.kind=kitti", f"data.root={root}", *SHORT, f"run.dir={tmp_path}/run")
    losses = [row["loss"] for row in rows(tmp_path / "run") if "loss" in row]
    assert len(losses) == 2 and np.isfinite(losses).all()


@pytest.mark.parametrize(
    "task, kind, message",
    [
        ("detect", "kitti", "must be one of nuscenes, waymo.* for task=detection.*got kitti"),
        ("segment", "kitti", "must be one of nuscenes, waymo, semantickitti.* for task=segmentation.*got kitti"),
        ("detect", "semantickitti", "must be one of nuscenes, waymo.*got semantickitti"),
        ("segment", "folder", "must be .* got folder"),
    ],
)
def test_kinds_without_classes_cannot_be_fine_tuned_on(task, kind, message):
    with pytest.raises(ConfigError, match=f"data.kind {message}"):
        finetuning.load(f"{task}/tiny", [f"data.kind={kind}", "data.root=here"])


def test_a_kind_without_a_form_of_submissions_cannot_be_predicted(segmenter, tmp_path, monkeypatch):
    monkeypatch.setattr(official, "datasets_of", lambda benchmark: ("kitti",))
    monkeypatch.setattr(official, "class_map", lambda benchmark, dataset="": official.ClassMap(("none", "car"), {}))
    text = yaml.safe_load((segmenter / "config.yaml").read_text())
    text["data"]["kind"] = "kitti"
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(text))
    config = finetuning.load(str(tmp_path / "config.yaml"))
    monkeypatch.setattr(finetuning, "load_run", lambda run: (config, finetuning.build_model(config)))
    with pytest.raises(
        ConfigError, match=r"data\.kind of the runs must be one of nuscenes, waymo, semantickitti, got kitti"
    ):
        predicting.predict([tmp_path], tmp_path / "out")
