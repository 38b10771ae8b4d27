"""The pre-training run: its config, and how dataset, model and loop come together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, NonNegativeInt, PositiveInt

from geopt import config as configs
from geopt.config_errors import ConfigError
from geopt.data import DataConfig, FrameDataset, collate
from geopt.data.mixture import JoinedFrames, build_frames, parts_of
from geopt.geometry import Pyramid
from geopt.models.config import MaskConfig, ModelConfig, TargetsConfig
from geopt.models.encoder_io import OF_A_DATASET
from geopt.models.geomae import GeoMAE
from geopt.schema import Frozen
from geopt.train import distributed, loop, seeding
from geopt.train.config import GridConfig, RunConfig, TrainConfig
from geopt.train.protocol import Datasets
from geopt.train.run_folder import RunFolder

Ratio = tuple[PositiveInt, PositiveInt, PositiveInt]


class PretrainConfig(Frozen):
    """Everything that ``geopt pretrain`` can be told."""

    seed: NonNegativeInt = 0
    """Of every random choice."""
    run: RunConfig = RunConfig()
    data: DataConfig = DataConfig()
    grid: GridConfig = GridConfig()
    """The token grid."""
    levels: tuple[Ratio, ...] = Field(((2, 2, 4), (2, 2, 2)), min_length=1, max_length=5)
    """Finer levels: cells per cell of the level before, along x, y, z."""
    mask: MaskConfig = MaskConfig()
    targets: TargetsConfig = TargetsConfig()
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()


def load(source: str, overrides: Sequence[str] = ()) -> PretrainConfig:
    """Read a pre-training config; see :func:`geopt.config.load`."""
    return configs.load(PretrainConfig, source, overrides, group="pretrain")


def build_datasets(config: PretrainConfig) -> Datasets:
    """Open the training and validation frames.

    Raises:
        FileNotFoundError, ValueError: see :func:`geopt.data.build_dataset`.
    """
    data = config.data
    if not (data.root or data.mix):
        raise ConfigError(["data.root: must be the folder of a dataset, got nothing; add data.root=FOLDER"])
    grid = config.grid.voxel_grid()
    val = build_frames(data, "val", grid, config.seed) if any(part.val for part in data.parts()) else None
    return Datasets(
        train=build_frames(data, "train", grid, config.seed),
        plain=build_frames(data, "train", grid, config.seed, augment=False),
        val=val,
        collate=collate,
        val_parts=parts_of(val) if isinstance(val, JoinedFrames) and len(val.parts) > 1 else {},
    )


def build_model(config: PretrainConfig, parts: Mapping[str, FrameDataset] | None = None) -> GeoMAE:
    """The model with its first weights, which depend on the seed alone.

    Args:
        parts: The training frames of each dataset, for the description in the encoder file.

    Raises:
        ConfigError: parts of the config do not fit each other.
    """
    seeding.everything(config.seed, seeding.MODEL)
    try:
        pyramid = Pyramid(config.grid.voxel_grid(), config.levels)
        description = describe_input(config.data, parts)
        return GeoMAE(pyramid, config.data.features, config.model, config.mask, config.targets, description)
    except ValueError as error:
        raise ConfigError([str(error)]) from error


def describe_input(data: DataConfig, parts: Mapping[str, FrameDataset] | None = None) -> dict[str, Any]:
    """What an encoder file says of the points that its weights were made for, besides grid and features.

    Args:
        parts: The training frames of each dataset by name, which know their sensor.

    Returns:
        ``frame``; ``datasets``, one mapping for each, of a mixture or where ``parts`` are given; and those of their keys in
        which all agree.
    """
    datasets: list[dict[str, Any]] = []
    for name, own in zip([one.name for one in data.mix] or [data.dataset], data.parts()):
        found = {} if parts is None else {"sensor": parts[name].source.sensor, "num_frames": len(parts[name])}
        datasets.append({"name": name, **{key: getattr(own, key) for key in OF_A_DATASET}, **found})
    first, *others = datasets
    shared = {key: first[key] for key in OF_A_DATASET if all(other[key] == first[key] for other in others)}
    told = {"frame": data.frame, **shared}
    return told if parts is None and not data.mix else {**told, "datasets": datasets}


def pretrain(config: PretrainConfig) -> Path:
    """Run, or go on with, a pre-training run.

    Returns:
        The run folder.

    Raises:
        ConfigError: the config does not fit, or the folder holds another run.
        FileNotFoundError, ValueError: the dataset cannot be read.
        geopt.train.step.NotFinite: a loss or gradient is NaN or infinite.
        geopt.train.interrupt.Interrupted: somebody asked the run to stop; a checkpoint was written.
    """
    datasets = build_datasets(config)
    parts = parts_of(datasets.plain)
    model = build_model(config, parts)
    folder = RunFolder(Path(config.run.dir).expanduser())
    with distributed.joined(config.train.device) as ranks:
        try:
            distributed.on_main(
                ranks, lambda: folder.open(config.model_dump(mode="json"), configs.dump(config), config.run.resume)
            )
            distributed.on_main(ranks, lambda: folder.note_datasets(model.description["datasets"]))
            loop.train(model, datasets, config.train, folder, ranks, seed=config.seed, workers=config.data.workers)
        finally:
            folder.close()
    return folder.path
