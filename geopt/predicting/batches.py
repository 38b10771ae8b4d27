"""Whole frames of a data set, one after the other, as each task wants them, and what the models say of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from geopt.data import FrameDataset, LabelledCollate, Sample
from geopt.data.formats import open_source
from geopt.finetuning import FinetuneConfig
from geopt.official import class_map
from geopt.predicting.config import PredictConfig
from geopt.predicting.models import Seen, Trained, look, save_pictures
from geopt.structures import LabelledBatch
from geopt.train import distributed
from geopt.train.loaders import fixed_batches
from geopt.train.protocol import Datasets


class Whole:
    """Frames as a run reads them, neither moved nor cropped: every point gets a label.

    Args:
        frames: All that may be asked for.
        places: Which of them, in which order.
    """

    def __init__(self, frames: FrameDataset, places: Sequence[int]) -> None:
        self.frames, self.places = frames, places

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, number: int) -> Sample:
        return self.frames.read(self.places[number])

    def global_from_model(self, number: int) -> np.ndarray:
        """(3, 4) where the model frame was in the map, metres."""
        row = int(self.frames.frames.rows[self.places[number]])
        return self.frames.source.global_from_model(row, self.frames.config.frame)


class Request(NamedTuple):
    """What is to be predicted, and how."""

    trained: Trained
    """The models."""
    out: Path
    """Folder to write."""
    root: str
    """Folder of the dataset."""
    version: str
    """Of nuScenes; other datasets do not need it."""
    split: str
    """Selection of frames."""
    config: PredictConfig
    progress: Callable[[int, int], None] | None = None
    """Called with frames done and in all."""

    def sources(self) -> dict[str, Whole]:
        """The frames of the selection as each task reads them.

        Raises:
            FileNotFoundError, ValueError: the dataset cannot be read.
        """
        runs = self.trained.configs.items()
        return {task: whole(run, self.root, self.version, self.split) for task, run in runs}


def whole(run: FinetuneConfig, root: str, version: str, split: str) -> Whole:
    """The key frames of a selection as a run reads them; its own training frames and labels have no say."""
    update = {"root": root, "version": version, "frames": "keyframes", "boxes": False, "labels": None}
    update |= {"kind": run.data.dataset, "packed": ""}  # trained on shards: the folder is that of the dataset itself
    data = run.data.model_copy(update=update)
    source = open_source(data)
    frames = FrameDataset(source, source.select(split), data, run.grid.voxel_grid(), run.seed, augment=False)
    return Whole(frames, range(len(frames)))


def each_frame(request: Request, sources: dict[str, Whole], title: Callable[[int], str]) -> Generator[tuple[int, Seen]]:
    """What the models say of each frame, in order; some frames get pictures.

    Args:
        request: Its models are moved to the device of its config; ``progress`` is called after the caller has used a frame.
        sources: The same frames as each task reads them.
        title: Of the picture of a frame, by its number.
    """
    trained, config = request.trained, request.config
    some = next(iter(sources.values()))
    count, data = len(some), some.frames.config
    pictured = set(np.linspace(0, count - 1, min(config.pictures, count), dtype=int).tolist())
    with (
        distributed.joined(config.device) as ranks,
        torch.no_grad(),
        contextlib.closing(_batches(sources, ranks, config.data.workers)) as stream,
    ):
        trained.to(ranks.device)
        for number, batch_of in enumerate(stream):
            seen = look(trained, {task: batch.to(ranks.device) for task, batch in batch_of.items()})
            yield number, seen
            if number in pictured:
                path = request.out / "pictures" / f"{number:05}"
                save_pictures(path, seen, data.frame, title(number), trained)
            if request.progress is not None:
                request.progress(number + 1, count)


def _batches(sources: dict[str, Whole], ranks: distributed.Ranks, workers: int) -> Generator[dict[str, LabelledBatch]]:
    """The same frame for every task, one after the other."""
    collate = LabelledCollate(class_map("detection"))  # the frames have no boxes, so classes do not matter
    with contextlib.ExitStack() as stack:
        streams = {}
        for task, source in sources.items():
            datasets = Datasets(train=source, plain=source, val=source, collate=collate)
            stream = fixed_batches(source, datasets, ranks, seed=0, batch_size=1, workers=workers, max_frames=0)
            streams[task] = stack.enter_context(contextlib.closing(stream))
        for together in zip(*streams.values()):
            yield dict(zip(streams, together))  # type: ignore[arg-type]
