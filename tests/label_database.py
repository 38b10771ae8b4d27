"""Writes random nuScenes databases with lidarseg and panoptic labels, and predictions for them, full of awkward cases.

The official devkit loads what is written, so both evaluators can be run on data that nobody has seen before.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from geopt import official

VERSION = "v1.0-mini"
SPLIT = "mini_val"
CLASSES = official.class_map("lidarseg").classes
CLASS_OF = official.class_map("lidarseg").class_of_category
FIRST_STUFF = CLASSES.index("driveable_surface")
TABLES = (
    *("category", "attribute", "visibility", "instance", "sensor", "calibrated_sensor", "ego_pose", "log", "scene"),
    *("sample", "sample_data", "sample_annotation", "map", "lidarseg", "panoptic"),
)


def write_database(
    root: Path, seed: int, num_key_frames: int = 4, num_points: int = 1500, without: tuple[str, ...] = ()
) -> Path:
    """Write the two scenes of mini_val below ``root`` and return it.

    Objects come, go and shrink below any minimum of points, some share a class but not a category, some share an instance
    number but not a category, and some belong to ignored categories. Indices of categories are shuffled, the scenes stand
    in the table in the wrong order, and one has a single key frame more than the other.

    Args:
        without: Classes that no point has.
    """
    rng = np.random.default_rng((seed, 1))
    rows: dict[str, list[dict]] = {name: [] for name in TABLES}
    index_of = {name: int(i) for name, i in zip(CLASS_OF, rng.permutation(len(CLASS_OF)))}
    rows["category"] = [{"token": f"c{i}", "name": n, "description": n, "index": i} for n, i in index_of.items()]
    rows["sensor"] = [
        {"token": "lidar", "channel": "LIDAR_TOP", "modality": "lidar"},
        {"token": "cam", "channel": "CAM_FRONT", "modality": "camera"},
    ]
    rows["calibrated_sensor"] = [
        {"token": f"{s}-mount", "sensor_token": s, "translation": [0.9, 0.0, 1.8], "rotation": [1.0, 0.0, 0.0, 0.0]}
        | {"camera_intrinsic": []}
        for s in ("lidar", "cam")
    ]
    rows["log"] = [{"token": "log", "logfile": "", "vehicle": "", "date_captured": "2018-01-01", "location": "here"}]
    rows["map"] = [{"token": "map", "log_tokens": ["log"], "category": "semantic_prior", "filename": "maps/map.png"}]
    for folder in (VERSION, "maps", "samples/LIDAR_TOP", f"lidarseg/{VERSION}", f"panoptic/{VERSION}"):
        (root / folder).mkdir(parents=True)
    (root / "maps/map.png").write_bytes(b"")
    for number, scene in enumerate(reversed(official.splits()[SPLIT])):
        frames = _write_scene(root, rows, scene, num_key_frames + number, num_points, index_of, without, rng)
        rows["scene"].append(
            {"token": scene, "log_token": "log", "nbr_samples": len(frames), "name": scene, "description": ""}
            | {"first_sample_token": frames[0], "last_sample_token": frames[-1]}
        )
    for name, table in rows.items():
        (root / VERSION / f"{name}.json").write_text(json.dumps(table))
    return root


def _write_scene(root, rows, scene, num_key_frames, num_points, index_of, without, rng) -> list[str]:
    """Add a scene; returns the tokens of its samples."""
    names = [name for name, cls in CLASS_OF.items() if cls not in without]
    things = [name for name in names if CLASSES.index(CLASS_OF[name]) < FIRST_STUFF]
    stuff = [name for name in names if CLASSES.index(CLASS_OF[name]) >= FIRST_STUFF]
    objects = [(index_of[name], 1 + i % 7) for i, name in enumerate([*things, *rng.choice(things, 12)])]
    largest = rng.choice([4, 16, 17, 30, 90], len(objects))
    samples = [f"{scene}-sample{k}" for k in range(num_key_frames)]
    for k, sample in enumerate(samples):
        after = {"prev": samples[k - 1] if k else "", "next": samples[k + 1] if k + 1 < len(samples) else ""}
        time = {"timestamp": 1_530_000_000_000_000 + 500_000 * k}
        rows["sample"].append({"token": sample, "scene_token": scene} | time | after)
        for sensor, key, kind in (("lidar", True, ""), ("lidar", False, "-sweep"), ("cam", True, "-cam")):
            token = f"{sample}{kind}-sd"
            rows["ego_pose"].append(
                {"token": token, "translation": [k, 0.0, 0.0], "rotation": [1.0, 0.0, 0.0, 0.0]} | time
            )
            rows["sample_data"].append(
                {"token": token, "sample_token": sample, "ego_pose_token": token, "is_key_frame": key}
                | {"calibrated_sensor_token": f"{sensor}-mount", "fileformat": "pcd", "height": 0, "width": 0}
                | {"filename": f"samples/LIDAR_TOP/{token}.pcd.bin", "prev": "", "next": ""}
                | time
            )
        labels = np.full(num_points, 0)
        for (category, instance), size in zip(objects, largest):
            if rng.random() < 0.8:
                start = rng.integers(num_points)
                labels[start : start + rng.integers(1, size + 1)] = 1000 * category + instance
        rest = np.flatnonzero(labels == 0)
        labels[rest] = 1000 * np.array([index_of[name] for name in rng.choice([*stuff, "noise"], len(rest))])
        token = f"{sample}-sd"
        (labels // 1000).astype(np.uint8).tofile(root / f"lidarseg/{VERSION}/{token}_lidarseg.bin")
        np.savez_compressed(root / f"panoptic/{VERSION}/{token}_panoptic.npz", data=labels.astype(np.uint16))
        for task, end in (("lidarseg", "_lidarseg.bin"), ("panoptic", "_panoptic.npz")):
            rows[task].append(
                {"token": token, "sample_data_token": token, "filename": f"{task}/{VERSION}/{token}{end}"}
            )
    return samples


def write_predictions(folder: Path, root: Path, seed: int, noise: float = 0.15) -> Path:
    """Write lidarseg and panoptic predictions for a database of :func:`write_database` and return ``folder``.

    Objects keep a label through a scene until it is switched, and are merged, split, given another class or left out; single
    points are wrong; some stuff has instances and some points are void.

    Args:
        noise: Probability of each of these; 0 predicts the truth.
    """
    rng = np.random.default_rng((seed, 2))
    categories = json.loads((root / VERSION / "category.json").read_text())
    class_of = np.zeros(256, dtype=np.int64)
    for row in categories:
        class_of[row["index"]] = CLASSES.index(CLASS_OF[row["name"]])
    for task in ("lidarseg", "panoptic"):
        (folder / task / SPLIT).mkdir(parents=True)
    chosen: dict[tuple[str, int], int] = {}  # of each object of a scene, until it is switched
    for path in sorted((root / "panoptic" / VERSION).iterdir()):
        token, scene = path.name.removesuffix("_panoptic.npz"), path.name.split("-sample")[0]
        truth = np.load(path)["data"].astype(np.int64)
        labels = np.zeros_like(truth)
        for label in np.unique(truth):
            where = truth == label
            number = class_of[label // 1000]
            if number >= FIRST_STUFF:
                labels[where] = 1000 * number + (3 if rng.random() < noise / 2 else 0)
                continue
            if (scene, label) not in chosen or rng.random() < noise:
                base = rng.integers(1, len(CLASSES)) if rng.random() < noise or not number else number
                own = int(label) % 1000 + 10 * (int(label) // 1000)  # below 320, of this object alone
                chosen[scene, label] = 1000 * base + own + (320 * rng.integers(3) if noise else 0)
            labels[where] = chosen[scene, label]
            if rng.random() < noise:  # left out, whole or in part
                labels[where & (rng.random(len(truth)) < rng.choice([0.3, 1.0]))] = 0
        for _ in range(round(20 * noise)):  # neighbours grow together
            start = rng.integers(len(labels))
            labels[start : start + 12] = labels[start]
        wrong = rng.random(len(labels)) < noise / 3
        labels[wrong] = rng.choice(labels, wrong.sum())
        np.savez_compressed(folder / "panoptic" / SPLIT / f"{token}_panoptic.npz", data=labels.astype(np.uint16))
        semantic = np.where(labels < 1000, rng.integers(1, len(CLASSES), len(labels)), labels // 1000)
        semantic.astype(np.uint8).tofile(folder / "lidarseg" / SPLIT / f"{token}_lidarseg.bin")
    return folder
