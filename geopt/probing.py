"""How much a frozen encoder knows: linear and nearest-neighbour classifiers on its point features.

Nothing of the encoder is trained, so a probe takes minutes and compares encoders rather than fine-tuning recipes. Beside
every encoder stand the same network with random weights, several draws of it.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from geopt import config as configs
from geopt import files, official, ops
from geopt.config_errors import ConfigError
from geopt.data import AugmentConfig, DataConfig, LabelledCollate, build_labelled
from geopt.data.labelled import LabelledFrames
from geopt.models import encoder_io
from geopt.models.pretrained import PretrainedEncoder
from geopt.schema import Frozen
from geopt.structures import LabelledBatch
from geopt.train import seeding
from geopt.train.loaders import evenly_spaced

log = logging.getLogger(__name__)
BACKGROUND = "background"


class ProbeData(Frozen):
    """Labelled frames; how they are read (frame, features, sweeps) follows from the encoder."""

    root: str = ""
    """Dataset folder."""
    version: str = "v1.0-trainval"
    train: str = "train"
    """Frames that the classifiers are fitted to; see :class:`geopt.data.DataConfig`."""
    val: str = "val"
    """Frames that they are scored on."""
    label_fraction: str = "all"
    """Name of a list of ``datasets/splits`` that restricts ``train``; see ``geopt splits``."""


class ProbeConfig(Frozen):
    """Everything that ``geopt probe`` can be told."""

    data: ProbeData = ProbeData()
    labels: Literal["lidarseg", "boxes"] = "lidarseg"
    """``lidarseg``: the 16 classes of the benchmark. ``boxes``: the detection class of the box around a point, else
    background, for datasets without point labels."""
    random_encoders: NonNegativeInt = 3
    """Draws of random weights to compare with."""
    train_frames: NonNegativeInt = 40
    """Evenly spaced among ``data.train``; 0 takes all."""
    val_frames: NonNegativeInt = 40
    """Evenly spaced among ``data.val``; 0 takes all."""
    points_per_class: PositiveInt = 200
    """At most so many labelled points of a class are taken from a training frame."""
    steps: PositiveInt = 500
    """Steps of Adam for the linear classifier, each on 4,096 points."""
    lr: PositiveFloat = 0.01
    neighbors: PositiveInt = 20
    """Voters of the nearest-neighbour classifier, by cosine, each with weight exp(cosine / 0.07) (arXiv:1805.01978)."""
    bank_points: PositiveInt = 20_000
    """Training points among which neighbours are sought."""
    asked_points: PositiveInt = 4000
    """Points of a validation frame, drawn at random, that the nearest-neighbour classifier is scored on; the linear one
    is scored on all."""
    seed: NonNegativeInt = 0


class Scores(NamedTuple):
    """IoU on the points of the validation frames that have a label and lie in the encoder's grid."""

    encoder: str
    """``pretrained`` or ``random 0`` and so on."""
    classifier: str
    """``linear`` or ``nearest neighbours``."""
    miou: float
    """Mean over the classes that occur in the validation frames."""
    iou: dict[str, float]


class ProbeResult(NamedTuple):
    """What a probe found."""

    scores: tuple[Scores, ...]
    num_train_points: int
    num_val_points: int
    num_outside: int
    """Labelled validation points outside the grid, which have no feature and are not scored."""


def load(overrides: Sequence[str] = (), source: str = "default") -> ProbeConfig:
    """Read a probe's config; see :func:`geopt.config.load`."""
    return configs.load(ProbeConfig, source, overrides, group="probe")


def probe(run: str | Path, config: ProbeConfig, progress: Callable[[str], None] = log.info) -> ProbeResult:
    """Probe the encoder of a run.

    Args:
        run: A run folder, or the path of an encoder file.
        config: Frames and classifiers.
        progress: Told in a line what is done.

    Raises:
        FileNotFoundError, ValueError: the encoder or the dataset cannot be read.
        ConfigError: ``data.root`` is missing.
    """
    if not config.data.root:
        raise ConfigError(["data.root: must be the folder of a dataset, got nothing; add data.root=FOLDER"])
    state, description = encoder_io.read(run)
    encoders = [("pretrained", PretrainedEncoder.from_state(state, description))]
    for draw in range(config.random_encoders):
        seeding.everything(config.seed, seeding.MODEL, draw)
        encoders.append((f"random {draw}", PretrainedEncoder.from_state(None, description)))
    classes = _classes(config)
    train, val = (_frames(config, description, encoders[0][1], split) for split in ("train", "val"))
    scores: list[Scores] = []
    counts: tuple[int, int, int] | None = None
    for name, encoder in encoders:
        progress(f"{name}: features of {len(train[1])} training frames")
        bank, bank_labels = _gather(encoder, *train, config, per_class=config.points_per_class)
        mean, std = bank.mean(dim=0), bank.std(dim=0).clamp(min=1e-6)
        bank = (bank - mean) / std
        linear = _fit_linear(bank, bank_labels, len(classes), config)
        chosen = torch.from_numpy(
            np.sort(np.random.default_rng(config.seed).permutation(len(bank))[: config.bank_points])
        )
        votes = _Neighbors(bank[chosen], bank_labels[chosen], len(classes), config.neighbors)
        classifiers: dict[str, Callable[[Tensor], Tensor]] = {"linear": linear, "nearest neighbours": votes}
        confusion = {key: torch.zeros(len(classes), len(classes), dtype=torch.int64) for key in classifiers}
        progress(f"{name}: scoring on {len(val[1])} frames")
        num_outside, rng = 0, np.random.default_rng(config.seed)
        for features, labels, outside in _features(encoder, *val, config):
            num_outside += outside
            features = (features - mean) / std
            asked = torch.from_numpy(rng.permutation(len(labels))[: config.asked_points])
            for key, rows in (("linear", torch.arange(len(labels))), ("nearest neighbours", asked)):
                flat = labels[rows] * len(classes) + classifiers[key](features[rows])
                confusion[key] += torch.bincount(flat, minlength=len(classes) ** 2).reshape(len(classes), -1)
        for key, matrix in confusion.items():
            scores.append(_score(name, key, matrix, classes))
        counts = (len(bank), int(confusion["linear"].sum()), num_outside)
    assert counts is not None
    return ProbeResult(tuple(scores), *counts)


def write(result: ProbeResult, config: ProbeConfig, run: str | Path, path: Path) -> None:
    """Write a result with the config that led to it as JSON."""
    rows = [score._asdict() for score in result.scores]
    content = {"run": str(run), "config": config.model_dump(mode="json"), **result._asdict(), "scores": rows}
    files.replace_text(path, json.dumps(content, indent=2) + "\n")


def _classes(config: ProbeConfig) -> tuple[str, ...]:
    if config.labels == "lidarseg":
        return official.class_map("lidarseg").classes[1:]
    return (*official.class_map("detection").classes, BACKGROUND)


def _frames(
    config: ProbeConfig, description: dict[str, Any], encoder: PretrainedEncoder, split: Literal["train", "val"]
) -> tuple[LabelledFrames, list[int]]:
    described = encoder_io.of_dataset(description, "nuscenes")
    if not {"num_sweeps", "intensity_scale"} <= described.keys():
        raise ValueError(
            "probe: the encoder must have been trained on nuScenes or on one dataset, got a mixture of others"
        )
    data = DataConfig(
        **config.data.model_dump(),
        num_sweeps=described["num_sweeps"],
        frame=description["frame"],
        features=tuple(description["features"]),
        intensity_scale=described["intensity_scale"],
        intensity_curve=described.get("intensity_curve", "linear"),
        boxes=config.labels == "boxes",
        labels="coarse" if config.labels == "lidarseg" else None,
        augment=AugmentConfig(),
    )
    frames = build_labelled(
        data, split, encoder.grid, config.seed, class_map=official.class_map("detection"), training=False
    )
    return frames, evenly_spaced(len(frames), config.train_frames if split == "train" else config.val_frames)


def _features(encoder: PretrainedEncoder, frames: LabelledFrames, places: list[int], config: ProbeConfig) -> Any:
    """Features, labels from 0, and the number of labelled points outside the grid, frame by frame."""
    collate = LabelledCollate(official.class_map("detection"))
    for place in places:
        batch = collate([frames.read(place)])  # not cropped: what lies outside the grid is counted
        labels = _labels(batch, config)
        with torch.no_grad():
            found = encoder(batch)
        usable = (labels >= 0) & found.inside
        yield found.features[usable], labels[usable], int(((labels >= 0) & ~found.inside).sum())


def _labels(batch: LabelledBatch, config: ProbeConfig) -> Tensor:
    """(N,) class from 0, -1 where there is none: past sweeps, ignored points."""
    if config.labels == "lidarseg":
        return batch.labels - 1
    owner = ops.points_in_boxes(batch.xyz, batch.boxes[:, :7])
    background = len(official.class_map("detection").classes)
    classes = torch.cat([batch.box_classes, torch.tensor([background])])
    labels = classes[owner]  # -1, no box, is the last row
    return torch.where(batch.sweep_rows == 0, labels, -1)


def _gather(
    encoder: PretrainedEncoder, frames: LabelledFrames, places: list[int], config: ProbeConfig, per_class: int
) -> tuple[Tensor, Tensor]:
    kept, rng = [], np.random.default_rng(config.seed)
    for features, labels, _ in _features(encoder, frames, places, config):
        order = torch.from_numpy(rng.permutation(len(labels)))
        order = order[torch.argsort(labels[order], stable=True)]
        ranked = labels[order]
        first = torch.searchsorted(ranked, ranked)  # where the class begins
        rows = order[torch.arange(len(order)) - first < per_class]
        kept.append((features[rows], labels[rows]))
    if not sum(len(labels) for _, labels in kept):
        raise ValueError("probe: the training frames must hold labelled points in the encoder's grid, got none")
    return torch.cat([features for features, _ in kept]), torch.cat([labels for _, labels in kept])


def _fit_linear(features: Tensor, labels: Tensor, num_classes: int, config: ProbeConfig) -> Callable[[Tensor], Tensor]:
    seeding.everything(config.seed, seeding.TRAIN)
    layer = torch.nn.Linear(features.shape[1], num_classes)
    optimizer = torch.optim.Adam(layer.parameters(), lr=config.lr, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.steps)
    for _ in range(config.steps):
        rows = torch.randint(len(features), (4096,))
        loss = F.cross_entropy(layer(features[rows]), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return lambda asked: layer(asked).detach().argmax(dim=1)


class _Neighbors:
    """Votes of the nearest training points."""

    def __init__(self, features: Tensor, labels: Tensor, num_classes: int, k: int) -> None:
        self.features, self.k = F.normalize(features, dim=1), min(k, len(labels))
        self.ballots = F.one_hot(labels, num_classes).float()

    def __call__(self, asked: Tensor) -> Tensor:
        found = []
        for part in F.normalize(asked, dim=1).split(2048):  # 160 MB of cosines at a time
            cosine, rows = torch.topk(part @ self.features.T, self.k, dim=1)
            found.append(torch.einsum("nk,nkc->nc", (cosine / 0.07).exp(), self.ballots[rows]).argmax(dim=1))
        return torch.cat(found) if found else torch.zeros(0, dtype=torch.int64)


def _score(encoder: str, classifier: str, confusion: Tensor, classes: tuple[str, ...]) -> Scores:
    """``confusion`` (C, C) counts points by true class, then predicted class."""
    hit = confusion.diagonal().double()
    union = confusion.sum(dim=0) + confusion.sum(dim=1) - confusion.diagonal()
    there = confusion.sum(dim=1) > 0
    iou = {name: float(hit[i] / union[i]) for i, name in enumerate(classes) if there[i]}
    return Scores(encoder, classifier, float(np.mean(list(iou.values()))) if iou else math.nan, iou)
