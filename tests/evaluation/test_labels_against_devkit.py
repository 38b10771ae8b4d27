"""lidarseg and panoptic beside the official devkit on databases that nobody has seen, good and bad submissions alike.

Runs where GEOPT_DEVKIT_PYTHON names the Python of an environment with nuscenes-devkit 1.2.0.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import bad_labels
import devkit
import label_oracle
import pytest
from label_database import SPLIT, VERSION, write_database, write_predictions

from geopt.evaluation import SubmissionError, nuscenes_lidarseg, nuscenes_panoptic

pytestmark = devkit.needed

# (noise of the predictions, classes that the ground truth lacks, minima of instance points)
DRAWS = [(0.15, (), 15), (0.3, (), 0), (0.5, ("car", "trailer", "terrain"), 5), (0.05, ("barrier",), 16), (0.0, (), 15)]


def ours(task: str, data_root: str, version: str, split: str, predictions: str, *panoptic) -> dict[str, Any]:
    if task == "lidarseg":
        return nuscenes_lidarseg(predictions, data_root, version, split)
    return nuscenes_panoptic(predictions, data_root, version, split, *panoptic)


def test_fresh_databases_get_the_official_numbers(tmp_path):
    seed = int.from_bytes(os.urandom(3))
    cases = []
    for draw, (noise, without, minimum) in enumerate(DRAWS):
        database = write_database(tmp_path / f"db{draw}", seed + draw, num_points=2000, without=without)
        folder = write_predictions(tmp_path / f"predictions{draw}", database, seed + draw, noise)
        cases += [
            (task, str(database), VERSION, SPLIT, str(folder), "tracking", minimum) for task in ("lidarseg", "panoptic")
        ]
    for case, expected in zip(cases, devkit.answers(label_oracle, cases)):
        assert "metrics" in expected, (seed, case, expected)
        expected_values = devkit.flat(expected["metrics"])
        assert devkit.flat(ours(*case)) == pytest.approx(expected_values, rel=0, abs=1e-12, nan_ok=True), (seed, case)


def test_the_devkit_refuses_what_we_refuse_and_scores_what_we_score(tmp_path):
    database = write_database(tmp_path / "db", seed=3, num_points=600)
    good = write_predictions(tmp_path / "predictions", database, seed=3)
    names, cases = [], []
    for kind in (bad_labels.REFUSED, bad_labels.ACCEPTED, bad_labels.REFUSED_HERE_ONLY):
        for task, spoils in kind.items():
            for name, spoil in spoils.items():
                folder = Path(shutil.copytree(good, tmp_path / f"{task} {name}"))
                spoil(folder)
                names.append((task, name))
                cases.append((task, str(database), VERSION, SPLIT, str(folder), "tracking", 15))
    for (task, name), case, expected in zip(names, cases, devkit.answers(label_oracle, cases)):
        assert ("error" in expected) == (name in bad_labels.REFUSED[task]), (task, name, expected)
        if name in bad_labels.ACCEPTED[task]:
            got = devkit.flat(ours(*case))
            assert got == pytest.approx(devkit.flat(expected["metrics"]), rel=0, abs=1e-12, nan_ok=True), (task, name)
        else:
            with pytest.raises(SubmissionError):
                ours(*case)


def test_splits_and_sample_counts_that_the_devkit_refuses_are_refused(tmp_path):
    database = write_database(tmp_path / "db", seed=4, num_points=300)
    folder = write_predictions(tmp_path / "predictions", database, seed=4)
    for task in ("lidarseg", "panoptic"):
        for split in ("mini_train", "scene-0103"):
            shutil.copytree(folder / task / SPLIT, folder / task / split)
    counts = Path(shutil.copytree(database, tmp_path / "counts"))
    scenes = json.loads((counts / VERSION / "scene.json").read_text())
    scenes[0]["nbr_samples"] += 1
    (counts / VERSION / "scene.json").write_text(json.dumps(scenes))
    cases = [
        (task, str(root), VERSION, split, str(folder), "segmentation", 15)
        for task in ("lidarseg", "panoptic")
        for root, split in ((database, "mini_train"), (database, "scene-0103"), (counts, SPLIT))
    ]
    for case, expected in zip(cases, devkit.answers(label_oracle, cases)):
        assert "error" in expected, case
        with pytest.raises(ValueError):
            ours(*case)
