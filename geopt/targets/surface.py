"""What normal and curvature share: the plane through the cells around a cell, and where it is determined."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import torch
from torch import Tensor

from geopt.targets.neighborhood import Queries


@dataclasses.dataclass(frozen=True)
class Neighborhood:
    """Which centroids a plane is fitted to: those of level-1 cells, or of the cells themselves where these are finer.

    Args:
        level: Cells that get a normal: 0 for tokens, 1 for level-1 cells, 2 for finer ones.
        window: Cells of that level along x, y, z around it, odd.
        about_own: Centre on the centroid of the cell itself and do not divide by the number of neighbours, as released.
        min_cells: A plane needs at least this many centroids, not all at one place; 0 accepts anything, as released.
        min_gap: A normal needs (middle - smallest) / largest eigenvalue above this; 0 with ``min_cells`` 0 accepts
            anything, as released.
    """

    level: int = 0
    window: tuple[int, int, int] = (3, 3, 1)
    about_own: bool = False
    min_cells: int = 6
    min_gap: float = 0.01


class Surface(NamedTuple):
    """Planes of the occupied cells of hidden tokens."""

    query: Tensor
    """(K,) int64."""
    slot: Tensor
    """(K,) int64."""
    normals: Tensor
    """(K, 3) float32 unit, sign as it falls."""
    eigenvalues: Tensor
    """(K, 3) float32 ascending."""
    enough: Tensor
    """(K,) bool: enough neighbours for eigenvalues to mean something."""
    determined: Tensor
    """(K,) bool: the normal is determined too."""
    rows: Tensor
    """(K,) int64 rows of the level."""


def surface_of_queries(queries: Queries, hood: Neighborhood) -> Surface:
    """Fit a plane around every occupied cell of ``hood.level`` inside the hidden tokens, and say where it counts."""
    rows, query, slot = queries.cells(hood.level)
    pca = queries.planes(hood.level, hood.window, hood.about_own)
    low, middle, high = pca.eigenvalues.unbind(1)
    if hood.min_cells > 0:
        enough = (pca.num_points >= hood.min_cells) & (high > 0)
    else:
        enough = torch.ones_like(high, dtype=torch.bool)
    determined = enough
    if hood.min_cells > 0 or hood.min_gap > 0:
        determined = enough & (middle - low > hood.min_gap * high)
    return Surface(query, slot, pca.normals, pca.eigenvalues, enough, determined, rows)
