"""Who is in the city, and how everybody moves."""

from geopt.simulate.actors.boxes import box_centre, box_size
from geopt.simulate.actors.traffic import States, Traffic

__all__ = ["States", "Traffic", "box_centre", "box_size"]
