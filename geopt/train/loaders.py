"""DataLoaders whose workers neither change the result nor hide an error."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Generator, Iterator, Sequence
from types import FrameType
from typing import Any

import torch
from torch.utils.data import DataLoader

from geopt.data import ResumableSampler
from geopt.structures import PointBatch
from geopt.train import seeding
from geopt.train.distributed import Ranks
from geopt.train.protocol import Dataset, Datasets

PR_SET_PDEATHSIG = 1  # linux/prctl.h


class _Failure:
    """An exception on its way from a worker to the main process."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class _Carrier:
    """A dataset in a worker: it returns its exceptions, which torch would wrap into a page of text."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, key: Any) -> Any:
        try:
            return self.dataset[key]
        except Exception as error:
            return _Failure(_portable(error))


class _Collate:
    """Collation that lets a failure pass through."""

    def __init__(self, collate: Any) -> None:
        self.collate = collate

    def __call__(self, items: Sequence[Any]) -> Any:
        failure = next((item for item in items if isinstance(item, _Failure)), None)
        if failure is not None:
            return failure
        try:
            return self.collate(items)
        except Exception as error:
            return _Failure(_portable(error))


def _portable(error: Exception) -> Exception:
    """The exception itself if it survives pickling, with the trace of the worker as a note."""
    error.add_note("in a data worker:\n" + traceback.format_exc())
    try:
        return pickle.loads(pickle.dumps(error))
    except Exception:  # an __init__ with arguments of its own
        return RuntimeError(f"{type(error).__name__}: {error}")


def _prepare_worker(worker: int) -> None:
    if sys.platform == "linux":
        # A worker that starts just when its process is killed would wait for work for ever.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    # The main process decides when to stop: a terminal sends Ctrl-C, and torchrun SIGTERM, to the workers as well.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _ignore_once)


def _ignore_once(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)


def _loader(dataset: Dataset, datasets: Datasets, batches: Any, ranks: Ranks, seed: int, workers: int) -> DataLoader:
    fork = workers > 0 and "fork" in multiprocessing.get_all_start_methods()
    return DataLoader(
        _Carrier(dataset) if workers else dataset,  # type: ignore[arg-type]
        batch_sampler=batches,
        collate_fn=_Collate(datasets.collate) if workers else datasets.collate,
        num_workers=workers,
        pin_memory=ranks.device.type == "cuda",
        worker_init_fn=_prepare_worker,
        multiprocessing_context="fork" if fork else None,  # workers share the tables that are already in memory
        # a generator of its own: without one the loader draws from torch's global one
        generator=torch.Generator().manual_seed(seeding.derive(seed, seeding.LOADER)),
    )


def _batches(loader: DataLoader) -> Generator[PointBatch]:
    iterator = iter(loader)
    try:
        while (batch := _next(iterator)) is not None:
            if isinstance(batch, _Failure):
                raise batch.error
            yield batch
    finally:
        # The last reference: workers end now. Left to the garbage collector, which may close the pipes to the workers
        # first, each would be waited for in vain for 5 s.
        del iterator


def _next(iterator: Iterator[Any]) -> Any:
    try:
        return next(iterator, None)
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        raise ChildProcessError(
            f"a data worker died ({str(error).splitlines()[0]}); the usual cause is too little memory: "
            "try data.workers=0 or a smaller train.batch_size"
        ) from error


def training_batches(
    datasets: Datasets, ranks: Ranks, *, seed: int, batch_size: int, workers: int, start: int
) -> Generator[PointBatch]:
    """Batches of this rank without end; close the generator to end its workers.

    Args:
        datasets: ``train`` is asked for (epoch, index).
        ranks: Every rank gets its own part of each global batch.
        seed: Decides the order of the frames.
        batch_size: Frames per batch and rank.
        workers: Processes that read ahead; 0 reads in this one.
        start: Frames that all ranks together have been given so far.

    Raises:
        Exception: what reading a frame raised, also in a worker, when its batch is due.
        ChildProcessError: a worker was killed.
    """
    sampler = ResumableSampler(
        len(datasets.train),
        seed=seed,
        batch_size=batch_size,
        rank=ranks.rank,
        world_size=ranks.world_size,
        start=start,
    )
    return _batches(_loader(datasets.train, datasets, sampler, ranks, seed, workers))


def fixed_batches(
    dataset: Dataset, datasets: Datasets, ranks: Ranks, *, seed: int, batch_size: int, workers: int, max_frames: int
) -> Generator[PointBatch]:
    """One pass over frames of ``dataset``, every ``world_size``-th for this rank.

    Args:
        dataset: Asked for an index.
        max_frames: Take this many evenly spaced frames; 0 takes all.
    """
    frames = evenly_spaced(len(dataset), max_frames)[ranks.rank :: ranks.world_size]
    batches = [frames[first : first + batch_size] for first in range(0, len(frames), batch_size)]
    return _batches(_loader(dataset, datasets, batches, ranks, seed, min(workers, len(batches))))


def evenly_spaced(count: int, limit: int) -> list[int]:
    """``limit`` of the numbers below ``count``, evenly spaced from 0; all of them if ``limit`` is 0 or larger."""
    if limit <= 0 or limit >= count:
        return list(range(count))
    return [position * count // limit for position in range(limit)]
