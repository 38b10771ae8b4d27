"""The KITTI object benchmark as it was downloaded."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geopt.data import fractions
from geopt.data.file_names import names_in
from geopt.data.kitti_boxes import KittiCalibration, boxes_of, read_calibration, read_labels
from geopt.data.scan_source import ScanIndex, ScanSource
from geopt.data.source import FrameKind, Frames
from geopt.data.sweeps import SweepPoints
from geopt.data.velodyne import EGO_FROM_VELODYNE, read_scan, read_text
from geopt.evaluation.kitti_files import Objects
from geopt.structures import Boxes

PARTS = ("training", "testing")
LISTS = {"train": "training", "val": "training", "trainval": "training", "test": "testing"}
"""Customary files of ``ImageSets`` and the folder whose frames they name."""
LAYOUT = (
    "a KITTI folder holds training/ with velodyne/, and label_2/ and calib/ for boxes; testing/ likewise, without label_2/; "
    "and may hold ImageSets/train.txt and so on"
)


class Kitti(ScanSource):
    """Reads a KITTI object folder in place; nothing is converted.

    A frame stands alone, so it is a scene of one frame: ``000008`` in ``training``, ``testing/000008`` in ``testing``, for
    both count from 0. Splits are ``all``, ``training``, ``testing`` and the lists of ``ImageSets``. The model frame
    ``lidar`` is the Velodyne's, x forward; ``ego`` lies 1.73 m below it. Boxes are those that camera 2 sees: behind and
    beside the car nobody labelled anything.

    Args:
        root: The folder that holds ``training``, ``testing`` or both.

    Raises:
        FileNotFoundError: there is no scan.
        ValueError: ``root`` is empty; a list of ``ImageSets`` is damaged; or a file is packed or has an end like ``.BIN``;
            names it.
    """

    kind = "kitti"
    sensor = "HDL-64E"

    def __init__(self, root: str | Path) -> None:
        if not str(root):
            raise ValueError(f"kitti: root must be the dataset's folder, got ''; {LAYOUT}")
        root = Path(root).expanduser().resolve()
        names = {part: names_in(self.kind, root / part / "velodyne", ".bin") for part in PARTS}
        self._files = [(part, name) for part in reversed(PARTS) for name in names[part]]
        if not self._files:
            what = "holds no scan" if root.is_dir() else "is no folder"
            raise FileNotFoundError(f"kitti: {root} {what}; {LAYOUT}")
        self._files.sort(key=lambda file: _scene(*file))
        labels = {part: names_in(self.kind, root / part / "label_2", ".txt") for part in PARTS}
        self._labelled = {(part, name) for part in PARTS for name in labels[part]}
        scenes = tuple(_scene(*file) for file in self._files)
        index = ScanIndex(scenes, np.arange(len(scenes)), np.zeros(len(scenes), dtype=np.int64), global_from_ego=None)
        splits = {part: [_scene(part, name) for name in names[part]] for part in PARTS if names[part]}
        super().__init__(root, index, splits | _lists(root))

    def select(self, selection: str, frames: FrameKind = "keyframes", fraction: str = fractions.ALL) -> Frames:
        """Choose frames by split or name; both kinds of ``frames`` are the same here.

        Raises:
            ValueError: see :func:`geopt.data.source.select`; or a split needs a list that is missing.
        """
        for part in map(str.strip, re.split("[,+]", selection)):
            if part in LISTS and part not in self._splits:
                raise ValueError(
                    f"kitti: split {part!r} is listed in {self.root / 'ImageSets' / part}.txt, which is missing; put the "
                    f"lists that you compare with there, or choose data.train=training, which is all of it, and data.val=''"
                )
        return super().select(selection, frames, fraction)

    def _path(self, row: int, folder: str, suffix: str) -> Path:
        part, name = self._files[row]
        return self.root / part / folder / f"{name}{suffix}"

    def token(self, row: int) -> str:
        """Name of a frame's file, such as ``000008``, which a prediction's file has too."""
        return self._files[row][1]

    def ego_from_lidar(self, row: int) -> NDArray[np.float64]:
        """(3, 4) where the Velodyne is on the car, metres."""
        return EGO_FROM_VELODYNE

    def read(self, row: int) -> SweepPoints:
        """The points of a frame, their intensity from 0 to 1.

        Raises:
            FileNotFoundError, ValueError: see :func:`geopt.data.velodyne.read_scan`.
        """
        return read_scan(self._path(row, "velodyne", ".bin"))

    def is_key_frame(self, row: int) -> bool:
        """Whether a frame has a file of labels."""
        return self._files[row] in self._labelled

    def labels(self, row: int) -> Objects:
        """What the label file of a frame says, in the camera's frame: truncation, occlusion, boxes in the image, and
        ``DontCare`` regions too; :func:`geopt.data.kitti_boxes.difficulty` tells how hard each object is.

        Raises:
            FileNotFoundError, ValueError: see :func:`geopt.data.kitti_boxes.read_labels`.
        """
        return read_labels(self._path(row, "label_2", ".txt"))

    def calibration(self, row: int) -> KittiCalibration:
        """How camera and lidar stand to each other in a frame.

        Raises:
            FileNotFoundError, ValueError: see :func:`geopt.data.kitti_boxes.read_calibration`.
        """
        return read_calibration(self._path(row, "calib", ".txt"))

    def ego_boxes(self, row: int) -> Boxes:
        """Boxes of a frame in the ego frame, see :func:`geopt.data.kitti_boxes.boxes_of`.

        Raises:
            FileNotFoundError, ValueError: as :meth:`labels`, :meth:`calibration` and :meth:`read`.
        """
        return boxes_of(self.labels(row), self.calibration(row), self.read(row).xyz, self.scenes[row])


def _scene(part: str, name: str) -> str:
    return name if part == "training" else f"{part}/{name}"


def _lists(root: Path) -> dict[str, list[str]]:
    """Scenes of each file of ``ImageSets``."""
    found = {}
    for path in sorted((root / "ImageSets").glob("*.txt")):
        names = read_text(path).split()
        if not names or not all(map(str.isdigit, names)):
            raise ValueError(f"kitti: {path} must name a frame on each line, such as 000008")
        found[path.stem] = [_scene(LISTS.get(path.stem, "training"), name) for name in names]
    return found
