"""The official Argoverse 2 detection evaluator, run in the environment of av2 0.3.6.

Reads a JSON list of (predictions, ground truth), paths of .npz files, from standard input and writes a JSON list of
``per_category`` and ``rounded_table``.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import sys


class HereAndNow:
    """In place of a pool of processes: each would import for seconds."""

    def Pool(self, processes: int) -> contextlib.nullcontext:
        return contextlib.nullcontext(self)

    def starmap(self, function, arguments) -> list:
        return list(itertools.starmap(function, arguments))


def run(predictions: str, ground_truth: str) -> dict:
    import numpy as np
    import pandas as pd
    from av2.evaluation.detection import eval as official
    from av2.evaluation.detection.utils import DetectionCfg
    from av2.structures.cuboid import ORDERED_CUBOID_COL_NAMES

    official.mp.get_context = lambda method: HereAndNow()
    frames = []
    for path, last in ((predictions, "score"), (ground_truth, "num_interior_pts")):
        table = np.load(path)
        columns = {name: table[name] for name in ("log_id", "timestamp_ns", "category")}
        columns |= dict(zip(ORDERED_CUBOID_COL_NAMES, table["cuboids"].T)) | {last: table["last"]}
        frames.append(pd.DataFrame(columns))
    config = DetectionCfg(eval_only_roi_instances=False)
    judged, truths, rounded = official.evaluate(*frames, config)
    exact = official.summarize_metrics(judged, truths, config)
    return {"per_category": exact.to_dict("index"), "rounded_table": rounded.to_dict("index")}


if __name__ == "__main__":
    cases = json.load(sys.stdin)
    with contextlib.redirect_stdout(sys.stderr):
        answers = [run(*case) for case in cases]
    json.dump(answers, sys.stdout)
