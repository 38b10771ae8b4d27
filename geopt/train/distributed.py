"""One process or many: who am I, and what do the others say."""

from __future__ import annotations

import dataclasses
import gc
import os
import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

Result = TypeVar("Result")


@dataclasses.dataclass(frozen=True)
class Ranks:
    """The place of this process among those of the run."""

    rank: int
    world_size: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0

    @property
    def is_distributed(self) -> bool:
        return self.world_size > 1


class OtherRankFailed(RuntimeError):
    """Another process of the run failed and has said why."""


@contextmanager
def joined(device: str = "auto") -> Iterator[Ranks]:
    """Join the processes that torchrun started, or be alone.

    Args:
        device: ``auto`` (a GPU if there is one), ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        ValueError: ``device`` is a GPU that is not there.
    """
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    rank = int(os.environ.get("RANK", "0"))
    chosen = _device(device, int(os.environ.get("LOCAL_RANK", "0")), world_size)
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    if world_size == 1:
        yield Ranks(0, 1, chosen)
        return
    dist.init_process_group("cpu:gloo,cuda:nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Ranks(rank, world_size, chosen)
    except BaseException as error:
        _release(error)
        raise
    finally:
        gc.collect()
        dist.destroy_process_group()


def _release(error: BaseException | None) -> None:
    """Let go of what the frames of an exception hold: a DDP model that outlives its process group may hang for ever
    when it is freed."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _device(name: str, local_rank: int, world_size: int) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if re.fullmatch(r"cpu|cuda(:\d+)?", name) is None:
        raise ValueError(f"train.device: expected auto, cpu, cuda or cuda:N, got '{name}'")
    device = torch.device(name)
    if device.type == "cpu":
        return device
    index = local_rank if world_size > 1 else device.index or 0
    if index >= torch.cuda.device_count():
        raise ValueError(f"train.device: cuda:{index} asked for, but torch sees {torch.cuda.device_count()} GPUs")
    return torch.device("cuda", index)


def wrap(model: nn.Module, ranks: Ranks) -> nn.Module:
    """The model as DDP, or as it is when there is one process.

    Buckets keep their order with ``find_unused_parameters``, while DDP would else re-order them after its first step:
    with more than two ranks a resumed run would add gradients in another order and differ in the last bit.
    """
    if not ranks.is_distributed:
        return model
    return DistributedDataParallel(_WithSpare(model), find_unused_parameters=True)


class _WithSpare(nn.Module):
    """A model beside a parameter that it never uses: DDP warns, past Python's filters, when it finds no such."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.spare = nn.Parameter(torch.zeros(1, device=next(model.parameters()).device))

    def forward(self, batch: Any) -> Any:
        return self.model(batch)


def gather(values: list[float], ranks: Ranks) -> list[list[float]]:
    """The rows of all ranks in their order; each rank must give the same number of values."""
    if not ranks.is_distributed:
        return [values]
    mine = torch.tensor(values, dtype=torch.float64)
    rows = [torch.empty_like(mine) for _ in range(ranks.world_size)]
    dist.all_gather(rows, mine)  # CPU tensors, so gloo, whatever the gradients travel by
    return [row.tolist() for row in rows]


def gather_objects(value: Any, ranks: Ranks) -> list[Any]:
    """Any object of every rank, in their order."""
    if not ranks.is_distributed:
        return [value]
    found: list[Any] = [None] * ranks.world_size
    dist.all_gather_object(found, value)
    return found


def sum_over_ranks(sums: dict[str, Tensor], ranks: Ranks) -> dict[str, Tensor]:
    """Add named CPU tensors over the ranks, in their order, so that every run rounds alike.

    A rank without a frame gives an empty dict.
    """
    total: dict[str, Tensor] = {}
    for part in gather_objects(sums, ranks):
        add(total, part)
    return total


def add(total: dict[str, Tensor], part: dict[str, Tensor]) -> None:
    """``total += part`` name by name, in place."""
    for name, value in part.items():
        total[name] = total[name] + value if name in total else value


def on_main(ranks: Ranks, work: Callable[[], Result]) -> Result:
    """Do something on rank 0 and give every rank its result.

    Raises:
        Exception: whatever ``work`` raised, on rank 0.
        OtherRankFailed: on the other ranks, so that none waits for rank 0 forever.
    """
    if not ranks.is_distributed:
        return work()
    box: list[Any] = [None, None]
    failure: Exception | None = None
    if ranks.is_main:
        try:
            box[0] = work()
        except Exception as error:
            failure, box[1] = error, str(error)
    dist.broadcast_object_list(box, src=0)
    if failure is not None:
        raise failure
    if box[1] is not None:
        raise OtherRankFailed(f"rank 0 stopped: {box[1]}")
    return box[0]


def equalize_buffers(model: nn.Module, ranks: Ranks) -> None:
    """Give every rank the buffers of rank 0 (running statistics), as DDP does before a step."""
    if ranks.is_distributed:
        for buffer in model.buffers():
            dist.broadcast(buffer, src=0)
