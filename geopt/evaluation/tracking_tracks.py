"""Boxes become tracks: one score per track, holes filled, ordered by class and frame. Needs no torch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geopt.evaluation.boxes import BoxTable
from geopt.evaluation.errors import SubmissionError


class Frames(NamedTuple):
    """The samples of a split as frames, scene by scene and in the order of time. F frames, S scenes."""

    of_sample: NDArray[np.int64]
    """(F,) the frame that each sample is."""
    timestamp_us: NDArray[np.int64]
    """(F,) by frame."""
    scene: NDArray[np.int64]
    """(F,) by frame, ascending."""
    scene_offsets: NDArray[np.int64]
    """(S + 1,) frames of a scene are ``scene_offsets[s]`` up to ``scene_offsets[s + 1]``."""


class Tracks(NamedTuple):
    """Boxes after interpolation, by (class, frame, place in the frame). N boxes, C classes, F frames."""

    offsets: NDArray[np.int64]
    """(C * F + 1,) boxes of class c in frame f are rows ``offsets[c * F + f]`` up to the next offset."""
    xy: NDArray[np.float64]
    """(N, 2) centres, metres, global frame."""
    track: NDArray[np.int64]
    """(N,) a number for each track of each scene."""
    score: NDArray[np.float64]
    """(N,) the mean score of the track, between two boxes interpolated."""


def frames_of_samples(timestamp_us: NDArray, scene: NDArray) -> Frames:
    """Order samples into frames.

    Args:
        timestamp_us: (F,) of each sample.
        scene: (F,) of each sample, any numbers.
    """
    rows = np.lexsort((timestamp_us, scene))
    of_sample = np.empty(len(rows), dtype=np.int64)
    of_sample[rows] = np.arange(len(rows))
    _, scene_of_frame, sizes = np.unique(np.asarray(scene)[rows], return_inverse=True, return_counts=True)
    return Frames(
        of_sample=of_sample,
        timestamp_us=np.asarray(timestamp_us, dtype=np.int64)[rows],
        scene=scene_of_frame.astype(np.int64),
        scene_offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
    )


def build_tracks(boxes: BoxTable, frames: Frames, num_classes: int) -> Tracks:
    """Give every box the score of its track and fill the holes of tracks.

    A track is an id within a scene, of whatever class; its score is the mean over its boxes. In each frame between two
    boxes of a track that lie further apart, a box is added between them; it has the class of the later one. The
    weights are those of the official code: the later box counts ``(t_later - t) / (t_later - t_earlier)``, so that the
    new box is nearer to the box that is farther away in time.

    Args:
        boxes: After the filters.
        frames: Of the samples that ``boxes.sample`` refers to.
        num_classes: Of the task.

    Raises:
        SubmissionError: the scores of a track with a hole are infinite in both directions.
    """
    frame = frames.of_sample[boxes.sample]
    listed = np.lexsort((boxes.order, frame))  # in the order of time, and as listed in the sample
    frame = frame[listed]
    num_ids = max(len(boxes.ids), 1)
    _, track = np.unique(frames.scene[frame] * num_ids + boxes.track[listed], return_inverse=True)
    by_track = np.argsort(track, kind="stable")
    score = track_means(boxes.score[listed][by_track], track[by_track])[track]
    xy = np.ascontiguousarray(boxes.translation[listed, :2])
    label = boxes.label[listed].astype(np.int64)

    earlier, later = by_track[:-1], by_track[1:]
    has_hole = (track[earlier] == track[later]) & (frame[later] - frame[earlier] > 1)
    earlier, later = earlier[has_hole], later[has_hole]
    width = frame[later] - frame[earlier] - 1
    step = np.arange(width.sum()) - np.repeat(np.cumsum(width) - width, width)
    earlier, later = np.repeat(earlier, width), np.repeat(later, width)
    new_frame = frame[earlier] + 1 + step
    time_us = frames.timestamp_us
    weight = (time_us[frame[later]] - time_us[new_frame]) / (time_us[frame[later]] - time_us[frame[earlier]])

    new_score = _between(score[earlier], score[later], weight)
    if np.isnan(new_score).any():
        name = boxes.ids[boxes.track[listed][later[np.argmax(np.isnan(new_score))]]]
        raise SubmissionError(
            f"nuscenes_tracking: track {name!r} has scores without a mean; make every tracking_score a finite number"
        )

    # New boxes come after those that were there, in the order in which their tracks first appear.
    first_listed = np.full(track.max(initial=-1) + 1, len(track))
    np.minimum.at(first_listed, track, np.arange(len(track)))
    place = np.concatenate([np.arange(len(track)), len(track) + first_listed[track[later]]])
    label = np.concatenate([label, label[later]])
    frame = np.concatenate([frame, new_frame])
    order = np.lexsort((place, frame, label))
    num_frames = len(frames.timestamp_us)
    per_frame = np.bincount(label * num_frames + frame, minlength=num_classes * num_frames)
    return Tracks(
        offsets=np.concatenate([[0], np.cumsum(per_frame)]).astype(np.int64),
        xy=np.concatenate([xy, _between(xy[earlier], xy[later], weight[:, None])])[order],
        track=np.concatenate([track, track[later]])[order].astype(np.int64),
        score=np.concatenate([score, new_score])[order],
    )


def track_means(score: NDArray, track: NDArray) -> NDArray[np.float64]:
    """Mean score of each track, to the last bit what ``np.mean`` gives for its scores alone.

    Args:
        score: (N,) ordered by track.
        track: (N,) numbers 0, 1, ... ascending, each at least once.
    """
    starts = np.flatnonzero(np.diff(track, prepend=-1))
    lengths = np.diff(starts, append=len(track))
    means = np.empty(len(starts))
    for length in np.unique(lengths):  # rows of equal length are summed pairwise, as one list of numbers is
        chosen = np.flatnonzero(lengths == length)
        with np.errstate(over="ignore", invalid="ignore"):
            means[chosen] = score[starts[chosen, None] + np.arange(length)].mean(axis=1)
    return means


def _between(earlier: NDArray, later: NDArray, weight: NDArray) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):
        return (1.0 - weight) * earlier + weight * later
