"""Frames repeated so that rare classes come up as often as common ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def balanced(presence: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw frames so that every class has the same number of frames drawn for it.

    Each class draws (frames with it, summed over classes) / (number of classes) frames from those that hold it; a class
    with fewer frames repeats all of them before one comes up once more. Frames without any class are kept once.

    Args:
        presence: (F, C) whether frame f holds class c. Classes that no frame holds are left out.
        rng: Decides which frames make up the remainder.

    Returns:
        Rows of ``presence``, ascending, frames of common classes fewer times than those of rare ones.

    Raises:
        ValueError: no frame holds any class.

    Source: Zhu et al., Class-balanced Grouping and Sampling, arXiv:1908.09492.
    """
    held = presence[:, presence.any(axis=0)]
    if not held.size:
        raise ValueError(
            "balanced: at least one frame must hold a class, got none; look at data.train, or set balance=false"
        )
    wanted = max(1, round(held.sum() / held.shape[1]))
    drawn = [np.flatnonzero(~held.any(axis=1))]
    for column in held.T:
        frames = np.flatnonzero(column)
        whole, rest = divmod(wanted, len(frames))
        drawn += [np.repeat(frames, whole), rng.choice(frames, rest, replace=False)]
    return np.sort(np.concatenate(drawn))
