"""The Waymo Open Dataset, both versions, without TensorFlow."""

from geopt.data.waymo.dataset import CATEGORIES, Waymo
from geopt.data.waymo.points import LaserPoints, laser_points
from geopt.data.waymo.segment import Calibration, LaserLabels, RangeImages

__all__ = ["CATEGORIES", "Calibration", "LaserLabels", "LaserPoints", "RangeImages", "Waymo", "laser_points"]
