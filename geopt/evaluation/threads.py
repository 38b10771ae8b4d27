"""How many threads the compiled loops use."""

from __future__ import annotations

import os


def count(num_threads: int | None) -> int:
    """Number of threads: the argument, or ``OMP_NUM_THREADS``, or the processors that this process may use.

    Raises:
        ValueError: ``num_threads`` is less than 1.
    """
    if num_threads is not None:
        if num_threads < 1:
            raise ValueError(f"num_threads must be at least 1, got {num_threads}")
        return num_threads
    wished = os.environ.get("OMP_NUM_THREADS", "")
    if wished.isdigit() and int(wished) > 0:
        return int(wished)
    return len(os.sched_getaffinity(0))
