"""Frames with labels and boxes, for fine-tuning: pasted objects, balanced classes, and their batches."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from geopt.data.balance import balanced
from geopt.data.collate import collate
from geopt.data.config import DataConfig, PasteConfig
from geopt.data.dataset import FrameDataset, Split, build_dataset
from geopt.data.objects import ObjectBank, paste
from geopt.data.sample import Sample
from geopt.data.sampler import order_of_epoch
from geopt.data.seeds import Stream, generator
from geopt.data.source import Frames
from geopt.official import ClassMap
from geopt.structures import Boxes, LabelledBatch, VoxelGrid


class LabelledCollate:
    """Samples to a :class:`geopt.structures.LabelledBatch`; an object, so that data workers can be given it.

    Args:
        class_map: Class of each category; boxes of other categories are left out.
    """

    def __init__(self, class_map: ClassMap) -> None:
        rows = {name: row for row, name in enumerate(class_map.classes)}
        self.class_of_category = {category: rows[name] for category, name in class_map.class_of_category.items()}

    def __call__(self, samples: Sequence[Sample]) -> LabelledBatch:
        """Put clouds, labels and boxes of several frames one after the other.

        Raises:
            ValueError: as :func:`geopt.data.collate`; or some samples have labels and others not.
        """
        batch = collate(samples)
        labels = [sample.labels for sample in samples if sample.labels is not None]
        if labels and len(labels) < len(samples):
            raise ValueError(
                f"collate: labels must be there for all frames or none, got {len(labels)} of {len(samples)}"
            )
        parts = [self._boxes(sample.boxes) for sample in samples]
        return LabelledBatch(
            **{field.name: getattr(batch, field.name) for field in dataclasses.fields(batch)},
            labels=torch.from_numpy(np.concatenate(labels).astype(np.int64) if labels else np.zeros(0, np.int64)),
            boxes=torch.cat([geometry for geometry, _, _ in parts]),
            box_classes=torch.cat([classes for _, classes, _ in parts]),
            box_num_points=torch.cat([points for _, _, points in parts]),
            box_offsets=torch.tensor(np.cumsum([0] + [len(classes) for _, classes, _ in parts])),
            tokens=tuple(sample.token for sample in samples),
        )

    def _boxes(self, boxes: Boxes | None) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        if boxes is None:
            return torch.zeros(0, 9, dtype=torch.float64), torch.zeros(0, dtype=torch.int64), torch.zeros(0).long()
        classes = torch.tensor([self.class_of_category.get(name, -1) for name in boxes.names], dtype=torch.int64)
        kept = torch.nonzero(classes >= 0)[:, 0]
        return boxes.geometry[kept], classes[kept], boxes.num_points[kept]


class LabelledFrames(FrameDataset):
    """Labelled key frames, into which objects of other frames may be pasted before the augmentation.

    Args:
        frames: A plain dataset of key frames.
        bank: Objects of the same selection of frames; None pastes nothing.
        config: What is pasted.
        num_frames_seen: Frames of the whole run, of which the fade-out is a share; None for a run without an end.
    """

    def __init__(
        self,
        frames: FrameDataset,
        bank: ObjectBank | None = None,
        config: PasteConfig | None = None,
        num_frames_seen: int | None = None,
    ) -> None:
        super().__init__(frames.source, frames.frames, frames.config, frames.grid, frames.seed, frames.augment)
        self.bank, self.paste_config, self.num_frames_seen = bank, config, num_frames_seen
        self._places: tuple[int, NDArray[np.int64]] = (-1, np.zeros(0, np.int64))  # of the frames of an epoch

    def cropped(self, sample: Sample) -> Sample:
        """The whole frame, so that what lies outside the grid is learned from and counted; the grid alone where frames train
        a detector, which has no use for the rest."""
        return super().cropped(sample) if self.augment and not self.config.labels else sample

    def prepare(self, sample: Sample, epoch: int, index: int) -> Sample:
        """Paste objects, unless the run is in its last part."""
        if self.bank is None or self.paste_config is None or self.paste_config.objects is None:
            return sample
        if self._is_in_fade_out(epoch, index):
            return sample
        rng = generator(Stream.PASTE, self.seed, epoch, index)
        return paste(sample, self.bank, self.paste_config.objects, rng)

    def _is_in_fade_out(self, epoch: int, index: int) -> bool:
        """Whether a frame comes in the last part of the run, which may be a part of one epoch."""
        if self.num_frames_seen is None or self.paste_config is None:
            return False
        if self._places[0] != epoch:
            self._places = epoch, np.argsort(order_of_epoch(len(self), self.seed, epoch))
        place = epoch * len(self) + int(self._places[1][index])
        return place >= (1.0 - self.paste_config.fade_out) * self.num_frames_seen


def build_labelled(
    config: DataConfig,
    split: Split,
    grid: VoxelGrid,
    seed: int,
    *,
    class_map: ClassMap,
    training: bool,
    paste_config: PasteConfig | None = None,
    balance: bool = False,
    num_frames_seen: int | None = None,
) -> LabelledFrames:
    """Open labelled frames for fine-tuning or scoring.

    Args:
        config: As the run says; ``boxes`` and ``labels`` decide what a frame carries.
        split: ``train`` or ``val``.
        grid: Extent to crop to, in the model frame.
        seed: Seed of the run.
        class_map: Class of each category, for pasting and balancing.
        training: Augment, paste and balance.
        paste_config: What is pasted; None pastes nothing.
        balance: Repeat frames so that every class comes up about equally often.
        num_frames_seen: Frames of the whole run, for the fade-out; None for a run without an end.

    Raises:
        FileNotFoundError, ValueError: as :func:`geopt.data.build_dataset`; or there is nothing to balance.
    """
    frames = build_dataset(config, split, grid, seed, augment=training if split == "train" else None)
    if not training:
        return LabelledFrames(frames)
    bank = None
    if paste_config is not None and paste_config.objects:
        bank = ObjectBank(frames, class_map, paste_config.objects, paste_config.min_points)
    if balance:
        order = balanced(presence(frames, class_map), generator(Stream.BALANCE, seed, 0))
        frames = copy.copy(frames)  # the bank keeps the frames as they are, once each
        frames.frames = Frames(frames.frames.rows[order], frames.frames.oldest_key_frame[order])
    return LabelledFrames(frames, bank, paste_config, num_frames_seen)


def presence(frames: FrameDataset, class_map: ClassMap) -> NDArray[np.bool_]:
    """(F, C) whether a frame has a box of a class with a point in it."""
    found = np.zeros((len(frames), len(class_map.classes)), dtype=bool)
    for place, row in enumerate(frames.frames.rows):
        objects = frames.source.objects(int(row))
        for category in {name for name, count in zip(objects.categories, objects.num_points) if count > 0}:
            name = class_map.class_of_category.get(category)
            if name is not None:
                found[place, class_map.classes.index(name)] = True
    return found
