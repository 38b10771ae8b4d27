"""encoder.safetensors: the weights of an encoder and what its input must look like."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from geopt import files

METADATA_KEY = "geopt"


def write(path: Path, state: dict[str, Tensor], description: dict[str, Any]) -> None:
    """Write an encoder file in one step.

    Args:
        path: Usually ``encoder.safetensors`` in a run folder.
        state: Weights by name.
        description: JSON-able; goes into the metadata of the file under the key ``geopt``.
    """
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    metadata = {METADATA_KEY: json.dumps(description)}
    files.replace_bytes(path, safetensors.torch.save(tensors, metadata=metadata))


def read(run: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Weights and description of an encoder file.

    Args:
        run: A run folder, or the file itself.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged or was not written by geopt.
    """
    path = Path(run).expanduser()
    if path.is_dir():
        path = path / "encoder.safetensors"
    if not path.is_file():
        raise FileNotFoundError(
            f"load_encoder: {path} does not exist; give the folder of a run that has validated or ended, or the path "
            "of an encoder.safetensors"
        )
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}
    except safetensors.SafetensorError as error:
        raise ValueError(f"load_encoder: {path} is damaged ({error})") from error
    if METADATA_KEY not in metadata:
        raise ValueError(f"load_encoder: {path} has no metadata '{METADATA_KEY}', so geopt did not write it")
    return state, json.loads(metadata[METADATA_KEY])
