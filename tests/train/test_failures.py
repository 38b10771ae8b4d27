"""What a run says when it cannot go on, and what it leaves behind."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from fake_run import FakeConfig, Run, losses, rows, train

from geopt.config import ConfigError
from geopt.train.config import RunConfig, TrainConfig
from geopt.train.step import NotFinite

FAST = TrainConfig(max_steps=12, batch_size=1, log_every=1, checkpoint_every=2, validate_every=0, num_threads=1)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_nan_names_its_frame_and_keeps_the_last_checkpoint(tmp_path, workers):
    config = FakeConfig(train=FAST, data=FakeConfig.Data(nan_at=3, workers=workers))
    with pytest.raises(NotFinite, match=r"step \d+: loss is nan for frames fake/3; .*step_\d+\.pt is the last good"):
        train(tmp_path / "run", config)
    steps = losses(tmp_path / "run")
    checkpoints = sorted(p.name for p in (tmp_path / "run" / "checkpoints").iterdir())
    assert checkpoints[-1] == f"step_{len(steps) // 2 * 2:08d}.pt"
    assert all(row["loss"] is not None for row in rows(tmp_path / "run"))


def test_a_nan_on_one_rank_stops_all_ranks(tmp_path):
    config = FakeConfig(train=FAST, data=FakeConfig.Data(nan_at=3))
    run = Run(tmp_path / "run", config, ranks=2)
    assert run.wait() == [1, 1]
    assert run.log.read_text().count("loss is nan for frames fake/3;") >= 2


def test_an_infinite_gradient_stops_before_the_weights_change(tmp_path, monkeypatch):
    import fake_run as fake

    def with_infinite_gradient(self, batch):
        output = forward(self, batch)
        weight = self.decoder.bias
        return output._replace(loss=output.loss + (weight - weight.detach()).sqrt().sum())

    forward = fake.FakeModel.forward
    monkeypatch.setattr(fake.FakeModel, "forward", with_infinite_gradient)
    with pytest.raises(NotFinite, match=r"step 1: loss is finite but the gradient norm is inf for frames fake/\d; no"):
        train(tmp_path / "run", FakeConfig(train=FAST))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_missing_file_comes_out_of_a_worker_as_it_went_in(tmp_path, workers):
    config = FakeConfig(train=FAST, data=FakeConfig.Data(missing_at=2, workers=workers))
    with pytest.raises(FileNotFoundError) as caught:
        train(tmp_path / "run", config)
    assert str(caught.value) == "samples/LIDAR_TOP/2.bin is missing"


def test_another_config_is_refused_with_the_keys_that_differ(tmp_path):
    config = FakeConfig(train=FAST)
    train(tmp_path / "run", config)
    other = FakeConfig(seed=1, train=FAST.model_copy(update={"lr": 0.5, "max_steps": 14, "log_every": 3}))
    with pytest.raises(ConfigError) as caught:
        train(tmp_path / "run", other)
    assert caught.value.problems[1:] == (
        "seed: was 0, is 1",
        "train.lr: was 0.001, is 0.5",
        "train.max_steps: was 12, is 14",
    )
    assert "run.resume=force" in caught.value.problems[0]
    train(tmp_path / "run", other.model_copy(update={"run": other.run.model_copy(update={"resume": "force"})}))
    assert max(losses(tmp_path / "run")) == 14


def test_keys_that_change_no_result_may_change(tmp_path):
    train(tmp_path / "run", FakeConfig(train=FAST))
    quieter = FAST.model_copy(update={"log_every": 5, "keep_checkpoints": 3, "device": "cpu"})
    train(tmp_path / "run", FakeConfig(train=quieter, data=FakeConfig.Data(workers=1)))
    assert len(losses(tmp_path / "run")) == 12


def test_never_refuses_a_folder_with_a_run(tmp_path):
    config = FakeConfig(train=FAST)
    never = config.model_copy(update={"run": config.run.model_copy(update={"resume": "never"})})
    train(tmp_path / "run", never)
    with pytest.raises(ConfigError, match=r"already holds a run and run\.resume is 'never'"):
        train(tmp_path / "run", never)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        ConfigError, match=r"run\.dir: cannot write to .*/file/run \(.*Not a directory.*give another folder"
    ):
        train(tmp_path / "file" / "run", FakeConfig(train=FAST))


def test_a_full_disk_ends_the_run_with_the_last_checkpoint_whole(tmp_path, monkeypatch):
    def full(state, path):
        Path(path).write_bytes(b"half")
        raise RuntimeError("unexpected pos 64 vs 0")  # what torch.save says

    train(tmp_path / "run", FakeConfig(train=FAST.model_copy(update={"max_steps": 2})))
    folder = tmp_path / "run" / "checkpoints"
    more = FakeConfig(run=RunConfig(resume="force"), train=FAST)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full)
        with pytest.raises(OSError, match=r"step_00000004\.pt could not be written .*; is the disk full\?"):
            train(tmp_path / "run", more)
    assert [p.name for p in folder.iterdir()] == ["step_00000002.pt"]
    train(tmp_path / "run", more)
    assert max(losses(tmp_path / "run")) == 12


def test_a_frame_without_points_is_told_once(tmp_path, caplog):
    train(tmp_path / "run", FakeConfig(train=FAST, data=FakeConfig.Data(empty_at=4)))
    told = [r.getMessage() for r in caplog.records if "no point of fake/4 lies in the grid" in r.getMessage()]
    assert len(told) == 1
    assert len(losses(tmp_path / "run")) == 12


def test_two_runs_cannot_share_a_folder(tmp_path):
    config = FakeConfig(train=FAST.model_copy(update={"max_steps": 1000}), data=FakeConfig.Data(delay_s=0.01))
    run = Run(tmp_path / "run", config)
    run.wait_for_rows(1)
    with pytest.raises(ConfigError, match="in use by another process"):
        train(tmp_path / "run", config)
    run.kill()


def test_only_the_newest_checkpoints_are_kept(tmp_path):
    train(tmp_path / "run", FakeConfig(train=FAST))
    names = sorted(p.name for p in (tmp_path / "run" / "checkpoints").iterdir())
    assert names == ["step_00000010.pt", "step_00000012.pt"]


def test_force_cannot_put_the_weights_of_another_model_back(tmp_path):
    train(tmp_path / "run", FakeConfig(train=FAST))
    other = FakeConfig(run=RunConfig(resume="force"), train=FAST, data=FakeConfig.Data(random_model=False))
    with pytest.raises(ValueError, match=r"step_00000012\.pt holds another model; give another run\.dir"):
        train(tmp_path / "run", other)
