"""The fine-tuning run: its config, where its encoder comes from, and how dataset, model and loop come together."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, NonNegativeInt, model_validator

from geopt import config as configs
from geopt import official
from geopt.config_errors import ConfigError
from geopt.data import PASTED, DataConfig, LabelledCollate, LabelledFrames, PasteConfig, build_labelled
from geopt.data.config import dataset_of
from geopt.data.mixture import parts_of
from geopt.geometry import Pyramid
from geopt.heads import loading
from geopt.heads.config import NUSCENES_GROUPS, WAYMO_GROUPS, DetectionConfig, NeckConfig, SegmentationConfig
from geopt.heads.detector import Detector
from geopt.heads.parameter_groups import num_depths
from geopt.heads.segmenter import Segmenter
from geopt.models import encoder_io
from geopt.models.config import ModelConfig
from geopt.pretraining import Ratio, describe_input
from geopt.schema import Frozen
from geopt.train import checkpoint, distributed, loop, seeding
from geopt.train.config import GridConfig, RunConfig, TrainConfig
from geopt.train.protocol import Datasets
from geopt.train.run_folder import RunFolder

log = logging.getLogger(__name__)

Task = Literal["detection", "segmentation"]
BENCHMARK: dict[Task, str] = {"detection": "detection", "segmentation": "lidarseg"}
"""Whose classes a task learns, see :func:`geopt.official.class_map`."""


class FinetuneConfig(Frozen):
    """Everything that ``geopt finetune`` can be told."""

    task: Task = "detection"
    init: str = "none"
    """Where the encoder's weights come from: a run folder, an encoder.safetensors, a .pth of the official GeoMAE or SST
    code, or ``none`` to train from scratch with the very same code."""
    allow_mismatch: bool = False
    """Take an encoder although grid, levels, features or frame differ from this config."""
    freeze: bool = False
    """Train the head alone."""
    seed: NonNegativeInt = 0
    """Of every random choice."""
    run: RunConfig = RunConfig(dir="runs/finetune")
    data: DataConfig = DataConfig()
    """``boxes`` and ``labels`` follow from the task."""
    paste: PasteConfig = PasteConfig()
    """For detection."""
    balance: bool = True
    """Repeat frames with boxes of rare classes; for detection."""
    grid: GridConfig = GridConfig()
    levels: tuple[Ratio, ...] = Field(((2, 2, 4), (2, 2, 2)), min_length=1, max_length=5)
    """As in pre-training; they decide which points share a token."""
    model: ModelConfig = ModelConfig()
    """Voxel encoder and encoder; the decoder is not used."""
    neck: NeckConfig = NeckConfig()
    detection: DetectionConfig = DetectionConfig()
    segmentation: SegmentationConfig = SegmentationConfig()
    train: TrainConfig = TrainConfig()

    @model_validator(mode="before")
    @classmethod
    def _classes_follow_from_the_dataset(cls, values: Any) -> Any:
        """Which objects are pasted, and which classes share a map of boxes, where nobody said so."""
        if not isinstance(values, dict):
            return values
        data, paste, detection = (_as_dict(values.get(key)) for key in ("data", "paste", "detection"))
        kind = dataset_of(data)
        if paste.get("objects") is None and kind in PASTED:
            paste["objects"] = PASTED[kind]
        groups = tuple(map(tuple, detection.get("groups") or NUSCENES_GROUPS))
        if groups == NUSCENES_GROUPS and kind == "waymo":
            detection["groups"] = WAYMO_GROUPS
        return values | {"paste": paste, "detection": detection}

    @model_validator(mode="after")
    def _frames_and_labels_follow_from_the_task(self) -> FinetuneConfig:
        if self.data.frames != "keyframes":
            # Sweeps in between would be taken for frames without any object.
            raise ValueError(f"data.frames must be keyframes, the only ones with labels, got {self.data.frames}")
        known = official.datasets_of(BENCHMARK[self.task])
        if self.data.dataset not in known:
            raise ValueError(
                f"data.kind must be one of {', '.join(known)} for task={self.task}, for no classes are known of others; "
                f"got {self.data.dataset}"
            )
        if self.data.mix or self.data.max_range_m is not None:
            raise ValueError("data.mix and data.max_range_m are for pre-training; leave them out")
        for key in ("boxes", "labels"):
            if getattr(self.data, key):
                raise ValueError(f"data.{key} follows from task={self.task}; leave it out")
        return self

    def labelled(self) -> DataConfig:
        """The data part with what the task reads."""
        if self.task == "detection":
            return self.data.model_copy(update={"boxes": True})
        return self.data.model_copy(update={"labels": "coarse"})

    def class_map(self) -> official.ClassMap:
        """Classes that the task learns."""
        return official.class_map(BENCHMARK[self.task], self.data.dataset)


def _as_dict(part: Any) -> dict[str, Any]:
    return dict(part) if isinstance(part, Mapping) else part.model_dump() if part is not None else {}


def load(source: str, overrides: Sequence[str] = ()) -> FinetuneConfig:
    """Read a fine-tuning config; shipped names are ``detect/tiny``, ``segment/tiny`` and so on.

    Raises:
        ConfigError: see :func:`geopt.config.load`.
    """
    group, _, name = source.partition("/")
    if group in ("detect", "segment") and name and not name.endswith((".yaml", ".yml")):
        return configs.load(FinetuneConfig, name, overrides, group=group)
    return configs.load(FinetuneConfig, source, overrides, group="detect")


def build_datasets(config: FinetuneConfig, world_size: int = 1) -> Datasets:
    """Open the labelled training and validation frames.

    Args:
        world_size: Ranks that share the run; the fade-out of pasted objects counts the frames of all.

    Raises:
        FileNotFoundError, ValueError: see :func:`geopt.data.build_labelled`.
    """
    if not config.data.root:
        raise ConfigError(["data.root: must be the folder of a dataset, got nothing; add data.root=FOLDER"])
    grid, data, class_map = config.grid.voxel_grid(), config.labelled(), config.class_map()
    detects = config.task == "detection"
    train = build_labelled(
        data,
        "train",
        grid,
        config.seed,
        class_map=class_map,
        training=True,
        paste_config=config.paste if detects else None,
        balance=config.balance and detects,
        num_frames_seen=config.train.max_steps * config.train.batch_size * config.train.accumulate * world_size,
    )
    plain = build_labelled(data, "train", grid, config.seed, class_map=class_map, training=False)
    val = None
    if config.data.val:
        val = build_labelled(data, "val", grid, config.seed, class_map=class_map, training=False)
    return Datasets(train=train, plain=plain, val=val, collate=LabelledCollate(class_map))


def build_model(config: FinetuneConfig) -> Detector | Segmenter:
    """The model with its first weights, which depend on the seed alone; ``config.init`` is not read.

    Raises:
        ConfigError: parts of the config do not fit each other.
    """
    seeding.everything(config.seed, seeding.MODEL)
    description = describe_input(config.data)
    classes = config.class_map().classes
    try:
        pyramid = Pyramid(config.grid.voxel_grid(), config.levels)
        common = (pyramid, config.data.features, config.model)
        if config.task == "detection":
            return Detector(*common, config.detection, config.neck, classes, description)
        return Segmenter(*common, config.segmentation, classes, description)
    except ValueError as error:
        raise ConfigError([str(error)]) from error


def initialize(model: Detector | Segmenter, config: FinetuneConfig) -> None:
    """Put the weights of ``config.init`` into the encoder and say what became of every key.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or its grid, levels, features, frame or shapes differ from the config's.
    """
    if config.init == "none":
        log.info("init=none: the encoder starts from random weights")
        if config.train.layer_decay < 1:
            log.info(
                "train.layer_decay=%g: the first layer learns at %.2g of the rate; a baseline from scratch should be tried "
                "with train.layer_decay=1 too",
                config.train.layer_decay,
                config.train.layer_decay ** (num_depths(model) - 1),
            )
        return
    state, description = encoder_io.read(config.init)
    if unseen := loading.unseen_sensors(description, model.description):
        log.warning("%s", unseen)
    account = loading.load_encoder_into(model, state, description, allow_mismatch=config.allow_mismatch)
    log.info("init=%s\n%s", config.init, account)


def finetune(config: FinetuneConfig) -> Path:
    """Run, or go on with, a fine-tuning run.

    Returns:
        The run folder. It holds ``model.safetensors``, which ``geopt predict`` takes.

    Raises:
        ConfigError: the config does not fit, or the folder holds another run.
        FileNotFoundError, ValueError: the dataset or the encoder cannot be read.
        geopt.train.step.NotFinite: a loss or gradient is NaN or infinite.
        geopt.train.interrupt.Interrupted: somebody asked the run to stop; a checkpoint was written.
    """
    model = build_model(config)
    folder = RunFolder(Path(config.run.dir).expanduser())
    with distributed.joined(config.train.device) as ranks:
        datasets = build_datasets(config, ranks.world_size)
        model.description |= describe_input(config.data, parts_of(datasets.plain))
        try:
            distributed.on_main(ranks, lambda: _open(folder, config, datasets))
            if not checkpoint.has_any(folder.checkpoints):  # a run that goes on has its weights there
                initialize(model, config)
            if config.freeze:
                loading.freeze(model)
            loop.train(model, datasets, config.train, folder, ranks, seed=config.seed, workers=config.data.workers)
        finally:
            folder.close()
    return folder.path


def _open(folder: RunFolder, config: FinetuneConfig, datasets: Datasets) -> None:
    folder.open(config.model_dump(mode="json"), configs.dump(config), config.run.resume)
    plain = datasets.plain
    assert isinstance(plain, LabelledFrames)
    there = plain.source.select(config.data.train, config.data.frames)
    folder.note_labels(config.data.label_fraction, len(plain), len(there.rows))


def load_run(run: str | Path) -> tuple[FinetuneConfig, Detector | Segmenter]:
    """The config and the model of a fine-tuning run, on the CPU and in evaluation mode.

    Args:
        run: Its folder.

    Raises:
        FileNotFoundError: there is no model yet; says what to do.
        ValueError: the file is damaged or holds another model.
        ConfigError: ``config.yaml`` is not that of a fine-tuning run.
    """
    folder = RunFolder(Path(run).expanduser())
    for path in (folder.config, folder.model):
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} does not exist; give the folder of a `geopt finetune` run that has validated or ended"
            )
    config = configs.load(FinetuneConfig, str(folder.config))
    model = build_model(config)
    state, _ = encoder_io.read(folder.model)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(f"{folder.model} does not fit {folder.config}: {error}") from error
    return config, model.eval()
