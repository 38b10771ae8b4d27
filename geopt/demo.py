"""The whole way in one call: a simulated city, an encoder pre-trained on it, detection, segmentation and tracking with a
tenth of the labels from that encoder and from scratch, official numbers of both on scenes that training never saw."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from geopt import finetuning, predicting, pretraining, score
from geopt.simulate import default_workers, simulate

SCENES, KEYFRAMES, SWEEPS = 10, 16, 2
VERSION, TRAIN, VAL = "v1.0-mini", "mini_train", "mini_val"
LABELS = "frames-10-seed0"
"""The labels that fine-tuning sees: a tenth of the key frames; see ``geopt splits``."""
PRETRAIN_STEPS, DETECT_STEPS, SEGMENT_STEPS = 600, 300, 250
SCORE_THRESHOLD = 0.02
"""Of boxes: after so few steps scores are low, and average precision takes no harm from weak boxes."""
NEEDED = {"occupancy_iou": 0.10, "normal_error_deg": 0.10, "centroid_error_m": 0.05, "curvature_error": 0.05}
"""How much better than a constant predictor each metric of pre-training must be to count as learned."""
ARMS = {"encoder": "from the encoder", "scratch": "from scratch"}
Say = Callable[[str], None]


class Score(NamedTuple):
    """A number of an official benchmark."""

    title: str
    task: str
    """Of :func:`geopt.score.score`."""
    key: str
    """Of its summary."""


SCORES = (
    Score("detection mAP", "detection", "mean_ap"),
    Score("detection NDS", "detection", "nd_score"),
    Score("tracking AMOTA", "tracking", "amota"),
    Score("segmentation mIoU", "lidarseg", "miou"),
    Score("panoptic PQ", "panoptic", "PQ"),
)
Results = dict[str, dict[str, list[float]]]
"""By title of a score and arm, one number for each seed."""


def simulate_city(out: Path, progress: Callable[[int, int], None] | None = None) -> Path:
    """Write the data set ``out/city``, or what is missing of it.

    Args:
        out: Folder of the demo.
        progress: Called with scans done and in all.
    """
    return simulate(out / "city", SCENES, KEYFRAMES, SWEEPS, seed=0, progress=progress, workers=default_workers())


def pretrain_on(city: Path, out: Path) -> dict[str, tuple[float, float]]:
    """Pre-train the ``tiny`` preset in ``out/run``, validating on the two scenes that it does not train on.

    Returns:
        For each metric of :data:`NEEDED` its last value and that of the constant predictor.
    """
    options = [f"run.dir={out / 'run'}", f"train.max_steps={PRETRAIN_STEPS}"]
    run = pretraining.pretrain(pretraining.load("tiny", [*_data(city), *options]))
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    last = next(row for row in reversed(rows) if "val/loss" in row)
    return {name: (last[f"val/{name}"], last[f"val/{name}_baseline"]) for name in NEEDED}


def improvement(name: str, value: float, constant: float) -> float:
    """Relative gain over the constant predictor; more is better for a score, less for an error."""
    return value / constant - 1 if name.endswith("iou") else 1 - value / constant


def finetune_and_score(city: Path, out: Path, num_seeds: int = 1, say: Say = print) -> Results:
    """Fine-tune detection and segmentation from ``out/run`` and from scratch, predict, score.

    Both arms differ in ``init`` alone: same labels, same seeds, same steps.

    Args:
        city: The data set.
        out: Folder of the demo; what is there already is not done again.
        num_seeds: Fine-tuning runs of each task and arm; the label list stays the same.
        say: Told in a line what is done.
    """
    results: Results = {score.title: {arm: [] for arm in ARMS} for score in SCORES}
    for seed in range(num_seeds):
        for arm, words in ARMS.items():
            init = out / "run" if arm == "encoder" else "none"
            runs = []
            for task, steps in (("detect", DETECT_STEPS), ("segment", SEGMENT_STEPS)):
                say(f"fine-tuning: {task}, {words}, seed {seed}")
                folder = out / f"{task}-{arm}-{seed}"
                options = [f"init={init}", f"run.dir={folder}", f"seed={seed}", f"data.label_fraction={LABELS}"]
                options += [f"train.max_steps={steps}", "train.validate_every=0"]
                runs.append(finetuning.finetune(finetuning.load(f"{task}/tiny", [*_data(city), *options])))
            say(f"predicting and scoring: {words}, seed {seed}")
            numbers = _score(city, runs, out / f"predictions-{arm}-{seed}")
            for title, value in numbers.items():
                results[title][arm].append(value)
    return results


def _data(city: Path) -> list[str]:
    return [f"data.root={city}", f"data.version={VERSION}", f"data.train={TRAIN}", f"data.val={VAL}"]


def _score(city: Path, runs: list[Path], folder: Path) -> dict[str, float]:
    """Every number of :data:`SCORES` for a detector and a segmenter."""
    models = [run / "model.safetensors" for run in runs]
    summary = folder / "summary.json"  # written last
    if not summary.is_file() or any(model.stat().st_mtime > summary.stat().st_mtime for model in models):
        predicting.predict(runs, folder, predicting.load([f"score_threshold={SCORE_THRESHOLD}", "pictures=2"]))
    files = {"detection": "detection.json", "tracking": "tracking.json", "lidarseg": "lidarseg", "panoptic": "panoptic"}
    found: dict[str, Any] = {}
    for task, name in files.items():
        place = (city, VERSION, VAL, folder / f"{task}_metrics.json")
        found[task] = score.score(task, folder / name, *place).summary
    found["panoptic"] = found["panoptic"]["segmentation"]["all"]
    return {asked.title: float(found[asked.task][asked.key]) for asked in SCORES}


def verdict(values: dict[str, list[float]]) -> str:
    """What a row of the results says, in words that claim no more than the seeds allow."""
    mean = gain(values)
    if mean <= 0:
        return f"pre-training did not help ({100 * mean:+.1f} points)"
    num_seeds = len(values["scratch"])
    if num_seeds == 1:
        return f"{100 * mean:+.1f} points, one seed"
    agree = sum(a > b for a, b in zip(values["encoder"], values["scratch"]))
    return f"{100 * mean:+.1f} points, better in {agree} of {num_seeds} seeds"


def gain(values: dict[str, list[float]]) -> float:
    """How much higher the arm with the encoder scores, mean over the seeds."""
    return statistics.mean(a - b for a, b in zip(values["encoder"], values["scratch"]))
