"""Frames of several datasets: a training row that deals them out by weight, and validation frames one after the other."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch.utils.data
from numpy.typing import NDArray

from geopt.data.config import DataConfig
from geopt.data.dataset import FrameDataset, Split, build_dataset
from geopt.data.sample import Sample
from geopt.data.sampler import order_of_epoch
from geopt.data.seeds import Stream, generator
from geopt.structures import VoxelGrid


class JoinedFrames(torch.utils.data.Dataset[Sample]):
    """The frames of several datasets, one dataset after the other. A frame's name begins with that of its dataset.

    Args:
        parts: Datasets by name.
    """

    def __init__(self, parts: dict[str, FrameDataset]) -> None:
        self.names, self.parts = tuple(parts), tuple(parts.values())
        self._ends = np.cumsum([len(part) for part in self.parts])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f"JoinedFrames: index must be from 0 to {len(self) - 1}, got {index}")
        part = int(np.searchsorted(self._ends, index, side="right"))
        return self._named(part, self.parts[part][index - int(self._ends[part]) + len(self.parts[part])])

    def _named(self, part: int, sample: Sample) -> Sample:
        return dataclasses.replace(sample, frame=f"{self.names[part]}:{sample.frame}")


class MixedFrames(JoinedFrames):
    """Training frames of several datasets. An item is asked for by (epoch, index), or by index for epoch 0.

    An epoch has as many places as all datasets have frames, dealt out by weight: each dataset gets its share, rounded so
    that all are taken. A dataset fills its places, in the order in which :class:`geopt.data.ResumableSampler` comes to
    them, from a row of its own without end, which shows all its frames in random order before one comes again. So an item
    depends on (seed, epoch, index) alone.

    Args:
        parts: Datasets by name.
        weights: Of each dataset, positive.
        seed: Seed of the run, as the sampler has it.

    Raises:
        ValueError: a weight is so small that an epoch has no place for its dataset.
    """

    def __init__(self, parts: dict[str, FrameDataset], weights: Sequence[float], seed: int) -> None:
        super().__init__(parts)
        self.seed = seed
        self.places = places_by_weight(len(self), weights)
        """(D,) places of each dataset in an epoch."""
        for name, count in zip(self.names, self.places):
            if not count:
                raise ValueError(f"data.mix: an epoch of {len(self)} frames has none of {name}; raise its weight")
        self._dealt: tuple[int, NDArray[np.int64], NDArray[np.int64]] | None = None

    def __getitem__(self, item: int | tuple[int, int]) -> Sample:
        epoch, index = item if isinstance(item, tuple) else (0, item)
        part, own_epoch, own_index = self.locate(epoch, index)
        return self._named(part, self.parts[part][own_epoch, own_index])

    def locate(self, epoch: int, index: int) -> tuple[int, int, int]:
        """Which dataset an item comes from, and its epoch and index there."""
        if not 0 <= index < len(self):
            raise IndexError(f"MixedFrames: index must be from 0 to {len(self) - 1}, got {index}")
        if self._dealt is None or self._dealt[0] != epoch:
            self._dealt = epoch, *self._deal(epoch)
        _, part_of, rank_of = self._dealt
        part = int(part_of[index])
        count = len(self.parts[part])
        own_epoch, place = divmod(epoch * int(self.places[part]) + int(rank_of[index]), count)
        return part, own_epoch, int(_order_of_epoch(count, self.parts[part].seed, own_epoch)[place])

    def _deal(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """For each index of an epoch its dataset, and how many of that dataset the sampler shows before it."""
        part_of = np.repeat(np.arange(len(self.parts)), self.places)
        order, rank_of = order_of_epoch(len(self), self.seed, epoch), np.zeros(len(self), dtype=np.int64)
        for part, count in enumerate(self.places):
            rank_of[order[part_of[order] == part]] = np.arange(count)
        return part_of, rank_of


@functools.lru_cache(maxsize=16)  # asked for again by every frame
def _order_of_epoch(num_frames: int, seed: int, epoch: int) -> NDArray[np.int64]:
    return order_of_epoch(num_frames, seed, epoch)


def places_by_weight(count: int, weights: Sequence[float]) -> NDArray[np.int64]:
    """Deal ``count`` places by weight: everybody's share rounded down, and one more for the largest remainders."""
    shares = count * np.array(weights, dtype=np.float64) / np.sum(weights)
    places = np.floor(shares).astype(np.int64)
    places[np.argsort(places - shares, kind="stable")[: count - int(places.sum())]] += 1
    return places


def build_frames(
    config: DataConfig, split: Split, grid: VoxelGrid, seed: int, augment: bool | None = None
) -> FrameDataset | JoinedFrames:
    """Open the training or the validation frames of a run, of one dataset or of a mixture.

    Args:
        config: The data part of the run's config.
        split: ``train`` or ``val``; of a mixture, ``val`` has those datasets that name validation frames.
        grid: Extent to crop to, in the model frame.
        seed: Seed of the run.
        augment: See :func:`geopt.data.build_dataset`.

    Raises:
        FileNotFoundError, ValueError: see :func:`geopt.data.build_dataset`; or a dataset of a mixture lacks a channel, or
            has so small a weight that an epoch has no place for it.
    """
    if not config.mix:
        return build_dataset(config, split, grid, seed, augment)
    parts: dict[str, FrameDataset] = {}
    for number, (one, own) in enumerate(zip(config.mix, config.parts())):
        if split == "train" or own.val:
            try:
                parts[one.name] = build_dataset(own, split, grid, _seed_of(seed, number), augment)
                parts[one.name].read(0)  # a channel that is missing is told now, not when the first frame is due
            except ValueError as error:
                raise ValueError(f"data.mix, {one.name}: {error}") from error
    if split == "val":
        return JoinedFrames(parts)
    return MixedFrames(parts, [one.weight for one in config.mix], seed)


def _seed_of(seed: int, number: int) -> int:
    """A seed for each dataset, so that frames of the same number do not move alike."""
    return int(generator(Stream.MIX, seed, 0, number).integers(2**63 - 1, endpoint=True))


def parts_of(frames: Any) -> dict[str, FrameDataset]:
    """The datasets behind the frames of a run by name; of one dataset, its kind."""
    if isinstance(frames, JoinedFrames):
        return dict(zip(frames.names, frames.parts))
    return {frames.config.dataset: frames}
