"""What is timed, one module for each kind of op."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from geopt.bench.cases import boxes, neighbours, sampling, voxels
from geopt.bench.measure import Case, Peers


def all_cases(clouds: Mapping[str, Tensor], threads: int, peers: Peers, ops: Sequence[str] = ()) -> list[Case]:
    """The cases of all ops.

    Args:
        clouds: (N, 3) float32 by name.
        threads: That peers are told to use.
        peers: Who else.
        ops: Beginnings of names of ops; none means all.

    Raises:
        ValueError: no op begins so.
    """
    cases = [*voxels.cases(clouds, peers), *sampling.cases(clouds, peers), *boxes.cases(peers)]
    cases += neighbours.cases(clouds, threads, peers)
    chosen = [case for case in cases if not ops or case.op.startswith(tuple(ops))]
    if not chosen:
        known = ", ".join(dict.fromkeys(case.op for case in cases))
        raise ValueError(f"bench: --op must begin the name of one of {known}, got {', '.join(ops)}")
    return chosen
