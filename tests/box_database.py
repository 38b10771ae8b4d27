"""Writes random nuScenes databases with boxes, and detections for them, of any size and full of awkward cases.

The official devkit loads what is written, so both evaluators can be run on data that nobody has seen before.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from geopt import official
from geopt.evaluation.boxes import ATTRIBUTES

VERSION = "v1.0-mini"
SPLIT = "mini_val"
CLASS_OF = official.class_map("detection").class_of_category
LEFT_OUT = ("animal", "movable_object.debris", "static_object.bicycle_rack", "vehicle.emergency.police")
CATEGORIES = (*CLASS_OF, *LEFT_OUT)
SIZE_M = {"pedestrian": 0.7, "bicycle": 1.7, "motorcycle": 2.1, "traffic_cone": 0.4, "barrier": 2.0, "car": 4.6}
TABLES = (
    *("category", "attribute", "visibility", "instance", "sensor", "calibrated_sensor", "ego_pose", "log", "scene"),
    *("sample", "sample_data", "sample_annotation", "map"),
)


def write_database(
    root: Path,
    seed: int,
    version: str = VERSION,
    split: str = SPLIT,
    num_key_frames: int = 8,
    num_objects: int = 60,
    without: tuple[str, ...] = (),
    num_scenes: int | None = None,
) -> Path:
    """Write all scenes of a split below ``root``, and one scene outside it, and return ``root``.

    Objects drive and stand up to 60 m from the vehicle, miss key frames, lie on whole metres now and then, have no points
    or no attribute, and belong to categories that no benchmark knows. Bicycles stand in racks, on their edges and beside
    them. Key frames are half a second apart but for some longer gaps.

    Args:
        num_key_frames: Of each scene.
        num_objects: Of each scene; nine of ten are annotated in a key frame.
        without: Classes that the ground truth lacks.
        num_scenes: Only the first scenes of the split.
    """
    rng = np.random.default_rng((seed, 1))
    rows: dict[str, list[dict]] = {name: [] for name in TABLES}
    rows["category"] = [{"token": f"c{i}", "name": name, "description": ""} for i, name in enumerate(CATEGORIES)]
    rows["attribute"] = [{"token": f"a{i}", "name": name, "description": ""} for i, name in enumerate(ATTRIBUTES)]
    rows["visibility"] = [{"token": "1", "level": "v0-40", "description": ""}]
    rows["log"] = [{"token": "log", "logfile": "", "vehicle": "", "date_captured": "2018-01-01", "location": "here"}]
    rows["map"] = [{"token": "map", "log_tokens": ["log"], "category": "semantic_prior", "filename": "maps/map.png"}]
    for sensor, channel, modality in (("lidar", "LIDAR_TOP", "lidar"), ("cam", "CAM_FRONT", "camera")):
        rows["sensor"].append({"token": sensor, "channel": channel, "modality": modality})
        rows["calibrated_sensor"].append(
            {"token": f"{sensor}-mount", "sensor_token": sensor, "translation": [0.9, 0.0, 1.8]}
            | {"rotation": [1.0, 0.0, 0.0, 0.0], "camera_intrinsic": []}
        )
    for folder in (version, "maps"):
        (root / folder).mkdir(parents=True)
    (root / "maps/map.png").write_bytes(b"")
    names = [name for name in CATEGORIES if CLASS_OF.get(name) not in without]
    for scene in ("scene-0061" if split != "train" else "scene-0003", *official.splits()[split][:num_scenes]):
        _add_scene(rows, scene, num_key_frames, num_objects, names, rng)
    for name, table in rows.items():
        (root / version / f"{name}.json").write_text(json.dumps(table, separators=(",", ":")))
    return root


def _token(rng: np.random.Generator) -> str:
    return rng.bytes(16).hex()


def _yaw(angle: np.ndarray) -> np.ndarray:
    zero = np.zeros_like(angle)
    return np.stack([np.cos(angle / 2), zero, zero, np.sin(angle / 2)], axis=-1)


def _add_scene(rows, scene, num_key_frames, num_objects, names, rng) -> None:
    samples = [_token(rng) for _ in range(num_key_frames)]
    gaps_us = rng.choice(
        [500_000, 500_117, 499_953, 1_100_000, 1_600_000], num_key_frames, p=[0.4, 0.3, 0.2, 0.07, 0.03]
    )
    times_us = 1_532_402_927_000_000 + int(rng.integers(10**12)) + np.cumsum(gaps_us)
    ego = np.round(
        np.append(rng.uniform(300, 2000, 2), 0) + np.linspace(0, 1, num_key_frames)[:, None] * [20, -12, 0], 1
    )
    for k, sample in enumerate(samples):
        time = {"timestamp": int(times_us[k])}
        links = {"prev": samples[k - 1] if k else "", "next": samples[k + 1] if k + 1 < len(samples) else ""}
        rows["sample"].append({"token": sample, "scene_token": scene} | time | links)
        for sensor, end, is_key_frame in (("lidar", "", True), ("lidar", "-sweep", False), ("cam", "-cam", True)):
            token = f"{sample}{end}"
            rows["ego_pose"].append(
                {"token": token, "rotation": [1.0, 0.0, 0.0, 0.0]}
                | {"translation": (ego[k] + (0 if end == "" else 30)).tolist()}
                | time
            )
            rows["sample_data"].append(
                {"token": token, "sample_token": sample, "ego_pose_token": token, "is_key_frame": is_key_frame}
                | {"calibrated_sensor_token": f"{sensor}-mount", "fileformat": "pcd", "height": 0, "width": 0}
                | {"filename": f"samples/{token}.bin", "prev": "", "next": ""}
                | time
            )
    rows["scene"].append(
        {"token": scene, "log_token": "log", "nbr_samples": num_key_frames, "name": scene, "description": ""}
        | {"first_sample_token": samples[0], "last_sample_token": samples[-1]}
    )
    rack = None
    for _ in range(num_objects):
        category = str(rng.choice(names))
        place = _object_places(category, ego, rack, rng)
        straight = category == "static_object.bicycle_rack" and bool(rng.random() < 0.5)
        if straight:
            rack = place[0]
        _add_object(rows, samples, category, place, straight, rng)


def _object_places(category: str, ego: np.ndarray, rack: np.ndarray | None, rng) -> np.ndarray:
    """(K, 3) centres of an object."""
    start = ego[rng.integers(len(ego))] + np.append(rng.uniform(-1, 1, 2) * rng.choice([10, 35, 60]), 0)
    if (
        category.endswith("bicycle") and rack is not None
    ):  # within, on the edge of and above the rack, which is 2 x 6 x 1
        start = rack + rng.choice([-3.5, -3, -1, 0, 1, 3], 3) * [1, 0.3333333333333333, 0.1666666666666666]
    step = (
        np.append(rng.normal(0, 12, 2), 0) if CLASS_OF.get(category) in SIZE_M and rng.random() < 0.6 else np.zeros(3)
    )
    path = start + np.linspace(0, 1, len(ego))[:, None] * step
    return np.round(path, int(rng.choice([0, 1, 3, 6], p=[0.1, 0.1, 0.6, 0.2])))


def _add_object(rows, samples, category, place, straight, rng) -> None:
    instance = _token(rng)
    seen = [k for k in range(len(samples)) if rng.random() < 0.9]
    tokens = [_token(rng) for _ in seen]
    length = SIZE_M.get(CLASS_OF.get(category, ""), 8.0) * rng.uniform(0.8, 1.2)
    size = np.round([0.45 * length, length, 0.4 * length], 3).tolist()
    angle = rng.uniform(-np.pi, np.pi) if rng.random() < 0.8 else rng.choice([0, np.pi / 2, np.pi])
    rotation = np.round(_yaw(np.array(angle)), int(rng.choice([3, 9]))).tolist()
    if category == "static_object.bicycle_rack":
        # What the official code says of a box on the border of a rack that is turned depends on the processor.
        size, rotation = ([2.0, 6.0, 1.0], [1.0, 0.0, 0.0, 0.0]) if straight else ([2.1, 6.3, 1.17], rotation)
    attributes = [] if rng.random() < 0.1 else [f"a{rng.integers(len(ATTRIBUTES))}"]
    points = rng.choice([0, 0, 1, 7, 300], (len(seen), 2))
    for i, k in enumerate(seen):
        rows["sample_annotation"].append(
            {"token": tokens[i], "sample_token": samples[k], "instance_token": instance, "visibility_token": "1"}
            | {"attribute_tokens": attributes, "translation": place[k].tolist(), "size": size, "rotation": rotation}
            | {"prev": tokens[i - 1] if i else "", "next": tokens[i + 1] if i + 1 < len(seen) else ""}
            | {"num_lidar_pts": int(points[i, 0]), "num_radar_pts": int(points[i, 1])}
        )
    rows["instance"].append(
        {"token": instance, "category_token": f"c{CATEGORIES.index(category)}", "nbr_annotations": len(seen)}
        | {"first_annotation_token": tokens[0] if tokens else "", "last_annotation_token": tokens[-1] if tokens else ""}
    )


def read_truth(root: Path, version: str, split: str) -> dict[str, list[dict]]:
    """Annotations of each sample of a split with their class (None for those that no benchmark knows), in table order."""
    table = {name: json.loads((root / version / f"{name}.json").read_text()) for name in TABLES}
    scenes = {row["token"] for row in table["scene"] if row["name"] in official.splits()[split]}
    names = {row["token"]: row["name"] for row in table["category"]}
    category = {row["token"]: names[row["category_token"]] for row in table["instance"]}
    truth: dict[str, list[dict]] = {row["token"]: [] for row in table["sample"] if row["scene_token"] in scenes}
    for row in table["sample_annotation"]:
        if row["sample_token"] in truth:
            truth[row["sample_token"]].append(row | {"class": CLASS_OF.get(category[row["instance_token"]])})
    return truth


def write_detections(
    path: Path,
    root: Path,
    seed: int,
    version: str = VERSION,
    split: str = SPLIT,
    num_boxes: int = 60,
    awkward: bool = True,
) -> Path:
    """Write detections for a database of :func:`write_database` and return ``path``.

    Boxes are the annotated ones with noise, some of them twice, some of another class, some missing, and others anywhere.

    Args:
        num_boxes: Of each sample; at most 500.
        awkward: With all that the format allows: equal scores, NaN velocities, unknown keys, keys twice, escapes, numbers as
            text, boxes that name another sample, samples without a box.
    """
    rng = np.random.default_rng((seed, 2))
    classes = np.array(official.class_map("detection").classes)
    truth = read_truth(root, version, split)
    tokens = list(truth)
    if awkward:
        rng.shuffle(tokens)
    meta = {"use_camera": False, "use_lidar": True, "use_radar": False, "use_map": False, "use_external": False}
    with path.open("w") as file:
        file.write(f'{{"meta":{json.dumps(meta)},"results":{{')
        for i, token in enumerate(tokens):
            annotations = [row for row in truth[token] if row["class"] in classes]
            count = 0 if awkward and rng.random() < 0.1 else num_boxes
            boxes = _boxes(annotations, count, classes, awkward, rng)
            for box in boxes:
                box["sample_token"] = token
            text = [json.dumps(box, separators=(",", ":")) for box in boxes]
            if awkward:
                text = [_spoil(one, box, tokens, rng) for one, box in zip(text, boxes)]
            file.write(f'{"," if i else ""}"{token}":[{",".join(text)}]')
        file.write("}}")
    return path


def _boxes(annotations, count, classes, awkward, rng) -> list[dict[str, Any]]:
    if count == 0 or not annotations:
        return []
    pick = rng.integers(len(annotations), size=count)
    base = {key: np.array([a[key] for a in annotations])[pick] for key in ("translation", "size", "rotation")}
    noise = rng.choice([0.0, 0.3, 1.0, 6.0], count, p=[0.1, 0.4, 0.3, 0.2])
    translation = base["translation"] + noise[:, None] * rng.normal(size=(count, 3)) * [1, 1, 0.2]
    steps = rng.choice([-4, -2, -1, -0.5, 0.5, 1, 2, 4], count)  # a centre exactly as far away as a threshold
    exact = rng.random(count) < (0.15 if awkward else 0)
    translation[exact] = base["translation"][exact]
    translation[exact, rng.integers(2)] += steps[exact]
    size = base["size"] * np.exp(0.1 * rng.normal(size=(count, 3)))
    rotation = base["rotation"] * (rng.choice([1, 1, 3], count)[:, None] if awkward else 1)
    turned = rng.random(count) < 0.5
    rotation[turned] = _yaw(rng.uniform(-np.pi, np.pi, turned.sum()))
    velocity = rng.normal(0, 3, (count, 2))
    score = rng.random(count)
    if awkward:
        velocity[rng.random(count) < 0.05] = np.nan
        score = np.where(rng.random(count) < 0.5, rng.choice([0, 0.25, 0.5, 1], count), score)
    name = np.array([a["class"] for a in annotations])[pick]
    name = np.where(rng.random(count) < 0.1, rng.choice(classes, count), name)
    digits = 4 if not awkward else int(rng.choice([1, 4, 17]))
    columns = {
        "translation": np.round(translation, digits).tolist(),
        "size": np.round(np.maximum(size, 0.1), 4).tolist(),
        "rotation": np.round(rotation, 6).tolist(),
        "velocity": np.round(velocity, 4).tolist(),
        "detection_name": name.tolist(),
        "detection_score": np.round(score, 4).tolist(),
        "attribute_name": rng.choice(["", *ATTRIBUTES], count).tolist(),
    }
    boxes = [{"sample_token": "", **dict(zip(columns, row))} for row in zip(*columns.values())]
    if awkward:
        boxes += [dict(boxes[i]) for i in range(0, len(boxes), 9)][: 500 - len(boxes)]
    return boxes


def _spoil(text: str, box: dict, tokens: list[str], rng) -> str:
    """The same box in another way that is allowed, or one with other values that the format allows."""
    change = rng.integers(60)
    if change == 0:
        return text.replace('"translation":', '"translation":[1, 2],"translation" :\n ', 1)
    if change == 1:
        return text.replace('"size"', '"s\\u0069ze"', 1).replace(
            '"detection_name":"', '"detection_name":"\\u0063ar","detection_name":"'
        )
    if change == 2:
        return json.dumps(box | {"detection_score": str(box["detection_score"])})
    if change == 3:
        return json.dumps(box | {"num_pts": _one(rng, 0, 5, -1, 2**40), "ego_translation": [1, 2, 3]})
    if change == 4:
        return json.dumps(box | {"num_pts": _one(rng, "0", " 7", 0.9, True)})
    if change == 5:
        return json.dumps(box | {"extra": {'é\t"': [None, {"": []}, 1e-400]}, "sample_token": str(rng.choice(tokens))})
    if change == 6:
        return json.dumps(box | {"sample_token": "elsewhere"}, indent=1)
    if change == 7:
        return json.dumps(
            box | {"translation": [int(v) for v in box["translation"]], "detection_score": _one(rng, 0, 1, True)}
        )
    if change == 8:
        return json.dumps(box | {"rotation": [0, 0, 0, 0], "velocity": [float("inf"), 0]})
    return text


def _one(rng: np.random.Generator, *values: Any) -> Any:
    return values[rng.integers(len(values))]
