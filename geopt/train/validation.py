"""Validation during training, with constant predictors fitted once."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from geopt import files
from geopt.structures import PointBatch
from geopt.train import distributed, seeding
from geopt.train.config import TrainConfig
from geopt.train.distributed import Ranks
from geopt.train.loaders import fixed_batches
from geopt.train.numerics import autocast
from geopt.train.protocol import Dataset, Datasets
from geopt.train.run_folder import RunFolder

Sums = dict[str, Tensor]


class Validator:
    """Scores a model on the validation frames, beside constant predictors fitted to training frames.

    Args:
        model: Not wrapped; has the methods of :class:`geopt.train.protocol.Pretrainable`.
        datasets: ``val`` must not be None.
        seed: Of the run.
        workers: Processes that read ahead.
    """

    def __init__(
        self, model: Any, datasets: Datasets, config: TrainConfig, ranks: Ranks, *, seed: int, workers: int
    ) -> None:
        self.model, self.datasets, self.config, self.ranks = model, datasets, config, ranks
        self.seed, self.workers = seed, workers
        self.baseline: Sums | None = None

    def fit_baseline(self, folder: RunFolder) -> None:
        """Fit the constant predictors, or read those that the run has already fitted."""
        if distributed.on_main(self.ranks, folder.baseline.exists):
            self.baseline = safetensors.torch.load_file(folder.baseline)
            return
        batches = self._batches(self.datasets.plain, self.config.baseline_frames)
        sums = self._sum(batches, self.model.baseline_sums, seeding.BASELINE)
        self.baseline = {name: value.contiguous() for name, value in self.model.finish_baseline(sums).items()}

        def write() -> None:
            assert self.baseline is not None
            files.replace_bytes(folder.baseline, safetensors.torch.save(self.baseline))

        distributed.on_main(self.ranks, write)

    def run(self) -> dict[str, float]:
        """Metrics of the model as it is, the same on every rank.

        ``val/...`` are those of all frames, ``val/NAME/...`` those of one of several datasets.
        """
        assert self.datasets.val is not None and self.baseline is not None, "fit_baseline comes first"
        baseline = self.baseline
        distributed.equalize_buffers(self.model, self.ranks)
        total: Sums = {}
        of_parts: dict[str, float] = {}
        for name, dataset in (self.datasets.val_parts or {"": self.datasets.val}).items():
            batches = self._batches(dataset, self.config.max_val_frames)
            sums = self._sum(batches, lambda batch: self.model.validation_sums(batch, baseline), seeding.VALIDATION)
            distributed.add(total, sums)
            if name:
                found = self.model.finish_validation(sums)
                of_parts |= {key.replace("val/", f"val/{name}/", 1): value for key, value in found.items()}
        return self.model.finish_validation(total) | of_parts

    def picture(self) -> Sums:
        """What the report shows of the first validation frame; for rank 0."""
        assert self.datasets.val is not None
        batch = self.datasets.collate([self.datasets.val[0]]).to(self.ranks.device)
        with _evaluating(self.model), autocast(self.config, self.ranks.device):
            return self.model.picture(batch)

    def _batches(self, dataset: Dataset, max_frames: int) -> Generator[PointBatch]:
        return fixed_batches(
            dataset,
            self.datasets,
            self.ranks,
            seed=self.seed,
            batch_size=self.config.batch_size,
            workers=self.workers,
            max_frames=max_frames,
        )

    def _sum(self, batches: Generator[PointBatch], work: Callable[[PointBatch], Sums], stream: int) -> Sums:
        total: Sums = {}
        seeding.everything(self.seed, stream, self.ranks.rank)
        with closing(batches), _evaluating(self.model), autocast(self.config, self.ranks.device):
            for batch in batches:
                distributed.add(total, work(batch.to(self.ranks.device)))
        return distributed.sum_over_ranks(total, self.ranks)


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """No gradients, and the model in evaluation mode for the time being."""
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(was_training)
