"""``geopt score``: what the command writes and prints is what the functions return."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from box_database import SPLIT, VERSION, write_database, write_detections
from label_database import write_database as write_label_database
from label_database import write_predictions as write_labels
from track_database import track_results, write_track_database

from geopt import evaluation


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """Database and predictions of each task."""
    folder = tmp_path_factory.mktemp("score")
    boxes = write_database(folder / "boxes", 1, num_key_frames=4, without=("car",))
    tracks = write_track_database(folder / "tracks", 1, SPLIT, num_frames=6)
    (tracks / "p.json").write_text(json.dumps(track_results(tracks, 1, SPLIT)))
    labels = write_label_database(folder / "labels", 1, num_points=300)
    points = write_labels(folder / "points", labels, 1)
    return {
        "detection": (boxes, write_detections(boxes / "p.json", boxes, 1, num_boxes=20)),
        "tracking": (tracks, tracks / "p.json"),
        "lidarseg": (labels, points),
        "panoptic": (labels, points),
    }


def with_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: with_nulls(item) for key, item in value.items() if key != "eval_time"}
    if isinstance(value, list):
        return [with_nulls(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def command(task: str, sets: dict[str, tuple[Path, Path]], out: Path) -> tuple[str, ...]:
    root, predictions = map(str, sets[task])
    where = ("--predictions", predictions, "--data", root, "--version", VERSION, "--split", SPLIT)
    return (f"nuscenes-{task}", *where, "--out", str(out))


@pytest.mark.parametrize("task", ["detection", "tracking"])
def test_metrics_and_curves_of_boxes_are_those_of_the_function(task, sets, score, tmp_path):
    root, predictions = sets[task]
    evaluate = getattr(evaluation, f"nuscenes_{task}")
    summary, details = evaluate(predictions, root, VERSION, SPLIT, details=True)
    code, out, err = score(*command(task, sets, tmp_path / "new" / "m.json"), "--details")
    assert (code, err) == (0, "")
    written = json.loads((tmp_path / "new" / "m.json").read_text(), parse_constant=pytest.fail)
    curves = json.loads((tmp_path / "new" / "m_details.json").read_text(), parse_constant=pytest.fail)
    if task == "detection":
        details |= evaluation.nuscenes_detection_breakdown(predictions, root, VERSION, SPLIT)
        assert "AP by range" in out and "35-50 m" in out
    assert with_nulls(written) == with_nulls(summary) and curves == with_nulls(details)
    if task == "detection":
        assert written["label_tp_errors"]["traffic_cone"]["vel_err"] is None
    for value in (summary["mean_ap"], summary["nd_score"]) if task == "detection" else (summary["amota"],):
        assert f"{value:.4f}" in out
    for name in evaluation.nuscenes_detection.__globals__["CLASS_RANGE_M"] if task == "detection" else ("truck", "car"):
        assert f"│ {name} " in out
    assert max(map(len, out.splitlines())) <= max(80, len(f"written: {tmp_path / 'new' / 'm_details.json'}"))


@pytest.mark.parametrize(
    ("task", "options", "arguments"),
    [
        ("lidarseg", (), {}),
        ("panoptic", (), {}),
        (
            "panoptic",
            ("--task", "tracking", "--min-instance-points", "3"),
            {"task": "tracking", "min_instance_points": 3},
        ),
    ],
)
def test_metrics_of_labels_are_those_of_the_function(task, options, arguments, sets, score, tmp_path):
    root, predictions = sets[task]
    summary = getattr(evaluation, f"nuscenes_{task}")(predictions, root, VERSION, SPLIT, **arguments)
    code, out, _ = score(*command(task, sets, tmp_path / "m.json"), *options)
    assert code == 0 and json.loads((tmp_path / "m.json").read_text()) == with_nulls(summary)
    headline = summary["miou"] if task == "lidarseg" else summary["segmentation"]["all"]["PQ"]
    assert f"{headline:.4f}" in out and "│ driveable_surface " in out and ("tracking: " in out) == bool(options)
    assert not (tmp_path / "m_details.json").exists()


@pytest.mark.parametrize("task", ["detection", "tracking", "lidarseg", "panoptic"])
def test_plots_are_pictures(task, sets, score, tmp_path):
    pytest.importorskip("matplotlib")
    code, out, _ = score(*command(task, sets, tmp_path / "m.json"), "--plots", str(tmp_path / "plots"))
    pictures = sorted((tmp_path / "plots").iterdir())
    assert code == 0 and pictures
    for picture in pictures:
        assert picture.read_bytes().startswith(b"\x89PNG") and f"written: {picture}" in out
    assert not (tmp_path / "m_details.json").exists()


def test_a_refused_submission_is_one_line_and_leaves_no_file(sets, score, tmp_path):
    root, predictions = sets["detection"]
    whole = json.loads(predictions.read_text())
    token = next(token for token, boxes in whole["results"].items() if boxes)
    whole["results"][token][0]["size"] = [1, 2]
    (tmp_path / "bad.json").write_text(json.dumps(whole))
    arguments = command("detection", {"detection": (root, tmp_path / "bad.json")}, tmp_path / "m.json")
    code, out, err = score(*arguments)
    assert (code, out) == (1, "") and not (tmp_path / "m.json").exists()
    assert err == f"{tmp_path}/bad.json: sample '{token}', box 0: 'size' must be 3 numbers, got 2\n"


def test_what_is_missing_is_said(score, sets, tmp_path):
    code, _, err = score("nuscenes-detection", "--predictions", "x.json")
    assert code == 2 and "--data" in err
    root, _ = sets["detection"]
    code, _, err = score(*command("detection", {"detection": (root, tmp_path / "no.json")}, tmp_path / "m.json"))
    assert code == 1 and err.startswith(f"{tmp_path}/no.json: no such file")


@pytest.mark.parametrize("task", ["detection", "tracking", "lidarseg", "panoptic"])
def test_every_benchmark_has_an_example_in_its_help(task, score):
    code, out, _ = score(f"nuscenes-{task}", "--help")
    assert code == 0 and f"Example: geopt score nuscenes-{task} --predictions results" in " ".join(out.split())


def test_scoring_needs_no_torch(sets, tmp_path):
    arguments = ["geopt", "score", *command("detection", sets, tmp_path / "m.json")]
    code = f"import sys; sys.argv = {arguments!r}\nfrom geopt import cli\ntry: cli.main()\nfinally: print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "False" and (tmp_path / "m.json").is_file(), done.stderr
