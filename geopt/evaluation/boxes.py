"""Boxes of an evaluation as columns: a million of them cost 130 MB, not the gigabytes of a million objects."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

ATTRIBUTES = (
    "pedestrian.moving",
    "pedestrian.sitting_lying_down",
    "pedestrian.standing",
    "cycle.with_rider",
    "cycle.without_rider",
    "vehicle.moving",
    "vehicle.parked",
    "vehicle.stopped",
)


@dataclasses.dataclass(frozen=True)
class BoxTable:
    """N boxes in the global frame, annotated or predicted, in the order of their file."""

    sample: NDArray[np.int32]
    """(N,) row of the sample in ``GroundTruth.samples``."""
    named_sample: NDArray[np.int32]
    """(N,) row of the sample that the box itself names, -1 for one outside the split.

    A submission may list a box under another sample than the box names. The official code filters such a box with the
    sample it is listed under, and detection matches it in the sample that it names.
    """
    translation: NDArray[np.float64]
    """(N, 3) centres, metres."""
    size: NDArray[np.float64]
    """(N, 3) width, length, height, metres."""
    rotation: NDArray[np.float64]
    """(N, 4) quaternions w, x, y, z; not always of unit length."""
    velocity: NDArray[np.float64]
    """(N, 2) metres per second, NaN where unknown."""
    velocity_known: NDArray[np.bool_]
    """(N,) False where a submission gives something else than two numbers (NaN is one); its velocity is then NaN."""
    label: NDArray[np.int16]
    """(N,) position of the class in the classes of the task."""
    score: NDArray[np.float64]
    """(N,) -1 for annotations."""
    attribute: NDArray[np.int16]
    """(N,) position in ``ATTRIBUTES``, -1 for none."""
    num_pts: NDArray[np.int64]
    """(N,) LiDAR and radar points in the box, -1 unknown."""
    track: NDArray[np.int64]
    """(N,) row of ``ids``, -1 for none."""
    order: NDArray[np.int64]
    """(N,) position among all boxes of the file; later functions leave it as it is."""
    ids: list[str]
    """Names of the tracks or instances, in the order of their first box."""

    def __len__(self) -> int:
        return len(self.sample)

    def take(self, rows: NDArray) -> BoxTable:
        """The boxes of some rows: (M,) integers, or (N,) bool. ``ids`` stays as it is."""
        columns = {f.name: getattr(self, f.name)[rows] for f in dataclasses.fields(self) if f.name != "ids"}
        return BoxTable(**columns, ids=self.ids)
