"""The tracker: who is matched with whom, when tracks begin and end, and that objects keep their names."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any

import numpy as np
import pydantic
import pytest
from annotated_boxes import DETECTION, TRACKING, boxes_at
from scipy.optimize import linear_sum_assignment

from geopt.evaluation.global_boxes import GlobalBoxes, Tracks
from geopt.heads.tracker import EVERY_CLASS_M, MAX_DISTANCE_M, Tracker, TrackerConfig, greedy_pairs

CAR, WALKER, BARRIER = (DETECTION.classes.index(name) for name in ("car", "pedestrian", "barrier"))
STEP_S = 0.5


def at(xy: Any, velocity: Any = None, scores: Any = None, classes: Any = CAR) -> GlobalBoxes:
    """Boxes at places on the ground."""
    xy = np.asarray(xy, dtype=np.float64).reshape(-1, 2)
    boxes = boxes_at(*xy[:, 0], classes=classes)
    return dataclasses.replace(
        boxes,
        translation=np.concatenate([xy, np.ones((len(xy), 1))], axis=1),
        velocity=np.zeros_like(xy) if velocity is None else np.asarray(velocity, dtype=np.float64).reshape(-1, 2),
        scores=boxes.scores if scores is None else np.asarray(scores, dtype=np.float64),
    )


def ids_over(frames: list[GlobalBoxes], config: TrackerConfig | None = None, step_s: float = STEP_S) -> list[Tracks]:
    tracker = Tracker(config)
    return [tracker.update(boxes, k * step_s, "scene-0001") for k, boxes in enumerate(frames)]


# ------------------------------------------------------------------------------------------------------- the matching


def naive_pairs(distance: np.ndarray, order: str) -> list[tuple[int, int]]:
    """Look at every pair that is left, again and again."""
    pairs: list[tuple[int, int]] = []
    while True:
        free = [
            (row, column)
            for row, column in itertools.product(*map(range, distance.shape))
            if math.isfinite(distance[row, column])
            and row not in [r for r, _ in pairs]
            and column not in [c for _, c in pairs]
        ]
        if not free:
            return pairs
        if order == "score":
            upper = min(row for row, _ in free)
            free = [pair for pair in free if pair[0] == upper]
        pairs.append(min(free, key=lambda pair: (distance[pair], pair)))


@pytest.mark.parametrize("order", ["score", "distance"])
def test_pairs_are_those_of_looking_at_every_pair(order):
    rng = np.random.default_rng(0)
    for _ in range(200):
        distance = rng.integers(0, 6, rng.integers(0, 6, 2)).astype(float)  # many ties
        distance[distance > 4] = np.inf
        assert greedy_pairs(distance, order) == naive_pairs(distance, order)


@pytest.mark.parametrize("order", ["score", "distance"])
def test_objects_that_are_far_apart_are_assigned_as_the_cheapest_assignment_does(order):
    rng = np.random.default_rng(1)
    for _ in range(20):
        tracks = rng.permutation(np.stack(np.meshgrid(range(4), range(4)), axis=-1).reshape(-1, 2)) * 5.0
        moved = rng.permutation(16)
        distance = np.linalg.norm((tracks[moved] + rng.uniform(-1, 1, (16, 2)))[:, None] - tracks, axis=2)
        rows, columns = linear_sum_assignment(distance)
        assert sorted(greedy_pairs(distance, order)) == list(zip(rows, columns))


def test_the_order_decides_who_takes_a_track():
    frames = [at([[0.0, 0.0]]), at([[1.0, 0.0], [0.2, 0.0]], scores=[0.9, 0.4])]
    by_score, by_distance = (ids_over(frames, TrackerConfig(order=order))[1].ids for order in ("score", "distance"))
    assert by_score == ("scene-0001/1", "scene-0001/2")
    assert by_distance == ("scene-0001/2", "scene-0001/1")


@pytest.mark.parametrize("name", MAX_DISTANCE_M)
def test_a_class_reaches_as_far_as_its_limit(name):
    limit, label = MAX_DISTANCE_M[name], DETECTION.classes.index(name)
    for away, kept in ((limit, True), (limit + 1e-9, False)):
        first, second = ids_over([at([[0.0, 0.0]], classes=label), at([[0.0, away]], classes=label)])
        assert (first.ids == second.ids) == kept


def test_classes_do_not_mix_and_others_are_left_out():
    frames = [at([[0.0, 0.0]], classes=CAR), at([[0.0, 0.0]] * 2, classes=[BARRIER, WALKER])]
    first, second = ids_over(frames)
    assert first.ids == ("scene-0001/1",) and second.ids == ("scene-0001/2",) and second.rows.tolist() == [1]
    everything = ids_over(frames, TrackerConfig(max_distance_m=EVERY_CLASS_M))
    assert len(everything[1].ids) == 2
    assert set(MAX_DISTANCE_M) == set(TRACKING.classes) and set(EVERY_CLASS_M) == set(DETECTION.classes)


def test_equal_scores_go_by_row_and_equal_distances_to_the_older_track():
    frames = [at([[0.0, 0.0], [2.0, 0.0]]), at([[1.0, 0.0], [1.0, 0.0]])]
    for order in ("score", "distance"):
        assert ids_over(frames, TrackerConfig(order=order))[1].ids == ("scene-0001/1", "scene-0001/2")


# ------------------------------------------------------------------------------------------------ objects in motion


def test_crossing_objects_keep_their_names_thanks_to_their_velocity():
    """Two cars pass each other 1 m apart at 6 m/s: the nearest box is the other car's."""
    speed = np.array([[6.0, 0.0], [-6.0, 0.0]])
    places = [np.array([[-7.5, 0.5], [7.5, -0.5]]) + speed * STEP_S * k for k in range(6)]
    found = ids_over([at(xy, speed) for xy in places])
    assert {track.ids for track in found} == {("scene-0001/1", "scene-0001/2")}
    blind = ids_over([at(xy, np.full((2, 2), np.nan)) for xy in places])
    assert blind[2].ids == blind[0].ids and blind[3].ids == blind[0].ids[::-1]


def drive(rng: np.random.Generator, num_objects: int, num_frames: int):
    """Objects on a grid of 3 m with speeds up to 20 m/s; yields places and velocities."""
    xy = np.stack(np.meshgrid(np.arange(6), np.arange(6)), axis=-1).reshape(-1, 2)[:num_objects] * 3.0
    velocity = rng.uniform(-20, 20, (num_objects, 2))
    for k in range(num_frames):
        yield xy + velocity * STEP_S * k, velocity


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("order", ["score", "distance"])
def test_perfect_detections_of_objects_at_constant_velocity_switch_no_name(seed, order):
    rng = np.random.default_rng(seed)
    names: list[set[str]] = [set() for _ in range(30)]
    tracker = Tracker(TrackerConfig(order=order))
    for k, (xy, velocity) in enumerate(drive(rng, 30, 20)):
        seen = rng.permutation(30)
        tracks = tracker.update(at(xy[seen], velocity[seen], rng.random(30)), k * STEP_S, "a")
        for number, name in zip(seen[tracks.rows].tolist(), tracks.ids, strict=True):
            names[number].add(name)
    # An object that is moved back stands where its own track was, whatever comes near it now.
    assert all(len(own) == 1 for own in names) and len(set().union(*names)) == 30


def test_an_object_keeps_its_name_through_as_many_misses_as_allowed():
    for missed in range(6):
        frames = [at([[0.0, 0.0]], [[8.0, 0.0]])]
        frames += [at(np.zeros((0, 2)))] * missed
        frames += [at([[8.0 * STEP_S * (missed + 1), 0.0]], [[8.0, 0.0]])]
        found = ids_over(frames, TrackerConfig(max_age=3))
        assert all(track.ids == () for track in found[1:-1])
        assert (found[-1].ids == found[0].ids) == (missed <= 3), missed


def test_scenes_and_gaps_end_tracks_and_names_stay_apart():
    tracker, box = Tracker(), at([[0.0, 0.0]])
    names = [tracker.update(box, *when).ids[0] for when in [(0, "a"), (1.5, "a"), (3.1, "a"), (0, "b"), (9, "a")]]
    assert names == ["a/1", "a/1", "a/2", "b/1", "a/3"]


def test_only_good_detections_start_tracks_and_weak_ones_go_on():
    frames = [at([[0.0, 0.0], [20.0, 0.0]], scores=[0.5, 0.49]), at([[0.0, 0.0], [20.0, 0.0]], scores=[0.1, 0.1])]
    first, second = ids_over(frames, TrackerConfig(birth_score=0.5))
    assert first.ids == second.ids == ("scene-0001/1",)
    assert first.rows.tolist() == second.rows.tolist() == [0] and second.boxes.scores.tolist() == [0.1]


def test_a_track_scores_as_its_detection_or_as_its_mean():
    frames = [at([[0.0, 0.0]], scores=[score]) for score in (0.2, 0.4, 0.9)]
    for kind, expected in (("detection", [0.2, 0.4, 0.9]), ("mean", [0.2, 0.3, 0.5])):
        found = ids_over(frames, TrackerConfig(track_score=kind))
        assert [track.boxes.scores[0] for track in found] == pytest.approx(expected)


def test_smoothing_calms_noise_and_leaves_perfect_motion_alone():
    rng = np.random.default_rng(3)
    places = np.array([[10.0 * STEP_S * k, 2.0] for k in range(60)])
    noise = rng.normal(0, 0.3, (2, *places.shape))

    def smoothed(share: float, noisy: bool) -> np.ndarray:
        frames = [
            at(place + noisy * xy_noise, [[10.0, 0.0]] + noisy * v_noise)
            for place, xy_noise, v_noise in zip(places, *noise)
        ]
        found = ids_over(frames, TrackerConfig(smoothing=share))
        assert {track.ids for track in found} == {("scene-0001/1",)}
        return np.concatenate([track.boxes.translation[:, :2] for track in found])

    assert np.array_equal(smoothed(0.0, True), places + noise[0])
    assert smoothed(0.5, False) == pytest.approx(places, abs=1e-9)
    errors = [np.sqrt(np.mean((smoothed(share, True) - places)[5:] ** 2)) for share in (0.0, 0.5)]
    assert errors[1] < 0.75 * errors[0]


def test_the_same_detections_get_the_same_names_on_every_run():
    rng = np.random.default_rng(4)
    frames = [at(rng.uniform(-30, 30, (80, 2)), rng.normal(0, 3, (80, 2)), rng.random(80).round(1)) for _ in range(8)]
    assert [track.ids for track in ids_over(frames)] == [track.ids for track in ids_over(frames)]


# -------------------------------------------------------------------------------------------------------- refusals


def test_what_cannot_be_tracked_is_refused():
    tracker = Tracker()
    tracker.update(at([[0.0, 0.0]]), 1.0, "a")
    for time_s in (1.0, 0.5, math.nan):
        with pytest.raises(ValueError, match="time_s must rise"):
            tracker.update(at([[0.0, 0.0]]), time_s, "a")
    with pytest.raises(ValueError, match=r"detections\.translation must be finite"):
        tracker.update(at([[math.nan, 0.0]]), 2.0, "a")
    with pytest.raises(ValueError, match=r"detections\.velocity must be finite, or NaN"):
        tracker.update(at([[0.0, 0.0]], [[math.inf, 0.0]]), 2.0, "a")
    with pytest.raises(ValueError, match="classes must be rows of 10 names, got 10 to 10"):
        tracker.update(at([[0.0, 0.0]], classes=10), 2.0, "a")
    assert tracker.update(at([[0.0, 0.0]]), 2.0, "a").ids == ("a/1",)  # a refusal changes nothing


@pytest.mark.parametrize("wrong", [{"max_distance_m": {"tram": 1.0}}, {"max_distance_m": {}}, {"smoothing": 1.0}])
def test_wrong_configs_are_refused(wrong):
    with pytest.raises(pydantic.ValidationError, match=r"must name classes|less than 1"):
        TrackerConfig(**wrong)
