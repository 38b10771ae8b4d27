"""Weights of the official GeoMAE and SST code, as mmdetection3d saves them, for our encoder; and back.

Only names differ: theirs number blocks of two layers, ours the layers; ``in_proj_weight`` and the rest have the same
layout. The code that a file came from knows its heads, window and grid, and the file does not: those of preset
``release`` are assumed unless another model is given.

Source: github.com/Tsinghua-MARS-Lab/GeoMAE and github.com/tusen-ai/SST (version 1; version 2 has other positions).
"""

from __future__ import annotations

import collections
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
import yaml
from torch import Tensor

from geopt import resources
from geopt.data.config import DataConfig
from geopt.geometry import Pyramid
from geopt.models.config import ModelConfig
from geopt.models.encoder import WindowConfig
from geopt.models.geomae import TokenEncoder, describe_encoder
from geopt.structures import VoxelGrid

SUFFIXES = (".pth", ".pt")
"""Of files that :func:`load_sst` reads."""
BLOCKS = ("encoder_blocks", "block_list")
"""What GeoMAE, and what SST itself, calls the list of blocks."""
ELSEWHERE = {
    "backbone.decoder_": "decoder of pre-training and its predictions",
    "backbone.cls_pred_": "decoder of pre-training and its predictions",
    "backbone.mask_token": "decoder of pre-training and its predictions",
    "backbone.conv_blocks.": "convolutions of a detector",
    "backbone.conv_layer.": "convolutions of a detector",
    "neck.": "neck of a detector",
    "bbox_head.": "head of a detector",
}
"""Why keys with these beginnings are no part of the encoder."""
COUNTER = "num_batches_tracked"


class Account(NamedTuple):
    """What became of every key of a file; names are theirs unless said otherwise."""

    used: dict[str, str]
    """Our name by theirs."""
    ignored: dict[str, str]
    """Reason by key."""
    filled: tuple[str, ...]
    """Counters of batch norm that the file lacks; they are 0 and nothing reads them."""

    def lines(self) -> list[str]:
        """One line for each key, in the order of the file."""
        return [
            *(f"{theirs} -> {ours}" for theirs, ours in self.used.items()),
            *(f"{theirs}: ignored, {reason}" for theirs, reason in self.ignored.items()),
            *(f"{theirs}: not in the file, set to 0" for theirs in self.filled),
        ]

    def __str__(self) -> str:
        reasons = collections.Counter(self.ignored.values())
        parts = [f"{len(self.used)} keys used", *(f"{count} ignored ({reason})" for reason, count in reasons.items())]
        return ", ".join(parts + ([f"{len(self.filled)} counters set to 0"] if self.filled else []))


class Imported(NamedTuple):
    """An encoder from a file of the official code."""

    state: dict[str, Tensor]
    """Weights by the names of :class:`geopt.models.geomae.TokenEncoder`."""
    description: dict[str, Any]
    """As in an encoder file: grid, levels, features, frame and model of preset ``release``."""
    account: Account


class Release(NamedTuple):
    """Preset ``release``, as far as an encoder needs it."""

    pyramid: Pyramid
    data: DataConfig
    model: ModelConfig


def release() -> Release:
    """What the official weights were made for."""
    preset = yaml.safe_load(resources.path("configs", "pretrain/release.yaml").read_text(encoding="utf-8"))
    grid = VoxelGrid(**{key: tuple(value) for key, value in preset["grid"].items()})
    pyramid = Pyramid(grid, tuple(tuple(ratio) for ratio in preset["levels"]))
    return Release(pyramid, DataConfig.model_validate(preset["data"]), ModelConfig.model_validate(preset["model"]))


def from_sst(
    state: Mapping[str, Any], model: ModelConfig | None = None, num_features: int | None = None
) -> tuple[dict[str, Tensor], Account]:
    """Rename the weights of the voxel encoder and the encoder.

    Args:
        state: Tensors by name; or a checkpoint with them under ``state_dict``. All names may begin with ``module.``.
        model: What they were trained as; None is preset ``release``.
        num_features: Channels of a point besides x, y, z; None is that of preset ``release``, 2.

    Returns:
        The state dict of a :class:`geopt.models.geomae.TokenEncoder`, with the tensors of ``state``; and what became of
        every key.

    Raises:
        ValueError: ``model`` is not built as SST is; weights are missing, have another shape, or belong to a part of
            the encoder that ``model`` does not have. One line for each.
        TypeError: ``state`` holds something else than tensors.
    """
    theirs = _unwrapped(state)
    model = release().model if model is None else model
    num_features = len(release().data.features) if num_features is None else num_features
    blocks = next((name for name in BLOCKS if any(key.startswith(f"backbone.{name}.") for key in theirs)), BLOCKS[0])
    expected = {_their_name(ours, blocks): (ours, shape) for ours, shape in _shapes(model, num_features).items()}
    renamed: dict[str, Tensor] = {}
    used: dict[str, str] = {}
    ignored: dict[str, str] = {}
    problems = []
    for key, value in theirs.items():
        reason = next((why for start, why in ELSEWHERE.items() if key.startswith(start)), None)
        if key in expected:
            ours, shape = expected[key]
            if tuple(value.shape) != shape:
                problems.append(f"{key} must have shape {shape}, got {tuple(value.shape)}")
            renamed[ours], used[key] = value, ours
        elif reason is not None:
            ignored[key] = reason
        elif key.startswith(("voxel_encoder.", "backbone.")):
            problems.append(f"{key} has no place in the encoder of this model")
        else:
            ignored[key] = "neither voxel encoder nor backbone"
    missing = [key for key in expected if key not in used]
    filled = tuple(key for key in missing if key.endswith(COUNTER))
    renamed |= {expected[key][0]: torch.zeros((), dtype=torch.int64) for key in filled}
    problems += [f"{key} is missing" for key in missing if key not in filled]
    if problems:
        raise ValueError(_told(problems, theirs))
    return renamed, Account(used, ignored, filled)


def to_sst(state: Mapping[str, Tensor], model: ModelConfig | None = None) -> dict[str, Tensor]:
    """The names of the official GeoMAE code for an encoder; the inverse of :func:`from_sst`.

    ``torch.save({"state_dict": to_sst(*...)}, "encoder.pth")`` makes a file that its ``load_from`` takes.

    Args:
        state: Weights of a :class:`geopt.models.geomae.TokenEncoder`.
        model: What they were trained as; None is preset ``release``.

    Raises:
        ValueError: ``model`` is not built as SST is, or ``state`` is no such state dict.
    """
    _check_kind(release().model if model is None else model)
    strange = [name for name in state if not name.startswith(("voxel_encoder.layers.", "encoder.layers."))]
    if strange:
        raise ValueError(f"to_sst: state must be that of a TokenEncoder, got {strange[0]!r}")
    return {_their_name(name, BLOCKS[0]): value for name, value in state.items()}


def load_sst(path: str | Path) -> Imported:
    """Read a checkpoint of the official code that was trained as preset ``release``; runs no code of the file.

    Args:
        path: A file that ``torch.save`` or mmcv wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, holds more than tensors and plain values, or does not fit; see :func:`from_sst`.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"load_sst: {path} does not exist")
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(
            f"load_sst: {path} is damaged, or holds more than tensors and plain values ({reason}); "
            "if you trust it, where it was made run torch.save({'state_dict': checkpoint['state_dict']}, ...)"
        ) from error
    if not isinstance(loaded, Mapping):
        raise ValueError(f"load_sst: {path} must hold a state dict, got {type(loaded).__name__}")
    preset = release()
    try:
        state, account = from_sst(loaded, preset.model, len(preset.data.features))
    except (TypeError, ValueError) as error:
        raise ValueError(f"load_sst: {path}: {error}") from error
    keys = ("frame", "intensity_scale", "intensity_curve", "num_sweeps")
    described = {key: getattr(preset.data, key) for key in keys}
    description = describe_encoder(
        preset.pyramid, preset.data.features, preset.model, {**described, "dataset": preset.data.kind}
    )
    return Imported(state, description, account)


def _unwrapped(state: Mapping[str, Any]) -> dict[str, Tensor]:
    if isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    for key, value in state.items():
        if not isinstance(value, Tensor):
            raise TypeError(f"from_sst: state must hold tensors, got {type(value).__name__} under {key!r}")
    if state and all(key.startswith("module.") for key in state):  # of DataParallel
        return {key.removeprefix("module."): value for key, value in state.items()}
    return dict(state)


def _their_name(name: str, blocks: str) -> str:
    if name.startswith("voxel_encoder."):
        return name.replace("voxel_encoder.layers.", "voxel_encoder.vfe_layers.", 1)
    _, _, number, rest = name.split(".", 3)
    block, layer = divmod(int(number), 2)
    return f"backbone.{blocks}.{block}.encoder_list.{layer}." + (
        f"win_attn.self_attn.{rest.removeprefix('attention.')}" if rest.startswith("attention.") else rest
    )


def _shapes(model: ModelConfig, num_features: int) -> dict[str, tuple[int, ...]]:
    _check_kind(model)
    with torch.random.fork_rng(devices=[]):  # the first weights are drawn, and the run must not notice
        state = TokenEncoder(release().pyramid, num_features, model).state_dict()
    return {name: tuple(value.shape) for name, value in state.items()}


def _check_kind(model: ModelConfig) -> None:
    """Refuse a model that has the same names and computes something else."""
    if not isinstance(model.encoder, WindowConfig):
        raise ValueError(f"sst_import: model.encoder.kind must be 'window', got {model.encoder.kind!r}")
    for part, needed in (
        ("encoder", {"norm": "post", "layer_scale": None, "position": "sinusoid"}),
        ("voxel_encoder", {"norm": "batch", "normalize_xyz": False}),
    ):
        for key, value in needed.items():
            got = getattr(getattr(model, part), key)
            if got != value:
                raise ValueError(f"sst_import: model.{part}.{key} must be {value!r}, got {got!r}")


def _told(problems: list[str], theirs: Mapping[str, Tensor]) -> str:
    shown, more = problems[:8], len(problems) - 8
    text = f"from_sst: {len(problems)} of the keys that matter do not fit the model"
    if not any(key.startswith(("voxel_encoder.", "backbone.")) for key in theirs):
        text = f"from_sst: none of the {len(theirs)} keys is of SST's voxel encoder or backbone"
    return "\n  ".join([text, *shown, *([f"and {more} more"] if more > 0 else [])])
