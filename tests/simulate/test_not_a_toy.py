"""Four simulated scenes are as full as real ones. Counted from the stored files with nothing but json and NumPy."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

from geopt import official
from geopt.simulate import default_workers, simulate

pytest.importorskip("embreex")
pytestmark = pytest.mark.long

WITHIN_M = 50.0
MOVING_MPS = 0.5


class KeyFrame(NamedTuple):
    """A stored key frame; boxes are rows of sample_annotation."""

    scene: str
    points: np.ndarray
    """(N, 5) as stored."""
    xyz: np.ndarray
    """(N, 3) in the global frame."""
    sensor: np.ndarray
    """(3,) where the sensor is, in the global frame."""
    labels: np.ndarray
    """(N,) rows of the category table."""
    boxes: list[dict[str, Any]]


def turn(quat_wxyz) -> np.ndarray:
    w, x, y, z = np.asarray(quat_wxyz) / np.linalg.norm(quat_wxyz)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


@pytest.fixture(scope="module")
def four(folder, tmp_path_factory) -> Any:
    """Four scenes of ten key frames."""
    out = tmp_path_factory.mktemp("four")
    return type(folder)(simulate(out, scenes=4, keyframes=10, sweeps=1, seed=0, workers=min(2, default_workers())))


@pytest.fixture(scope="module")
def category_of(four) -> dict[str, str]:
    """Category name of each instance."""
    names = {row["token"]: row["name"] for row in four.table("category")}
    return {row["token"]: names[row["category_token"]] for row in four.table("instance")}


@pytest.fixture(scope="module")
def key_frames(four) -> list[KeyFrame]:
    return list(read_key_frames(four))


def read_key_frames(four) -> Iterator[KeyFrame]:
    poses, mounts, samples = (four.by_token(name) for name in ("ego_pose", "calibrated_sensor", "sample"))
    scenes, labels = four.by_token("scene"), {row["sample_data_token"]: row for row in four.table("lidarseg")}
    for row in four.table("sample_data"):
        points = np.fromfile(four.root / row["filename"], "<f4").reshape(-1, 5)
        xyz = np.concatenate([points[:, :3].astype(np.float64), np.zeros((1, 3))])  # the sensor is the origin
        for motion in (mounts[row["calibrated_sensor_token"]], poses[row["ego_pose_token"]]):
            xyz = xyz @ turn(motion["rotation"]).T + motion["translation"]
        yield KeyFrame(
            scenes[samples[row["sample_token"]]["scene_token"]]["name"],
            points,
            xyz[:-1],
            xyz[-1],
            np.fromfile(four.root / labels[row["token"]]["filename"], np.uint8),
            [box for box in four.table("sample_annotation") if box["sample_token"] == row["sample_token"]],
        )


def test_there_are_four_scenes_with_ten_key_frames(key_frames):
    names = [frame.scene for frame in key_frames]
    assert len(set(names)) == 4 and all(names.count(name) == 10 for name in names)


def test_key_frames_hold_20_to_35_thousand_returns_on_all_32_rings(key_frames):
    for frame in key_frames:
        assert 20_000 <= len(frame.points) <= 35_000, frame.scene
        assert np.unique(frame.points[:, 4]).tolist() == list(range(32))


def test_at_least_14_of_the_16_classes_are_seen(four, key_frames):
    class_of = official.class_map("lidarseg").class_of_category
    names = {row["index"]: class_of[row["name"]] for row in four.table("category")}
    counts: dict[str, int] = {}
    for frame in key_frames:
        for label, count in zip(*np.unique(frame.labels, return_counts=True)):
            counts[names[int(label)]] = counts.get(names[int(label)], 0) + int(count)
    seen = {name for name, count in counts.items() if name != "ignore" and count >= 20}
    assert len(seen) >= 14, counts


def test_at_least_15_objects_are_seen_within_50_m(key_frames):
    numbers = []
    for frame in key_frames:
        places = np.array([box["translation"][:2] for box in frame.boxes if box["num_lidar_pts"]]) - frame.sensor[:2]
        numbers.append(int((np.hypot(*places.T) < WITHIN_M).sum()))
    assert np.median(numbers) >= 15 and min(numbers) >= 10, numbers


def test_a_third_of_the_vehicles_moves(four, category_of):
    boxes, samples = four.by_token("sample_annotation"), four.by_token("sample")
    speeds = []
    for box in boxes.values():
        first, last = (boxes[box[side]] if box[side] else box for side in ("prev", "next"))
        if not category_of[box["instance_token"]].startswith("vehicle.") or first is last:
            continue
        times = [samples[end["sample_token"]]["timestamp"] * 1e-6 for end in (first, last)]
        speeds.append(math.dist(first["translation"][:2], last["translation"][:2]) / (times[1] - times[0]))
    assert len(speeds) > 200
    assert np.mean(np.array(speeds) > MOVING_MPS) >= 1 / 3


def test_98_percent_of_the_points_in_a_box_carry_its_class(four, key_frames, category_of):
    index = {row["name"]: row["index"] for row in four.table("category")}
    right: dict[str, list[int]] = {}
    for frame in key_frames:
        for box in frame.boxes:
            width, length, height = box["size"]
            local = (frame.xyz - box["translation"]) @ turn(box["rotation"])
            inside = (np.abs(local) <= np.array([length, width, height]) / 2).all(axis=1)
            name = category_of[box["instance_token"]]
            of_class = right.setdefault(name, [0, 0])
            of_class[0] += int((frame.labels[inside] == index[name]).sum())
            of_class[1] += int(inside.sum())
    same, total = np.sum(list(right.values()), axis=0)
    assert total > 20_000 and same / total >= 0.98, right
    shares = {name: a / b for name, (a, b) in right.items() if b >= 200}
    assert min(shares.values()) >= 0.9, shares


def test_all_ten_classes_of_the_detection_benchmark_have_boxes(key_frames, category_of):
    class_of = official.class_map("detection").class_of_category
    seen = {class_of.get(category_of[box["instance_token"]]) for frame in key_frames for box in frame.boxes}
    assert seen >= set(official.class_map("detection").classes)
