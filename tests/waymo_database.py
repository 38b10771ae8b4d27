"""Random boxes and labels in the style of the Waymo dataset, and files in the format of its tools."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

SIZES = {1: (4.6, 2.0, 1.7), 2: (0.9, 0.8, 1.7), 3: (0.6, 0.1, 0.8), 4: (1.8, 0.8, 1.7)}


def random_case(
    seed: int,
    *,
    num_frames: int = 4,
    num_truths: int = 14,
    num_noise: int = 5,
    spread_m: float = 60.0,
    nlz: float = 0.1,
    score_step: float = 0.0,
    copies: float = 0.2,
    flips: float = 0.1,
    along_sight: float = 0.0,
    dtype: type = np.float32,
) -> dict[str, np.ndarray]:
    """Arguments of ``waymo_detection``: noisy, missed, doubled and invented predictions.

    Args:
        seed: Of all that is random.
        num_frames: One of them has no predictions, one no ground truth.
        num_truths, num_noise: A frame: labels, and predictions without one.
        spread_m: Boxes stand within it.
        nlz: Share of predictions in no-label zones.
        score_step: Scores are multiples of it; 0 for any.
        copies: Share of labels with a second prediction.
        flips: Share of predictions that head backwards.
        along_sight: Standard deviation of the relative error of ranges.
        dtype: Of boxes.
    """
    rng = np.random.default_rng(seed)
    truths, predictions = [], []
    for frame in range(num_frames):
        kinds = rng.choice([1, 1, 2, 2, 3, 4], num_truths)
        boxes = np.concatenate(
            [
                rng.uniform(-spread_m, spread_m, (num_truths, 2)),
                rng.normal(1, 0.3, (num_truths, 1)),
                np.array([SIZES[k] for k in kinds]) * rng.uniform(0.8, 2.0, (num_truths, 1)),
                rng.uniform(-np.pi, np.pi, (num_truths, 1)),
            ],
            axis=1,
        )
        if frame != 1:
            for box, kind in zip(boxes, kinds):
                truths.append((frame, kind, box, rng.integers(1, 3), rng.normal(0, 4, 2) * rng.integers(0, 2)))
        if frame == 2:
            continue
        for box, kind in zip(boxes, kinds):
            for _ in range(int(rng.random() < 0.85) + int(rng.random() < copies)):
                noisy = box + rng.normal(0, [0.15, 0.1, 0.05, 0.1, 0.05, 0.05, 0.1])
                noisy[:3] *= 1 + rng.normal(0, along_sight) if along_sight else 1
                noisy[6] += np.pi * (rng.random() < flips)
                predictions.append((frame, kind, noisy, rng.random()))
        for _ in range(num_noise):
            box = boxes[rng.integers(num_truths)] + rng.normal(0, [2, 2, 0.2, 0.1, 0.1, 0.1, 1])
            predictions.append((frame, rng.integers(1, 5), box, rng.random()))
    rng.shuffle(order := np.arange(len(predictions)))
    predictions = [predictions[i] for i in order]
    score = np.array([row[3] for row in predictions])
    if score_step:
        score = np.round(score / score_step) * score_step
    return {
        "prediction_frame_id": np.array([row[0] for row in predictions]),
        "prediction_type": np.array([row[1] for row in predictions], dtype=np.uint8),
        "prediction_bbox": np.array([row[2] for row in predictions]).astype(dtype),
        "prediction_score": score.astype(np.float32),
        "prediction_overlap_nlz": rng.random(len(predictions)) < nlz,
        "ground_truth_frame_id": np.array([row[0] for row in truths]),
        "ground_truth_type": np.array([row[1] for row in truths], dtype=np.uint8),
        "ground_truth_bbox": np.array([row[2] for row in truths]).astype(dtype),
        "ground_truth_difficulty": np.array([row[3] for row in truths], dtype=np.uint8),
        "ground_truth_speed": np.array([row[4] for row in truths], dtype=np.float32),
    }


def varint(value: int) -> bytes:
    value &= 2**64 - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: Any) -> bytes:
    """One field: int as varint, float as 64 bits, ``np.float32`` as 32 bits, bytes with their length."""
    if isinstance(value, np.float32):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<d", value)
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(int(value))


def box_message(box: Iterable[float]) -> bytes:
    x, y, z, length, width, height, heading = map(float, box)
    columns = {1: x, 2: y, 3: z, 4: width, 5: length, 6: height, 7: heading}
    return b"".join(field(number, value) for number, value in columns.items())


def object_message(
    box: Iterable[float],
    kind: int,
    context: str,
    timestamp: int,
    *,
    score: float | None = None,
    nlz: bool = False,
    num_points: int | None = None,
    difficulty: int = 0,
    speed: Iterable[float] | None = None,
    camera: int = 0,
) -> bytes:
    """An ``Object``, with fields besides that the metrics do not read."""
    label = field(4, b"some id") + field(1, box_message(box)) + field(3, kind) + field(11, b"FRONT")
    label += field(12, box_message(np.zeros(7)))
    if speed is not None:
        label += field(2, b"".join(field(number, float(value)) for number, value in zip((1, 2), speed)))
    if num_points is not None:
        label += field(7, num_points) + field(13, 1)
    if difficulty:
        label += field(5, difficulty)
    out = field(1, label) + field(4, context.encode()) + field(5, timestamp)
    if score is not None:
        out += field(2, np.float32(score))
    if nlz:
        out += field(3, 1)
    return out + (field(6, camera) if camera else b"")


def write_objects(path: Path, objects: Iterable[bytes]) -> Path:
    zone = field(2, field(2, b"context") + field(3, 7))
    path.write_bytes(b"".join(field(1, message) for message in objects) + zone)
    return path


def frame_name(frame: int) -> tuple[str, int]:
    """Context and timestamp; their order is not that of the numbers."""
    return f"segment-{(7 * int(frame)) % 5}", 1_500_000_000_000_000 + 100_000 * (1000 - int(frame))


def prediction_objects(case: dict[str, np.ndarray]) -> Iterator[bytes]:
    columns = ("bbox", "type", "frame_id", "score", "overlap_nlz")
    for box, kind, frame, score, nlz in zip(*(case[f"prediction_{name}"] for name in columns)):
        yield object_message(box, kind, *frame_name(frame), score=score, nlz=nlz)


def label_objects(labels: dict[str, np.ndarray]) -> Iterator[bytes]:
    """From columns as :func:`geopt.evaluation.waymo_preprocess` takes them."""
    columns = ("bbox", "type", "frame_id", "num_lidar_points", "difficulty", "speed")
    for box, kind, frame, points, difficulty, speed in zip(*(labels[name] for name in columns)):
        yield object_message(box, kind, *frame_name(frame), num_points=points, difficulty=difficulty, speed=speed)


def matrix_message(numbers: np.ndarray, packed: bool = True) -> bytes:
    if packed:
        data = field(1, b"".join(varint(int(value)) for value in numbers.reshape(-1)))
    else:
        data = b"".join(field(1, int(value)) for value in numbers.reshape(-1))
    return data + field(2, b"".join(field(1, size) for size in numbers.shape))


def label_frame(
    context: str, timestamp: int, returns: Iterable[np.ndarray], laser: int = 1, packed: bool = True
) -> bytes:
    """A ``SegmentationFrame`` with the labels of both returns of one lidar."""
    message = field(1, laser)
    for number, numbers in zip((2, 3), returns):
        message += field(number, field(2, b"image") + field(6, zlib.compress(matrix_message(numbers, packed))))
    return field(1, message) + field(2, context.encode()) + field(3, timestamp)


def write_label_frames(path: Path, frames: Iterable[bytes]) -> Path:
    path.write_bytes(b"".join(field(1, frame) for frame in frames))
    return path
