"""Checkpoints: written in one piece, found by scanning, never trusted to be whole."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from geopt import files

log = logging.getLogger(__name__)

FORMAT = 1
KEYS = {"format", "step", "seen", "world_size", "model", "optimizer"}


class Progress(NamedTuple):
    """How far a run has come."""

    step: int
    """Steps done."""
    seen: int
    """Training frames that all ranks together were given: the cursor in the data."""
    world_size: int
    """Ranks that shared the last step."""


def path_of(folder: Path, step: int) -> Path:
    return folder / f"step_{step:08d}.pt"


def save(folder: Path, progress: Progress, model: nn.Module, optimizer: torch.optim.Optimizer, keep: int) -> Path:
    """Write a checkpoint and delete all but the newest ``keep``.

    Neither random states nor a state of the schedule is in it: both follow from the step.

    Raises:
        OSError: the disk is full; older checkpoints are untouched.
    """
    state = {
        "format": FORMAT,
        **progress._asdict(),
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    path = path_of(folder, progress.step)
    files.replace(path, lambda temporary: _write(state, temporary, path))
    for old in _newest_first(folder)[keep:]:
        old.unlink(missing_ok=True)
    return path


def _write(state: dict[str, Any], temporary: Path, path: Path) -> None:
    try:
        torch.save(state, temporary)
    except RuntimeError as error:  # what torch makes of a full disk
        raise OSError(
            f"checkpoint {path} could not be written ({str(error).splitlines()[0]}); is the disk full?"
        ) from error


def has_any(folder: Path) -> bool:
    """Whether a checkpoint was written here, readable or not."""
    return bool(_newest_first(folder))


def newest(folder: Path) -> tuple[Path, Progress] | None:
    """The newest checkpoint that can be read; damaged ones are named in a warning and passed over.

    Raises:
        OSError: there are checkpoints, but none can be read.
    """
    damaged = []
    for path in _newest_first(folder):
        try:
            return path, _progress(read(path))
        except ValueError as error:
            damaged.append(str(error))
            log.warning("%s; going back to the one before", error)
    if damaged:
        raise OSError(
            f"no checkpoint in {folder} can be read; give another run.dir or remove the folder.\n" + "\n".join(damaged)
        )
    return None


def read(path: Path) -> dict[str, Any]:
    """The content of a checkpoint, on the CPU.

    Raises:
        ValueError: the file is damaged, is no checkpoint, or is of another format.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged archive raises almost anything
        raise ValueError(f"checkpoint {path} is damaged ({type(error).__name__})") from error
    if not isinstance(state, dict) or not KEYS <= state.keys():
        raise ValueError(f"checkpoint {path} is no checkpoint of geopt")
    if state["format"] != FORMAT:
        raise ValueError(f"checkpoint {path} has format {state['format']}, this geopt reads {FORMAT}")
    return state


def load(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
    """Put the weights and the state of the optimizer back; returns how far the run had come.

    Raises:
        ValueError: the file is damaged, or holds another model.
    """
    state = read(path)
    try:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"checkpoint {path} holds another model; give another run.dir. {error}") from error
    return _progress(state)


def _progress(state: dict[str, Any]) -> Progress:
    return Progress(int(state["step"]), int(state["seen"]), int(state["world_size"]))


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("step_*.pt"), reverse=True)
