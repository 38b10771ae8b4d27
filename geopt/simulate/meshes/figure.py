"""A figure: one thing that gets a box. What it is, how large it is, and its mesh in each phase of its motion."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from geopt.simulate.meshes.solids import Mesh

Floats = NDArray[np.float64]
Family = Literal["vehicle", "cycle", "pedestrian", ""]
Motion = Callable[[float], Floats]
"""Phase (rad) to the frames (B, 3, 4) of the bones: rotation, and place of the joint in metres."""

NUM_PHASES = 96
"""Phases at which the extents of a moving figure are measured."""
SLACK_M = 0.0005
"""Between two measured phases a limb reaches at most this much farther."""


@dataclass(frozen=True)
class Draft:
    """What a builder makes: a mesh in any place, and how it moves; ``figure_of`` centres and measures it."""

    mesh: Mesh
    """At rest, or for a moving draft each vertex in the frame of its bone."""
    bone: NDArray[np.int64] | None = None
    """(V,) row of the frames that ``motion`` gives; None for a rigid draft."""
    motion: Motion | None = None
    phase_per_m: float = 0.0
    has_rider: bool = False
    hitch_m: float | None = None
    """x of the rear hitch in the frame of ``mesh``."""
    is_grounded: bool = False
    """Whether the lowest vertex of every phase stands on the ground (walkers), or only that of all phases."""


@dataclass(frozen=True)
class Figure:
    """One thing with a box. Its frame has the origin on the ground under the middle of the box, x forward, z up.

    The extents hold for all phases: |x| <= length_m / 2, |y| <= width_m / 2 and 0 <= z <= height_m for each vertex, and some
    phase comes within 1 mm of each bound.
    """

    kind: str
    """A key of ``KINDS``."""
    label: int
    """Row of ``geopt.simulate.classes.CLASSES``; every face of the mesh carries it."""
    family: Family
    """Which attributes of nuScenes it may have; "" for objects without attributes."""
    length_m: float
    width_m: float
    height_m: float
    phase_per_m: float
    """Phase (rad) for each metre travelled; 0 for what has one phase only."""
    has_rider: bool
    hitch_m: float | None
    """x of the point behind a tractor where the front of a trailer's box hangs; None for all others."""
    is_grounded: bool = field(repr=False)
    rest: Mesh = field(repr=False)
    bone: NDArray[np.int64] | None = field(repr=False)
    motion: Motion | None = field(repr=False)
    shift_m: tuple[float, float, float] = field(repr=False)

    @property
    def size_m(self) -> tuple[float, float, float]:
        """Length, width, height."""
        return self.length_m, self.width_m, self.height_m

    def mesh(self, phase_rad: float = 0.0) -> Mesh:
        """The mesh at a phase of gait, pedals or wheels; the same arrays each time for what has one phase.

        The phase of a walker at 0 and at pi has the legs side by side, as of someone who stands.
        """
        if self.motion is None:
            return self.rest
        vertices = _posed(self.rest.vertices, self.bone, self.motion, phase_rad, self.is_grounded)
        return self.rest._replace(vertices=vertices + np.array(self.shift_m))


def figure_of(kind: str, label: int, family: Family, draft: Draft) -> Figure:
    """Put a draft on the ground with the middle of its box over the origin, and measure it over all phases."""
    if draft.motion is None:
        lower, upper, slack = draft.mesh.vertices.min(axis=0), draft.mesh.vertices.max(axis=0), 0.0
    else:
        args = draft.mesh.vertices, draft.bone, draft.motion
        turns = (2 * math.pi * k / NUM_PHASES for k in range(NUM_PHASES))
        posed = [_posed(*args, phase, draft.is_grounded) for phase in turns]
        lower = np.min([v.min(axis=0) for v in posed], axis=0)
        upper, slack = np.max([v.max(axis=0) for v in posed], axis=0), SLACK_M
        lower = lower - np.array([0.0, 0.0, 0.0 if draft.is_grounded else slack])
    middle = (lower + upper) / 2
    shift = (-float(middle[0]), -float(middle[1]), -float(lower[2]))
    size = upper - lower + np.array([2.0, 2.0, 1.0]) * slack
    rest = draft.mesh
    if draft.motion is None:
        rest = rest._replace(vertices=rest.vertices + np.array(shift))
        # rounding of the sums above may leave 1e-16 between a vertex and its bound
        size = np.array([2.0, 2.0, 1.0]) * np.abs(rest.vertices).max(axis=0)
    hitch = None if draft.hitch_m is None else draft.hitch_m + shift[0]
    sizes = float(size[0]), float(size[1]), float(size[2])
    return Figure(
        kind, label, family, *sizes, draft.phase_per_m, draft.has_rider, hitch,
        draft.is_grounded, rest, draft.bone, draft.motion, shift,
    )  # fmt: skip


def _posed(vertices: Floats, bone: NDArray[np.int64] | None, motion: Motion, phase: float, is_grounded: bool) -> Floats:
    """Each vertex from the frame of its bone; sums written out, because the bits of BLAS depend on its threads."""
    frames = motion(phase)[bone]
    placed = frames[..., 3] + frames[..., 0] * vertices[:, 0:1]
    placed += frames[..., 1] * vertices[:, 1:2]
    placed += frames[..., 2] * vertices[:, 2:3]
    if is_grounded:
        placed[:, 2] -= placed[:, 2].min()
    return placed
