"""A run over a mixture: what it writes down of its sensors, what it scores, and what others make of its encoder."""

import json
import logging
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from nuscenes_folder import write_nuscenes

from geopt import finetuning, pretraining, resources
from geopt.heads import loading
from geopt.models import encoder_io
from geopt.train import metrics_log

SMALL = [
    *("grid.lower=[-12.8,-12.8,-3.2]", "grid.upper=[12.8,12.8,4.8]", "train.num_threads=1", "train.batch_size=2"),
    *("train.max_steps=2", "train.baseline_frames=2", "train.warmup_ratio=0", "data.workers=0", "train.device=cpu"),
]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_nuscenes(tmp_path_factory.mktemp("nuscenes"), num_points=300)


@pytest.fixture(scope="module")
def run(root, tmp_path_factory):
    """Two steps on the same folder under two names, one with intensities from 0 to 255."""
    path = tmp_path_factory.mktemp("run")
    common = {"root": str(root), "version": "v1.0-mini", "train": "scene-0061"}
    mix = [
        {**common, "name": "dark", "val": "scene-0103[:2]", "weight": 3},
        {**common, "name": "bright", "val": "scene-0103[2:]", "intensity_scale": 1.0},
    ]
    told = {
        "base": str(resources.path("configs", "pretrain") / "tiny.yaml"),
        "data": {"features": ["intensity"], "mix": mix},
        "run": {"dir": str(path / "run")},
    }
    (path / "mix.yaml").write_text(yaml.safe_dump(told))
    return pretraining.pretrain(pretraining.load(str(path / "mix.yaml"), SMALL))


def test_the_encoder_file_names_every_dataset_and_its_sensor(run):
    _, description = encoder_io.read(run)
    told = [
        {"name": name, "sensor": "HDL-32E", "intensity_scale": scale, "num_frames": 5, "dataset": "nuscenes"}
        for name, scale in (("dark", 1 / 255), ("bright", 1.0))
    ]
    rest = {"intensity_curve": "linear", "num_sweeps": 2}
    assert description["datasets"] == [{**one, **rest} for one in told]
    assert json.loads((run / "datasets.json").read_text()) == description["datasets"]
    assert "intensity_scale" not in description and description["num_sweeps"] == 2


def test_validation_scores_each_dataset_beside_all(run):
    row = next(row for row in metrics_log.read(run / "metrics.jsonl") if "val/occupancy_iou" in row)
    keys = {key for key in row if key.startswith("val/") and key.count("/") == 1}
    for name in ("dark", "bright"):
        assert {key.replace("val/", f"val/{name}/") for key in keys} <= row.keys()
        assert row[f"val/{name}/occupancy_iou_baseline"] is not None
    low, high = sorted(row[f"val/{name}/centroid_error_m"] for name in ("dark", "bright"))
    assert low <= row["val/centroid_error_m"] <= high and low < high
    page = (run / "report.html").read_text()
    assert "dark x 3, bright x 1" in page and "Centroid error, dark" in page.replace("\N{NO-BREAK SPACE}", " ")


def test_intensities_of_an_array_need_the_name_of_a_dataset(run):
    encoder = encoder_io.load(run)
    points = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32) * 3
    points[:, 3] = np.abs(points[:, 3]) * 20
    with pytest.raises(ValueError, match="dataset must be one of dark, bright"):
        encoder(points)
    with pytest.raises(ValueError, match="got 'other'"):
        encoder(points, "other")
    scaled = points * np.array([1, 1, 1, 1 / 255], dtype=np.float32)
    torch.testing.assert_close(
        encoder(points, "dark").features, encoder(scaled, "bright").features, atol=1e-5, rtol=1e-4
    )
    assert not torch.allclose(encoder(points, "dark").features, encoder(points, "bright").features, atol=1e-3)


def finetuned(root, path, run, *changes):
    data = [f"data.root={root}", "data.version=v1.0-mini", "data.train=scene-0061", "data.val=scene-0103"]
    overrides = [*SMALL, *data, f"init={run}", f"run.dir={path}", "data.features=[intensity]", *changes]
    return finetuning.load("segment/tiny", overrides)


def test_fine_tuning_takes_the_scaling_of_the_dataset_of_its_kind(run, root, tmp_path):
    model = finetuning.build_model(finetuned(root, tmp_path, run))
    state, description = encoder_io.read(run)
    assert loading.load_encoder_into(model, state, description).is_complete
    other = finetuning.build_model(finetuned(root, tmp_path, run, "data.intensity_scale=0.5"))
    with pytest.raises(ValueError, match="intensity_scale is"):
        loading.load_encoder_into(other, state, description)


def test_a_sensor_that_an_encoder_has_not_seen_is_told_in_one_line(run, root, tmp_path, caplog):
    config = finetuned(root, tmp_path, run)
    model = finetuning.build_model(config)
    for sensor, lines in (("HDL-32E", 0), ("OS1-64", 1)):
        model.description["datasets"] = [{"name": "mine", "dataset": "nuscenes", "sensor": sensor}]
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            finetuning.initialize(model, config)
        told = [record.message for record in caplog.records if "none of OS1-64" in record.message]
        assert len(told) == lines


def test_a_file_from_before_sensors_were_named_loads_in_silence(run, root, tmp_path, caplog):
    state, description = encoder_io.read(run)
    old = {key: value for key, value in description.items() if key != "datasets"}
    encoder_io.write(tmp_path / "old.safetensors", state, {**old, "intensity_scale": 1 / 255, "dataset": "nuscenes"})
    config = finetuned(root, tmp_path / "run", tmp_path / "old.safetensors")
    with caplog.at_level(logging.WARNING):
        finetuning.initialize(finetuning.build_model(config), config)
    assert not caplog.records
    assert encoder_io.load(tmp_path / "old.safetensors")(np.ones((3, 4), np.float32)).features.shape[0] == 3


def test_the_mixture_of_the_guide_loads(tmp_path):
    guide = (Path(__file__).parents[1] / "docs" / "data.md").read_text()
    text = re.search(r"```yaml\n(base: tiny.*?)```", guide, re.DOTALL)[1]
    (tmp_path / "mix.yaml").write_text(
        text.replace("tiny.yaml", str(resources.path("configs", "pretrain") / "tiny.yaml"))
    )
    data = pretraining.load(str(tmp_path / "mix.yaml")).data
    assert [one.name for one in data.mix] == ["nuscenes", "waymo", "semantickitti", "mine"]
    assert [one.num_sweeps for one in data.mix] == [2, 1, 1, 1] and data.mix[3].intensity_scale == 0.01
