"""Predicted boxes of a key frame in the global frame, which submissions are written in."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclasses.dataclass(frozen=True)
class GlobalBoxes:
    """D predicted boxes of one key frame, upright, in the global frame."""

    translation: NDArray[np.float64]
    """(D, 3) centres, metres."""
    size_wlh: NDArray[np.float64]
    """(D, 3) width, length, height, metres."""
    quat_wxyz: NDArray[np.float64]
    """(D, 4) quaternions w, x, y, z."""
    velocity: NDArray[np.float64]
    """(D, 2) metres per second, NaN where unknown."""
    scores: NDArray[np.float64]
    """(D,) at least 0."""
    classes: NDArray[np.int64]
    """(D,) rows of a list of class names."""

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, rows: NDArray) -> GlobalBoxes:
        """The boxes of some rows: (M,) integers, or (D,) bool."""
        return GlobalBoxes(**{field.name: getattr(self, field.name)[rows] for field in dataclasses.fields(self)})

    def best(self, count: int) -> GlobalBoxes:
        """The ``count`` boxes of the highest scores, in their order; of equal scores the lower row stays."""
        return self.take(np.sort(np.argsort(-self.scores, kind="stable")[:count]))


class Tracks(NamedTuple):
    """Boxes of one key frame that belong to tracks. T boxes."""

    boxes: GlobalBoxes
    ids: tuple[str, ...]
    """T names, the same for one object over time."""
    rows: NDArray[np.int64]
    """(T,) detections that the boxes were made from, rising."""

    def take(self, rows: NDArray[np.int64]) -> Tracks:
        """The tracks of some rows, (M,) integers."""
        return Tracks(self.boxes.take(rows), tuple(self.ids[row] for row in rows.tolist()), self.rows[rows])


def to_global(
    boxes: ArrayLike, scores: ArrayLike, classes: ArrayLike, global_from_model: NDArray[np.float64]
) -> GlobalBoxes:
    """Move boxes from the model frame to the global frame.

    A box is upright in the global frame, as the annotations are, and its heading is the one that
    :meth:`geopt.data.nuscenes.NuScenes.boxes` reads back as the same yaw in the tilted model frame. An object is taken to
    move in the x-y plane of the model frame, and its velocity is turned with that.

    Args:
        boxes: (D, 9) x, y, z of the centre, length, width, height in metres, yaw in radians, vx, vy in metres per second
            (NaN where unknown), in the model frame.
        scores: (D,)
        classes: (D,) rows of a list of class names.
        global_from_model: (3, 4) where the model frame is in the map, metres; see
            :meth:`geopt.data.nuscenes.NuScenes.global_from_model`.

    Raises:
        ValueError: a shape does not fit, or the model frame lies on its side.
    """
    geometry = np.asarray(boxes, dtype=np.float64)
    scores, classes = np.asarray(scores, dtype=np.float64), np.asarray(classes)
    if geometry.ndim != 2 or geometry.shape[1] != 9:
        raise ValueError(f"to_global: boxes must have shape (D, 9), got {geometry.shape}")
    if scores.shape != (len(geometry),) or classes.shape != (len(geometry),):
        raise ValueError(
            f"to_global: scores and classes must have shape ({len(geometry)},) as there are boxes, "
            f"got {scores.shape} and {classes.shape}"
        )
    if global_from_model.shape != (3, 4) or abs(np.linalg.det(global_from_model[:2, :2])) < 0.1:
        raise ValueError(
            f"to_global: global_from_model must be a (3, 4) motion that keeps z roughly up, got {global_from_model}"
        )
    turn = global_from_model[:, :3]
    # The horizontal direction whose projection on the model's x-y plane has the yaw.
    heading = np.stack([np.cos(geometry[:, 6]), np.sin(geometry[:, 6])], axis=1) @ np.linalg.inv(turn[:2, :2])
    half = np.arctan2(heading[:, 1], heading[:, 0]) / 2
    zero = np.zeros_like(half)
    return GlobalBoxes(
        translation=geometry[:, :3] @ turn.T + global_from_model[:, 3],
        size_wlh=geometry[:, [4, 3, 5]],
        quat_wxyz=np.stack([np.cos(half), zero, zero, np.sin(half)], axis=1),
        velocity=geometry[:, 7:] @ turn[:2, :2].T,
        scores=scores,
        classes=classes.astype(np.int64),
    )
