"""encoder.safetensors: the weights of an encoder and what its input must look like."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from geopt import files
from geopt.models import sst_import
from geopt.models.pretrained import PointFeatures, PretrainedEncoder
from geopt.structures import PointBatch

log = logging.getLogger(__name__)

METADATA_KEY = "geopt"
OF_A_DATASET = ("intensity_scale", "intensity_curve", "num_sweeps", "dataset")
"""What a description says of each dataset, and of all where they agree."""


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
        run: A run folder, or the file itself; or a ``.pth`` of the official GeoMAE or SST code, see
            :func:`geopt.models.sst_import.load_sst`, for which what became of its keys is logged.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, was not written by geopt, or does not fit preset ``release``.
    """
    path = Path(run).expanduser()
    if path.is_dir():
        path = path / "encoder.safetensors"
    if not path.is_file():
        raise FileNotFoundError(
            f"load_encoder: {path} does not exist; give the folder of a run that has validated or ended, or the path "
            "of an encoder.safetensors"
        )
    if path.suffix in sst_import.SUFFIXES:
        imported = sst_import.load_sst(path)
        log.info("%s: %s", path, imported.account)
        return imported.state, imported.description
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}
    except safetensors.SafetensorError as error:
        raise ValueError(f"load_encoder: {path} is damaged ({error})") from error
    if METADATA_KEY not in metadata:
        raise ValueError(f"load_encoder: {path} has no metadata '{METADATA_KEY}', so geopt did not write it")
    return state, json.loads(metadata[METADATA_KEY])


def of_dataset(description: Mapping[str, Any], dataset: str | None) -> dict[str, Any]:
    """A description as if the encoder had been trained on one of its datasets alone.

    Args:
        dataset: Name or kind; the description stays as it is if no dataset is called so.
    """
    found = [one for one in description.get("datasets", ()) if dataset in (one["name"], one["dataset"])]
    return {**description, **{key: found[0][key] for key in OF_A_DATASET}} if found else dict(description)


class LoadedEncoder:
    """Points in, features of each point out; made by :func:`load`.

    Attributes:
        module: The network, for fine-tuning; calls of this object take no gradients.
        description: What the file says of grid, levels, features, frame and versions.
        features: Names of the channels that points need besides x, y, z.
    """

    def __init__(self, module: PretrainedEncoder) -> None:
        self.module = module
        self.description = module.description
        self.features = module.features

    def to(self, device: torch.device | str) -> LoadedEncoder:
        """Move the network, in place, and return this object."""
        self.module.to(device)
        return self

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.module.parameters()).device

    def __call__(self, points: ArrayLike | Tensor | PointBatch, dataset: str | None = None) -> PointFeatures:
        """Features of every point.

        Args:
            points: (N, 3 + C) array or tensor in the frame that ``description["frame"]`` names: x, y, z in metres, then
                the channels of :attr:`features` as the sensor gives them (intensity is scaled here as it was in
                training). Or a :class:`geopt.structures.PointBatch`, whose features are taken as they are.
            dataset: Of a mixture, the name of the one whose intensities are like these; needed where they differ.

        Returns:
            ``features`` (N, D) float32, 0 for points outside the grid, and ``inside`` (N,) bool, on :attr:`device`.

        Raises:
            ValueError: ``points`` has another number of columns, or there is no such dataset; the message names them.
        """
        batch = points if isinstance(points, PointBatch) else self._batch(torch.as_tensor(points), dataset)
        with torch.no_grad():
            return self.module(batch.to(self.device))

    def _scaling(self, dataset: str | None) -> dict[str, Any]:
        datasets = self.description.get("datasets", ())
        scaling, names = of_dataset(self.description, dataset), [one["name"] for one in datasets]
        is_one = not datasets or {"intensity_scale", "intensity_curve"} <= scaling.keys()
        if not is_one or not (dataset is None or any(dataset in (one["name"], one["dataset"]) for one in datasets)):
            raise ValueError(
                f"encoder: dataset must be one of {', '.join(names) or 'none'}, whose intensities entered differently, got {dataset!r}"
            )
        return scaling

    def _batch(self, points: Tensor, dataset: str | None) -> PointBatch:
        columns = ("x", "y", "z", *self.features)
        if points.ndim != 2 or points.shape[1] != len(columns):
            raise ValueError(
                f"encoder: points must have shape (N, {len(columns)}) with columns {', '.join(columns)}, "
                f"got {tuple(points.shape)}"
            )
        points = points.to(self.device, torch.float32)
        features = points[:, 3:].clone()
        if "intensity" in self.features:
            intensity, scaling = features[:, self.features.index("intensity")], self._scaling(dataset)
            intensity *= scaling.get("intensity_scale", 1.0)
            if scaling.get("intensity_curve") == "tanh":
                intensity.tanh_()
        count = points.shape[0]
        return PointBatch(
            xyz=points[:, :3].contiguous(),
            features=features,
            offsets=torch.tensor([0, count], device=self.device),
            sweep_rows=torch.zeros(count, dtype=torch.int64, device=self.device),
            sensor_origins=torch.zeros(1, 3, device=self.device),
            frames=("points",),
            seeds=(0,),
        )


def load(run: str | Path) -> LoadedEncoder:
    """Load the encoder of a run, on the CPU.

    Args:
        run: A run folder, or the path of an ``encoder.safetensors``.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or its weights do not fit its description.
    """
    state, description = read(run)
    try:
        return LoadedEncoder(PretrainedEncoder.from_state(state, description))
    except (KeyError, RuntimeError, TypeError) as error:
        raise ValueError(f"load_encoder: {run} does not fit its own description: {error}") from error
