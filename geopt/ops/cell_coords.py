"""Where the cells of a voxel index lie."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from geopt.ops import _check


def cell_coords(keys: Tensor, shape: tuple[int, int, int], ratios: Sequence[tuple[int, int, int]] = ()) -> Tensor:
    """Find the coordinates of cells from their keys.

    Args:
        keys: (M,) int64 keys of cells of one level, as in :class:`geopt.ops.voxelize.VoxelIndex`.
        shape: Voxels of the token grid along x, y, z.
        ratios: For each finer level down to that of the keys, cells per parent cell along x, y, z.

    Returns:
        (M, 4) int32 (batch, x, y, z), counted in cells of the level of the keys.

    Raises:
        ValueError: ``keys`` is not (M,), or a number of cells is below 1.
        TypeError: ``keys`` is not int64.

    Not differentiable. The same integers on every device.
    """
    op = "cell_coords"
    _check.tensor(op, "keys", keys, "(M)", (torch.int64,))
    for name, cells in (("shape", shape), *(("each of ratios", ratio) for ratio in ratios)):
        if len(cells) != 3 or any(count < 1 for count in cells):
            raise ValueError(f"{op}: {name} must be three whole numbers >= 1, got {cells}")
    _check.compiled(op, op, "keys", keys)
    return torch.ops.geopt.cell_coords(keys, shape, [count for ratio in ratios for count in ratio])


@torch.library.register_fake("geopt::cell_coords")
def _(keys, shape, ratios):  # type: ignore[no-untyped-def]
    return keys.new_empty(keys.shape[0], 4, dtype=torch.int32)
