"""The parts of the loop by themselves."""

from __future__ import annotations

import itertools
import json
import math
import re
import sys

import pytest
import torch
from fake_run import FakeConfig, FakeFrames, FakeOutput, Run, losses
from torch import nn

from geopt import files
from geopt.data import collate
from geopt.train import distributed, metrics_log, numerics, optimizer, seeding, step
from geopt.train.config import GridConfig, TrainConfig
from geopt.train.console import RunConsole
from geopt.train.distributed import Ranks
from geopt.train.loaders import evenly_spaced
from geopt.train.metrics_log import MetricsLog, Stopwatch

ALONE = Ranks(0, 1, torch.device("cpu"))


def test_the_learning_rate_climbs_to_its_peak_and_falls_to_its_floor():
    config = TrainConfig(max_steps=1000, lr=2e-3)
    rates = [optimizer.learning_rate(number, config) for number in range(1, 1001)]
    assert rates[99] == max(rates) == 2e-3
    assert rates[0] == pytest.approx(2e-3 * (0.01 + 0.99 / 100))
    assert rates[-1] == pytest.approx(2e-6)
    assert all(a < b for a, b in itertools.pairwise(rates[:100]))
    assert all(a > b for a, b in itertools.pairwise(rates[99:]))


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_the_learning_rate_of_very_short_runs_is_finite_and_positive(steps):
    for warmup in (0.0, 0.1, 0.9):
        config = TrainConfig(max_steps=steps, warmup_ratio=warmup)
        assert all(0 < optimizer.learning_rate(n, config) <= config.lr for n in range(1, steps + 1))


def test_weight_decay_is_for_matrices_only():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.norm = nn.Linear(3, 3), nn.LayerNorm(3)
            self.mask_token, self.layer_scale = nn.Parameter(torch.zeros(1, 3)), nn.Parameter(torch.zeros(3))
            self.frozen = nn.Parameter(torch.zeros(3, 3), requires_grad=False)

    model = Model()
    decayed, plain = optimizer.build(model, TrainConfig(weight_decay=0.05)).param_groups
    assert [id(p) for p in decayed["params"]] == [id(model.linear.weight)] and decayed["weight_decay"] == 0.05
    assert len(plain["params"]) == 5 and plain["weight_decay"] == 0.0


class Regression(nn.Module):
    """The mean over frames of a convex loss, so that accumulation can be compared with one large batch."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 1)

    def forward(self, batch):
        errors = (self.linear(batch.xyz) - 1).square()
        frames = [errors[a:b].mean() for a, b in itertools.pairwise(batch.offsets.tolist())]
        loss = torch.stack(frames).mean()
        return FakeOutput(loss, {"error": loss.detach()})


def trained(config: TrainConfig, seed: int = 0) -> tuple[list[float], torch.Tensor]:
    torch.manual_seed(seed)
    model, frames = Regression(), FakeFrames(FakeConfig.Data(), augmented=False)
    adam = optimizer.build(model, config)
    order = itertools.cycle(range(4))
    batches = (collate([frames[next(order)] for _ in range(config.batch_size)]) for _ in itertools.count())
    found = [step.run(model, adam, batches, config, ALONE, Stopwatch(), False).loss for _ in range(5)]
    return found, model.linear.weight.detach()


def test_accumulation_equals_one_large_batch():
    whole = trained(TrainConfig(batch_size=4, lr=0.1))
    parts = trained(TrainConfig(batch_size=1, accumulate=4, lr=0.1))
    torch.testing.assert_close(whole, parts, rtol=1e-5, atol=1e-6)


def test_two_ranks_take_the_steps_of_one_rank_that_accumulates(tmp_path):
    """Each of two ranks takes one batch where one rank takes two, from the same order of frames."""
    train = TrainConfig(max_steps=6, batch_size=1, log_every=1, validate_every=0, num_threads=1)
    config = FakeConfig(train=train, data=FakeConfig.Data(random_model=False))
    alone = config.model_copy(update={"train": train.model_copy(update={"accumulate": 2})})
    assert Run(tmp_path / "alone", alone).wait() == [0]
    assert Run(tmp_path / "two", config, ranks=2).wait() == [0, 0]
    one, two = ([float.fromhex(x) for x in losses(tmp_path / name).values()] for name in ("alone", "two"))
    assert len(one) == 6 and one == pytest.approx(two, rel=1e-5)


def test_clipping_shortens_the_gradient_and_reports_it_as_it_was():
    def weight_after(clip_norm: float) -> tuple[float, torch.Tensor]:
        torch.manual_seed(0)
        model, frames = Regression(), FakeFrames(FakeConfig.Data(), augmented=False)
        sgd = torch.optim.SGD(model.parameters(), lr=1.0)
        before = model.linear.weight.detach().clone()
        config = TrainConfig(clip_norm=clip_norm)
        result = step.run(model, sgd, iter([collate([frames[0]])]), config, ALONE, Stopwatch(), False)
        return result.grad_norm, model.linear.weight.detach() - before

    norm, free = weight_after(0.0)
    clipped_norm, clipped = weight_after(norm / 4)
    assert clipped_norm == norm
    torch.testing.assert_close(clipped, free / 4, rtol=1e-4, atol=1e-7)


def test_streams_of_random_numbers_differ_and_repeat():
    seeds = [seeding.derive(*key) for key in itertools.product((0, 1), (0, 1), (0, 1))]
    assert len(set(seeds)) == 8 and all(0 <= seed < 2**63 for seed in seeds)
    draws = []
    for number in (5, 6, 5):
        seeding.everything(0, seeding.TRAIN, number, 0)
        draws.append(torch.rand(3).tolist())
    assert draws[0] == draws[2] != draws[1]


def test_rows_after_the_checkpoint_and_half_rows_go_when_a_run_goes_on(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps({"step": n, "loss": n / 3}) + "\n" for n in (1, 2, 2, 3)) + '{"step": 4, "lo')
    log = MetricsLog(path, step=2)
    log.write({"step": 3, "loss": math.nan})
    log.close()
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"step": 1, "loss": 1 / 3},
        {"step": 2, "loss": 2 / 3},
        {"step": 2, "loss": 2 / 3},
        {"step": 3, "loss": None},
    ]


def test_tensorboard_gets_the_numbers_of_the_rows_and_forgets_those_after_the_checkpoint(tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    for first, loss in ((0, 1.0), (2, 2.0)):  # a run of four steps, cut off and taken up after step 2
        log = MetricsLog(tmp_path / "metrics.jsonl", first, tmp_path / "tensorboard")
        for number in range(first + 1, 5):
            log.write({"step": number, "loss": loss, "loss_hex": loss.hex(), "val/gone": math.nan})
        log.close()
    found = events.EventAccumulator(str(tmp_path / "tensorboard"), purge_orphaned_data=True).Reload()
    assert found.Tags()["scalars"] == ["loss"]
    assert [(event.step, event.value) for event in found.Scalars("loss")] == [(1, 1.0), (2, 1.0), (3, 2.0), (4, 2.0)]


def test_tensorboard_that_is_not_there_is_called_so(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(ImportError, match=r"tensorboard could not be imported .*pip install 'geopt-lidar\[track\]'"):
        MetricsLog(tmp_path / "metrics.jsonl", 0, tmp_path / "tensorboard")


def test_the_stopwatch_leaves_validation_out_of_frames_per_second(monkeypatch):
    now = iter([0.0, 1.0, 2.0, 4.0, 9.0, 10.0, 11.0])
    monkeypatch.setattr(metrics_log.time, "perf_counter", lambda: next(now))
    watch = Stopwatch()
    with watch.waiting():
        pass
    watch.count(10)
    with watch.excluded():
        pass
    assert watch.read() == {"frames_per_s": 10 / 5, "data_wait_share": 1 / 5}


def test_the_time_left_fits_into_80_columns(monkeypatch, capsys):
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": "80"}.items():  # as on a terminal
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("TTY_COMPATIBLE", raising=False)
    console = RunConsole(total=20_000, done=0, active=True)
    row = {"loss": 12.84062, "frames_per_s": 123.4, "data_wait_share": 0.04, "peak_memory_mb": 12_545.0}
    for number in range(12_345, 12_348):
        console.row({"step": number, **row})
    console.close()
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err).splitlines()[-1]
    assert re.search(r" 12347/20000 loss 12.8406  123.4 frames/s  data wait 4%  12545 MB \S+ left$", shown.rstrip())
    assert len(shown) <= 80


def test_evenly_spaced_frames_are_distinct_and_cover_the_set():
    assert evenly_spaced(7, 0) == evenly_spaced(7, 7) == evenly_spaced(7, 9) == list(range(7))
    assert evenly_spaced(100, 4) == [0, 25, 50, 75]


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def fail(temporary):
        temporary.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        files.replace(path, fail)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_settings_of_a_run_end_with_it():
    threads = torch.get_num_threads()
    with numerics.settings(TrainConfig(num_threads=threads + 1), torch.device("cpu")):
        assert torch.are_deterministic_algorithms_enabled() and torch.get_num_threads() == threads + 1
    assert not torch.are_deterministic_algorithms_enabled() and torch.get_num_threads() == threads


def test_auto_precision_is_bf16_on_a_gpu_only(device):
    with numerics.autocast(TrainConfig(), device):
        product = torch.ones(2, 2, device=device) @ torch.ones(2, 2, device=device)
    assert product.dtype == (torch.bfloat16 if device.type == "cuda" else torch.float32)
    with numerics.autocast(TrainConfig(precision="bf16"), device):
        assert (torch.ones(2, 2, device=device) @ torch.ones(2, 2, device=device)).dtype == torch.bfloat16


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cuda:99"])
def test_a_device_that_is_not_there_is_refused(name):
    with pytest.raises(ValueError, match=r"train\.device: "), distributed.joined(name):
        pass


def test_a_grid_that_is_no_whole_number_of_voxels_is_refused():
    with pytest.raises(ValueError, match="whole number of voxels"):
        GridConfig(size=(0.3, 0.256, 8.0))
    assert GridConfig().voxel_grid().shape == (400, 400, 1)
