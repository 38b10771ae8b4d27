"""Where the vehicle was between its poses, and points of a moving scanner as a still one would have seen them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

MAX_GAP_S = 1.0
"""A vehicle turns and brakes within a second: poses farther apart do not tell where it was in between."""
MAX_BEYOND_S = 0.2
"""How long it is taken to go on as between the last two poses: two turns of most scanners."""


class Track(NamedTuple):
    """Poses of one drive. K poses."""

    name: str
    """For messages: the file that they are from."""
    time_ns: NDArray[np.int64]
    """(K,) ascending, each once."""
    global_from_body: NDArray[np.float64]
    """(K, 3, 4) metres."""


class Legs(NamedTuple):
    """Which way the body went at some times. N times, L legs, each from one pose to the next."""

    leg: NDArray[np.int64]
    """(N,) the leg of each time."""
    part: NDArray[np.float64]
    """(N,) how much of it was done, 0 to 1, and beyond that before the first and after the last pose."""
    turn: Rotation
    """L rotations at the beginnings."""
    arc: NDArray[np.float64]
    """(L, 3) rotation vectors from there to the ends, radians."""
    place: NDArray[np.float64]
    """(L, 3) translations at the beginnings, metres."""
    way: NDArray[np.float64]
    """(L, 3) from there to the ends."""


def interpolate(track: Track, time_ns: NDArray[np.int64]) -> tuple[Rotation, NDArray[np.float64]]:
    """Where the body was at some times.

    Between two poses the rotation goes along the shortest arc and the translation along a straight line, each at constant
    speed; up to ``MAX_BEYOND_S`` before the first and after the last they go on like that.

    Args:
        track: At least two poses, or one, which then holds for its own time alone.
        time_ns: (N,) times, at least one.

    Returns:
        N rotations and (N, 3) translations in metres, which together are ``global_from_body``.

    Raises:
        ValueError: a time lies farther outside, or between poses that are more than ``MAX_GAP_S`` apart; names the track.
    """
    legs = _legs(track, time_ns)
    part = legs.part[:, None]
    turned = legs.turn[legs.leg] * Rotation.from_rotvec(part * legs.arc[legs.leg])
    return turned, legs.place[legs.leg] + part * legs.way[legs.leg]


def deskew(
    xyz: NDArray[np.float64], time_offset_s: NDArray[np.floating], track: Track, time_ns: int
) -> NDArray[np.float64]:
    """Bring points to where they were seen from the body at one time.

    Args:
        xyz: (N, 3) metres, each in the frame of the body when the point was measured.
        time_offset_s: (N,) when that was, seconds after ``time_ns``; negative before it.
        track: Poses of the body.
        time_ns: Time of the scan.

    Returns:
        (N, 3) metres in the frame of the body at ``time_ns``. What stood still is where it was then; what moved is smeared
        as before.

    Raises:
        ValueError: see :func:`interpolate`.
    """
    here, place = interpolate(track, np.array([time_ns]))
    if not len(xyz):
        return xyz
    legs = _legs(track, time_ns + np.round(time_offset_s.astype(np.float64) * 1e9).astype(np.int64))
    turned = _rotated(xyz, legs.arc, legs.leg, legs.part)
    body_from_leg = (here[0].inv() * legs.turn).as_matrix()
    shift = legs.place - place  # a difference first: places may be far from their origin
    back = here[0].inv().as_matrix()
    moved = np.einsum("nij,nj->ni", body_from_leg[legs.leg], turned)
    return moved + (shift @ back.T)[legs.leg] + legs.part[:, None] * (legs.way @ back.T)[legs.leg]


def _rotated(
    xyz: NDArray[np.float64], arc: NDArray[np.float64], leg: NDArray[np.int64], part: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Points after ``part`` of the rotation of their leg, by Rodrigues' formula: a Rotation for each point is ten times slower."""
    angle = np.linalg.norm(arc, axis=1)
    axis = (arc / np.where(angle > 0, angle, 1)[:, None])[leg]
    turn = (part * angle[leg])[:, None]
    along = np.einsum("ni,ni->n", axis, xyz)[:, None]
    return xyz * np.cos(turn) + np.cross(axis, xyz) * np.sin(turn) + axis * along * (1 - np.cos(turn))


def _legs(track: Track, time_ns: NDArray[np.int64]) -> Legs:
    known, poses = track.time_ns, track.global_from_body
    beyond_s = max(known[0] - time_ns.min(), time_ns.max() - known[-1]) * 1e-9
    if beyond_s > (MAX_BEYOND_S if len(known) > 1 else 0.0):
        raise ValueError(
            f"deskew: {track.name} must have poses from {time_ns.min() * 1e-9:.3f} to {time_ns.max() * 1e-9:.3f} s, got some "
            f"from {known[0] * 1e-9:.3f} to {known[-1] * 1e-9:.3f} s"
        )
    if len(known) == 1:  # a leg that leads nowhere
        known, poses = np.append(known, known + 1), np.repeat(poses, 2, axis=0)
    # of a drive of hours, only the poses around these times are looked at
    begin = int(np.clip(np.searchsorted(known, time_ns.min(), side="right") - 1, 0, len(known) - 2))
    end = max(int(np.searchsorted(known, time_ns.max())) + 1, begin + 2)
    known, poses = known[begin:end], poses[begin:end]
    leg = np.clip(np.searchsorted(known, time_ns, side="right") - 1, 0, len(known) - 2)
    gap_ns = (known[1:] - known[:-1])[leg]
    inside = (time_ns > known[leg]) & (time_ns < known[leg + 1])
    if np.any(inside & (gap_ns > MAX_GAP_S * 1e9)):
        widest_s = gap_ns[inside].max() * 1e-9
        raise ValueError(
            f"deskew: {track.name} must have poses at most {MAX_GAP_S} s apart, got none for {widest_s:.3f} s"
        )
    turns, places = Rotation.from_matrix(poses[:, :, :3]), poses[:, :, 3]
    return Legs(
        leg=leg,
        part=(time_ns - known[leg]) / gap_ns,
        turn=turns[:-1],
        arc=(turns[:-1].inv() * turns[1:]).as_rotvec(),
        place=places[:-1],
        way=places[1:] - places[:-1],
    )
