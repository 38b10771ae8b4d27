"""The pre-training run: its config, and how dataset, model and loop come together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, NonNegativeInt, PositiveInt

from geopt import config as configs
from geopt.config_errors import ConfigError
from geopt.data import DataConfig, build_dataset, collate
from geopt.geometry import Pyramid
from geopt.models.config import MaskConfig, ModelConfig, TargetsConfig
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
    if not config.data.root:
        raise ConfigError(["data.root: must be the folder of a dataset, got nothing; add data.root=FOLDER"])
    grid = config.grid.voxel_grid()
    return Datasets(
        train=build_dataset(config.data, "train", grid, config.seed),
        plain=build_dataset(config.data, "train", grid, config.seed, augment=False),
        val=build_dataset(config.data, "val", grid, config.seed) if config.data.val else None,
        collate=collate,
    )


def build_model(config: PretrainConfig) -> GeoMAE:
    """The model with its first weights, which depend on the seed alone.

    Raises:
        ConfigError: parts of the config do not fit each other.
    """
    seeding.everything(config.seed, seeding.MODEL)
    try:
        pyramid = Pyramid(config.grid.voxel_grid(), config.levels)
        description = describe_input(config.data)
        return GeoMAE(pyramid, config.data.features, config.model, config.mask, config.targets, description)
    except ValueError as error:
        raise ConfigError([str(error)]) from error


def describe_input(data: DataConfig) -> dict[str, Any]:
    """What an encoder file says of the points that its weights were made for, besides grid and features."""
    return {
        "frame": data.frame,
        "intensity_scale": data.intensity_scale,
        "intensity_curve": data.intensity_curve,
        "num_sweeps": data.num_sweeps,
        "dataset": data.kind,
    }


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
    model = build_model(config)
    folder = RunFolder(Path(config.run.dir).expanduser())
    with distributed.joined(config.train.device) as ranks:
        try:
            distributed.on_main(
                ranks, lambda: folder.open(config.model_dump(mode="json"), configs.dump(config), config.run.resume)
            )
            loop.train(model, datasets, config.train, folder, ranks, seed=config.seed, workers=config.data.workers)
        finally:
            folder.close()
    return folder.path
