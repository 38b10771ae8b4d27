"""Predictions for a folder of plain scans: no tables, no labels, no poses."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from geopt import files
from geopt.data import LabelledCollate
from geopt.data.folder import find_scans, read_scan, without_suffix
from geopt.data.scans import as_sample
from geopt.official import class_map
from geopt.predicting.config import PredictConfig
from geopt.predicting.models import Seen, load_models, look, save_pictures
from geopt.train import distributed


def predict_scans(
    runs: Sequence[str | Path],
    folder: str | Path,
    out: str | Path,
    config: PredictConfig | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Path]:
    """Predict every scan of a folder, each by itself.

    ``out`` mirrors the folder: ``boxes/NAME.json`` has boxes with class, score and velocity in the model frame, which it
    names: ``ego`` is x forward, z = 0 on the ground, ``lidar`` see :func:`geopt.data.scans.as_sample`; ``labels/NAME.bin`` a byte for each point, the lidarseg class from 1; and every scan gets a
    picture and a coloured PLY file in ``pictures``.

    Args:
        runs: Folders of one or two fine-tuning runs of different tasks.
        folder: Holds scan files, see :mod:`geopt.data.folder`; ``config.scans`` says what they hold.
        out: Folder to write.
        config: See :class:`geopt.predicting.PredictConfig`; its data, tracker and pictures are not used.
        progress: Called with scans done and in all.

    Returns:
        The folders that were written, by name.

    Raises:
        FileNotFoundError, ValueError: a run or a scan cannot be read; names the file.
        ConfigError: the runs do not fit together.
    """
    out, root, config = Path(out), Path(folder).expanduser(), config or PredictConfig()
    paths = find_scans(root)
    trained = load_models(runs, config.score_threshold)
    collate = LabelledCollate(class_map("detection"))
    data = next(iter(trained.configs.values())).data
    frame = data.frame
    names = trained.detector.classes if trained.detector is not None else ()
    written = {"pictures": out / "pictures"}
    written |= {"boxes": out / "boxes"} if trained.detector is not None else {}
    written |= {"labels": out / "labels"} if trained.segmenter is not None else {}
    with distributed.joined(config.device) as ranks, torch.no_grad():
        trained.to(ranks.device)
        for number, path in enumerate(paths):
            scan = read_scan(path, config.scans)
            batches = {}
            for task, run in trained.configs.items():
                sample = as_sample(scan, config.scans, run.data)
                batches[task] = collate([sample]).to(ranks.device)
            seen = look(trained, batches)
            place = without_suffix(path).relative_to(root)
            if "boxes" in written:
                _write_boxes(written["boxes"] / f"{place}.json", seen, names, frame)
            if seen.classes is not None:
                target = written["labels"] / f"{place}.bin"
                target.parent.mkdir(parents=True, exist_ok=True)
                files.replace_bytes(target, seen.classes.numpy().astype(np.uint8).tobytes())
            save_pictures(written["pictures"] / place, seen, frame, str(place), trained)
            if progress is not None:
                progress(number + 1, len(paths))
    return written


def _write_boxes(path: Path, seen: Seen, names: Sequence[str], frame: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = ("x", "y", "z", "length", "width", "height", "yaw", "vx", "vy")
    rows = [
        {"class": names[label], "score": score, **dict(zip(columns, box))}
        for box, score, label in zip(seen.boxes.tolist(), seen.scores.tolist(), seen.box_classes.tolist())
    ]
    files.replace_text(path, json.dumps({"frame": frame, "units": "metres, radians", "boxes": rows}, indent=1) + "\n")
