"""Points of a scanner that moves while it scans."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation, Slerp

from geopt.data.deskew import MAX_BEYOND_S, Track, deskew, interpolate

START_NS = 1_700_000_000_000_000_000


def track(times_s, poses, name="poses.txt"):
    return Track(name, START_NS + np.round(np.array(times_s) * 1e9).astype(np.int64), np.array(poses))


def drive(time_s):
    """A curve 4 km from the origin, at 15 m/s, turning at 0.5 rad/s, rolling a little."""
    yaw = 0.5 * time_s
    place = np.array([4000 + 30 * np.sin(yaw), -2000 + 30 * (1 - np.cos(yaw)), 0.2 * np.sin(3 * time_s)])
    turn = Rotation.from_euler("ZYX", [yaw, 0.02 * np.sin(2 * time_s), 0.03 * np.cos(2 * time_s)])
    return np.concatenate([turn.as_matrix(), place[:, None]], axis=1)


def test_walls_stand_straight_again():
    """The wall of a room, 40 m away, seen in one turn of 0.1 s from a car that drives through it."""
    rng = np.random.default_rng(0)
    offsets = np.linspace(-0.05, 0.05, 2000)
    here = drive(1.0)
    seen_now = np.stack([np.full(2000, 40.0), rng.uniform(-30, 30, 2000), rng.uniform(-2, 3, 2000)], axis=1)
    in_map = seen_now @ here[:, :3].T + here[:, 3]
    seen = np.array([(point - drive(1 + t)[:, 3]) @ drive(1 + t)[:, :3] for point, t in zip(in_map, offsets)])
    assert np.abs(seen - seen_now).max() > 0.7  # what there is to undo
    times = np.arange(0, 2, 0.01)
    straight = deskew(seen, offsets, track(times, [drive(t) for t in times]), START_NS + 10**9)
    assert np.abs(straight - seen_now).max() < 5e-4  # poses every 10 ms, straight in between
    coarse = np.arange(0, 2.01, 0.1)
    straight = deskew(seen, offsets, track(coarse, [drive(t) for t in coarse]), START_NS + 10**9)
    assert 1e-3 < np.abs(straight - seen_now).max() < 0.05


def test_equals_one_point_after_the_other_in_float64():
    rng = np.random.default_rng(1)
    times = np.cumsum(rng.uniform(0.01, 0.3, 30))
    turns = Rotation.random(30, random_state=1)
    places = rng.normal(0, 500, (30, 3))
    poses = np.concatenate([turns.as_matrix(), places[:, :, None]], axis=2)
    xyz, now = rng.normal(0, 30, (400, 3)), 1.2345
    offsets = rng.uniform(-0.3, 0.3, 400).round(6)
    got = deskew(xyz, offsets, track(times, poses), START_NS + round(now * 1e9))
    slerp = Slerp(times, turns)
    for point, offset, found in zip(xyz, offsets, got):
        then = [np.interp(now + offset, times, places[:, axis]) for axis in range(3)]
        at = [np.interp(now, times, places[:, axis]) for axis in range(3)]
        expected = slerp(now).inv().apply(slerp(now + offset).apply(point) + then - np.array(at))
        assert np.abs(found - expected).max() < 5e-6  # a nanosecond at these speeds is 5e-6 m


def test_nothing_moves_where_the_vehicle_stands():
    xyz = np.random.default_rng(2).normal(0, 30, (100, 3))
    still = track([0, 0.5, 1], [drive(0.3)] * 3)
    assert np.allclose(deskew(xyz, np.linspace(0, 0.1, 100), still, START_NS), xyz, atol=1e-9)


def test_it_goes_on_for_a_while_beyond_the_last_pose_and_no_farther():
    poses = [np.concatenate([np.eye(3), [[0.0], [10.0 * t], [0.0]]], axis=1) for t in (0, 0.5)]
    two = track([0, 0.5], poses)
    _, place = interpolate(two, np.array([START_NS + 600_000_000, START_NS - 100_000_000]))
    assert np.allclose(place[:, 1], [6, -1])
    for beyond_s in (-MAX_BEYOND_S - 0.01, 0.5 + MAX_BEYOND_S + 0.01):
        with pytest.raises(ValueError, match=r"poses\.txt must have poses from"):
            interpolate(two, np.array([START_NS + round(beyond_s * 1e9)]))


def test_gaps_and_lone_poses_are_told():
    far = track([0, 5], [drive(0), drive(5)])
    with pytest.raises(ValueError, match=r"poses\.txt must have poses at most 1\.0 s apart, got none for 5\.000 s"):
        interpolate(far, np.array([START_NS + 10**9]))
    turn, place = interpolate(far, far.time_ns)  # at the poses themselves all is known
    assert np.allclose(place, far.global_from_body[:, :, 3]) and np.allclose(
        turn.as_matrix(), far.global_from_body[:, :, :3]
    )
    lone = track([0], [drive(0)])
    assert np.allclose(interpolate(lone, lone.time_ns)[1], drive(0)[:, 3])
    with pytest.raises(ValueError, match="must have poses from"):
        interpolate(lone, lone.time_ns + 1)
