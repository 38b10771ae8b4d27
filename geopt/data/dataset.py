"""The frames of a run: a map-style dataset whose items depend on (seed, epoch, index) alone."""

from __future__ import annotations

import logging
from typing import Literal

import numpy as np
import torch.utils.data
from numpy.typing import NDArray

from geopt.data import augment as augmentation
from geopt.data.config import DataConfig
from geopt.data.formats import open_source
from geopt.data.sample import Sample
from geopt.data.seeds import Stream, generator, mask_seed
from geopt.data.source import Frames, Source
from geopt.data.sweeps import Cloud
from geopt.structures import VoxelGrid

log = logging.getLogger(__name__)

Split = Literal["train", "val"]


class FrameDataset(torch.utils.data.Dataset[Sample]):
    """Frames cropped to a grid. An item is asked for by (epoch, index), or by index for epoch 0.

    It pickles, so workers may be forked or spawned.

    Args:
        source: Where frames are read.
        frames: Which frames.
        config: How they are read.
        grid: Extent to crop to, in the model frame.
        seed: Seed of the run.
        augment: Move frames at random, and choose their sweeps as ``config.sweep_choice`` says. Else frames stay and
            take the nearest sweeps, so that epochs differ in ``Sample.seed`` only.
    """

    def __init__(
        self, source: Source, frames: Frames, config: DataConfig, grid: VoxelGrid, seed: int, augment: bool
    ) -> None:
        self.source, self.frames, self.config, self.grid = source, frames, config, grid
        self.seed, self.augment = seed, augment

    def __len__(self) -> int:
        return len(self.frames.rows)

    def describe(self, index: int) -> str:
        """Name of a frame, such as ``scene-0523/12``, without reading it."""
        return self.source.name(int(self.frames.rows[index]))

    def __getitem__(self, item: int | tuple[int, int]) -> Sample:
        epoch, index = item if isinstance(item, tuple) else (0, item)
        if not 0 <= index < len(self):
            raise IndexError(f"FrameDataset: index must be from 0 to {len(self) - 1}, got {index}")
        sample = self.prepare(self.read(index, epoch), epoch, index)
        if self.augment:
            motion = augmentation.draw(generator(Stream.AUGMENT, self.seed, epoch, index), self.config.augment)
            sample = augmentation.move(sample, motion)
        return self.cropped(sample)

    def cropped(self, sample: Sample) -> Sample:
        """What of a frame, moved or not, goes to the model: here what lies in the grid."""
        return augmentation.crop(sample, self.grid)

    def read(self, index: int, epoch: int = 0) -> Sample:
        """A frame as it was recorded, neither moved nor cropped."""
        row = int(self.frames.rows[index])
        cloud = self.source.cloud(row, self._past(row, epoch, index), self.config.frame)
        sample = Sample(
            frame=self.source.name(row),
            token=self.source.token(row),
            timestamp_us=self.source.timestamp_us(row),
            xyz=cloud.xyz,
            features=self._features(cloud),
            sweep=cloud.sweep,
            sensor_origins=cloud.sensor_origins,
            seed=mask_seed(self.seed, epoch, index),
            boxes=self.source.boxes(row, self.config.frame)
            if self.config.boxes and self.source.is_key_frame(row)
            else None,
            labels=self._labels(row, cloud) if self.config.labels and self.source.has_labels(row) else None,
        )
        return sample if self.config.max_range_m is None else within(sample, self.config.max_range_m)

    def prepare(self, sample: Sample, epoch: int, index: int) -> Sample:
        """Change a frame before it is moved at random and cropped; nothing here."""
        return sample

    def _past(self, row: int, epoch: int, index: int) -> list[int]:
        wanted, oldest = self.config.num_sweeps - 1, int(self.frames.oldest_key_frame[index])
        if not (self.augment and self.config.sweep_choice == "random"):
            return self.source.past(row, wanted, oldest)
        pool = self.source.past(row, self.config.num_sweeps, oldest)
        rng = generator(Stream.SWEEPS, self.seed, epoch, index)
        chosen = rng.choice(len(pool), min(wanted, len(pool)), replace=False)
        return [pool[place] for place in np.sort(chosen)]

    def _features(self, cloud: Cloud) -> NDArray[np.float32]:
        features = np.empty((len(cloud.xyz), len(self.config.features)), dtype=np.float32)
        for channel, name in enumerate(self.config.features):
            values = getattr(cloud, name)
            if (values is None) != (name in self.config.fill):
                raise ValueError(
                    f"data.features: {self.config.dataset} has no {name}; leave it out, or say what it shall be with "
                    f"fill: {{{name}: 0.0}} beside the dataset's root"
                    if values is None
                    else f"data.fill: {name} must be left out, for {self.config.dataset} has it"
                )
            if values is None:
                features[:, channel] = self.config.fill[name]
                continue
            features[:, channel] = values
            if name == "intensity":
                features[:, channel] *= np.float32(self.config.intensity_scale)
                if self.config.intensity_curve == "tanh":
                    np.tanh(features[:, channel], out=features[:, channel])
        return features

    def _labels(self, row: int, cloud: Cloud) -> NDArray[np.uint8]:
        assert self.config.labels is not None
        labels = np.zeros(len(cloud.xyz), dtype=np.uint8)
        own = self.source.point_labels(row, self.config.labels)
        labels[: len(own)] = own  # the key frame comes first and keeps its close points
        return labels


def within(sample: Sample, max_range_m: float) -> Sample:
    """The points of a frame that are at most so far from the sensor that saw them."""
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is not within
        offset = sample.xyz - sample.sensor_origins[sample.sweep]
        near = (offset * offset).sum(axis=1) <= np.float32(max_range_m) ** 2
    return augmentation.take(sample, np.flatnonzero(near))


def build_dataset(
    config: DataConfig, split: Split, grid: VoxelGrid, seed: int, augment: bool | None = None
) -> FrameDataset:
    """Open the training or the validation frames of a run.

    Args:
        config: The data part of the run's config.
        split: ``train`` or ``val``.
        grid: Extent to crop to, in the model frame.
        seed: Seed of the run.
        augment: Whether training frames move at random and choose sweeps as the config says; None means yes. Give
            False for statistics over the training set. Validation frames never do.

    Raises:
        FileNotFoundError: the dataset, or one of its tables, is missing; names it.
        ValueError: an argument or the selection is not possible, or a table is damaged.
    """
    if split not in ("train", "val"):
        raise ValueError(f"build_dataset: split must be 'train' or 'val', got {split!r}")
    if split == "val" and augment:
        raise ValueError("build_dataset: augment must be False or None for validation frames, got True")
    source = open_source(config)
    frames = _training_frames(source, config) if split == "train" else source.select(config.val, config.frames)
    frames = _labelled(source, config, frames)
    if not len(frames.rows):
        raise ValueError(f"build_dataset: {split} frames must be at least one, got none in {source.folder}")
    if split == "val":
        _warn_of_overlap(source, config, frames)
    if config.boxes:
        source.load_annotations()  # here once, not in every worker
    return FrameDataset(source, frames, config, grid, seed, augment=split == "train" and augment is not False)


def _training_frames(source: Source, config: DataConfig) -> Frames:
    return source.select(config.train, config.frames, config.label_fraction)


def _labelled(source: Source, config: DataConfig, frames: Frames) -> Frames:
    """Leave out key frames that nobody labelled, if labels are read: of Waymo the points of every fifth or so are."""
    if config.frames == "all_sweeps" or not (config.labels or config.boxes):
        return frames
    kept = np.ones(len(frames.rows), dtype=bool)
    if config.labels:
        kept &= [source.has_labels(int(row)) for row in frames.rows]
    if config.boxes:
        kept &= [source.is_key_frame(int(row)) for row in frames.rows]
    if not kept.all():
        log.info("%d of the %d frames are labelled; using those", kept.sum(), len(kept))
    return Frames(frames.rows[kept], frames.oldest_key_frame[kept])


def _warn_of_overlap(source: Source, config: DataConfig, frames: Frames) -> None:
    shared = np.intersect1d(_training_frames(source, config).rows, frames.rows)
    if len(shared):
        log.warning("%d of the %d validation frames are training frames too", len(shared), len(frames.rows))
