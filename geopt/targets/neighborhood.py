"""What the decoder is asked: the hidden tokens, and on request empty places around the visible ones.

Asking for hidden tokens alone tells the decoder which places are occupied; empty places among the questions take that
hint away (NOMAE, CVPR 2025, arXiv:2502.20316).
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from geopt import ops
from geopt.geometry import GeometryIndex
from geopt.ops.cell_pca import CellPCA
from geopt.targets.masking import Mask


@dataclasses.dataclass(frozen=True, eq=False)
class Queries:
    """Hidden tokens first, in their order, then empty places."""

    index: GeometryIndex
    coords_bxyz: Tensor
    """(Q, 4) int32 cells of level 0."""
    token: Tensor
    """(H,) int64 rows of level 0 of the hidden tokens: the first H queries."""
    of_token: Tensor
    """(T,) int64 query of each token, -1 for a visible one."""
    # Several targets ask for the same cells and planes.
    _cells: dict[int, tuple[Tensor, Tensor, Tensor]] = dataclasses.field(default_factory=dict, repr=False)
    _planes: dict[tuple[int, tuple[int, int, int], bool], CellPCA] = dataclasses.field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return self.coords_bxyz.shape[0]

    @property
    def num_hidden(self) -> int:
        return self.token.shape[0]

    def cells(self, level: int) -> tuple[Tensor, Tensor, Tensor]:
        """Occupied cells of a level inside hidden tokens: their rows, queries and slots, each (K,) int64."""
        if level not in self._cells:
            cells = self.index.levels[level]
            query = self.of_token[cells.token]
            rows = torch.nonzero(query >= 0)[:, 0]
            self._cells[level] = rows, query[rows], cells.slot[rows]
        return self._cells[level]

    def planes(self, level: int, window: tuple[int, int, int], about_own: bool) -> CellPCA:
        """:meth:`GeometryIndex.planes` of the cells that :meth:`cells` lists."""
        key = level, window, about_own
        if key not in self._planes:
            self._planes[key] = self.index.planes(*key, self.cells(level)[0])
        return self._planes[key]


def make_queries(index: GeometryIndex, mask: Mask, empty_radius: int = 0) -> Queries:
    """Ask for every hidden token and for each empty place within ``empty_radius`` tokens of a visible one.

    Args:
        index: Geometry of the batch.
        mask: Visible and hidden tokens.
        empty_radius: Chebyshev distance in tokens; 0 asks for no empty place.
    """
    tokens = index.levels[0]
    coords = tokens.coords_bxyz[mask.hidden]
    of_token = torch.full((len(tokens),), -1, dtype=torch.int64, device=coords.device)
    of_token[mask.hidden] = torch.arange(mask.hidden.shape[0], device=coords.device)
    if empty_radius > 0:
        coords = torch.cat([coords, _empty_places(index, mask.visible, empty_radius)])
    return Queries(index, coords, mask.hidden, of_token)


def _empty_places(index: GeometryIndex, visible: Tensor, radius: int) -> Tensor:
    shape, tokens = index.pyramid.grid.shape, index.levels[0]
    keys, inside = tokens.keys[visible][:, None], torch.ones_like(visible, dtype=torch.bool)[:, None]
    stride = 1
    for axis in (2, 1, 0):  # from the axis whose neighbours have neighbouring keys
        reach = min(radius, shape[axis] - 1)
        if reach == 0:  # pillars: one cell, whose number adds nothing to a key
            continue
        step = torch.arange(-reach, reach + 1, device=keys.device)
        near = tokens.coords_bxyz[visible, 1 + axis][:, None] + step
        keys = (keys[:, :, None] + stride * step).flatten(1)
        inside = (inside[:, :, None] & ((near >= 0) & (near < shape[axis]))[:, None]).flatten(1)
        stride *= shape[axis]
    places = torch.unique(keys[inside])
    return ops.cell_coords(places[~torch.isin(places, tokens.keys, assume_unique=True)], shape)
