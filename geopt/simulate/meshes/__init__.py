"""Triangle meshes: the solids, and the figures of everything that gets a box."""

from geopt.simulate.meshes.figure import Figure
from geopt.simulate.meshes.kinds import KINDS, Kind, draw_figure, ego_body
from geopt.simulate.meshes.parts import GLASS
from geopt.simulate.meshes.solids import STATIC, Mesh, box, leaves, loft, merged, painted, rotated, sheet, tube

__all__ = [
    "GLASS",
    "KINDS",
    "STATIC",
    "Figure",
    "Kind",
    "Mesh",
    "box",
    "draw_figure",
    "ego_body",
    "leaves",
    "loft",
    "merged",
    "painted",
    "rotated",
    "sheet",
    "tube",
]
