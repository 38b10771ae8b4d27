"""What every target is made of. Own targets derive from :class:`Target` and are named in a config as ``module:Class``."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from geopt.geometry import GeometryIndex, Pyramid
from geopt.targets.neighborhood import Queries

Truth = dict[str, Tensor]
Sums = dict[str, Tensor]


@dataclasses.dataclass(frozen=True, eq=False)
class Loss:
    """A loss as a sum and what to divide it by, so that ranks can share one denominator."""

    total: Tensor
    """Scalar, with gradient."""
    count: float
    """How many numbers were added. A plain number: reading it off a tensor would wait for the GPU."""


class Target(nn.Module):
    """One thing to predict for every query.

    Args:
        pyramid: Grids of the index.
        level: Level of the cells that are predicted; a query has ``pyramid.slots[level]`` of them.
        weight: Factor of the loss in the total.
    """

    name: str
    """Unique in a run; keys of the log are ``loss/<name>``."""
    decoder: ClassVar[Literal["points", "surface"]] = "points"
    """Which of the two decoders feeds the head."""
    channels: int
    """Outputs per query."""

    def __init__(self, pyramid: Pyramid, level: int, weight: float):
        super().__init__()
        if not 0 <= level < pyramid.num_levels:
            raise ValueError(
                f"{type(self).__name__}: level must be in [0, {pyramid.num_levels}), as `levels` gives them, got {level}"
            )
        self.pyramid, self.level, self.weight = pyramid, level, weight
        self.slots = pyramid.slots[level]

    def truth(self, index: GeometryIndex, queries: Queries) -> Truth:
        """What is to be predicted; called without gradients, after augmentation."""
        raise NotImplementedError(f"{type(self).__name__}.truth")

    def loss(self, prediction: Tensor, truth: Truth) -> Loss:
        """Compare (Q, channels) float32 with the truth."""
        raise NotImplementedError(f"{type(self).__name__}.loss")

    # Validation, for targets that have a number that people can read. All sums are float64 and add over batches and ranks.

    def baseline_sums(self, truth: Truth) -> Sums:
        """What the constant predictor needs to know of a training batch."""
        return {}

    def finish_baseline(self, sums: Sums) -> Truth:
        """The constant predictor."""
        return {}

    def validation_sums(self, prediction: Tensor, truth: Truth, baseline: Truth) -> Sums:
        """Errors of the prediction and of the constant predictor."""
        return {}

    def finish_validation(self, sums: Sums) -> dict[str, float]:
        """Metrics, each beside its ``_baseline``."""
        return {}


def pick(prediction: Tensor, query: Tensor, slot: Tensor, slots: int) -> Tensor:
    """(Q, slots * C) -> (K, C) of the asked cells."""
    return prediction.view(-1, slots, prediction.shape[1] // slots).flatten(0, 1)[query * slots + slot]


def number(value: float) -> Tensor:
    """A count among the sums of validation, which are on the CPU in the end."""
    return torch.tensor(float(value), dtype=torch.float64, device="cpu")


def sum_over_ranks(values: Tensor) -> Tensor:
    """Add a tensor over the processes of a distributed run, in place; alone it stays. Every rank must get here."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(values)
    return values


def ratio(numerator: Tensor, denominator: Tensor) -> float:
    """A quotient of sums; NaN where nothing was counted."""
    return float(numerator / denominator) if float(denominator) > 0 else float("nan")
