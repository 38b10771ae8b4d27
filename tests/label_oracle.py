"""Runs in the environment of the official devkit: scores folders of predictions and prints what it makes of them.

Reads a JSON list of [task, data_root, version, split, predictions, panoptic_task, min_instance_points] from stdin; prints one
of {"metrics": ...} and {"error": "type: message"}, with the seconds that it took.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import warnings


def score(task, data_root, version, split, predictions, panoptic_task, min_instance_points):
    from nuscenes.eval.lidarseg.evaluate import LidarSegEval
    from nuscenes.eval.panoptic.evaluate import NuScenesPanopticEval
    from nuscenes.nuscenes import NuScenes

    database = NuScenes(version, data_root, verbose=False)
    started = time.process_time()
    if task == "lidarseg":
        evaluator = LidarSegEval(database, predictions, split)
        metrics = evaluator.evaluate()
        metrics["confusion_matrix_gt_rows_pred_cols"] = evaluator.global_cm.global_cm.tolist()
    else:
        with tempfile.TemporaryDirectory() as out:
            evaluator = NuScenesPanopticEval(database, predictions, split, panoptic_task, min_instance_points, out)
            evaluator.evaluate()
            with open(evaluator.eval_result_file) as file:
                metrics = json.load(file)
    return {"metrics": metrics, "seconds": time.process_time() - started}


def main():
    warnings.simplefilter("ignore")
    found = []
    for case in json.load(sys.stdin):
        try:
            found.append(score(*case))
        except Exception as error:
            found.append({"error": f"{type(error).__name__}: {error}"})
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
