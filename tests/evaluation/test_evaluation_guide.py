"""The code of the guide runs, on small databases, and prints what the text promises."""

from __future__ import annotations

import json
import re
from pathlib import Path

import argoverse2_database
import box_database
import kitti_database
import label_database
import numpy as np
import pytest
import semantickitti_files
import track_database
import waymo_database
from label_database import SPLIT, VERSION

GUIDE = Path(__file__).parents[2] / "docs" / "evaluation.md"


def test_code_of_the_guide_runs(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    pytest.importorskip("pyarrow")
    boxes = box_database.write_database(tmp_path / "boxes", seed=1)
    box_database.write_detections(tmp_path / "detections.json", boxes, seed=1)
    tracks = track_database.write_track_database(tmp_path / "tracks", seed=1)
    (tmp_path / "tracks.json").write_text(json.dumps(track_database.track_results(tracks, seed=1)))
    labels = label_database.write_database(tmp_path / "labels", seed=1, num_points=600)
    predicted = label_database.write_predictions(tmp_path / "predicted", labels, seed=1)

    case = waymo_database.random_case(1)
    np.savez(tmp_path / "waymo_predictions.npz", **{k: v for k, v in case.items() if k.startswith("prediction_")})
    raw = {name: case[f"ground_truth_{name}"] for name in ("bbox", "type", "frame_id", "difficulty")}
    np.savez(tmp_path / "waymo_labels.npz", **raw, num_lidar_points=np.full(len(raw["type"]), 9))
    scans = np.random.default_rng(2).choice(semantickitti_files.LABELS, (2, 1, 900))
    scans[1, 0, :500] = scans[0, 0, :500]
    semantickitti_files.write_labels(tmp_path / "kitti", scans[0])
    semantickitti_files.write_labels(tmp_path / "results", scans[1], "predictions")
    monkeypatch.setenv("SEMANTICKITTI", str(tmp_path / "kitti"))
    labels_dir, predictions_dir = kitti_database.write_case(tmp_path / "kitti_object", 1)
    (tmp_path / "training").mkdir()
    labels_dir.rename(tmp_path / "training" / "label_2")
    predictions_dir.rename(tmp_path / "kitti_results")
    (tmp_path / "val.txt").write_text("000000\n000001\n000002\n")
    argoverse2 = argoverse2_database.random_case(1)
    argoverse2_database.write_feather(tmp_path / "argoverse2_results.feather", argoverse2[0], "score")
    argoverse2_database.write_split(tmp_path / "sensor" / "val", argoverse2[1])
    points = np.random.default_rng(1).integers(0, 23, (2, 500))
    np.savez(tmp_path / "waymo_points.npz", ground_truth=points[0], prediction=points[1])

    def predict():
        for path in sorted((predicted / "lidarseg" / SPLIT).iterdir()):
            yield path.name.removesuffix("_lidarseg.bin"), np.fromfile(path, dtype=np.uint8)

    def predict_panoptic():
        for path in sorted((predicted / "panoptic" / SPLIT).iterdir()):
            found = np.load(path)["data"]
            yield path.name.removesuffix("_panoptic.npz"), found // 1000, found % 1000

    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    names: dict = {"predict": predict, "predict_panoptic": predict_panoptic}
    for block in blocks:
        root = boxes if "nuscenes_detection" in block else tracks if "nuscenes_tracking" in block else labels
        monkeypatch.setenv("NUSCENES", str(root))
        exec(compile(block, str(GUIDE), "exec"), names)
    printed = capsys.readouterr().out
    assert len(blocks) == 14 and VERSION in GUIDE.read_text()
    for part in (
        r"NDS 0\.\d{3}, mAP 0\.\d{3}",
        r"AMOTA 0\.\d{3}, AMOTP",
        r"mIoU 0\.\d{3}",
        r"\(17, 17\)",
        "PQ 0.",
        "PAT 0.",
        r"mIoU 0\.[2-6]\d\d, accuracy 0\.[5-7]\d\d, car 0\.\d{3}",
        r"car, 3D, moderate: \d+\.\d\d %\n41\n\{'AP': 0\.\d+, 'ATE'",
        r"mean \{'AP': 0\.\d+",
        r"0-20 m car: AP 0\.\d{3} of \d+ boxes\n20-35 m car: AP",
        r"vehicles: APH 0\.\d{3}\nALL_NS: APH 0\.\d{3}\n\(32, 101, 5\)\nmIoU 0\.0\d\d",
    ):
        assert re.search(part, printed), part
    assert re.search(r"nuscenes_panoptic: results/panoptic/mini_val/\S+_panoptic\.npz is missing", printed)
    assert (tmp_path / "plots" / "panoptic_quality.png").stat().st_size > 1000
    assert str(Path("plots", "panoptic_quality.png")) in printed
