"""What :func:`geopt.bench.run.run` starts: times the cases that it is asked for and prints them as JSON."""

from __future__ import annotations

import json
import os
import sys


def main(asked: dict) -> dict:
    """Time cases.

    Args:
        asked: ``threads``, ``ops``, ``scans``, ``peers`` and ``repeats`` as in :func:`geopt.bench.run.run`.
    """
    import torch

    from geopt.bench.cases import all_cases
    from geopt.bench.clouds import made_up, read
    from geopt.bench.measure import Peers, compare
    from geopt.bench.run import facts, packed

    torch.set_num_threads(asked["threads"])
    peers = Peers(asked["peers"])
    clouds = read(asked["scans"]) if asked["scans"] else made_up()
    cases = all_cases(clouds, asked["threads"], peers, asked["ops"])
    timings = compare(
        cases, asked["repeats"], lambda case: print(f"{case.op}: {case.input}: {case.who}", file=sys.stderr)
    )
    return {"facts": facts(), "missing": peers.missing, "timings": packed(timings)}


if __name__ == "__main__":
    answer = os.dup(1)
    os.dup2(2, 1)  # peers that greet on stdout must not disturb the answer
    with os.fdopen(answer, "w") as file:
        json.dump(main(json.loads(sys.argv[1])), file)
