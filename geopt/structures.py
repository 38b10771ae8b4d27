"""The few shapes of data that every floor of geopt passes on: grids, point batches, voxels, boxes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor

AXES = "xyz"


@dataclasses.dataclass(frozen=True)
class VoxelGrid:
    """An axis-aligned box cut into equal voxels, each owning the half-open box [lower, upper).

    Args:
        lower: (x, y, z) of the lowest corner, metres.
        upper: (x, y, z) of the highest corner, metres; belongs to no voxel.
        size: (x, y, z) edge lengths of one voxel, metres.

    Raises:
        ValueError: an extent is not a whole number of voxels, or a value is not finite.
    """

    lower: tuple[float, float, float]
    upper: tuple[float, float, float]
    size: tuple[float, float, float]

    def __post_init__(self) -> None:
        for name in ("lower", "upper", "size"):
            value = tuple(float(v) for v in getattr(self, name))
            if len(value) != 3 or not all(math.isfinite(v) for v in value):
                raise ValueError(f"VoxelGrid: {name} must be three finite numbers (x, y, z), got {getattr(self, name)}")
            object.__setattr__(self, name, value)
        for axis, low, high, size in zip(AXES, self.lower, self.upper, self.size):
            if high <= low:
                raise ValueError(
                    f"VoxelGrid: upper must exceed lower on every axis, {axis} has lower={low} and upper={high}"
                )
            if size <= 0:
                raise ValueError(f"VoxelGrid: size must be positive on every axis, {axis} has size={size}")
            count = (high - low) / size
            if round(count) < 1 or abs(count - round(count)) > 1e-4:
                raise ValueError(
                    f"VoxelGrid: the extent must be a whole number of voxels on every axis, "
                    f"{axis} has ({high} - {low}) / {size} = {count:.6g}"
                )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along x, y, z."""
        x, y, z = (round((h - l) / s) for l, h, s in zip(self.lower, self.upper, self.size))
        return x, y, z

    @property
    def num_voxels(self) -> int:
        return math.prod(self.shape)

    def divided(self, ratio: tuple[int, int, int]) -> VoxelGrid:
        """The same box in voxels smaller by a whole factor per axis (x, y, z)."""
        if any(int(r) != r or r < 1 for r in ratio):
            raise ValueError(f"VoxelGrid.divided: ratio must be three whole numbers >= 1, got {ratio}")
        x, y, z = (s / r for s, r in zip(self.size, ratio))
        return VoxelGrid(self.lower, self.upper, (x, y, z))


class Voxels(NamedTuple):
    """Result of :func:`geopt.ops.voxelize`."""

    coords_bxyz: Tensor
    """(M, 4) int32 as (batch, x, y, z), sorted lexicographically, each once."""
    point_to_voxel: Tensor
    """(N,) int64 rows of ``coords_bxyz``, -1 for a point outside the grid or with a NaN."""


class Neighbors(NamedTuple):
    """Result of a neighbour search, rows in the order of the queries."""

    indices: Tensor
    """(N, k) int64 rows of ``key`` by ascending (distance, row); -1 where there is none."""
    squared_distances: Tensor
    """(N, k) float32, square metres; inf where there is none."""


class RaggedNeighbors(NamedTuple):
    """All neighbours of each query: those of query i are entries ``row_splits[i]:row_splits[i + 1]``."""

    row_splits: Tensor
    """(N + 1,) int64."""
    indices: Tensor
    """(E,) int64 rows of ``key`` by ascending (distance, row)."""
    squared_distances: Tensor
    """(E,) float32, square metres."""


class LocalPCA(NamedTuple):
    """Result of :func:`geopt.ops.local_pca`."""

    normals: Tensor
    """(N, 3) float32 unit vectors, 0 where undetermined."""
    eigenvalues: Tensor
    """(N, 3) float32 ascending, square metres, of the covariance over n."""
    num_neighbors: Tensor
    """(N,) int64, the point itself counted."""


@dataclasses.dataclass(frozen=True)
class Boxes:
    """Labelled boxes of one frame, x forward, right-handed.

    ``geometry`` is (M, 9) float64: x, y, z of the centre, length, width, height (metres), yaw (radians),
    vx, vy (metres per second, NaN where unknown), all in the frame named by ``frame``.
    """

    geometry: Tensor
    names: tuple[str, ...]
    """M category names of the dataset."""
    tokens: tuple[str, ...]
    """M annotation tokens."""
    instances: tuple[str, ...]
    """M instance tokens, the same for one object over time."""
    num_points: Tensor
    """(M,) int64 LiDAR points inside, as the dataset counts them."""
    frame: str = "ego"
    """``ego`` or ``lidar``."""


@dataclasses.dataclass(frozen=True)
class PointBatch:
    """Point clouds of a batch, one after the other.

    The frame is the model frame (ego: x forward, y left, z up) unless a config says ``lidar``.
    """

    xyz: Tensor
    """(N, 3) float32, metres."""
    features: Tensor
    """(N, C) float32; the names of the channels are in the config."""
    offsets: Tensor
    """(B + 1,) int64 from 0 to N; cloud b is rows ``offsets[b]:offsets[b + 1]``."""
    sweep_rows: Tensor
    """(N,) int64 row of ``sensor_origins`` that saw the point; lower rows of a cloud are newer sweeps."""
    sensor_origins: Tensor
    """(S, 3) float32, where the sensor stood for each sweep, metres, in the frame of ``xyz``."""
    frames: tuple[str, ...]
    """B names for messages, such as ``scene-0523/12``."""
    seeds: tuple[int, ...]
    """B whole numbers below 2**63, from which each frame's random choices (masking) are drawn on any device."""

    @property
    def batch_size(self) -> int:
        """Number of clouds."""
        return self.offsets.numel() - 1

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        """The same batch with its tensors on another device."""
        return self._each_tensor(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Self:
        """The same batch in page-locked memory; data loaders call this before a copy to a GPU."""
        return self._each_tensor(lambda tensor: tensor.pin_memory())

    def _each_tensor(self, change: Callable[[Tensor], Tensor]) -> Self:
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        changed: dict[str, Any] = {name: change(value) for name, value in values.items() if isinstance(value, Tensor)}
        return dataclasses.replace(self, **changed)


@dataclasses.dataclass(frozen=True)
class LabelledBatch(PointBatch):
    """Point clouds with what people labelled in them, for fine-tuning and scoring."""

    labels: Tensor
    """(N,) int64 class of each point, 0 where it is unknown or not to be learned; (0,) if labels were not read."""
    boxes: Tensor
    """(K, 9) float64 x, y, z of the centre, length, width, height, yaw, vx, vy (NaN where unknown), in the frame of
    ``xyz``; those of all clouds one after the other."""
    box_classes: Tensor
    """(K,) int64 row of the task's class list."""
    box_num_points: Tensor
    """(K,) int64 LiDAR points in each box, as the dataset counts them."""
    box_offsets: Tensor
    """(B + 1,) int64; boxes of cloud b are rows ``box_offsets[b]:box_offsets[b + 1]``."""
    tokens: tuple[str, ...]
    """B sample tokens."""
