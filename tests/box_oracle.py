"""The official detection and tracking evaluators, run in the environment of nuscenes-devkit 1.2.0.

Reads a JSON list of (task, data root, version, split, predictions) from standard input and writes a JSON list of
{"summary": ..., "details": ...} or {"error": ...}. With ``--cost TASK ROOT VERSION SPLIT PREDICTIONS`` it runs one case
and prints its seconds, CPU seconds, peak memory and summary instead.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
import warnings


def run(task: str, data_root: str, version: str, split: str, predictions: str, databases: dict) -> dict:
    from nuscenes import NuScenes
    from nuscenes.eval.common.config import config_factory
    from nuscenes.eval.detection.evaluate import DetectionEval

    with tempfile.TemporaryDirectory() as out:
        if (data_root, version) not in databases:
            databases[data_root, version] = NuScenes(version, data_root, verbose=False)
        nusc = databases[data_root, version]
        if task == "detection":
            config = config_factory("detection_cvpr_2019")
            DetectionEval(nusc, config, predictions, split, out, verbose=False).main(render_curves=False)
        else:
            from nuscenes.eval.tracking.evaluate import TrackingEval

            config = config_factory("tracking_nips_2019")
            evaluator = TrackingEval(config, predictions, split, out, version, data_root, verbose=False)
            evaluator.main(render_curves=False)
        files = (os.path.join(out, f"metrics_{name}.json") for name in ("summary", "details"))
        summary, details = (json.loads(open(file).read()) for file in files)
    return {"summary": summary, "details": details}


def main() -> None:
    warnings.filterwarnings("ignore")
    answers = os.dup(1)
    os.dup2(2, 1)  # the devkit prints
    if sys.argv[1:2] == ["--cost"]:
        begin, begin_cpu = time.perf_counter(), time.process_time()
        summary = run(*sys.argv[2:], {})["summary"]
        cost = {
            "summary": summary,
            "seconds": time.perf_counter() - begin,
            "cpu_seconds": time.process_time() - begin_cpu,
        }
        cost["peak_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        os.write(answers, json.dumps(cost).encode())
        return
    found, databases = [], {}
    for case in json.load(sys.stdin):
        try:
            found.append(run(*case, databases))
        except Exception as error:
            found.append({"error": f"{type(error).__name__}: {error}"})
    with os.fdopen(answers, "w") as out:
        json.dump(found, out)


if __name__ == "__main__":
    main()
