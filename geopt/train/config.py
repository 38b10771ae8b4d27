"""What a run may be told besides its data and its model."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from geopt.schema import Frozen
from geopt.structures import VoxelGrid


class RunConfig(Frozen):
    """Where a run lives."""

    dir: str = "runs/pretrain"
    """Folder of the run; a folder that already holds one is continued."""
    resume: Literal["auto", "never", "force"] = "auto"
    """``auto`` goes on if the config is the same and refuses otherwise; ``never`` refuses a folder that holds a run;
    ``force`` goes on although the config differs."""


class GridConfig(Frozen):
    """The token grid (level 0) in the model frame, metres."""

    lower: tuple[float, float, float] = (-51.2, -51.2, -3.2)
    upper: tuple[float, float, float] = (51.2, 51.2, 4.8)
    size: tuple[float, float, float] = (0.256, 0.256, 8.0)

    @model_validator(mode="after")
    def _is_a_grid(self) -> GridConfig:
        self.voxel_grid()
        return self

    def voxel_grid(self) -> VoxelGrid:
        """The same as the object that geometry works with."""
        return VoxelGrid(self.lower, self.upper, self.size)


class TrainConfig(Frozen):
    """How a model is trained. A step is one update of the weights."""

    max_steps: PositiveInt = 20_000
    """The schedule depends on it."""
    batch_size: PositiveInt = 4
    """Frames per rank in one forward pass."""
    accumulate: PositiveInt = 1
    """Forward passes per step; a step sees batch_size x accumulate x ranks frames."""
    lr: PositiveFloat = 1e-3
    """Learning rate after warm-up."""
    min_lr_ratio: float = Field(1e-3, ge=0, le=1)
    """Learning rate at the last step over ``lr``."""
    warmup_ratio: float = Field(0.1, ge=0, lt=1)
    """Share of the steps in which the learning rate climbs."""
    weight_decay: NonNegativeFloat = 0.05
    """Of matrices; biases, norms, mask tokens and layer scales get none."""
    layer_decay: float = Field(1.0, gt=0, le=1)
    """Factor on the learning rate for every layer below the head, for fine-tuning; 1 gives all layers the same."""
    betas: tuple[float, float] = (0.9, 0.999)
    clip_norm: NonNegativeFloat = 10.0
    """Longest gradient, L2 over all parameters; 0 leaves it as it is."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """``auto`` is bf16 autocast on CUDA and fp32 on the CPU, where bf16 is slower."""
    deterministic: bool | Literal["auto"] = "auto"
    """Only kernels that give the same bits in every run; ``auto`` asks for them on the CPU."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``; under torchrun each rank takes the GPU of its local rank."""
    num_threads: NonNegativeInt = 0
    """CPU threads of torch; 0 leaves its choice."""
    checkpoint_every: PositiveInt = 500
    """Steps; there is one more at the end and one when the run is interrupted."""
    keep_checkpoints: int = Field(2, ge=2)
    """The newest ones are kept; at least two, so that a damaged file costs steps and not the run."""
    validate_every: NonNegativeInt = 1000
    """Steps; 0 validates only after the last one."""
    max_val_frames: NonNegativeInt = 0
    """Evenly spaced frames to validate on, of a mixture from each dataset; 0 takes all."""
    baseline_frames: NonNegativeInt = 200
    """Evenly spaced training frames that the constant predictors are fitted to; 0 takes all."""
    log_every: PositiveInt = 10
    """Steps between two training rows of metrics.jsonl."""
    tensorboard: bool = False
    """Write the same numbers for TensorBoard."""
