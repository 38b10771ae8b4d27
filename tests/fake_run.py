"""A small model and dataset with the interfaces of the real ones, and processes that train them.

Runs start in processes forked from a server that has imported torch, so one costs 0.1 s instead of 3 s.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import socket
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from geopt.data import Sample, collate
from geopt.models import encoder_io
from geopt.schema import Frozen
from geopt.structures import PointBatch
from geopt.train import distributed, loop
from geopt.train.config import RunConfig, TrainConfig
from geopt.train.metrics_log import read
from geopt.train.protocol import Datasets
from geopt.train.run_folder import RunFolder


class FakeConfig(Frozen):
    """The root config of a fake run; the part ``data`` says how its frames misbehave."""

    class Data(Frozen):
        num_frames: int = 7
        delay_s: float = 0.0
        nan_at: int = -1
        empty_at: int = -1
        missing_at: int = -1
        workers: int = 0
        random_model: bool = True

    seed: int = 0
    run: RunConfig = RunConfig()
    data: Data = Data()
    train: TrainConfig = TrainConfig(max_steps=30, batch_size=2, log_every=1, checkpoint_every=4, validate_every=10)


class FakeFrames:
    """Random clouds that depend on (epoch, index) alone."""

    def __init__(self, config: FakeConfig.Data, augmented: bool) -> None:
        self.config, self.augmented = config, augmented

    def __len__(self) -> int:
        return self.config.num_frames

    def __getitem__(self, key: int | tuple[int, int]) -> Sample:
        epoch, index = key if isinstance(key, tuple) else (0, key)
        if index == self.config.missing_at:
            raise FileNotFoundError(f"samples/LIDAR_TOP/{index}.bin is missing")
        time.sleep(self.config.delay_s)
        rng = np.random.default_rng((epoch if self.augmented else 0, index))
        xyz = rng.normal(size=(50 + index, 3)).astype(np.float32)
        if index == self.config.empty_at and self.augmented:
            xyz = xyz[:0]
        if index == self.config.nan_at and self.augmented:
            xyz[3] = np.nan
        return Sample(
            frame=f"fake/{index}",
            token=str(index),
            timestamp_us=index,
            xyz=xyz,
            features=xyz[:, :1],
            sweep=np.zeros(len(xyz), np.int16),
            sensor_origins=np.zeros((1, 3), np.float32),
            seed=int(rng.integers(2**62)),
        )


class FakeOutput(NamedTuple):
    loss: Tensor
    terms: dict[str, Tensor]


class FakeModel(nn.Module):
    """Draws random numbers, keeps running statistics, and leaves a parameter without gradient at times."""

    def __init__(self, random: bool = True) -> None:
        super().__init__()
        self.hidden_share = 0.5 if random else 0.0
        disturbed = [nn.BatchNorm1d(32), nn.Dropout(0.2)] if random else []
        self.encoder = nn.Sequential(nn.Linear(3, 32), *disturbed, nn.GELU())
        self.decoder = nn.Linear(32, 3)
        self.rare = nn.Linear(32, 3)
        self.mask_token = nn.Parameter(torch.zeros(1, 3))

    def forward(self, batch: PointBatch) -> FakeOutput:
        hidden = torch.rand(len(batch.xyz), 1) < self.hidden_share
        found = self.encoder(torch.where(hidden, self.mask_token, batch.xyz))
        error = (self.decoder(found) - batch.xyz).square().sum() / max(1, batch.xyz.numel())
        extra = self.rare(found).square().mean() if batch.frames[0].endswith(("0", "3")) else error.new_zeros(())
        return FakeOutput(error + 0.1 * extra, {"error": error.detach(), "extra": extra.detach()})

    def baseline_sums(self, batch: PointBatch) -> dict[str, Tensor]:
        xyz = batch.xyz.double().cpu()
        return {"count": torch.tensor(float(len(xyz)), dtype=torch.float64), "xyz": xyz.sum(0)}

    def finish_baseline(self, sums: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"mean": sums["xyz"] / sums["count"]}

    def validation_sums(self, batch: PointBatch, baseline: dict[str, Tensor]) -> dict[str, Tensor]:
        assert not self.training and not torch.is_grad_enabled()
        xyz = batch.xyz.double().cpu()
        predicted = self.decoder(self.encoder(batch.xyz)).double().cpu()
        return {
            "count": torch.tensor(float(len(xyz)), dtype=torch.float64),
            "frames": torch.tensor(float(batch.batch_size), dtype=torch.float64),
            "error": (predicted - xyz).square().sum(),
            "error_baseline": (baseline["mean"] - xyz).square().sum(),
        }

    def finish_validation(self, sums: dict[str, Tensor]) -> dict[str, float]:
        found = {f"val/{name}": float(sums[name] / sums["count"]) for name in ("error", "error_baseline")}
        return {**found, "val/frames": float(sums["frames"])}

    def picture(self, batch: PointBatch) -> dict[str, Tensor]:
        return {"xyz": batch.xyz.cpu()}

    def encoder_state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        return self.encoder.state_dict(), {"frame": "ego"}


def write_encoder_only(folder: RunFolder, model: FakeModel, picture: dict[str, Tensor] | None) -> None:
    """Instead of the results of a real run, whose report takes a second to draw."""
    encoder_io.write(folder.encoder, *model.encoder_state())


def train(path: Path, config: FakeConfig) -> None:
    """What ``geopt pretrain`` does, with the fake parts."""
    loop.write_results = write_encoder_only
    folder = RunFolder(path)
    with distributed.joined(config.train.device) as ranks:
        torch.manual_seed(config.seed)
        plain = FakeFrames(config.data, augmented=False)
        datasets = Datasets(FakeFrames(config.data, augmented=True), plain, plain, collate)
        values = config.model_dump(mode="json")
        distributed.on_main(ranks, lambda: folder.open(values, str(values), config.run.resume))
        try:
            model = FakeModel(config.data.random_model)
            loop.train(model, datasets, config.train, folder, ranks, seed=config.seed, workers=config.data.workers)
        finally:
            folder.close()


def _in_child(path: Path, config: FakeConfig, env: dict[str, str], log: Path) -> None:
    with log.open("a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.update(env)
    torch.set_num_threads(1)
    with contextlib.suppress(loop.interrupt.Interrupted):
        train(path, config)


class Run:
    """A fake run in processes of its own: one, or one for each rank."""

    def __init__(self, path: Path, config: FakeConfig, ranks: int = 1) -> None:
        context = multiprocessing.get_context("forkserver")
        # torch imports dynamo when the first optimizer is made, and fsdp with the first process group: 2 s
        context.set_forkserver_preload(["torch._dynamo", "torch.distributed.fsdp", "geopt.train.loop"])
        self.path, self.log = path, path.with_suffix(".log")
        port = _free_port()
        self.processes: list[BaseProcess] = []
        for rank in range(ranks):
            env = {
                "RANK": rank,
                "LOCAL_RANK": rank,
                "WORLD_SIZE": ranks,
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": port,
            }
            arguments = (path, config, {key: str(value) for key, value in env.items()}, self.log)
            process = context.Process(target=_in_child, args=arguments)
            process.start()
            self.processes.append(process)

    def wait(self, timeout_s: float = 60.0) -> list[int | None]:
        """Exit codes of the ranks; 0 also after a stop that was asked for."""
        until = time.monotonic() + timeout_s
        for process in self.processes:
            process.join(max(0.0, until - time.monotonic()))
        codes = [process.exitcode for process in self.processes]
        if None in codes:
            self.kill()
            raise TimeoutError(f"fake run did not end:\n{self.log.read_text()}")
        return codes

    def wait_for_rows(self, count: int, timeout_s: float = 60.0) -> None:
        """Until metrics.jsonl has that many rows, or the run has ended."""
        until = time.monotonic() + timeout_s
        while len(rows(self.path)) < count and self.processes[0].is_alive():
            if time.monotonic() > until:
                self.kill()
                raise TimeoutError(f"fake run wrote {len(rows(self.path))} rows:\n{self.log.read_text()}")
            time.sleep(0.005)

    def kill(self, number: int = signal.SIGKILL) -> None:
        for process in self.processes:
            if process.is_alive():
                os.kill(process.pid, number)  # type: ignore[arg-type]
        if number == signal.SIGKILL:
            for process in self.processes:
                process.join()


def rows(path: Path) -> list[dict[str, Any]]:
    """All rows of metrics.jsonl; none if the run has not begun."""
    metrics = path / "metrics.jsonl"
    return list(read(metrics)) if metrics.exists() else []


def losses(path: Path) -> dict[int, str]:
    """Loss of each step as a hex string; a step that is logged twice is an error."""
    found = [(row["step"], row["loss_hex"]) for row in rows(path) if "loss_hex" in row]
    assert len(dict(found)) == len(found), "a step was logged twice"
    return dict(found)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
