"""Whole frames of a data set, one after the other, as each task wants them."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence

import numpy as np

from geopt.data import FrameDataset, LabelledCollate, Sample
from geopt.official import class_map
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


def batches(sources: dict[str, Whole], ranks: distributed.Ranks, workers: int) -> Generator[dict[str, LabelledBatch]]:
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
