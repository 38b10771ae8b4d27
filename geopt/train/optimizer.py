"""AdamW, which parameters it decays, and the learning rate of a step."""

from __future__ import annotations

import math

import torch
from torch import nn

from geopt.train.config import TrainConfig

NO_DECAY = ("mask_token", "layer_scale", "layer_scale_1", "layer_scale_2", "gamma")
"""Parameters that get no weight decay even where they are matrices; any part of a dotted name counts."""

WARMUP_START = 0.01
"""First learning rate over the highest one: 1e-5 to 1e-3 in the released schedule of GeoMAE."""


def build(model: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW in two groups: matrices with weight decay; biases, norms, tokens and scales without."""
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            is_plain = parameter.ndim < 2 or not set(NO_DECAY).isdisjoint(name.split("."))
            (plain if is_plain else decayed).append(parameter)
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    # fused: one kernel for all parameters; a loop over 150 of them costs milliseconds
    return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, fused=True)


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
    for group in optimizer.param_groups:
        group["lr"] = lr
