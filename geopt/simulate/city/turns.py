"""Which lane leads to which at a junction."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
from numpy.typing import NDArray

from geopt.simulate.city.plan import Plan

TURNS = {2: "straight", 1: "right", 3: "left"}
"""By the arm left through, counted counter-clockwise from the arm entered through."""

Place = tuple[int, int]
Joints = dict[tuple[int, int], str]
"""The turn from an arriving lane to a leaving one, by their rows."""


@dataclasses.dataclass
class Ends:
    """Rows of the lanes at one arm of a node, from the middle of the street outwards."""

    arriving: list[int]
    leaving: list[int]


def choose_turns(plan: Plan, ends: dict[tuple[Place, int], Ends], num_lanes: int) -> dict[Place, Joints]:
    """The turns at every node: the usual ones, and more where some lane could not be reached from some other.

    No turn leads back into the street that it comes from.
    """
    by_arm = {place: {arm: ends[place, arm] for arm in node.roads} for place, node in plan.nodes.items()}
    joints = {place: _usual(arms) for place, arms in by_arm.items()}
    possible = [
        (place, pair, TURNS[turn])
        for place, arms in by_arm.items()
        for turn, arm in itertools.product(TURNS, arms)
        if (arm + turn) % 4 in arms
        for pair in itertools.product(arms[arm].arriving, arms[(arm + turn) % 4].leaving)
    ]
    reach = _reach(joints, num_lanes)
    while not reach.all():  # the inner lane of a ring, say, can be neither entered nor left without these
        new = [turn for turn in possible if not reach[turn[1]]]
        place, pair, turn_name = next((turn for turn in new if reach[turn[1][::-1]]), new[0])
        joints[place][pair] = turn_name
        reach = _reach(joints, num_lanes)
    return joints


def _reach(joints: dict[Place, Joints], num_lanes: int) -> NDArray[np.bool_]:
    """Whether one can drive from each lane (row) to each (column)."""
    reach = np.eye(num_lanes, dtype=np.float32)
    for pair in itertools.chain.from_iterable(joints.values()):
        reach[pair] = 1
    for _ in range(num_lanes.bit_length()):
        reach = (reach @ reach > 0).astype(np.float32)  # small whole numbers: exact
    return reach > 0


def _usual(ends: dict[int, Ends]) -> Joints:
    """Left from the inner lane, right from the outer one, and straight on; no lane without a way in or out."""
    joints: Joints = {}
    for arm, here in ends.items():
        ahead, left, right = (ends.get((arm + turn) % 4) for turn in (2, 3, 1))
        outer = len(here.arriving) - 1
        for rank, lane in enumerate(here.arriving):
            if ahead is not None:
                joints[lane, ahead.leaving[min(rank, len(ahead.leaving) - 1)]] = "straight"
            if left is not None and (rank == 0 or (ahead is None and right is None)):
                joints[lane, left.leaving[min(rank, len(left.leaving) - 1)]] = "left"
            if right is not None and rank == outer:
                joints[lane, right.leaving[-1]] = "right"
            elif right is not None and ahead is None and left is None:
                joints[lane, right.leaving[0]] = "right"
    for arm, there in ends.items():
        for rank, lane in enumerate(there.leaving):
            if all(after != lane for _, after in joints):
                turn = next(turn for turn in (2, 1, 3) if (arm - turn) % 4 in ends)
                arriving = ends[(arm - turn) % 4].arriving
                joints[arriving[min(rank, len(arriving) - 1)], lane] = TURNS[turn]
    return joints
