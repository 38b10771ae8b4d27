"""Triangle meshes: the solids, and what is built of them."""

from geopt.simulate.meshes.solids import STATIC, Mesh, box, leaves, loft, merged, painted, rotated, sheet, tube

__all__ = ["STATIC", "Mesh", "box", "leaves", "loft", "merged", "painted", "rotated", "sheet", "tube"]
