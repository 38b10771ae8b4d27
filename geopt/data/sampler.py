"""The order of training frames, which a restarted run takes up where it was."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from geopt.data.seeds import Stream, generator


def order_of_epoch(num_frames: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """(num_frames,) frames in the order in which an epoch shows them."""
    return generator(Stream.ORDER, seed, epoch).permutation(num_frames)


class ResumableSampler:
    """Batches of (epoch, index) without end, for the ``batch_sampler`` of a DataLoader.

    All epochs, each a permutation of the frames drawn from (seed, epoch), make one endless row. Every step takes the
    next ``batch_size * world_size`` places of it, and each rank its ``batch_size`` of them. So the place in the row,
    the number of samples that all ranks have seen together, says everything: a run goes on from it with any number of
    ranks, and no frame is left out. A batch at the end of an epoch takes its rest from the next.

    Args:
        num_frames: Length of the dataset.
        seed: Seed of the run.
        batch_size: Frames per rank and step.
        rank: Which of the ranks this is.
        world_size: Number of ranks.
        start: Samples that all ranks together have seen before.

    Raises:
        ValueError: a count is not positive, ``start`` is negative, or ``rank`` is not below ``world_size``.
    """

    def __init__(
        self, num_frames: int, seed: int, batch_size: int, rank: int = 0, world_size: int = 1, start: int = 0
    ) -> None:
        for name, value, least in (
            ("num_frames", num_frames, 1),
            ("seed", seed, 0),
            ("batch_size", batch_size, 1),
            ("world_size", world_size, 1),
            ("rank", rank, 0),
            ("start", start, 0),
        ):
            if value < least:
                raise ValueError(f"ResumableSampler: {name} must be at least {least}, got {value}")
        if rank >= world_size:
            raise ValueError(f"ResumableSampler: rank must be below world_size={world_size}, got {rank}")
        self.num_frames, self.seed, self.batch_size = num_frames, seed, batch_size
        self.rank, self.world_size, self.start = rank, world_size, start

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        place = self.start + self.rank * self.batch_size
        epoch, order = -1, []
        while True:
            batch = []
            for here in range(place, place + self.batch_size):
                if here // self.num_frames != epoch:
                    epoch = here // self.num_frames
                    order = order_of_epoch(self.num_frames, self.seed, epoch).tolist()
                batch.append((epoch, order[here % self.num_frames]))
            yield batch
            place += self.batch_size * self.world_size
