"""Runs in the environment of the official devkit: what it makes of a simulated data set.

Takes the data set's folder, its version and an empty folder for pictures and predictions; prints one JSON object.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path

import numpy as np


def facts(root: str, version: str, out: Path) -> dict:
    import matplotlib

    matplotlib.use("Agg")
    from nuscenes import NuScenes
    from nuscenes.utils.splits import create_splits_scenes

    nusc = NuScenes(version, root, verbose=False)
    splits = create_splits_scenes()
    return {
        "tables": {name: len(getattr(nusc, name)) for name in [*nusc.table_names, "lidarseg", "panoptic"]},
        "splits": {name: splits[name] for name in ("mini_train", "mini_val", "train", "val")},
        "counts": box_counts(nusc),
        "sweeps": [aggregated(nusc, sample) for sample in nusc.sample],
        "velocities": {row["token"]: velocity(nusc, row["token"]) for row in nusc.sample_annotation},
        "pictures": render(nusc, out),
        "detection": perfect_detection(nusc, root, version, out),
        "labels": perfect_labels(nusc, root, version, out),
    }


def box_counts(nusc) -> list[tuple[str, int, int]]:
    """(token, num_lidar_pts, points that the devkit's own test finds in the stored scan) of every box."""
    from nuscenes.utils.geometry_utils import points_in_box

    counts = []
    for sample in nusc.sample:
        path, boxes, _ = nusc.get_sample_data(sample["data"]["LIDAR_TOP"])
        points = np.fromfile(path, dtype=np.float32).reshape(-1, 5)[:, :3].T
        for box in boxes:
            stored = nusc.get("sample_annotation", box.token)["num_lidar_pts"]
            counts.append((box.token, stored, int(points_in_box(box, points).sum())))
    return counts


def aggregated(nusc, sample) -> dict:
    from nuscenes.utils.data_classes import LidarPointCloud

    cloud, times = LidarPointCloud.from_file_multisweep(nusc, sample, "LIDAR_TOP", "LIDAR_TOP", nsweeps=3)
    lags, number = np.unique(times.round(3), return_counts=True)
    return {"sample": sample["token"], "lags_s": lags.tolist(), "points": number.tolist(), "dims": cloud.nbr_dims()}


def velocity(nusc, token: str) -> list[float | None]:
    return [None if np.isnan(v) else float(v) for v in nusc.box_velocity(token)]


def render(nusc, out: Path) -> dict[str, int]:
    """Number of different colours in each picture."""
    from matplotlib.image import imread

    token = nusc.sample[-1]["data"]["LIDAR_TOP"]
    looks = {
        "boxes": {"nsweeps": 2},
        "lidarseg": {"show_lidarseg": True, "show_lidarseg_legend": True},
        "panoptic": {"show_panoptic": True},
    }
    for name, look in looks.items():
        nusc.render_sample_data(token, out_path=str(out / f"{name}.png"), verbose=False, **look)
    return {
        name: len(np.unique((imread(out / f"{name}.png")[..., :3] * 255).astype(int).reshape(-1, 3), axis=0))
        for name in looks
    }


def perfect_detection(nusc, root: str, version: str, out: Path) -> dict:
    """The official score of the ground truth itself."""
    from box_oracle import run
    from nuscenes.eval.common.loaders import load_gt
    from nuscenes.eval.detection.data_classes import DetectionBox

    truth = load_gt(nusc, "mini_val", DetectionBox)
    results = truth.serialize()
    for boxes in results.values():
        for box in boxes:
            box["detection_score"] = 1.0
            box["velocity"] = [0.0 if np.isnan(v) else v for v in box["velocity"]]
    meta = {f"use_{sensor}": sensor == "lidar" for sensor in ("camera", "lidar", "radar", "map", "external")}
    (out / "detections.json").write_text(json.dumps({"meta": meta, "results": results}))
    summary = run("detection", root, version, "mini_val", str(out / "detections.json"), {})["summary"]
    names = [box["detection_name"] for boxes in results.values() for box in boxes if box["num_pts"]]
    return {"summary": summary, "num_boxes": {name: names.count(name) for name in sorted(set(names))}}


def perfect_labels(nusc, root: str, version: str, out: Path) -> dict:
    """The official scores of the ground truth's own point labels."""
    from label_oracle import score
    from nuscenes.eval.lidarseg.utils import LidarsegClassMapper
    from nuscenes.utils.data_io import load_bin_file

    mapper = LidarsegClassMapper(nusc)
    for task in ("lidarseg", "panoptic"):
        (out / task / "mini_val").mkdir(parents=True)
    present = np.zeros(17, dtype=int)
    for sample in nusc.sample:
        if nusc.get("scene", sample["scene_token"])["name"] not in ("scene-0103", "scene-0916"):
            continue
        token = sample["data"]["LIDAR_TOP"]
        fine = load_bin_file(os.path.join(root, nusc.get("lidarseg", token)["filename"]), "lidarseg")
        full = load_bin_file(os.path.join(root, nusc.get("panoptic", token)["filename"]), "panoptic")
        assert (full // 1000 == fine).all()
        coarse = mapper.convert_label(fine)
        present += np.bincount(coarse, minlength=17)
        np.maximum(coarse, 1).astype(np.uint8).tofile(out / "lidarseg" / "mini_val" / f"{token}_lidarseg.bin")
        things = coarse * 1000 + np.where(coarse < 11, full % 1000, 0)
        labels = np.where(coarse == 0, 0, things).astype(np.uint16)
        np.savez_compressed(out / "panoptic" / "mini_val" / f"{token}_panoptic.npz", data=labels)
    names = mapper.coarse_name_2_coarse_idx_mapping
    cases = {
        task: score(task, root, version, "mini_val", str(out), "tracking", 15) for task in ("lidarseg", "panoptic")
    }
    scores = {task: case["metrics"] for task, case in cases.items()}
    return scores | {"points": {name: int(present[number]) for name, number in names.items()}}


def main() -> None:
    warnings.simplefilter("ignore")
    answers = os.dup(1)
    os.dup2(2, 1)  # the devkit prints
    root, version, out = sys.argv[1:]
    found = facts(root, version, Path(out))
    with os.fdopen(answers, "w") as stream:
        json.dump(found, stream)


if __name__ == "__main__":
    main()
