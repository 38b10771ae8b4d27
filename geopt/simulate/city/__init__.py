"""The map of a simulated city, and everything on it that stands still."""

from geopt.simulate.city.city import City
from geopt.simulate.city.lanes import Junction, Lane
from geopt.simulate.city.paths import Path
from geopt.simulate.city.places import Bay, Site
from geopt.simulate.city.walks import Crossing, Walk

__all__ = ["Bay", "City", "Crossing", "Junction", "Lane", "Path", "Site", "Walk"]
