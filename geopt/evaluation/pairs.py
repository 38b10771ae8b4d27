"""Which rows of two tables belong to the same group, such as a frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


def in_same_group(a: NDArray[Any], b: NDArray[Any]) -> tuple[Rows, Rows]:
    """Every pair of a row of ``a`` and a row of ``b`` with the same group.

    Args:
        a: (N,) numbers of groups in any order.
        b: (M,) likewise, ascending.

    Returns:
        Rows of ``a`` and rows of ``b``, (K,) each, ascending by the first and then by the second.
    """
    first = np.searchsorted(b, a, side="left")
    count = np.searchsorted(b, a, side="right") - first
    of_a = np.repeat(np.arange(len(a)), count)
    shift = first - (np.cumsum(count) - count)
    return of_a, np.arange(len(of_a)) + np.repeat(shift, count)


def place_in_group(group: NDArray[Any]) -> Rows:
    """0 for the first row of each group, 1 for its second, and so on.

    Args:
        group: (N,) numbers of groups, ascending.
    """
    return np.arange(len(group)) - np.searchsorted(group, group, side="left")
