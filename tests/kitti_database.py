"""Random labels and predictions in the style of the KITTI object benchmark, written as its text files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

SIZES_HWL = {
    "Car": (1.5, 1.65, 3.9),
    "Van": (2.0, 1.9, 5.0),
    "Pedestrian": (1.76, 0.66, 0.84),
    "Person_sitting": (1.3, 0.6, 0.8),
    "Cyclist": (1.73, 0.6, 1.76),
    "Truck": (3.2, 2.6, 10.0),
}
MISTAKEN = {"Van": "Car", "Truck": "Car", "Person_sitting": "Pedestrian", "Cyclist": "Pedestrian"}
FOCAL_PX, CENTRE_PX, IMAGE_PX = 721.5, (609.6, 172.9), (1242, 375)


def write_case(
    folder: Path,
    seed: int,
    *,
    num_frames: int = 12,
    num_labels: int = 8,
    num_noise: int = 3,
    spread_m: float = 18.0,
    noise: float = 1.0,
    score_step: float = 0.0,
    boundaries: bool = False,
    with_alpha: bool = True,
    image_only: float = 0.0,
    classes: tuple[str, ...] = tuple(SIZES_HWL),
    never_found: tuple[str, ...] = (),
) -> tuple[Path, Path]:
    """Folders of labels and of noisy, missed, doubled and invented predictions.

    Args:
        folder: Gets ``label_2`` and ``data``.
        seed: Of all that is random.
        num_frames: One in six has no labels, one in seven no predictions.
        num_labels, num_noise: A frame: labels, and predictions without one.
        spread_m: Boxes stand within it to the left and right.
        noise: How wrong predictions are.
        score_step: Scores are multiples of it; 0 for any.
        boundaries: Heights of 24 to 41 whole pixels, occlusion and truncation at the limits of the levels.
        with_alpha: Predictions have an angle.
        image_only: Share of predictions with a box in the image only.
        classes: Types of labels.
        never_found: Types that no prediction has.
    """
    rng = np.random.default_rng(seed)
    folders = folder / "label_2", folder / "data"
    for place in folders:
        place.mkdir(parents=True)
    for frame in range(num_frames):
        labels, predictions = [], []
        for _ in range(num_labels if frame % 6 != 4 else 0):
            kind = str(rng.choice(classes))
            box = _box(rng, kind, spread_m)
            image = _image(box)
            if boundaries:
                image[3] = image[1] + rng.integers(24, 42) - rng.choice([0.0, 0.0, 0.01])
            truncation = rng.choice([0.0, 0.0, 0.15, 0.3, 0.5, 0.51] if boundaries else [0.0, 0.0, 0.1, 0.4])
            labels.append(_line(kind, truncation, rng.integers(0, 4), image, box, 2))
            for _ in range(int(rng.random() < 0.85) + int(rng.random() < 0.25)):
                found = MISTAKEN.get(kind, kind) if rng.random() < 0.3 else kind
                near = box + rng.normal(0, noise, 7) * [0.02, 0.03, 0.05, 0.06, 0.03, 0.1, 0.06]
                near[6] += math.pi * (rng.random() < 0.1)
                seen = image + rng.normal(0, 1.5 * noise, 4) * (rng.random() < 0.8)
                predictions.append((found, seen, near, rng.beta(3, 2)))
        for _ in range(num_noise if frame % 7 != 5 else 0):
            kind = str(rng.choice(list(SIZES_HWL)))
            box = _box(rng, kind, spread_m)
            predictions.append((kind, _image(box), box, rng.beta(2, 3)))
        for _ in range(int(rng.integers(0, 3))):
            x, y = rng.uniform(0, IMAGE_PX[0] - 200), rng.uniform(100, 250)
            region = np.array([x, y, x + rng.uniform(30, 200), y + rng.uniform(30, 120)])
            labels.append(_line("DontCare", -1, -1, region, np.array([-1, -1, -1, -1000, -1000, -1000, -10.0]), 2))
            if rng.random() < 0.5:
                box = _box(rng, "Car", spread_m)
                predictions.append(("Car", region + rng.uniform(0, 15, 4) * [1, 1, -1, -1], box, rng.random()))
        rng.shuffle(predictions)  # type: ignore[arg-type]
        lines = []
        for kind, image, box, score in predictions if frame % 7 != 5 else []:
            if kind in never_found:
                continue
            if rng.random() < image_only:
                box = np.array([-1, -1, -1, -1000, -1000, -1000, -10.0])
            score = round(score / score_step) * score_step if score_step else score
            alpha = None if with_alpha else -10.0
            lines.append(f"{_line(kind, -1, -1, image, box, 4, alpha)} {score:.4f}")
        for place, found in zip(folders, (labels, lines)):
            (place / f"{frame:06d}.txt").write_text("".join(f"{line}\n" for line in found))
    return folders


def write_grid_case(folder: Path, seed: int) -> tuple[Path, Path]:
    """Folders of a few labels and predictions of all types on top of each other, in few places, sizes and scores."""
    rng = np.random.default_rng(seed)
    folders = folder / "label_2", folder / "data"
    for place in folders:
        place.mkdir(parents=True)
    for frame in range(int(rng.integers(1, 5))):
        labels, predictions = ([_on_grid(rng) for _ in range(rng.integers(0, count))] for count in (7, 9))
        if rng.random() < 0.5:
            region = np.array([rng.choice([0, 10, 80]), 90, rng.choice([45, 160]), 170.0])
            labels.append(_line("DontCare", -1, -1, region, np.array([-1, -1, -1, -1000, -1000, -1000, -10.0]), 2))
        predictions = [f"{text} {rng.choice([0.1, 0.3, 0.5, 0.7, 0.9])}" for text in predictions]
        for place, found in zip(folders, (labels, predictions)):
            (place / f"{frame:06d}.txt").write_text("".join(f"{text}\n" for text in found))
    return folders


def _on_grid(rng: np.random.Generator) -> str:
    kind = str(rng.choice(["Car", "Car", "Van", "Pedestrian", "Person_sitting", "Cyclist", "Tram", "car"]))
    left, top = rng.choice([0, 5, 10, 100]), rng.choice([100, 102])
    image = np.array([left, top, left + rng.choice([40, 44, 50]), top + rng.choice([24, 25, 25.5, 26, 40, 41, 60])])
    yaw = rng.choice([0, 0.1, 1.57, 3.14159, -1.5])
    box = np.array([rng.choice([1.5, 1.6, 2]), 1.6, 4, rng.choice([0, 0.1, 0.3, 1]), rng.choice([1.6, 1.9]), 20, yaw])
    return _line(kind, rng.choice([0, 0.15, 0.3, 0.5, 0.6]), rng.integers(4), image, box, 5, rng.choice([0, 0.5, 3]))


def _box(rng: np.random.Generator, kind: str, spread_m: float) -> np.ndarray:
    """Height, width, length, x, y, z, yaw."""
    size = np.array(SIZES_HWL[kind]) * rng.uniform(0.85, 1.15)
    return np.array(
        [*size, rng.uniform(-spread_m, spread_m), rng.normal(1.65, 0.1), rng.uniform(4, 40), rng.uniform(-3.1, 3.1)]
    )


def _image(box: np.ndarray) -> np.ndarray:
    """Where a camera sees the box, cut at the borders of the image."""
    height, width, length, x, y, z, yaw = box
    along, across = np.array([math.cos(yaw), -math.sin(yaw)]), np.array([math.sin(yaw), math.cos(yaw)])
    ends = [i * length / 2 * along + j * width / 2 * across for i in (-1, 1) for j in (-1, 1)]
    corners = [(x + dx, y - up, max(z + dz, 0.5)) for dx, dz in ends for up in (0, height)]
    pixels = np.array([[FOCAL_PX * u / w + CENTRE_PX[0], FOCAL_PX * v / w + CENTRE_PX[1]] for u, v, w in corners])
    pixels = np.clip(pixels, 0, np.array(IMAGE_PX))
    return np.concatenate([pixels.min(axis=0), pixels.max(axis=0)])


def _line(
    kind: str,
    truncation: float,
    occlusion: int,
    image: np.ndarray,
    box: np.ndarray,
    digits: int,
    alpha: float | None = None,
) -> str:
    if alpha is None:
        alpha = -10.0 if box[6] == -10 and kind == "DontCare" else _wrapped(box[6] - math.atan2(box[3], box[5]))
    numbers: list[Any] = [alpha, *image, *box]
    return f"{kind} {truncation:g} {occlusion} " + " ".join(f"{number:.{digits}f}" for number in numbers)


def _wrapped(angle: float) -> float:
    return (angle + math.pi) % (2 * math.pi) - math.pi
