"""What the loop asks of a model and of its data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from geopt.structures import PointBatch


class Output(Protocol):
    """Result of a forward pass; any tuple, NamedTuple or dataclass with these two."""

    @property
    def loss(self) -> Tensor:
        """Scalar to minimise."""
        ...

    @property
    def terms(self) -> dict[str, Tensor]:
        """The parts of the loss by name, unweighted and detached; the same names for every batch and rank."""
        ...


class Pretrainable(Protocol):
    """A ``torch.nn.Module`` that can be pre-trained: ``model(batch)`` gives an :class:`Output`.

    All sums are float64 tensors on the CPU that may be added over batches and ranks. A parameter that a batch does
    not use may stay without gradient.
    """

    def baseline_sums(self, batch: PointBatch) -> dict[str, Tensor]:
        """What constant predictors are fitted from, over un-augmented training frames."""
        ...

    def finish_baseline(self, sums: dict[str, Tensor]) -> dict[str, Tensor]:
        """The constant predictors."""
        ...

    def validation_sums(self, batch: PointBatch, baseline: dict[str, Tensor]) -> dict[str, Tensor]:
        """Errors of the model and of the constant predictors on frames it does not train on."""
        ...

    def finish_validation(self, sums: dict[str, Tensor]) -> dict[str, float]:
        """Metrics by name: ``val/...``, each beside the same name with ``_baseline``."""
        ...

    def picture(self, batch: PointBatch) -> dict[str, Tensor]:
        """CPU arrays of one frame for the report."""
        ...

    def encoder_state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Weights of the encoder and the JSON-able description that goes with them."""
        ...


class Dataset(Protocol):
    """A map-style dataset: an item is asked for by its index, or by (epoch, index) where the epoch changes it."""

    def __len__(self) -> int: ...

    def __getitem__(self, key: Any) -> Any: ...


class Datasets(NamedTuple):
    """The frames of a run."""

    train: Dataset
    """Asked for (epoch, index)."""
    plain: Dataset
    """The training frames without augmentation, asked for an index; the constant predictors are fitted to them."""
    val: Dataset | None
    """Asked for an index; None trains without validation."""
    collate: Callable[[Sequence[Any]], PointBatch]
    """Makes a batch of items."""
    val_parts: Mapping[str, Dataset] = {}
    """The datasets that ``val`` consists of by name, if they shall have metrics of their own."""
