"""Voxels, the voxel of each point, and the mean of each voxel's points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from geopt import ops
from geopt.bench.measure import OURS, Case, Peers, turned
from geopt.structures import VoxelGrid

GRID = VoxelGrid((-102.4, -102.4, -5.0), (102.4, 102.4, 11.4), (0.1, 0.1, 0.1))
MOST_POINTS_IN_VOXEL = 5
"""What spconv keeps; the others keep all."""


def cases(clouds: Mapping[str, Tensor], peers: Peers) -> Iterator[Case]:
    """Cases for clouds of (N, 3) float32, without their points outside the grid."""
    lower, upper = torch.tensor(GRID.lower), torch.tensor(GRID.upper) - 1e-3
    spconv = peers.find("spconv.pytorch.utils")
    for name, whole in clouds.items():
        xyz = whole[((whole > lower) & (whole < upper) & (whole[:, :2].abs().amax(1) < 102.3)[:, None]).all(dim=1)]
        copies, about = turned(xyz), f"{name}, {len(xyz):,} points"

        def case(who: str, run, about: str = about, copies: list[Tensor] = copies) -> Case:  # type: ignore[no-untyped-def]
            return Case("voxelize 0.1 m and mean", about, who, len(copies[0]), copies, run)

        yield case(OURS, ours)
        if spconv is not None:
            bounds = [*GRID.lower, *GRID.upper]
            voxels = spconv.PointToVoxel(list(GRID.size), bounds, 3, len(xyz), MOST_POINTS_IN_VOXEL)
            yield case(f"spconv, at most {MOST_POINTS_IN_VOXEL} points, no mean", voxels)
        if peers.wanted:
            yield case("torch.unique(key) and index_add", unique_keys)
            yield case("torch.unique(dim=0) and scatter", unique_rows)


def ours(xyz: Tensor) -> Tensor:
    """Means of voxels by geopt."""
    return ops.voxel_downsample(xyz, torch.tensor([0, len(xyz)]), GRID).means


def unique_keys(xyz: Tensor) -> Tensor:
    """The substitute of those who know that torch sorts rows slowly."""
    x, y, z = _cells(xyz).long().unbind(1)
    _, inverse = torch.unique((x * GRID.shape[1] + y) * GRID.shape[2] + z, return_inverse=True)
    count = int(inverse.max()) + 1
    total = torch.zeros(count, 3).index_add_(0, inverse, xyz)
    return total / torch.zeros(count).index_add_(0, inverse, torch.ones(len(xyz)))[:, None]


def unique_rows(xyz: Tensor) -> Tensor:
    """The usual substitute."""
    cells, inverse = torch.unique(_cells(xyz), dim=0, return_inverse=True)
    index = inverse[:, None].expand(-1, 3)
    return torch.zeros(len(cells), 3).scatter_reduce_(0, index, xyz, "mean", include_self=False)


def _cells(xyz: Tensor) -> Tensor:
    return torch.floor((xyz - xyz.new_tensor(GRID.lower)) / GRID.size[0]).int()
