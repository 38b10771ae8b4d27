"""Predictions for SemanticKITTI: label files as the benchmark and ``geopt score`` take them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from geopt import files, official
from geopt.predicting.batches import each_frame, whole
from geopt.predicting.config import PredictConfig
from geopt.predicting.models import Trained


def predict(
    trained: Trained,
    out: Path,
    root: str,
    version: str,
    split: str,
    config: PredictConfig,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[dict[str, Path], int]:
    """Predict every scan of a selection: ``out/sequences/08/predictions/000000.label`` and so on.

    A label is the number of the category that bears the name of the class, such as 10 for a car; what moves is not told
    from what stands.

    Args:
        trained: A segmenter.
        out: Folder to write.
        root: Folder of the dataset.
        version: Not read.
        split: Selection of scans.
        config: Pictures and device.
        progress: Called with scans done and in all.

    Returns:
        The folder that was written, by name, and the number of scans.

    Raises:
        FileNotFoundError, ValueError: the dataset cannot be read.
    """
    sources = {task: whole(run, root, version, split) for task, run in trained.configs.items()}
    some = next(iter(sources.values()))
    rows, source = some.frames.frames.rows, some.frames.source
    number_of = {name: number for number, name in official.semantickitti_labels().items()}
    classes = official.class_map("lidarseg", "semantickitti").classes
    labels = np.array([number_of[name] for name in classes], dtype="<u4")
    stream = each_frame(trained, sources, out, config, lambda n: source.name(int(rows[n])), progress)
    with contextlib.closing(stream):  # its data workers end now, whatever happens
        for number, seen in stream:
            assert seen.classes is not None  # a detector of this dataset cannot be trained
            sequence, name = source.token(int(rows[number])).split("/")
            path = out / "sequences" / sequence / "predictions" / f"{name}.label"
            path.parent.mkdir(parents=True, exist_ok=True)
            files.replace_bytes(path, labels[seen.classes.numpy()].tobytes())
    return {"segmentation": out / "sequences"}, len(rows)
