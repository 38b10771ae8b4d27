"""Tracks from detections: each detection is moved back by its velocity and takes the nearest track.

Source: Yin et al., CenterPoint, CVPR 2021, arXiv:2006.11275, and its released tracker.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pydantic
from numpy.typing import NDArray

from geopt import official
from geopt.evaluation.global_boxes import GlobalBoxes, Tracks
from geopt.schema import Frozen

MAX_DISTANCE_M = {
    "car": 4.0,
    "truck": 4.0,
    "bus": 5.5,
    "trailer": 3.0,
    "pedestrian": 1.0,
    "motorcycle": 13.0,
    "bicycle": 3.0,
}
"""How far a detection that was moved back may be from its track. CenterPoint's values, there the 99.9th percentile of how
far its detections go astray between two key frames, for the seven classes of the tracking benchmark."""
EVERY_CLASS_M = MAX_DISTANCE_M | {"construction_vehicle": 4.0, "traffic_cone": 1.0, "barrier": 1.0}
"""The same for all ten classes, for panoptic tracking; the three that CenterPoint does not track are our choice."""


class TrackerConfig(Frozen):
    """How detections become tracks."""

    max_distance_m: dict[str, pydantic.PositiveFloat] = MAX_DISTANCE_M
    """By class, at most so far between a track and a detection; other classes are not tracked."""
    order: Literal["score", "distance"] = "score"
    """``score``: the best detection first takes the nearest track; ``distance``: the closest pairs first."""
    birth_score: float = pydantic.Field(0.0, ge=0)
    """A detection that continues no track starts one if its score is at least this."""
    max_age: pydantic.NonNegativeInt = 3
    """A track ends when more key frames than this pass without it; it is not reported in those."""
    max_gap_s: pydantic.PositiveFloat = 1.5
    """All tracks end where more time than this lies between two key frames (the devkit estimates no velocity there)."""
    smoothing: float = pydantic.Field(0.0, ge=0, lt=1)
    """Share of centre and velocity that comes from the track's motion at constant velocity, the rest from the detection."""
    track_score: Literal["detection", "mean"] = "detection"
    """Score of a box: that of its detection, or the mean over its track up to now. (The benchmark takes the mean over the
    whole track.)"""

    @pydantic.field_validator("max_distance_m")
    @classmethod
    def _known(cls, distances: dict[str, float]) -> dict[str, float]:
        known = official.class_map("detection").classes
        strange = [name for name in distances if name not in known]
        if strange or not distances:
            got = repr(strange[0]) if strange else "none"
            raise ValueError(f"must name classes of {', '.join(known)}, got {got}")
        return distances


@dataclasses.dataclass
class _Track:
    """An object that was seen in this scene."""

    id: str
    label: int
    xy: NDArray[np.float64]
    velocity: NDArray[np.float64]
    seen_s: float
    num_missed: int
    scores: list[float]


class Tracker:
    """Follows objects through the key frames of a scene.

    A detection and a track of its class are as far apart as the detection's centre, moved back by its velocity to the
    time when the track was last seen, from the track's centre then, on the ground; a detection of unknown velocity is
    not moved. Equal scores go by the row of the detection, equal distances to the track that was born first. An id is
    the scene's name with the number of the track in it, so the same detections get the same ids on every run.

    Args:
        config: See :class:`TrackerConfig`.
        classes: Names that the detections' ``classes`` are rows of; None for the ten of the detection benchmark.
    """

    def __init__(self, config: TrackerConfig | None = None, classes: Sequence[str] | None = None) -> None:
        self.config = config = config or TrackerConfig()
        self.classes = tuple(classes) if classes is not None else official.class_map("detection").classes
        self._limit_m = {
            self.classes.index(name): limit for name, limit in config.max_distance_m.items() if name in self.classes
        }
        self._tracks: list[_Track] = []
        self._scene: str | None = None
        self._time_s = -math.inf
        self._num_born: dict[str, int] = {}

    def update(self, detections: GlobalBoxes, time_s: float, scene: str) -> Tracks:
        """Continue with the next key frame.

        Args:
            detections: Boxes in the global frame; those of classes that are not tracked are left out.
            time_s: When, in seconds; later than the last key frame of the scene.
            scene: Name of the scene; another one than before ends all tracks, as does a gap in time.

        Returns:
            The detections that belong to a track now, in their order.

        Raises:
            ValueError: the time does not rise within the scene, a number is not finite (velocities may be NaN), or a class
                is not a row of the names.
        """
        self._check(detections, time_s, scene)
        if scene != self._scene or time_s - self._time_s > self.config.max_gap_s:
            self._tracks = []
        self._scene, self._time_s = scene, time_s

        track_of: dict[int, _Track] = {}
        for label, limit_m in self._limit_m.items():
            rows = np.flatnonzero(detections.classes == label)
            track_of |= self._matched(detections, rows, [t for t in self._tracks if t.label == label], limit_m)
        seen = {id(track) for track in track_of.values()}
        for track in self._tracks:
            track.num_missed = 0 if id(track) in seen else track.num_missed + 1
        self._tracks = [track for track in self._tracks if track.num_missed <= self.config.max_age]
        for row, track in track_of.items():
            self._move(track, detections, row)
        for row in np.flatnonzero(np.isin(detections.classes, list(self._limit_m))).tolist():
            if row not in track_of and detections.scores[row] >= self.config.birth_score:
                track_of[row] = self._born(detections, row)
        return self._report(detections, track_of)

    def _check(self, detections: GlobalBoxes, time_s: float, scene: str) -> None:
        if not math.isfinite(time_s) or (scene == self._scene and time_s <= self._time_s):
            raise ValueError(
                f"Tracker.update: time_s must rise from key frame to key frame of {scene}, got {time_s} "
                f"after {self._time_s}"
            )
        for name in ("translation", "scores"):
            if not np.isfinite(getattr(detections, name)).all():
                raise ValueError(f"Tracker.update: detections.{name} must be finite, got a NaN or an infinity")
        if np.isinf(detections.velocity).any():
            raise ValueError(
                "Tracker.update: detections.velocity must be finite, or NaN where unknown, got an infinity"
            )
        if ((detections.classes < 0) | (detections.classes >= len(self.classes))).any():
            raise ValueError(
                f"Tracker.update: detections.classes must be rows of {len(self.classes)} names, "
                f"got {detections.classes.min()} to {detections.classes.max()}"
            )

    def _matched(
        self, detections: GlobalBoxes, rows: NDArray[np.int64], tracks: list[_Track], limit_m: float
    ) -> dict[int, _Track]:
        """The track that each detection continues, of one class."""
        if len(rows) == 0 or not tracks:
            return {}
        rows = rows[np.argsort(-detections.scores[rows], kind="stable")]
        since_s = self._time_s - np.array([track.seen_s for track in tracks])
        velocity = np.nan_to_num(detections.velocity[rows])
        back = detections.translation[rows, None, :2] - velocity[:, None] * since_s[:, None]
        distance = np.linalg.norm(back - np.stack([track.xy for track in tracks]), axis=2)
        distance[distance > limit_m] = np.inf
        pairs = greedy_pairs(distance, self.config.order)
        return {int(rows[detection]): tracks[track] for detection, track in pairs}

    def _move(self, track: _Track, detections: GlobalBoxes, row: int) -> None:
        xy, velocity = detections.translation[row, :2], detections.velocity[row]
        expected = track.xy + np.nan_to_num(track.velocity) * (self._time_s - track.seen_s)
        share = self.config.smoothing
        if share:
            xy = xy + share * (expected - xy)
            known = ~(np.isnan(velocity) | np.isnan(track.velocity))
            velocity = np.where(known, velocity + share * (track.velocity - velocity), velocity)
        track.xy, track.velocity, track.seen_s = xy, velocity, self._time_s
        track.scores.append(float(detections.scores[row]))

    def _born(self, detections: GlobalBoxes, row: int) -> _Track:
        assert self._scene is not None
        number = self._num_born.get(self._scene, 0) + 1
        self._num_born[self._scene] = number
        track = _Track(
            id=f"{self._scene}/{number}",
            label=int(detections.classes[row]),
            xy=detections.translation[row, :2],
            velocity=detections.velocity[row],
            seen_s=self._time_s,
            num_missed=0,
            scores=[float(detections.scores[row])],
        )
        self._tracks.append(track)
        return track

    def _report(self, detections: GlobalBoxes, track_of: Mapping[int, _Track]) -> Tracks:
        rows = np.array(sorted(track_of), dtype=np.int64)
        tracks = [track_of[row] for row in rows.tolist()]
        boxes = detections.take(rows)
        if tracks and self.config.smoothing:
            xy, velocity = (np.stack([getattr(track, name) for track in tracks]) for name in ("xy", "velocity"))
            translation = np.concatenate([xy, boxes.translation[:, 2:]], axis=1)
            boxes = dataclasses.replace(boxes, translation=translation, velocity=velocity)
        if self.config.track_score == "mean":
            boxes = dataclasses.replace(boxes, scores=np.array([np.mean(track.scores) for track in tracks]))
        return Tracks(boxes, tuple(track.id for track in tracks), rows)


def greedy_pairs(distance: NDArray[np.float64], order: Literal["score", "distance"]) -> list[tuple[int, int]]:
    """Pair rows with columns, each at most once, taking no pair back.

    Args:
        distance: (D, T), infinity for pairs that cannot be. Rows stand by falling score, columns by age.
        order: ``score``: row by row the nearest free column; ``distance``: the nearest free pair first. Equal distances
            go to the upper row, then to the left column.

    Returns:
        Pairs (row, column) in the order in which they were made.
    """
    if order == "score":
        candidates = np.lexsort((distance.ravel(), np.repeat(np.arange(len(distance)), distance.shape[1])))
    else:
        candidates = np.argsort(distance.ravel(), kind="stable")
    pairs: list[tuple[int, int]] = []
    rows, columns = set(), set()
    for candidate in candidates[np.isfinite(distance.ravel()[candidates])].tolist():
        row, column = divmod(candidate, distance.shape[1])
        if row not in rows and column not in columns:
            pairs.append((row, column))
            rows.add(row)
            columns.add(column)
    return pairs
