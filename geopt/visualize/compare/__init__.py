"""Two data sets in nuScenes format beside each other: a table of numbers, how far apart each is, and pictures."""

from geopt.visualize.compare.command import main, write_comparison
from geopt.visualize.compare.rows import Distance, Row, compare, distance
from geopt.visualize.compare.statistics import Statistics, measure

__all__ = ["Distance", "Row", "Statistics", "compare", "distance", "main", "measure", "write_comparison"]
