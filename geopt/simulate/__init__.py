"""Ray-cast a procedural city into a data set in nuScenes format. Needs no torch and no data."""

from geopt.simulate.dataset import scene_names, simulate, version_of
from geopt.simulate.processes import default_workers

__all__ = ["default_workers", "scene_names", "simulate", "version_of"]
