"""Weights of a pre-trained encoder into a model with a head, with an account of every key."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from geopt.heads.base import HeadModel
from geopt.models import encoder_io

INPUT = ("grid", "levels", "features", "frame", "intensity_scale", "intensity_curve")
"""What must be equal so that a weight means what it meant."""
TOLD = ("num_sweeps", "dataset")
"""What may differ, and is told."""


@dataclasses.dataclass(frozen=True)
class Account:
    """What became of every key; ``str`` prints it."""

    loaded: dict[str, tuple[int, ...]]
    """Shapes of the tensors that were copied, by name below ``backbone.``."""
    missing: dict[str, tuple[int, ...]]
    """Wanted by the model, not in the file: they keep their first values."""
    unexpected: dict[str, tuple[int, ...]]
    """In the file, unknown to the model."""
    mismatched: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
    """Shape in the file and in the model: the model keeps its first values."""
    differences: tuple[str, ...]
    """What the file and the model say differently of input and network, in words."""

    @property
    def is_complete(self) -> bool:
        """Every tensor of the model was loaded and every one of the file used."""
        return not (self.missing or self.unexpected or self.mismatched)

    def __str__(self) -> str:
        total = len(self.loaded) + len(self.missing) + len(self.mismatched)
        lines = [
            f"encoder: {len(self.loaded)} of {total} tensors loaded, {len(self.missing)} missing, "
            f"{len(self.unexpected)} unexpected, {len(self.mismatched)} of another shape"
        ]
        lines += [f"  differs: {text}" for text in self.differences]
        for word, entries in (("loaded", self.loaded), ("missing", self.missing), ("unexpected", self.unexpected)):
            lines += [f"  {word:<10} {name} {_shape(shape)}" for name, shape in entries.items()]
        lines += [
            f"  shape      {name} {_shape(theirs)} in the file, {_shape(ours)} in the model"
            for name, (theirs, ours) in self.mismatched.items()
        ]
        return "\n".join(lines)


def load_encoder_into(
    model: HeadModel, state: Mapping[str, Tensor], description: Mapping[str, Any], allow_mismatch: bool = False
) -> Account:
    """Copy an encoder's weights into the backbone of a model.

    Args:
        model: A :class:`geopt.heads.detector.Detector` or :class:`geopt.heads.segmenter.Segmenter`.
        state: Weights named ``voxel_encoder.*`` and ``encoder.*``, as of :func:`geopt.models.encoder_io.read`.
        description: What the file says of its input; what it does not say cannot differ.
        allow_mismatch: Load although grid, levels, features, frame or scaling of the input, or shapes differ.

    Returns:
        What became of every key. Tensors of another name, or of another shape where that may be, stay out.

    Raises:
        ValueError: input or shapes differ and may not, or no tensor fits at all; the model is as it was.
    """
    own_state, own_description = model.encoder_state()
    description = encoder_io.of_dataset(description, own_description.get("dataset"))
    refused = _differences(INPUT, description, own_description)
    if refused and not allow_mismatch:
        raise ValueError(
            f"load_encoder_into: the encoder was trained on another input: {'; '.join(refused)}; configure the run as "
            "the file says, or allow a mismatch"
        )
    nets = _flat(description.get("model", {})), _flat(own_description["model"])
    told = _differences(TOLD, description, own_description)
    differences = (*refused, *told, *_differences(tuple(nets[1]), *nets, prefix="model."))
    loaded, mismatched = {}, {}
    for name, own in own_state.items():
        if name in state and state[name].shape == own.shape:
            loaded[name] = tuple(own.shape)
        elif name in state:
            mismatched[name] = (tuple(state[name].shape), tuple(own.shape))
    account = Account(
        loaded=loaded,
        missing={name: tuple(own.shape) for name, own in own_state.items() if name not in state},
        unexpected={name: tuple(value.shape) for name, value in state.items() if name not in own_state},
        mismatched=mismatched,
        differences=differences,
    )
    if mismatched and not allow_mismatch:
        raise ValueError(
            f"load_encoder_into: {len(mismatched)} tensors of the file have another shape than the model's; configure the "
            f"model as the file says, or allow a mismatch to leave them out\n{account}"
        )
    if not loaded:
        raise ValueError(f"load_encoder_into: no tensor of the file fits the model\n{account}")
    with torch.no_grad():
        for name in loaded:
            own_state[name].copy_(state[name])
    return account


def unseen_sensors(description: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    """A sentence about the sensors of ``own`` that an encoder file says nothing of; empty if there are none.

    Args:
        description: What the file says; older ones do not name sensors.
        own: What the model says of its own input.
    """
    seen, here = ([one.get("sensor") for one in told.get("datasets", ())] for told in (description, own))
    unseen = [sensor for sensor in here if sensor not in seen]
    if not unseen or not all(seen) or not seen:
        return ""
    return f"the encoder was trained on scans of {', '.join(map(str, seen))} and has seen none of {', '.join(map(str, unseen))}"


def _differences(
    keys: tuple[str, ...], theirs: Mapping[str, Any], ours: Mapping[str, Any], prefix: str = ""
) -> list[str]:
    return [
        f"{prefix}{key} is {_shown(theirs[key])} in the file, {_shown(ours[key])} in the model"
        for key in keys
        if key in theirs and key in ours and _plain(theirs[key]) != _plain(ours[key])
    ]


def _plain(value: Any) -> Any:
    """As JSON has it: lists for tuples, floats for whole numbers."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _shown(value: Any) -> Any:
    return value if isinstance(value, int) else _plain(value)


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def freeze(model: HeadModel) -> None:
    """Train the head alone: the backbone takes no gradient, and its norms and dropout stay as in evaluation."""
    model.is_frozen = True
    model.backbone.requires_grad_(False)
    model.train(model.training)
