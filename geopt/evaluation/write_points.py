"""Labels of points as the nuScenes benchmarks want them: a file for each scan. Needs no torch.

Source of the formats: nuscenes-devkit 1.2.0, ``eval/lidarseg`` and ``eval/panoptic``.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geopt import files
from geopt.evaluation.label_frames import SUFFIX
from geopt.evaluation.nuscenes_panoptic import TASKS
from geopt.evaluation.panoptic_segments import INSTANCES, NUM_CLASSES, NUM_THINGS
from geopt.evaluation.write_boxes import LIDAR_ALONE, InputsUsed

LabelTask = Literal["lidarseg", "panoptic"]


class LabelWriter:
    """Writes a submission of point labels scan by scan.

    Below ``folder`` lie ``TASK/SPLIT/TOKEN_lidarseg.bin`` or ``TOKEN_panoptic.npz``, and ``SPLIT/submission.json``. The
    latter is written last and removed first: where it is, the files of all scans are there.

    Args:
        task: ``lidarseg`` or ``panoptic``.
        folder: Of the submission; made if it is missing.
        split: Such as ``val``.
        num_points: Points of every scan of the split by the token of the scan (``sample_data``, not that of the sample);
            see :func:`geopt.evaluation.split_frames.split_frames`.
        inputs: What the method used.
        panoptic_task: ``tracking`` where an instance has one number throughout its scene.

    Raises:
        ValueError: an argument is none of these, or the folder holds labels of a scan that is not in the split.
    """

    def __init__(
        self,
        task: LabelTask,
        folder: str | os.PathLike[str],
        split: str,
        num_points: Mapping[str, int],
        *,
        inputs: InputsUsed = LIDAR_ALONE,
        panoptic_task: Literal["segmentation", "tracking"] = "segmentation",
    ) -> None:
        if task not in SUFFIX:
            raise ValueError(f"LabelWriter: task must be one of {', '.join(SUFFIX)}, got {task!r}")
        if panoptic_task not in TASKS:
            raise ValueError(f"LabelWriter: panoptic_task must be one of {', '.join(TASKS)}, got {panoptic_task!r}")
        self.task, self.num_points = task, dict(num_points)
        self.labels = Path(folder) / task / split
        self.submission = Path(folder) / split / "submission.json"
        self._meta = dataclasses.asdict(inputs) | ({"task": panoptic_task} if task == "panoptic" else {})
        self._written: set[str] = set()
        for path in sorted(self.labels.glob(f"*{SUFFIX[task]}")):
            if path.name.removesuffix(SUFFIX[task]) not in self.num_points:
                raise ValueError(
                    f"LabelWriter: {self.labels} must hold scans of split {split} alone, got {path.name}; "
                    "choose another folder, or remove the files of another submission"
                )
        self.submission.unlink(missing_ok=True)

    def write(self, token: str, labels: ArrayLike) -> Path:
        """Write the labels of a scan; the file appears whole or not at all.

        Args:
            token: Of the scan.
            labels: (N,) integers in the order of the LiDAR file: 1 to 16 for lidarseg; for panoptic 1000 * class +
                instance, class 1 to 10 with an instance up to 999, class 11 to 16 with instance 0, or 0 for void.

        Returns:
            Where they are.

        Raises:
            ValueError: the scan is not of the split or written already, or there are other labels than these.
        """
        if token not in self.num_points:
            raise ValueError(f"LabelWriter.write: token must be that of a scan of the split, got {token!r}")
        if token in self._written:
            raise ValueError(f"LabelWriter.write: scan {token!r} was written already")
        values = np.asarray(labels)
        if values.dtype.kind not in "iu" or values.shape != (self.num_points[token],):
            raise ValueError(
                f"LabelWriter.write: labels of scan {token!r} must be ({self.num_points[token]},) integers, "
                f"got {values.dtype} {values.shape}"
            )
        wrong = _wrong_lidarseg(values) if self.task == "lidarseg" else _wrong_panoptic(values)
        if wrong.any():
            row = int(np.argmax(wrong))
            raise ValueError(
                f"LabelWriter.write: labels of scan {token!r} must be {_ALLOWED[self.task]}, "
                f"got {values[row]} for point {row}"
            )
        path = self.labels / f"{token}{SUFFIX[self.task]}"
        if self.task == "lidarseg":
            files.replace_bytes(path, values.astype(np.uint8).tobytes())
        else:
            files.replace(path, lambda temporary: _save(temporary, values.astype(np.uint16)))
        self._written.add(token)
        return path

    def finish(self) -> Path:
        """Write ``submission.json`` and return its path.

        Raises:
            ValueError: a scan of the split was not written.
        """
        missing = sorted(self.num_points.keys() - self._written)
        if missing:
            raise ValueError(
                f"LabelWriter.finish: every scan of the split must have labels, {len(missing)} of "
                f"{len(self.num_points)} have none, such as {missing[0]!r}"
            )
        files.replace_text(self.submission, json.dumps({"meta": self._meta}, indent=2) + "\n")
        return self.submission


def write_lidarseg(
    folder: str | os.PathLike[str],
    split: str,
    labels: Iterable[tuple[str, ArrayLike]],
    num_points: Mapping[str, int],
    *,
    inputs: InputsUsed = LIDAR_ALONE,
) -> Path:
    """Write a submission for nuScenes-lidarseg; arguments, result and errors as those of :class:`LabelWriter`.

    Args:
        labels: (token, labels) of each scan of the split, in any order; taken one by one.
    """
    return _all(LabelWriter("lidarseg", folder, split, num_points, inputs=inputs), labels)


def write_panoptic(
    folder: str | os.PathLike[str],
    split: str,
    labels: Iterable[tuple[str, ArrayLike]],
    num_points: Mapping[str, int],
    *,
    task: Literal["segmentation", "tracking"] = "segmentation",
    inputs: InputsUsed = LIDAR_ALONE,
) -> Path:
    """Write a submission for Panoptic nuScenes; arguments, result and errors as those of :class:`LabelWriter`.

    Args:
        labels: (token, labels) of each scan of the split, in any order; taken one by one.
    """
    return _all(LabelWriter("panoptic", folder, split, num_points, inputs=inputs, panoptic_task=task), labels)


def _all(writer: LabelWriter, labels: Iterable[tuple[str, ArrayLike]]) -> Path:
    for token, values in labels:
        writer.write(token, values)
    return writer.finish()


_ALLOWED = {
    "lidarseg": "1 to 16 (0 is the class that is not scored: predict the most likely of the others)",
    "panoptic": "1000 * class + instance, class 1 to 10 with an instance up to 999, class 11 to 16 with instance 0, or 0",
}


def _wrong_lidarseg(labels: NDArray) -> NDArray[np.bool_]:
    return (labels < 1) | (labels >= NUM_CLASSES)


def _wrong_panoptic(labels: NDArray) -> NDArray[np.bool_]:
    number, instance = labels // INSTANCES, labels % INSTANCES
    without = (number == 0) | (number > NUM_THINGS)
    return (labels < 0) | (number >= NUM_CLASSES) | (without & (instance != 0))


def _save(path: Path, labels: NDArray[np.uint16]) -> None:
    with path.open("wb") as file:  # given a name, savez appends .npz to it
        np.savez_compressed(file, data=labels)
