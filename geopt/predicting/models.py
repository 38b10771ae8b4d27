"""Fine-tuned models that predict together, and what they say of a frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from geopt import finetuning
from geopt.config_errors import ConfigError
from geopt.finetuning import FinetuneConfig
from geopt.heads.detector import Detector
from geopt.heads.segmenter import Segmenter
from geopt.structures import LabelledBatch
from geopt.visualize import labelled, ply

DRAWN_SCORE = 0.1
"""Lowest score of a box in a picture."""


class Trained(NamedTuple):
    """The models that predict together: at most one for each task."""

    detector: Detector | None
    segmenter: Segmenter | None
    configs: dict[str, FinetuneConfig]
    """By task."""

    def to(self, device: torch.device) -> Trained:
        """Move the models, in place."""
        for model in (self.detector, self.segmenter):
            if model is not None:
                model.to(device)
        return self


class Seen(NamedTuple):
    """What the models say of one key frame, on the CPU. N points of the frame's own sweep in the order of its file."""

    xyz: Tensor
    """(N, 3) in the model frame of the run."""
    classes: Tensor | None
    """(N,) int64 class of each point, from 1."""
    boxes: Tensor
    """(D, 9) float64; (0, 9) without a detector."""
    scores: Tensor
    box_classes: Tensor
    """(D,) rows of the detection classes."""


def load_models(runs: Sequence[str | Path], score_threshold: float | None = None) -> Trained:
    """Load the models of one or two fine-tuning runs.

    Raises:
        FileNotFoundError, ValueError: as :func:`geopt.finetuning.load_run`.
        ConfigError: two runs are of the same task, or see points in different frames.
    """
    models: dict[str, Detector | Segmenter] = {}
    found: dict[str, FinetuneConfig] = {}
    for run in runs:
        config, model = finetuning.load_run(run)
        if config.task in models:
            raise ConfigError([f"predict: runs must be of different tasks, got two for {config.task}"])
        if isinstance(model, Detector) and score_threshold is not None:
            decode = model.head_config.decode.model_copy(update={"score_threshold": score_threshold})
            model.head_config = model.head_config.model_copy(update={"decode": decode})
        models[config.task], found[config.task] = model, config
    if len({config.data.frame for config in found.values()}) > 1:
        raise ConfigError(["predict: both runs must have the same data.frame, got ego and lidar"])
    kinds = sorted({config.data.dataset for config in found.values()})
    if len(kinds) > 1:
        raise ConfigError([f"predict: both runs must have the same data.kind, got {' and '.join(kinds)}"])
    detector, segmenter = models.get("detection"), models.get("segmentation")
    assert detector is None or isinstance(detector, Detector)
    assert segmenter is None or isinstance(segmenter, Segmenter)
    return Trained(detector, segmenter, found)


def look(trained: Trained, batches: dict[str, LabelledBatch]) -> Seen:
    """What the models say of one frame.

    Args:
        trained: Models on the device of the batches.
        batches: By task, one cloud each; points of the frame's own sweep come first.
    """
    some = next(iter(batches.values()))
    own = int((some.sweep_rows == 0).sum())
    boxes, scores = torch.zeros(0, 9, dtype=torch.float64), torch.zeros(0)
    box_classes, classes = torch.zeros(0, dtype=torch.int64), None
    if trained.detector is not None:
        found = trained.detector.detections(batches["detection"])[0]
        boxes, scores, box_classes = found.boxes.cpu(), found.scores.cpu(), found.classes.cpu()
    if trained.segmenter is not None:
        classes = trained.segmenter.logits(batches["segmentation"])[:own].argmax(dim=1).cpu()
    return Seen(some.xyz[:own].cpu(), classes, boxes, scores, box_classes)


def save_pictures(path: Path, seen: Seen, frame: str, title: str, trained: Trained) -> None:
    """Write ``path.png``, the frame from above, and ``path.ply``, its points in the colours of their classes.

    Without classes of points a point has the colour of the box that holds it. Boxes below a score of 0.1 are not drawn:
    submissions hold hundreds of weak ones. ``trained`` knows the names of the classes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    labels = None if seen.classes is None else seen.classes.numpy()
    names = () if trained.detector is None else trained.detector.classes
    classes = () if trained.segmenter is None else trained.segmenter.classes
    drawn = torch.nonzero(seen.scores >= DRAWN_SCORE)[:, 0]
    boxes = labelled.DrawnBoxes(
        seen.boxes[drawn].numpy(), tuple(names[c] for c in seen.box_classes[drawn]), seen.scores[drawn].numpy()
    )
    rgb = labelled.point_colors(seen.xyz.numpy(), labels, boxes, classes)
    ply.write_ply(path.with_suffix(".ply"), seen.xyz.numpy(), rgb, labels)
    labelled.save_bev(path.with_suffix(".png"), seen.xyz.numpy(), rgb, boxes, frame=frame, title=title)
