"""The geometry index: points sorted once by nested voxel key, from which every level and moment is read.

Each level's cells are contiguous ranges of the sorted points and of the next finer level's cells, so counts and centroids
of coarser levels are sums over ranges of finer ones. Sums are whole numbers (see :mod:`geopt.ops.cell_sums`): cells,
counts and centroids have the same bits for every order of the points and any number of threads.
"""

from __future__ import annotations

import dataclasses
import functools
import math

import torch
from torch import Tensor

from geopt import ops
from geopt.ops.cell_pca import CellPCA, planes_of_cells
from geopt.ops.cell_sums import FIXED_POINT_PER_METRE, CellSums, sums_of_cells
from geopt.ops.voxelize import finest_grid, slots_per_token
from geopt.structures import PointBatch, VoxelGrid
from geopt.transfer import constant


@dataclasses.dataclass(frozen=True)
class Pyramid:
    """Nested grids: the token grid is level 0, and ``ratios[l - 1]`` cells (x, y, z) of level l fill one of level l - 1."""

    grid: VoxelGrid
    ratios: tuple[tuple[int, int, int], ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "ratios", tuple(tuple(int(r) for r in ratio) for ratio in self.ratios))
        finest_grid(self.grid, self.ratios)  # refuses ratios below 1

    @property
    def num_levels(self) -> int:
        """The token level counted."""
        return 1 + len(self.ratios)

    @property
    def slots(self) -> tuple[int, ...]:
        """For each level, its cells in one token."""
        return slots_per_token(self.ratios)

    def level_grid(self, level: int) -> VoxelGrid:
        """The whole grid in cells of ``level``."""
        return finest_grid(self.grid, self.ratios[:level])

    def subdivision(self, level: int) -> tuple[int, int, int]:
        """Cells of ``level`` along each axis of one token."""
        x, y, z = (math.prod(ratio[axis] for ratio in self.ratios[:level]) for axis in range(3))
        return x, y, z

    def slot_coords(self, level: int, device: torch.device | str = "cpu") -> Tensor:
        """(slots, 3) int64: where each slot of ``level`` lies in its token, counted in cells of ``level``.

        Slots are in key order: row-major within each parent cell, parent after parent.
        """
        axes = [torch.zeros(1, dtype=torch.int64, device=device)] * 3
        for ratio in self.ratios[:level]:
            steps = torch.meshgrid(*(torch.arange(r, device=device) for r in ratio), indexing="ij")
            axes = [(cell[:, None] * r + step.flatten()).flatten() for cell, r, step in zip(axes, ratio, steps)]
        return torch.stack(axes, dim=1)


@dataclasses.dataclass(frozen=True)
class _Sorted:
    """What the levels of one index share. Levels know finer levels only: a cycle would keep a batch until the collector runs."""

    batch: PointBatch
    pyramid: Pyramid
    order: Tensor
    point_to_token: Tensor


class Level:
    """The occupied cells of one level, ascending by key. Built by :class:`GeometryIndex`; fields appear when first read."""

    def __init__(self, of: _Sorted, number: int, keys: Tensor, starts: Tensor, finer: Level | None):
        self._sorted, self._finer = of, finer
        self.number = number
        self.grid = of.pyramid.level_grid(number)
        self.keys = keys
        """(M,) int64."""
        self.starts = starts
        """(M + 1,) int64 ranges of ``GeometryIndex.order``."""

    def __len__(self) -> int:
        return self.keys.shape[0]

    @functools.cached_property
    def num_points(self) -> Tensor:
        """(M,) int64."""
        return self.starts.diff()

    @functools.cached_property
    def token(self) -> Tensor:
        """(M,) int64 row of level 0 that holds the cell."""
        if self.number == 0:
            return torch.arange(len(self), device=self.keys.device)
        return self._sorted.point_to_token[self._sorted.order[self.starts[:-1]]]

    @functools.cached_property
    def slot(self) -> Tensor:
        """(M,) int64 slot in the token, in the order of :meth:`Pyramid.slot_coords`."""
        return self.keys % self._sorted.pyramid.slots[self.number]

    @functools.cached_property
    def coords_bxyz(self) -> Tensor:
        """(M, 4) int32 (batch, x, y, z) in cells of this level."""
        pyramid = self._sorted.pyramid
        return ops.cell_coords(self.keys, pyramid.grid.shape, pyramid.ratios[: self.number])

    @functools.cached_property
    def child_starts(self) -> Tensor:
        """(M + 1,) int64: the occupied cells of the next finer level inside cell i are rows child_starts[i:i + 2]."""
        if self._finer is None:
            raise ValueError(f"child_starts: level {self.number} is the finest, it has no children")
        # Starts are rows of one list, and those of this level are among those of the finer: a table of them is three
        # times as fast as a search.
        finer = self._finer.starts
        position = finer.new_empty(self._sorted.order.shape[0] + 1)
        position[finer] = torch.arange(finer.shape[0], device=finer.device)
        return position[self.starts]

    @functools.cached_property
    def sums(self) -> Tensor:
        """(M, 3) int64 sum of (p - lower) in fixed point."""
        if self._finer is None:
            return self._cell_sums.sums
        total = torch.cat([self.starts.new_zeros(1, 3), torch.cumsum(self._finer.sums, 0)])
        return total[self.child_starts].diff(dim=0)

    @functools.cached_property
    def sweep(self) -> Tensor:
        """(M,) int64 row of ``sensor_origins``: the newest sweep that saw the cell."""
        if self._finer is None:
            return self._cell_sums.lowest_sweep
        # float64 holds row numbers exactly; the check of the offsets would wait for a GPU
        rows = self._finer.sweep.double()
        return torch.segment_reduce(rows, "min", offsets=self.child_starts, unsafe=True).to(torch.int64)

    @functools.cached_property
    def _cell_sums(self) -> CellSums:
        shared = self._sorted
        batch, lower = shared.batch, shared.pyramid.grid.lower
        return sums_of_cells(batch.xyz, shared.order, self.starts, lower, batch.sweep_rows)

    @functools.cached_property
    def centroids(self) -> Tensor:
        """(M, 3) float64 mean of the points, metres from the grid's lower corner."""
        return self.sums.double() / (self.num_points.double() * FIXED_POINT_PER_METRE)[:, None]

    @functools.cached_property
    def centroid_offsets(self) -> Tensor:
        """(M, 3) float32 mean of the points, metres from the cell's lower corner."""
        size = constant(self.grid.size, torch.float64, self.keys.device)
        return (self.centroids - self.coords_bxyz[:, 1:] * size).float()


class GeometryIndex:
    """One sort of a batch by (batch, token, level-1 slot, level-2 slot, ...).

    Args:
        batch: Points of the batch. Points outside the grid, or with a NaN, are in no cell.
        pyramid: Token grid and ratios.

    Attributes:
        order: (K,) int64 rows of ``batch.xyz`` inside the grid, by key.
        point_to_token: (N,) int64 rows of level 0, or -1.
        levels: level 0 (tokens) to the finest.
    """

    def __init__(self, batch: PointBatch, pyramid: Pyramid):
        self.batch = batch
        self.pyramid = pyramid
        self.batch_size = batch.batch_size
        index = ops.voxel_index(batch.xyz, batch.offsets, pyramid.grid, pyramid.ratios)
        self.order = index.order
        self.point_to_token = index.point_to_token
        shared = _Sorted(batch, pyramid, index.order, index.point_to_token)
        levels: list[Level] = []
        for number in reversed(range(pyramid.num_levels)):
            finer = levels[0] if levels else None
            levels.insert(0, Level(shared, number, index.keys[number], index.starts[number], finer))
        self.levels = tuple(levels)

    @functools.cached_property
    def token_offsets(self) -> Tensor:
        """(B + 1,) int64: tokens of cloud b are rows ``token_offsets[b]:token_offsets[b + 1]`` of level 0."""
        cells = self.pyramid.grid.num_voxels
        first = torch.arange(self.batch_size + 1, device=self.order.device) * cells
        return torch.searchsorted(self.levels[0].keys, first)

    def planes(self, level: int, window: tuple[int, int, int], about_own: bool, rows: Tensor) -> CellPCA:
        """Principal axes of the level-1 centroids around cells of ``level``.

        Args:
            level: 0 for tokens, 1 for level-1 cells, or finer, where the cells' own centroids are used.
            window: Cells of ``level`` along x, y, z that count as neighbours.
            about_own: Centre on the cell's own centroid and do not divide, as the released GeoMAE does; else the
                covariance about the mean of the neighbours.
            rows: (R,) int64 rows of the level. On a GPU their range is not checked: that would wait for it.
        """
        cells = self.levels[level]
        if level == 0 and len(self.levels) > 1:
            members, starts = self.levels[1].centroids, cells.child_starts
        else:
            members, starts = cells.centroids, torch.arange(len(cells) + 1, device=self.order.device)
        centers = cells.centroids if about_own else None
        return planes_of_cells(members, starts, cells.coords_bxyz, cells.grid.shape, window, rows, centers)
