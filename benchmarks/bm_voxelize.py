"""Voxels and the voxel of each point: `python benchmarks/bm_voxelize.py [--scan FILE.bin]`."""

from __future__ import annotations

import torch
from timing import arguments, clouds, table
from torch import Tensor

from geopt import ops, reference
from geopt.structures import VoxelGrid

GRID = VoxelGrid((-102.4, -102.4, -5.0), (102.4, 102.4, 11.4), (0.1, 0.1, 0.1))


def rows_unique(xyz: Tensor) -> Tensor:
    """The usual substitute: unique rows of integer coordinates."""
    cell = torch.floor((xyz - xyz.new_tensor(GRID.lower)) / GRID.size[0]).int()
    return torch.unique(cell, dim=0, return_inverse=True)[1]


def main() -> None:
    given = arguments(__doc__ or "")
    rows = []
    for name, xyz in clouds(given).items():
        ends = torch.tensor([0, len(xyz)])
        rows.append((name, "geopt voxelize 0.1 m", len(xyz), lambda x=xyz, e=ends: ops.voxelize(x, e, GRID)))
        rows.append(
            (name, "torch.unique of packed keys", len(xyz), lambda x=xyz, e=ends: reference.voxelize(x, e, GRID))
        )
        rows.append((name, "torch.unique(dim=0)", len(xyz), lambda x=xyz: rows_unique(x)))
    table("voxelize", given, rows)


if __name__ == "__main__":
    main()
