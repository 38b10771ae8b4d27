"""The training loop: steps, rows, validation and checkpoints, and the way back into a run that was cut off."""

from __future__ import annotations

import logging
import signal
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any

from torch import nn

from geopt.structures import PointBatch
from geopt.train import checkpoint, distributed, interrupt, optimizer, seeding, step
from geopt.train.checkpoint import Progress
from geopt.train.config import TrainConfig
from geopt.train.console import RunConsole
from geopt.train.distributed import Ranks
from geopt.train.loaders import training_batches
from geopt.train.metrics_log import MetricsLog, Stopwatch, peak_memory_mb
from geopt.train.numerics import settings
from geopt.train.protocol import Datasets
from geopt.train.results import write_results
from geopt.train.run_folder import RunFolder
from geopt.train.validation import Validator

log = logging.getLogger(__name__)

EMPTY_FRAMES = (
    "no point of {} lies in the grid, so nothing is learned from such frames (told once); if there should be points, "
    "look at grid, data.frame and the unit of the coordinates"
)


def train(
    model: nn.Module,
    datasets: Datasets,
    config: TrainConfig,
    folder: RunFolder,
    ranks: Ranks,
    *,
    seed: int,
    workers: int = 0,
) -> None:
    """Train a model in a run folder, from its newest checkpoint if it has one.

    A run that was cut off at any moment and started again gives the same losses, bit for bit, as one that was not.

    Args:
        model: Has the methods of :class:`geopt.train.protocol.Pretrainable`; is moved to the device of ``ranks``.
        datasets: Frames to train and validate on.
        folder: Open; every rank must see the same files.
        ranks: From :func:`geopt.train.distributed.joined`.
        seed: Decides the order of the frames and every random number of a step.
        workers: Processes that read ahead; they do not change the result.

    Raises:
        NotFinite: a loss or gradient is NaN or infinite; names the frames, the newest checkpoint stays.
        Interrupted: SIGTERM or Ctrl-C, after a checkpoint was written.
        OSError: a frame cannot be read, or the disk is full.
    """
    with settings(config, ranks.device), interrupt.watched() as request:
        run = _Run(model, datasets, config, folder, ranks, seed, workers)
        try:
            run.to_the_end(request)
        finally:
            run.close()


class _Run:
    def __init__(
        self,
        model: nn.Module,
        datasets: Datasets,
        config: TrainConfig,
        folder: RunFolder,
        ranks: Ranks,
        seed: int,
        workers: int,
    ) -> None:
        self.model = model.to(ranks.device).train()
        self.datasets, self.config, self.folder, self.ranks = datasets, config, folder, ranks
        self.seed, self.workers = seed, workers
        self.optimizer = optimizer.build(self.model, config)
        self.progress = self._take_up()
        self.wrapped = distributed.wrap(self.model, ranks)
        self.console = RunConsole(config.max_steps, self.progress.step, active=ranks.is_main)
        self.metrics: MetricsLog | None = None
        self.validator = None
        if datasets.val is not None:
            self.validator = Validator(self.model, datasets, config, ranks, seed=seed, workers=workers)
        self.watch = Stopwatch()
        self.told_of_empty = False

    def to_the_end(self, request: interrupt.StopRequest) -> None:
        """All steps that are left."""
        last = self.config.max_steps
        if self.progress.step >= last:
            self.console.say(f"{self.folder.path}: finished before, at step {self.progress.step}; nothing to do")
            return
        if self.ranks.is_main:
            tensorboard = self.folder.tensorboard if self.config.tensorboard else None
            self.metrics = MetricsLog(self.folder.metrics, self.progress.step, tensorboard)
        if self.validator is not None:
            if not self.folder.baseline.exists():
                self.console.say("fitting constant predictors to training frames")
            self.validator.fit_baseline(self.folder)
        with closing(self._batches()) as batches:
            self.watch = Stopwatch()
            for number in range(self.progress.step + 1, last + 1):
                self._step_and_save(number, batches, request)
        self.console.say(f"{self.folder.path}: finished, {last} steps")

    def _step_and_save(self, number: int, batches: Iterator[PointBatch], request: interrupt.StopRequest) -> None:
        stop = self._step(number, batches, bool(request.signal))
        is_last = number == self.config.max_steps
        every = self.config.validate_every
        with self.watch.excluded():
            if is_last or (every and number % every == 0):
                self._validate(number)
            if is_last or stop or number % self.config.checkpoint_every == 0:
                self._save()
        if stop and not is_last:
            raise interrupt.Interrupted(number, request.signal or signal.SIGTERM)  # or another rank was asked

    def _step(self, number: int, batches: Iterator[PointBatch], stop_asked: bool) -> bool:
        lr = optimizer.learning_rate(number, self.config)
        optimizer.set_learning_rate(self.optimizer, lr)
        seeding.everything(self.seed, seeding.TRAIN, number, self.ranks.rank)
        try:
            result = step.run(self.wrapped, self.optimizer, batches, self.config, self.ranks, self.watch, stop_asked)
        except step.NotFinite as error:
            raise step.NotFinite(f"step {number}: {error}; {self._advice()}") from None
        frames = self.config.batch_size * self.config.accumulate * self.ranks.world_size
        self.progress = Progress(number, self.progress.seen + frames, self.ranks.world_size)
        self.console.step(number)
        if result.empty and not self.told_of_empty:
            self.told_of_empty = True
            log.warning("step %d: %s", number, EMPTY_FRAMES.format(", ".join(result.empty)))
        if self.metrics is not None and (
            number == 1 or number % self.config.log_every == 0 or number == self.config.max_steps
        ):
            row = {
                "step": number,
                "loss": result.loss,
                "loss_hex": result.loss.hex(),
                **{f"loss/{name}": value for name, value in result.terms.items()},
                "lr": lr,
                "grad_norm": result.grad_norm,
                "frames_seen": self.progress.seen,
                **self.watch.read(),
                "peak_memory_mb": peak_memory_mb(self.ranks.device),
            }
            self.metrics.write(row)
            self.console.row(row)
        return result.stop

    def _validate(self, number: int) -> None:
        found: dict[str, Any] | None = None
        if self.validator is not None:
            found = self.validator.run()
        if self.metrics is not None and found is not None:
            self.metrics.write({"step": number, **found})
            self.console.validation(number, found)

        def write() -> None:
            picture = {**self.validator.picture(), "step": number} if self.validator is not None else None
            write_results(self.folder, self.model, picture)

        distributed.on_main(self.ranks, write)

    def _save(self) -> None:
        if self.metrics is not None:
            self.metrics.sync()

        def write() -> None:
            checkpoint.save(
                self.folder.checkpoints, self.progress, self.model, self.optimizer, self.config.keep_checkpoints
            )

        distributed.on_main(self.ranks, write)

    def _take_up(self) -> Progress:
        """Weights, optimizer and cursor of the newest checkpoint, or a fresh start."""
        found = distributed.on_main(self.ranks, lambda: checkpoint.newest(self.folder.checkpoints))
        if found is None:
            return Progress(0, 0, self.ranks.world_size)
        path, _ = found
        progress = checkpoint.load(path, self.model, self.optimizer)
        if self.ranks.is_main:
            log.info("going on from %s after step %d", path, progress.step)
            if progress.world_size != self.ranks.world_size:
                log.warning(
                    "%d ranks go on where %d stopped: a step sees another number of frames from here on",
                    self.ranks.world_size,
                    progress.world_size,
                )
        return progress

    def _batches(self) -> Generator[PointBatch]:
        return training_batches(
            self.datasets,
            self.ranks,
            seed=self.seed,
            batch_size=self.config.batch_size,
            workers=self.workers,
            start=self.progress.seen,
        )

    def _advice(self) -> str:
        found = checkpoint.newest(self.folder.checkpoints)
        kept = f"{found[0]} is the last good checkpoint" if found else "no checkpoint had been written"
        return (
            f"{kept}. Look at these frames (infinite coordinates, intensities of another unit), or lower train.lr or "
            "set train.precision=fp32 with run.resume=force"
        )

    def close(self) -> None:
        self.console.close()
        if self.metrics is not None:
            self.metrics.close()
