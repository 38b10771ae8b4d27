"""Predictions for SemanticKITTI: label files as the benchmark and ``geopt score`` take them."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np

from geopt import files, official
from geopt.predicting.batches import Request, each_frame


def predict(request: Request) -> tuple[dict[str, Path], int]:
    """Predict every scan of a selection: ``sequences/08/predictions/000000.label`` and so on.

    A label is the number of the category that bears the name of the class, such as 10 for a car; what moves is not told
    from what stands.

    Returns:
        The folder that was written, by name, and the number of scans.

    Raises:
        FileNotFoundError, ValueError: the dataset cannot be read.
    """
    sources = request.sources()
    some = next(iter(sources.values()))
    rows, source = some.frames.frames.rows, some.frames.source
    number_of = {name: number for number, name in official.semantickitti_labels().items()}
    classes = official.class_map("lidarseg", "semantickitti").classes
    labels = np.array([number_of[name] for name in classes], dtype="<u4")
    stream = each_frame(request, sources, lambda n: source.name(int(rows[n])))
    with contextlib.closing(stream):  # its data workers end now, whatever happens
        for number, seen in stream:
            assert seen.classes is not None  # a detector of this dataset cannot be trained
            sequence, name = source.token(int(rows[number])).split("/")
            path = request.out / "sequences" / sequence / "predictions" / f"{name}.label"
            path.parent.mkdir(parents=True, exist_ok=True)
            files.replace_bytes(path, labels[seen.classes.numpy()].tobytes())
    return {"segmentation": request.out / "sequences"}, len(rows)
