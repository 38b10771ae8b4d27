"""From a dataset to shards: what ``geopt pack`` is told, and what it does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import PositiveFloat, PositiveInt

from geopt import config as configs
from geopt.config_errors import ConfigError
from geopt.data import DataConfig
from geopt.data.formats import open_source
from geopt.data.shards import writer
from geopt.data.shards.layout import Manifest
from geopt.schema import Frozen


class PackConfig(Frozen):
    """Everything that ``geopt pack`` can be told."""

    data: DataConfig = DataConfig()
    """The dataset, and which scenes of it: those that ``train`` and ``val`` name, with all their sweeps."""
    precision: Literal["float32", "int16"] = "float32"
    """``float32`` keeps every bit; ``int16`` keeps coordinates to 2.5 mm in half the space."""
    shard_mb: PositiveFloat = 128.0
    """About the size of a shard, 10**6 bytes."""
    workers: PositiveInt = 1
    """Processes; the files are the same."""


def load(overrides: Sequence[str] = (), source: str = "default") -> PackConfig:
    """Read a config for packing; see :func:`geopt.config.load`."""
    return configs.load(PackConfig, source, overrides, group="pack")


def pack(out: str | Path, config: PackConfig, progress: Callable[[int, int], None] | None = None) -> Manifest:
    """Pack a dataset; see :func:`geopt.data.shards.writer.pack`.

    Raises:
        ConfigError: there is no ``data.root``, or it is a mixture, whose datasets are packed one by one.
        FileNotFoundError, ValueError: the dataset cannot be read, or ``out`` holds anything else.
    """
    if config.data.mix or config.data.kind == "shards":
        raise ConfigError(["data: must be one dataset to pack, got a mixture or shards"])
    if not config.data.root:
        raise ConfigError(["data.root: must be the folder of a dataset, got nothing; add data.root=FOLDER"])
    return writer.pack(
        open_source(config.data),
        out,
        config.data,
        precision=config.precision,
        shard_mb=config.shard_mb,
        workers=config.workers,
        progress=progress,
    )
