"""One update of the weights: forward and backward passes, a check, the optimizer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn

from geopt.structures import PointBatch
from geopt.train import distributed
from geopt.train.config import TrainConfig
from geopt.train.distributed import Ranks
from geopt.train.metrics_log import Stopwatch
from geopt.train.numerics import autocast


class NotFinite(ArithmeticError):
    """A loss or a gradient is NaN or infinite; the weights were not touched."""


class StepResult(NamedTuple):
    """What a step did, over all ranks."""

    loss: float
    """Mean over forward passes and ranks; the same float64 bits in every run."""
    terms: dict[str, float]
    grad_norm: float
    """Before clipping."""
    stop: bool
    """Whether some rank was asked to stop."""
    empty: tuple[str, ...]
    """Frames of this rank that have no point, so that nothing was learned from them."""


def run(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Iterator[PointBatch],
    config: TrainConfig,
    ranks: Ranks,
    watch: Stopwatch,
    stop_asked: bool,
) -> StepResult:
    """Draw ``config.accumulate`` batches and update the weights once.

    Args:
        model: Wrapped by :func:`geopt.train.distributed.wrap`.
        batches: Of this rank.
        watch: Told about frames and waiting.
        stop_asked: Whether this rank was asked to stop; every rank learns of it.

    Raises:
        NotFinite: on every rank if the loss or gradient of any is NaN or infinite; names the frames.
    """
    losses: list[Tensor] = []
    terms: dict[str, Tensor] = {}
    frames: list[tuple[str, ...]] = []
    empty: list[str] = []
    for part in range(config.accumulate):
        with watch.waiting():
            batch = next(batches)
        watch.count(batch.batch_size * ranks.world_size)
        frames.append(batch.frames)
        empty += [frame for frame, size in zip(batch.frames, batch.offsets.diff().tolist()) if size == 0]
        is_last = part == config.accumulate - 1
        with nullcontext() if is_last or not ranks.is_distributed else model.no_sync():  # type: ignore[operator]
            with autocast(config, ranks.device):
                output = model(batch.to(ranks.device, non_blocking=True))
            (output.loss / config.accumulate).backward()
        losses.append(output.loss.detach())
        distributed.add(terms, output.terms)
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm or math.inf)

    scalars = torch.stack([value.reshape(()).double().to(ranks.device) for value in (*losses, norm, *terms.values())])
    rows = distributed.gather(
        [float(stop_asked), *scalars.tolist()], ranks
    )  # waits for the GPU; docs/training.md says where the model does
    parts = config.accumulate
    if not all(math.isfinite(value) for row in rows for value in row[1 : parts + 2]):
        optimizer.zero_grad(set_to_none=True)
        raise NotFinite(_blame(rows, frames, parts, ranks))
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    share = 1 / (parts * ranks.world_size)
    return StepResult(
        loss=sum(sum(row[1 : parts + 1]) for row in rows) * share,
        terms={name: sum(row[parts + 2 + i] for row in rows) * share for i, name in enumerate(terms)},
        grad_norm=rows[0][parts + 1],
        stop=any(row[0] for row in rows),
        empty=tuple(empty),
    )


def _blame(rows: list[list[float]], frames: list[tuple[str, ...]], parts: int, ranks: Ranks) -> str:
    """Which value is not finite, and the frames it came from: those of the bad losses, else all of the step."""
    everyone = distributed.gather_objects(frames, ranks)
    bad = [(r, i) for r, row in enumerate(rows) for i in range(parts) if not math.isfinite(row[1 + i])]
    if bad:
        what = f"loss is {rows[bad[0][0]][1 + bad[0][1]]}"
        named = [frame for r, i in bad for frame in everyone[r][i]]
    else:
        what = f"loss is finite but the gradient norm is {rows[0][parts + 1]}"
        named = [frame for of_rank in everyone for batch in of_rank for frame in batch]
    return f"{what} for frames {', '.join(named)}"
