"""Writes random nuScenes databases with moving objects, and a tracker's results for them.

The official devkit loads what is written, so both evaluators can be run on data that nobody has seen before, of any
size.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from geopt import official

PERIOD_US = 500_000
START_US = 1_530_000_000_000_000
FAR_M = 58.0  # a little beyond the range of every class
SIZES = {  # width, length, height
    "vehicle.car": (1.9, 4.6, 1.7),
    "human.pedestrian.adult": (0.7, 0.7, 1.8),
    "vehicle.truck": (2.5, 7.0, 3.0),
    "vehicle.bus.rigid": (2.9, 11.0, 3.4),
    "vehicle.trailer": (2.9, 12.0, 3.9),
    "vehicle.motorcycle": (0.8, 2.1, 1.5),
    "vehicle.bicycle": (0.6, 1.7, 1.3),
    "animal": (0.5, 0.8, 0.6),
    "static_object.bicycle_rack": (2.0, 6.0, 1.3),
}
SHARES = (0.42, 0.26, 0.09, 0.03, 0.04, 0.05, 0.05, 0.03, 0.03)


def write_track_database(
    root: Path,
    seed: int,
    split: str = "mini_val",
    num_scenes: int = 2,
    num_frames: int = 12,
    boxes_per_frame: float = 36.0,
    spread_m: float = FAR_M,
) -> Path:
    """Write the tables of some scenes of a split below ``root`` and return it.

    Objects come and go, drive or stand, and are without a LiDAR point now and then, also for several key frames. Rows
    are shuffled, times jitter, and the first scene stands last in the table.

    Args:
        split: ``mini_val`` and ``mini_train`` make a v1.0-mini, ``val`` and ``train`` a v1.0-trainval.
        boxes_per_frame: Annotations in a sample on average.
        spread_m: How far from the vehicle objects are; small values make a crowd.
    """
    rng = np.random.default_rng((seed, 2))
    version = version_of(split)
    rows: dict[str, list[dict]] = {name: [] for name in ("scene", "sample", "sample_data", "ego_pose", "instance")}
    rows["category"] = [{"token": name, "name": name, "description": ""} for name in SIZES]
    rows["attribute"] = [{"token": "moving", "name": "vehicle.moving", "description": ""}]
    rows["visibility"] = [{"token": "4", "level": "v80-100", "description": ""}]
    rows["sensor"] = [{"token": "lidar", "channel": "LIDAR_TOP", "modality": "lidar"}]
    rows["calibrated_sensor"] = [
        {"token": "mount", "sensor_token": "lidar", "translation": [0.9, 0.0, 1.8], "rotation": [1.0, 0.0, 0.0, 0.0]}
        | {"camera_intrinsic": []}
    ]
    rows["log"] = [{"token": "log", "logfile": "", "vehicle": "", "date_captured": "2018-01-01", "location": "here"}]
    rows["map"] = [{"token": "map", "log_tokens": ["log"], "category": "semantic_prior", "filename": "maps/map.png"}]
    rows["sample_annotation"] = []
    for scene in official.splits()[split][:num_scenes][::-1]:
        _write_scene(rows, scene, num_frames, boxes_per_frame, spread_m, rng)
    for folder in (version, "maps"):
        (root / folder).mkdir(parents=True)
    (root / "maps/map.png").write_bytes(b"")
    for name, table in rows.items():
        table = table if name == "scene" else [table[i] for i in rng.permutation(len(table))]
        (root / version / f"{name}.json").write_text(json.dumps(table))
    return root


def version_of(split: str) -> str:
    """The version folder that a split of the database lies in."""
    return "v1.0-mini" if split.startswith("mini") else "v1.0-trainval"


def _write_scene(rows, scene, num_frames, boxes_per_frame, spread_m, rng) -> None:
    samples = [f"{scene}-sample-{k:03d}" for k in range(num_frames)]
    times = START_US + PERIOD_US * np.arange(num_frames) + rng.integers(-30_000, 30_000, num_frames)
    heading = rng.uniform(-np.pi, np.pi)
    ego = rng.uniform(300, 2000, 2) + np.arange(num_frames)[:, None] * 3.0 * [np.cos(heading), np.sin(heading)]
    rows["scene"].append(
        {"token": scene, "log_token": "log", "nbr_samples": num_frames, "name": scene, "description": ""}
        | {"first_sample_token": samples[0], "last_sample_token": samples[-1]}
    )
    for k, sample in enumerate(samples):
        time = {"timestamp": int(times[k])}
        rows["sample"].append({"token": sample, "scene_token": scene} | time | _neighbours(samples, k))
        pose = {"translation": [*map(float, ego[k]), 0.0], "rotation": [1.0, 0.0, 0.0, 0.0]}
        rows["ego_pose"].append({"token": f"{sample}-pose"} | time | pose)
        rows["sample_data"].append(
            {"token": f"{sample}-lidar", "sample_token": sample, "ego_pose_token": f"{sample}-pose"}
            | {"calibrated_sensor_token": "mount", "fileformat": "pcd", "is_key_frame": True, "height": 0, "width": 0}
            | {"filename": f"samples/LIDAR_TOP/{sample}.pcd.bin", "prev": "", "next": ""}
            | time
        )
    num_boxes = number = 0
    while num_boxes < boxes_per_frame * num_frames:
        first = int(rng.integers(0, max(1, num_frames * 3 // 4)))
        last = int(min(num_frames, first + rng.integers(1, num_frames + 1)))
        _write_object(rows, f"{scene}-{number}", samples[first:last], ego[first:last], spread_m, rng)
        num_boxes += last - first
        number += 1


def _write_object(rows, instance, samples, ego, spread_m, rng) -> None:
    category = str(rng.choice(list(SIZES), p=SHARES))
    num_boxes = len(samples)
    start = ego[0] + rng.uniform(-spread_m, spread_m, 2) * 0.7
    velocity = rng.normal(0, 2.0, 2) * (rng.random() < 0.6)
    xy = (start + velocity * np.arange(num_boxes)[:, None] * 0.5).round(3)
    yaw = rng.uniform(-np.pi, np.pi)
    num_points = rng.integers(1, 200, num_boxes) * (rng.random(num_boxes) < 0.88)
    tokens = [f"{instance}-{k}" for k in range(num_boxes)]
    rows["instance"].append(
        {"token": instance, "category_token": category, "nbr_annotations": num_boxes}
        | {"first_annotation_token": tokens[0], "last_annotation_token": tokens[-1]}
    )
    for k, token in enumerate(tokens):
        rows["sample_annotation"].append(
            {"token": token, "sample_token": samples[k], "instance_token": instance, "visibility_token": "4"}
            | {"attribute_tokens": [], "translation": [*map(float, xy[k]), 1.0], "size": list(SIZES[category])}
            | {"rotation": [float(np.cos(yaw / 2)), 0.0, 0.0, float(np.sin(yaw / 2))]}
            | {"num_lidar_pts": int(num_points[k]), "num_radar_pts": 0}
            | _neighbours(tokens, k)
        )


def _neighbours(tokens: Sequence[str], k: int) -> dict[str, str]:
    return {"prev": tokens[k - 1] if k else "", "next": tokens[k + 1] if k + 1 < len(tokens) else ""}


def track_results(
    root: Path,
    seed: int,
    split: str = "mini_val",
    found: float = 0.58,
    noise_m: float = 0.4,
    grid_m: float = 1e-4,
    same_scores: bool = False,
    repeated_ids: bool = False,
) -> dict:
    """A tracker's submission for a database of :func:`write_track_database`.

    Tracks miss boxes, change their id or their class on the way, take over each other's id and restart the ids in
    every scene; some follow nothing. At the defaults, 36 annotations in a sample give
    22.5 boxes.

    Args:
        found: Share of the annotated boxes that a track has.
        noise_m: Standard deviation of the centres.
        grid_m: Centres are rounded to it; a coarse one makes equal distances.
        same_scores: Scores are multiples of 0.25, the same for all boxes of a track.
        repeated_ids: Some ids are there twice in a sample.
    """
    rng = np.random.default_rng((seed, 3))
    table = {
        name: json.loads((root / version_of(split) / f"{name}.json").read_text())
        for name in ("sample", "sample_annotation", "instance")
    }
    class_of = official.class_map("tracking").class_of_category
    classes = official.class_map("tracking").classes
    category = {row["token"]: row["category_token"] for row in table["instance"]}
    time_of = {row["token"]: row["timestamp"] for row in table["sample"]}
    results: dict[str, list[dict]] = {row["token"]: [] for row in table["sample"]}
    by_instance: dict[str, list[dict]] = {}
    for row in sorted(table["sample_annotation"], key=lambda row: time_of[row["sample_token"]]):
        by_instance.setdefault(row["instance_token"], []).append(row)

    for instance, rows in sorted(by_instance.items()):
        name = class_of.get(category[instance])
        if name is None:
            name = str(rng.choice(classes)) if rng.random() < 0.5 else "car"
        track = int(instance.rsplit("-", 1)[1])
        score = rng.integers(1, 5) / 4 if same_scores else rng.beta(3, 2)
        drift = rng.normal(0, noise_m, 2)
        for row in rows:
            if rng.random() < 0.06:
                track = int(rng.integers(0, 60))  # often the id of another object
            if rng.random() < 0.01:
                name = str(rng.choice(classes))
            if rng.random() > found * 1.08:
                continue
            xy = row["translation"][:2] + drift + rng.normal(0, noise_m, 2)
            copies = 2 if repeated_ids and rng.random() < 0.1 else 1
            for _ in range(copies):
                results[row["sample_token"]].append(
                    {"sample_token": row["sample_token"]}
                    | {"translation": [*((xy / grid_m).round() * grid_m).round(4).tolist(), 1.0]}
                    | {"size": row["size"], "rotation": row["rotation"], "velocity": [0.5, -0.5]}
                    | {"tracking_id": str(track), "tracking_name": name}
                    | {"tracking_score": float(score if same_scores else np.clip(score + rng.normal(0, 0.1), 0, 1))}
                )
                xy = xy + rng.normal(0, 1.0, 2)
    samples = [list(results)[i] for i in rng.permutation(len(results))]
    meta = {f"use_{sensor}": sensor == "lidar" for sensor in ("camera", "lidar", "radar", "map", "external")}
    return {"meta": meta, "results": {sample: results[sample] for sample in samples}}
