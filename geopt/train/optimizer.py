"""AdamW, which parameters it decays, and the learning rate of a step."""

from __future__ import annotations

import math

import torch
from torch import nn

from geopt.heads.base import HeadModel
from geopt.heads.parameter_groups import learning_rate_scale
from geopt.train.config import TrainConfig

NO_DECAY = ("mask_token", "layer_scale", "layer_scale_1", "layer_scale_2", "gamma")
"""Parameters that get no weight decay even where they are matrices; any part of a dotted name counts."""

WARMUP_START = 0.01
"""First learning rate over the highest one: 1e-5 to 1e-3 in the released schedule of GeoMAE."""


def build(model: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW with weight decay for matrices; biases, norms, tokens and scales get none.

    With ``config.layer_decay`` below 1 the layers nearer to the input learn more slowly: the ``lr_scale`` of a group.
    That needs a model with a head on an encoder; see :func:`geopt.heads.parameter_groups.learning_rate_scale`.

    Raises:
        TypeError: ``config.layer_decay`` is below 1 and the model has no head on an encoder.
    """
    if config.layer_decay < 1 and not isinstance(model, HeadModel):
        raise TypeError(f"train.layer_decay must be 1 for a model without depths, got {config.layer_decay}")
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            is_plain = parameter.ndim < 2 or not set(NO_DECAY).isdisjoint(name.split("."))
            scale = learning_rate_scale(name, model, config.layer_decay) if isinstance(model, HeadModel) else 1.0
            groups.setdefault((scale, is_plain), []).append(parameter)
    described = [
        {"params": parameters, "weight_decay": 0.0 if is_plain else config.weight_decay, "lr_scale": scale}
        for (scale, is_plain), parameters in sorted(groups.items(), key=lambda item: item[0])
    ]
    # fused: one kernel for all parameters; a loop over 150 of them costs milliseconds
    return torch.optim.AdamW(described, lr=config.lr, betas=config.betas, fused=True)


def learning_rate(step: int, config: TrainConfig) -> float:
    """Learning rate of a step, 1 <= step <= max_steps: linear warm-up, then half a cosine.

    A function of the step alone, so a resumed run needs no state of a schedule.
    """
    warmup = round(config.warmup_ratio * config.max_steps)
    if step <= warmup:
        return config.lr * (WARMUP_START + (1 - WARMUP_START) * step / warmup)
    progress = (step - warmup) / max(1, config.max_steps - warmup)
    lowest = config.min_lr_ratio
    return config.lr * (lowest + (1 - lowest) * 0.5 * (1 + math.cos(math.pi * progress)))


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of a step, which each group scales by its ``lr_scale``."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group["lr_scale"]
