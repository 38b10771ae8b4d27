"""Fine-tuning runs from one end to the other, on a dataset of two small scenes."""

from __future__ import annotations

import json
import logging
import shutil

import pytest
import torch
from nuscenes_folder import write_nuscenes

from geopt import finetuning, pretraining
from geopt.config_errors import ConfigError
from geopt.models import encoder_io, sst_import

SMALL = (
    "data.version=v1.0-mini",
    "data.train=scene-0061",
    "data.val=scene-0103",
    "data.workers=0",
    "train.num_threads=1",
    "train.batch_size=2",
    "train.validate_every=0",
    "train.log_every=1",
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_nuscenes(tmp_path_factory.mktemp("nuscenes"))


@pytest.fixture(scope="module")
def encoder(data, tmp_path_factory):
    """A run folder with an encoder after two steps of pre-training."""
    run = tmp_path_factory.mktemp("runs") / "pretrain"
    return pretraining.pretrain(
        pretraining.load("tiny", [f"data.root={data}", f"run.dir={run}", "train.max_steps=2", *SMALL])
    )


def configured(task, data, run, *more, steps=2):
    overrides = [f"data.root={data}", f"run.dir={run}", f"train.max_steps={steps}", *SMALL, *more]
    return finetuning.load(f"{task}/tiny", overrides)


def rows(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def losses(run):
    return {row["step"]: row["loss_hex"] for row in rows(run) if "loss_hex" in row}


@pytest.mark.parametrize("task", ["detect", "segment"])
def test_a_run_that_is_cut_off_goes_on_to_the_same_bits(task, data, encoder, tmp_path):
    run = finetuning.finetune(
        configured(task, data, tmp_path / "whole", f"init={encoder}", "train.checkpoint_every=2", steps=5)
    )
    assert sorted(losses(run)) == [1, 2, 3, 4, 5]
    cut = tmp_path / "cut"
    shutil.copytree(run, cut)
    for path in sorted((cut / "checkpoints").glob("step_*.pt"))[1:]:
        path.unlink()
    (cut / "encoder.safetensors").unlink()
    again = finetuning.finetune(configured(task, data, cut, f"init={encoder}", "train.checkpoint_every=2", steps=5))
    assert losses(again) == losses(run)
    whole, resumed = (encoder_io.read(folder / "model.safetensors")[0] for folder in (run, again))
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


@pytest.mark.parametrize("task", ["detect", "segment"])
def test_the_encoder_starts_from_the_weights_of_the_run(task, data, encoder, tmp_path, caplog):
    config = configured(task, data, tmp_path / "run", f"init={encoder}")
    model = finetuning.build_model(config)
    state, _ = encoder_io.read(encoder)
    before = model.backbone.state_dict()
    assert any(not torch.equal(value, before[name]) for name, value in state.items())
    with caplog.at_level(logging.INFO, logger="geopt"):
        finetuning.initialize(model, config)
    assert all(torch.equal(value, model.backbone.state_dict()[name]) for name, value in state.items())
    for name in state:
        assert name in caplog.text
    assert f"{len(state)} of {len(state)} tensors loaded, 0 missing, 0 unexpected" in caplog.text


def test_a_layer_decay_from_scratch_is_told(data, encoder, tmp_path, caplog):
    for init, decay, told in (("none", 0.8, True), ("none", 1, False), (encoder, 0.8, False)):
        config = configured("segment", data, tmp_path / "run", f"init={init}", f"train.layer_decay={decay}")
        caplog.clear()
        with caplog.at_level(logging.INFO, logger="geopt"):
            finetuning.initialize(finetuning.build_model(config), config)
        assert ("train.layer_decay=0.8: the first layer learns at 0.26 of the rate" in caplog.text) == told


def test_scratch_differs_from_the_encoder_by_its_weights_alone(data, encoder, tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="geopt"):
        scratch = configured("segment", data, tmp_path / "a")
        model = finetuning.build_model(scratch)
        finetuning.initialize(model, scratch)
    assert "random weights" in caplog.text
    loaded = finetuning.build_model(configured("segment", data, tmp_path / "b", f"init={encoder}"))
    for (name, a), (_, b) in zip(model.state_dict().items(), loaded.state_dict().items()):
        assert torch.equal(a, b), f"{name} differs before init is read"


def test_another_grid_is_refused_unless_told(data, encoder, tmp_path):
    wide = ("grid.lower=[-51.2,-51.2,-3.2]", "grid.upper=[51.2,51.2,4.8]")
    config = configured("detect", data, tmp_path / "run", f"init={encoder}", *wide)
    with pytest.raises(ValueError, match=r"grid is .*25.6.* in the file, .*51.2.* in the model"):
        finetuning.finetune(config)
    told = config.model_copy(update={"allow_mismatch": True})
    model = finetuning.build_model(told)
    finetuning.initialize(model, told)


def test_a_frozen_encoder_keeps_its_weights_and_the_head_learns(data, encoder, tmp_path):
    run = finetuning.finetune(configured("segment", data, tmp_path / "run", f"init={encoder}", "freeze=true"))
    before, _ = encoder_io.read(encoder)
    after, _ = encoder_io.read(run)
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    config, model = finetuning.load_run(run)
    first = finetuning.build_model(config).head.state_dict()
    assert any(not torch.equal(value, model.head.state_dict()[name]) for name, value in first.items())


def test_layers_near_the_input_learn_more_slowly(data, tmp_path):
    from geopt.train import optimizer

    config = configured("detect", data, tmp_path / "run", "train.layer_decay=0.5")
    model = finetuning.build_model(config)
    adam = optimizer.build(model, config.train)
    optimizer.set_learning_rate(adam, 0.8)
    rate = {id(p): group["lr"] for group in adam.param_groups for p in group["params"]}
    named = dict(model.named_parameters())
    head = rate[id(next(model.head.parameters()))]
    last = len(model.backbone.encoder.layers) - 1
    assert head == 0.8
    assert rate[id(named[f"backbone.encoder.layers.{last}.linear1.weight"])] == pytest.approx(0.4)
    assert rate[id(named["backbone.encoder.layers.0.linear1.weight"])] == pytest.approx(0.8 * 0.5 ** (last + 1))
    first = rate[id(next(model.backbone.voxel_encoder.parameters()))]
    assert first < rate[id(named["backbone.encoder.layers.0.linear1.weight"])]


def test_weights_of_the_official_code_fit_the_release_configs(tmp_path, data):
    release = pretraining.build_model(pretraining.load("release"))
    state, _ = release.encoder_state()
    path = tmp_path / "epoch_72.pth"
    torch.save({"state_dict": sst_import.to_sst(state)}, path)
    for task in ("detect", "segment"):
        config = finetuning.load(f"{task}/release", [f"data.root={data}", f"init={path}", "seed=5"])
        model = finetuning.build_model(config)
        finetuning.initialize(model, config)
        found = model.backbone.state_dict()
        assert all(torch.equal(value, found[name]) for name, value in state.items())


def test_a_run_can_be_loaded_and_predicts_as_it_did(data, tmp_path):
    run = finetuning.finetune(configured("detect", data, tmp_path / "run"))
    config, model = finetuning.load_run(run)
    _, again = finetuning.load_run(run)
    batch = finetuning.build_datasets(config).collate([finetuning.build_datasets(config).val[0]])
    first, second = model.detections(batch)[0], again.detections(batch)[0]
    assert all(torch.equal(a, b) for a, b in zip(first, second))
    state, _ = encoder_io.read(run / "model.safetensors")
    assert state.keys() == model.state_dict().keys()


def test_validation_stands_beside_a_constant_predictor(data, tmp_path):
    run = finetuning.finetune(configured("segment", data, tmp_path / "run"))
    last = rows(run)[-1]
    assert 0 <= last["val/miou"] <= 1 and 0 < last["val/miou_baseline"] < 1
    assert (run / "report.html").is_file()


def test_faults_of_the_config_are_told(data, tmp_path, encoder):
    with pytest.raises(ConfigError, match=r"data.boxes follows from task=detection"):
        configured("detect", data, tmp_path / "run", "data.boxes=true")
    with pytest.raises(ConfigError, match=r"data.frames must be keyframes, the only ones with labels"):
        configured("detect", data, tmp_path / "run", "data.frames=all_sweeps")
    with pytest.raises(ConfigError, match=r"no shipped config is called 'tinny'; did you mean 'tiny'"):
        finetuning.load("segment/tinny")
    with pytest.raises(ConfigError, match=r"data.root: must be the folder of a dataset"):
        finetuning.build_datasets(finetuning.load("detect/tiny"))
    with pytest.raises(FileNotFoundError, match="give the folder of a `geopt finetune` run"):
        finetuning.load_run(encoder)
    config = configured("detect", data, tmp_path / "run", f"init={tmp_path / 'nothing'}")
    with pytest.raises(FileNotFoundError, match="nothing"):
        finetuning.finetune(config)
