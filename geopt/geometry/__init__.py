"""What the points of a batch say about space: one sort, and everything that is read off it."""

from geopt.geometry.index import GeometryIndex, Level, Pyramid

__all__ = ["GeometryIndex", "Level", "Pyramid"]
