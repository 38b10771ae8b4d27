"""Files for Waymo's tools, read back by the reader of the scores; and that of the dataset itself, byte by byte."""

import numpy as np
import pytest

from geopt.evaluation import waymo_segmentation_files
from geopt.evaluation.waymo_files import read_waymo_objects
from geopt.evaluation.write_waymo import ObjectsWriter, SegmentationWriter


def some_objects(rng, count):
    return {
        "bbox": rng.normal(size=(count, 7)),
        "type": rng.integers(1, 5, count),
        "num_lidar_points": rng.integers(0, 300, count),
        "detection_difficulty": rng.integers(0, 3, count),
        "tracking_difficulty": rng.integers(0, 3, count),
        "speed": rng.normal(size=(count, 2)),
        "id": [f"object {i}".encode() for i in range(count)],
    }


def test_labels_come_back(tmp_path):
    rng = np.random.default_rng(0)
    frames = {("segment", 1_550_000_000_000_000 + k): some_objects(rng, k) for k in range(5)}
    with ObjectsWriter(tmp_path / "gt.bin") as writer:
        for key, objects in frames.items():
            writer.add(*key, **objects)
    found = read_waymo_objects(tmp_path / "gt.bin")
    assert found.frames == [(key[0].encode(), 0, key[1]) for key, objects in frames.items() if len(objects["type"])]
    for own, name in (("bbox", "bbox"), ("type", "type"), ("num_lidar_points", "num_lidar_points"), ("speed", "speed")):
        assert np.array_equal(getattr(found, name), np.concatenate([o[own] for o in frames.values()])), name
    assert np.array_equal(found.difficulty, np.concatenate([o["detection_difficulty"] for o in frames.values()]))


def test_predictions_come_back_with_their_scores(tmp_path):
    score = np.array([0.25, 1.0, 1e-3], dtype=np.float32)
    with ObjectsWriter(tmp_path / "predictions.bin") as writer:
        writer.add("a", 7, bbox=np.zeros((0, 7)), type=[], score=[])
        writer.add("a", 8, bbox=np.ones((3, 7)), type=[1, 2, 4], score=score)
    found = read_waymo_objects(tmp_path / "predictions.bin")
    assert np.array_equal(found.score, score) and found.frames == [(b"a", 0, 8)] and not found.overlap_nlz.any()


def test_a_real_label_has_the_bytes_of_the_dataset(shared_data, tmp_path):
    path = shared_data / "waymo_mmdet3d_tests" / "waymo_format" / "gt.bin"
    real = read_waymo_objects(path)
    ((context, _, time_us),) = real.frames
    with ObjectsWriter(tmp_path / "gt.bin") as writer:
        writer.add(
            context.decode(),
            time_us,
            bbox=real.bbox,
            type=real.type,
            score=real.score,
            num_lidar_points=real.num_lidar_points,
        )
    assert (tmp_path / "gt.bin").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("largest", [1, 127, 128, 300, 70_000])
def test_labels_of_points_come_back(largest, tmp_path):
    rng = np.random.default_rng(largest)
    frames = []
    for time_us in (5, 6):
        images = [
            np.stack([rng.integers(0, largest + 1, (4, 9)), rng.integers(0, 23, (4, 9))], axis=-1) for _ in range(2)
        ]
        frames.append((time_us, images))
    for name in ("truth.bin", "predictions.bin"):
        with SegmentationWriter(tmp_path / name) as writer:
            for time_us, images in frames:
                writer.add("segment", time_us, tuple(images))
    scores = waymo_segmentation_files(tmp_path / "predictions.bin", tmp_path / "truth.bin")
    assert scores["miou"] == 1.0
    wrong = [
        (time_us, [np.stack([i[..., 0], i[..., 1] % 22 + 1], axis=-1) for i in images]) for time_us, images in frames
    ]
    with SegmentationWriter(tmp_path / "predictions.bin") as writer:
        for time_us, images in wrong:
            writer.add("segment", time_us, tuple(images))
    assert waymo_segmentation_files(tmp_path / "predictions.bin", tmp_path / "truth.bin")["miou"] < 0.1


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "x" / "predictions.bin"
    with pytest.raises(ValueError, match=r"ObjectsWriter: score must have a row for each of 2 boxes, got 1"):
        with ObjectsWriter(path) as writer:
            writer.add("a", 1, bbox=np.ones((1, 7)), type=[1], score=[0.5])
            writer.add("a", 2, bbox=np.ones((2, 7)), type=[1, 1], score=[0.5])
    assert list(path.parent.iterdir()) == []
    with pytest.raises(ValueError, match=r"boxes and scores of a at 3 must be finite"):
        with ObjectsWriter(path) as writer:
            writer.add("a", 3, bbox=np.full((1, 7), np.nan), type=[1], score=[0.5])
    with pytest.raises(ValueError, match=r"an image must be \(H, W, 2\), none negative, got \(3, 4\)"):
        with SegmentationWriter(path) as labels:
            labels.add("a", 1, (np.zeros((3, 4)), np.zeros((3, 4))))
