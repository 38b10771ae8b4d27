"""Writes a small dataset in the nuScenes format, with everything about it awkward but legal."""

import json
from pathlib import Path

import numpy as np

KEY_PERIOD_US = 500_000
CATEGORIES = {
    "noise": 0,
    "human.pedestrian.adult": 2,
    "vehicle.car": 17,
    "vehicle.emergency.police": 20,
    "flat.sidewalk": 25,
}


def write_nuscenes(
    root: Path,
    version: str = "v1.0-mini",
    scenes: tuple[str, ...] = ("scene-0061", "scene-0103"),
    num_key_frames: int = 5,
    num_between: int = 2,
    num_before: int = 1,
    num_points: int = 400,
    seed: int = 0,
) -> Path:
    """Write tables, LiDAR files and lidarseg labels below ``root`` and return it.

    Every scene has ``num_before`` sweeps before its first key frame and ``num_between`` after each but the last. The
    vehicle drives a curve while it rolls and pitches, the sensor is mounted askew, times jitter, rows are shuffled,
    and a camera has rows of its own. Each sweep has points around the sensor's own place, and each scene three
    objects: one that is there all the time, one that misses key frames 1 to 3, and one that is seen once.
    """
    rng = np.random.default_rng(seed)
    rows = {name: [] for name in ("scene", "sample", "sample_data", "ego_pose", "calibrated_sensor", "sensor")}
    rows |= {name: [] for name in ("sample_annotation", "instance", "category", "lidarseg")}
    rows["sensor"] = [{"token": "lidar", "channel": "LIDAR_TOP"}, {"token": "cam", "channel": "CAM_FRONT"}]
    rows["category"] = [{"token": f"c{i}", "name": name, "index": i} for name, i in CATEGORIES.items()]
    for folder in ("samples/LIDAR_TOP", "sweeps/LIDAR_TOP", f"lidarseg/{version}", version):
        (root / folder).mkdir(parents=True)
    for number, scene in enumerate(scenes):
        rows["scene"].append({"token": f"s{number}", "name": scene, "nbr_samples": num_key_frames})
        for sensor in ("lidar", "cam"):
            rows["calibrated_sensor"].append(
                {
                    "token": f"{scene}-{sensor}",
                    "sensor_token": sensor,
                    "translation": [0.9 + 0.1 * number, 0.05, 1.8],
                    "rotation": _unit([0.7, 0.02, -0.03, -0.7 + 0.1 * number]),
                }
            )
        times = _write_sweeps(
            root, version, rows, scene, number, num_key_frames, num_between, num_before, num_points, rng
        )
        _add_objects(rows, scene, times)
    for name, table in rows.items():
        table = table if name == "scene" else [table[i] for i in rng.permutation(len(table))]
        (root / version / f"{name}.json").write_text(json.dumps(table, indent=1))
    return root


def _unit(quaternion):
    return (np.asarray(quaternion) / np.linalg.norm(quaternion)).tolist()


def _write_sweeps(root, version, rows, scene, number, num_key_frames, num_between, num_before, num_points, rng):
    """Add the sweeps of one scene; returns the times of its key frames."""
    step_us = KEY_PERIOD_US // (num_between + 1)
    num_sweeps = num_before + (num_key_frames - 1) * (num_between + 1) + 1
    key_times = []
    for i in range(num_sweeps):
        key_frame, after = divmod(i - num_before, num_between + 1)
        is_key = key_frame >= 0 and after == 0
        time_us = 1_535_639_716_000_000 + number * 10**9 + i * step_us + int(rng.integers(-900, 900))
        token, sample = f"{scene}-sweep{i}", f"{scene}-key{max(key_frame, 0)}"
        if is_key:
            key_times.append(time_us)
            rows["sample"].append({"token": sample, "scene_token": f"s{number}", "timestamp": time_us})
        angle = 0.3 + 0.05 * i
        rows["ego_pose"].append(
            {
                "token": f"{token}-pose",
                "translation": [1700.0 + 3.0 * i, 1200.0 - 0.7 * i * i / num_sweeps, 0.1 * i],
                "rotation": _unit([np.cos(angle / 2), 0.01 * np.sin(i), 0.02 * np.cos(i), np.sin(angle / 2)]),
            }
        )
        name = f"{'samples' if is_key else 'sweeps'}/LIDAR_TOP/{token}.pcd.bin"
        common = {
            "sample_token": sample,
            "ego_pose_token": f"{token}-pose",
            "timestamp": time_us,
            "is_key_frame": is_key,
        }
        rows["sample_data"].append(
            common
            | {"token": token, "calibrated_sensor_token": f"{scene}-lidar", "filename": name}
            | {
                "prev": f"{scene}-sweep{i - 1}" if i else "",
                "next": f"{scene}-sweep{i + 1}" if i + 1 < num_sweeps else "",
            }
        )
        rows["sample_data"].append(
            common
            | {
                "token": f"{token}-cam",
                "calibrated_sensor_token": f"{scene}-cam",
                "filename": "samples/CAM_FRONT/x.jpg",
            }
            | {"prev": "", "next": ""}
        )
        points = np.empty((num_points, 5), dtype="<f4")
        points[:, :3] = rng.normal(scale=(12.0, 12.0, 1.0), size=(num_points, 3))
        points[:20, :2] = rng.uniform(-1.2, 1.2, size=(20, 2))
        points[:, 3] = rng.integers(0, 256, num_points)
        points[:, 4] = rng.integers(0, 32, num_points)
        points.tofile(root / name)
        if is_key:
            labels = rng.choice(list(CATEGORIES.values()), num_points).astype(np.uint8)
            labels.tofile(root / f"lidarseg/{version}/{token}_lidarseg.bin")
            rows["lidarseg"].append(
                {"token": token, "sample_data_token": token, "filename": f"lidarseg/{version}/{token}_lidarseg.bin"}
            )
    return key_times


def _add_objects(rows, scene, times):
    objects = {"car": range(len(times)), "walker": [k for k in range(len(times)) if not 1 <= k <= 3], "once": [1]}
    for object_number, (name, key_frames) in enumerate(objects.items()):
        category = "human.pedestrian.adult" if name == "walker" else "vehicle.car"
        instance = f"{scene}-{name}"
        rows["instance"].append({"token": instance, "category_token": f"c{CATEGORIES[category]}"})
        for place, k in enumerate(key_frames):
            passed_s = (times[k] - times[0]) * 1e-6
            rows["sample_annotation"].append(
                {
                    "token": f"{instance}@{k}",
                    "sample_token": f"{scene}-key{k}",
                    "instance_token": instance,
                    "translation": [1710.0 + 4.0 * passed_s + 3 * object_number, 1195.0 - passed_s**2, 1.0],
                    "size": [1.9, 4.5, 1.6],
                    "rotation": _unit([np.cos(0.4 + 0.05 * k), 0.0, 0.0, np.sin(0.4 + 0.05 * k)]),
                    "prev": f"{instance}@{key_frames[place - 1]}" if place else "",
                    "next": f"{instance}@{key_frames[place + 1]}" if place + 1 < len(key_frames) else "",
                    "num_lidar_pts": 7 + k,
                    "num_radar_pts": 0,
                }
            )
