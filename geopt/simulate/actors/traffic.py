"""Everybody and everything with a box, at any time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from geopt.simulate.actors import ego as ego_vehicle
from geopt.simulate.actors import trailers
from geopt.simulate.actors.boxes import Footprints, box_size
from geopt.simulate.actors.crew import EGO_BODY, Crew
from geopt.simulate.actors.crowd import Crowd
from geopt.simulate.actors.junctions import Reservations
from geopt.simulate.actors.network import Network
from geopt.simulate.actors.parked import Parking, sights
from geopt.simulate.actors.sites import furnish_all
from geopt.simulate.actors.stage import Prop, Stage
from geopt.simulate.actors.walking import draw_walkers, obstacles, stand_about
from geopt.simulate.actors.walkways import Walkways
from geopt.simulate.actors.wardrobe import Wardrobe
from geopt.simulate.meshes import Figure
from geopt.simulate.pose import Pose
from geopt.simulate.randomness import Floats, stream

if TYPE_CHECKING:
    from geopt.simulate.city import City

STEP_S = 0.1
BEGIN_S = -30.0
"""The vehicles begin to drive."""
OPEN_S = -2.0
"""The others come, and states can be asked for."""
REACH_M, KERB_REACH_M = 0.03, 0.15
"""The ground is looked at so far beyond a box; farther for walkers, who step over kerbs between two steps of time."""
MOVING_MPS = 0.1
NEAR_M = 60.0


class States(NamedTuple):
    """All actors at one time, one row each, in the frame of the city."""

    xyz: Floats
    """(A, 3) origins of the figures, metres: a little above the ground, below the middle of the box."""
    yaw: Floats
    """(A,) radians."""
    velocity: Floats
    """(A, 3) m/s."""
    phase: Floats
    """(A,) radians, for ``Figure.mesh``."""
    attribute: tuple[str, ...]
    """(A,) name of the nuScenes attribute, "" for categories without one."""


class Traffic:
    """The actors of a scene by (seed, name, city); time 0 is when the scene begins.

    The history is simulated as far as it is asked for, in steps of STEP_S, and kept: later questions never change it.

    Attributes:
        figures: (A,) what each actor looks like.
        names: (A,) each once.
    """

    def __init__(self, seed: int, name: str, city: City) -> None:
        self._city = city
        rng = stream(seed, name, "traffic")
        network, reservations = Network(city), Reservations(len(city.junctions))
        wardrobe = Wardrobe(seed, name)
        self._crew = Crew(seed, name, network, reservations, wardrobe, sights(city), int(rng.integers(60, 76)), STEP_S)
        self._num_steps = 0
        while self._time(self._num_steps) < OPEN_S - STEP_S / 2:
            self._drive()
        way = self._crew.ahead(np.arange(-15.0, 210.0, 2.5))
        ways = Walkways(city, network.grounds)
        stage = Stage(city, wardrobe, network.lines, ways.walks, ways.crossings)
        stage.keep_clear(network.long_ways(vehicle.body for vehicle in self._crew.driving.vehicles))
        furnish_all(stage, seed, name, city)
        self._park(Parking(stage, seed, name, city, way[:32]), float(rng.uniform(0.55, 1.2)), way)
        stand_about(seed, name, ways, way, stage, int(rng.integers(3, 12)))
        people = draw_walkers(seed, name, ways, way, stage, int(rng.integers(55, 95)))
        self._crowd = Crowd(
            ways,
            reservations,
            people.state,
            people.groups,
            people.sizes,
            people.pushed_sizes,
            obstacles(ways, stage),
            np.array([figure.phase_per_m for figure in people.figures]),
            STEP_S,
        )
        driving = [(f"{d.figures[0].kind}{d.vehicle.number}", d.figures) for d in self._crew.drivers[1:]]
        moving = [(name, figures[0]) for name, figures in driving]
        moving += [(f"{name}/trailer", figures[1]) for name, figures in driving if len(figures) > 1]
        moving += [(f"{figure.kind}/{row}", figure) for row, figure in enumerate(people.figures)]
        moving += [(f"pushed/{figure.kind}{row}", figure) for row, figure in enumerate(people.pushed)]
        self._settle(moving, stage.props, len(driving))
        self._frames = [self._frame()]
        self._heights: dict[int, Floats] = {}

    def _settle(self, moving: list[tuple[str, Figure]], props: list[Prop], num_driving: int) -> None:
        """Note all that stays the same."""
        figures = [figure for _, figure in moving]
        self.figures: tuple[Figure, ...] = (*figures, *(prop.figure for prop in props))
        self.names: tuple[str, ...] = (*(name for name, _ in moving), *(prop.name for prop in props))
        self._num_moving, self._num_driving = len(moving), num_driving
        sizes = np.array([box_size(figure)[:2] for figure in self.figures]).reshape(-1, 2)
        is_person = np.array([figure.family in ("pedestrian", "") for figure in figures], dtype=bool)
        self._feet = Footprints(sizes[: len(moving)], np.where(is_person, KERB_REACH_M, REACH_M))
        xy = np.array([prop.xy for prop in props]).reshape(-1, 2)
        yaw = np.array([prop.yaw for prop in props])
        z = Footprints(sizes[len(moving) :], np.full(len(props), REACH_M)).stand(self._city, xy, yaw)
        self._prop_xyz, self._prop_yaw = np.column_stack([xy, np.round(z, 6)]), yaw
        self._prop_attributes = tuple(_standing(prop) for prop in props)
        self._phase_per_m = np.array([figure.phase_per_m for figure in figures])

    def _park(self, parking: Parking, ratio: float, way: Floats) -> None:
        """Fill so many bays that about ``ratio`` vehicles stand for each that drives near the ego."""
        near = np.hypot(*(self._crew.driving.xy - self._crew.driving.xy[0]).T) < NEAR_M
        wanted = ratio * float(near.sum()) - parking.invite()
        parking.fill(min(max(wanted / max(parking.num_near(way[::10], NEAR_M), 1.0), 0.08), 0.8))

    @staticmethod
    def _time(step: int) -> float:
        return BEGIN_S + step * STEP_S

    def _drive(self) -> None:
        self._crew.driving.step(self._time(self._num_steps))
        self._crew.focus = self._crew.driving.xy[0]
        self._num_steps += 1

    def _frame(self) -> Floats:
        """(4, 1 + M) x, y, yaw and phase of the ego and of all that move."""
        driving, state = self._crew.driving, self._crowd.state
        pulled = []
        for vehicle in driving.vehicles:
            trailer = vehicle.body.trailer
            if trailer is not None:
                row = vehicle.number
                hitch = trailers.hitch_of(trailer, driving.xy[row], float(driving.yaw[row]))
                turn = driving.trailer_yaw[row]
                pulled.append([*trailers.middle_of(trailer, hitch, turn), turn, 0.0])
        pushed_xy, pushed_yaw = self._crowd.pushed_places()
        along = np.array([vehicle.x for vehicle in driving.vehicles])
        phase = np.concatenate([[0.0], along[1:] * self._phase_per_m[: self._num_driving]])
        table = np.concatenate(
            [
                np.column_stack([driving.xy, driving.yaw, phase]),
                np.array(pulled).reshape(-1, 4),
                np.column_stack([self._crowd.xy, state.yaw, self._crowd.phase]),
                np.column_stack([pushed_xy, pushed_yaw, np.zeros(len(pushed_yaw))]),
            ]
        ).T
        return np.round(table, 6)

    def _at(self, time_s: float) -> tuple[int, float]:
        """The recorded step before a time, and the share of the next step; simulates as far as needed."""
        if not time_s >= OPEN_S:
            raise ValueError(f"Traffic: time_s must be at least {OPEN_S}, got {time_s}")
        place = (time_s - OPEN_S) / STEP_S
        step = int(np.floor(place + 1e-9))
        while len(self._frames) < step + 2:
            self._drive()
            self._crowd.step(self._time(self._num_steps - 1))
            self._frames.append(self._frame())
        return step, max(place - step, 0.0)

    def _stand(self, step: int) -> Floats:
        """(M,) heights of all that move at a step."""
        if step not in self._heights:
            frame = self._frames[step]
            self._heights = {k: z for k, z in self._heights.items() if abs(k - step) < 8}
            self._heights[step] = np.round(self._feet.stand(self._city, frame[:2, 1:].T, frame[2, 1:]), 6)
        return self._heights[step]

    def states(self, time_s: float) -> States:
        """All actors at a time of at least OPEN_S; between two steps they go straight on.

        Raises:
            ValueError: ``time_s`` lies before the actors have come.
        """
        step, share = self._at(time_s)
        first, second = self._frames[step][:, 1:], self._frames[step + 1][:, 1:]
        begin = np.column_stack([first[:2].T, self._stand(step)])
        end = np.column_stack([second[:2].T, self._stand(step + 1)])
        velocity = (end - begin) / STEP_S
        turn = (second[2] - first[2] + np.pi) % (2 * np.pi) - np.pi
        num_props = len(self._prop_yaw)
        is_moving = np.hypot(velocity[:, 0], velocity[:, 1]) > MOVING_MPS
        attributes = tuple(_moving(figure, bool(moves)) for figure, moves in zip(self.figures, is_moving))
        return States(
            np.concatenate([begin + share * (end - begin), self._prop_xyz]),
            np.concatenate([first[2] + share * turn, self._prop_yaw]),
            np.concatenate([velocity, np.zeros((num_props, 3))]),
            np.concatenate([first[3] + share * (second[3] - first[3]), np.zeros(num_props)]),
            (*attributes, *self._prop_attributes),
        )

    def ego_pose(self, time_s: float) -> Pose:
        """City from ego at a time of at least OPEN_S: on the ground below the rear axle, x forward."""
        step, share = self._at(time_s)
        first, second = self._frames[step][:, 0], self._frames[step + 1][:, 0]
        turn = (second[2] - first[2] + np.pi) % (2 * np.pi) - np.pi
        yaw = float(first[2] + share * turn)
        xy = first[:2] + share * (second[:2] - first[:2])
        rear = xy - EGO_BODY.half_base_m * np.array([np.cos(yaw), np.sin(yaw)])
        return ego_vehicle.ego_pose(self._city, rear, yaw)


def _moving(figure: Figure, is_moving: bool) -> str:
    """Attribute of something that moves, or waits."""
    if figure.family == "vehicle":
        return "vehicle.moving" if is_moving else "vehicle.stopped"
    if figure.family == "pedestrian":
        still = "sitting_lying_down" if figure.kind == "wheelchair" else "standing"
        return "pedestrian.moving" if is_moving else f"pedestrian.{still}"
    return _standing_cycle(figure)


def _standing(prop: Prop) -> str:
    """Attribute of something that never moves."""
    if prop.figure.family == "vehicle":
        return "vehicle.stopped" if prop.stance == "stopped" else "vehicle.parked"
    if prop.figure.family == "pedestrian":
        return "pedestrian.sitting_lying_down" if prop.stance == "sitting" else "pedestrian.standing"
    return _standing_cycle(prop.figure)


def _standing_cycle(figure: Figure) -> str:
    if figure.family == "cycle":
        return "cycle.with_rider" if figure.has_rider else "cycle.without_rider"
    return ""
