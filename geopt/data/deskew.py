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


def interpolate(track: Track, time_ns: NDArray[np.int64]) -> tuple[Rotation, NDArray[np.float64]]:
    """Where the body was at some times.

    Between two poses the rotation goes along the shortest arc and the translation along a straight line, each at constant
    speed; up to ``MAX_BEYOND_S`` before the first and after the last they go on like that.

    Args:
        track: At least two poses, or one, which then holds for its own time alone.
        time_ns: (N,) times.

    Returns:
        N rotations and (N, 3) translations in metres, which together are ``global_from_body``.

    Raises:
        ValueError: a time lies farther outside, or between poses that are more than ``MAX_GAP_S`` apart; names the track.
    """
    known = track.time_ns
    if not len(time_ns):
        return Rotation.identity(0), np.zeros((0, 3))
    beyond_s = max(known[0] - time_ns.min(), time_ns.max() - known[-1]) * 1e-9
    if beyond_s > (MAX_BEYOND_S if len(known) > 1 else 0.0):
        raise ValueError(
            f"deskew: {track.name} must have poses from {time_ns.min() * 1e-9:.3f} to {time_ns.max() * 1e-9:.3f} s, got some "
            f"from {known[0] * 1e-9:.3f} to {known[-1] * 1e-9:.3f} s"
        )
    if len(known) == 1:
        same = np.repeat(track.global_from_body, len(time_ns), axis=0)
        return Rotation.from_matrix(same[:, :, :3]), same[:, :, 3]
    # of a drive of hours, only the poses around these times are looked at
    begin = int(np.clip(np.searchsorted(known, time_ns.min(), side="right") - 1, 0, len(known) - 2))
    end = max(int(np.searchsorted(known, time_ns.max())) + 1, begin + 2)
    known, poses = known[begin:end], track.global_from_body[begin:end]
    turns, places = Rotation.from_matrix(poses[:, :, :3]), poses[:, :, 3]
    before = np.clip(np.searchsorted(known, time_ns, side="right") - 1, 0, len(known) - 2)
    gap_ns = known[before + 1] - known[before]
    inside = (time_ns > known[before]) & (time_ns < known[before + 1])
    if np.any(inside & (gap_ns > MAX_GAP_S * 1e9)):
        widest = gap_ns[inside].max() * 1e-9
        raise ValueError(
            f"deskew: {track.name} must have poses at most {MAX_GAP_S} s apart, got none for {widest:.3f} s"
        )
    part = ((time_ns - known[before]) / gap_ns)[:, None]
    arcs = (turns[:-1].inv() * turns[1:]).as_rotvec()
    turned = turns[before] * Rotation.from_rotvec(part * arcs[before])
    return turned, places[before] + part * (places[before + 1] - places[before])


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
    offsets_ns = np.round(time_offset_s.astype(np.float64) * 1e9).astype(np.int64)
    # lasers fire together, so there are fewer times than points; and the last one is that of the scan
    times, which = np.unique(np.append(offsets_ns, 0), return_inverse=True)
    turns, places = interpolate(track, time_ns + times)
    back = turns[which[-1]].inv()
    matrices = (back * turns).as_matrix()
    shifts = back.apply(places - places[which[-1]])  # a difference first: places may be far from their origin
    rows = which[:-1]
    return np.einsum("nij,nj->ni", matrices[rows], xyz) + shifts[rows]
