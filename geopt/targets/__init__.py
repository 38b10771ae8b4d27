"""What is hidden and what must be predicted of it; every target is read off one geometry index."""

from geopt.targets.base import Loss, Target, Truth
from geopt.targets.centroid import Centroid
from geopt.targets.curvature import Curvature
from geopt.targets.density import Density
from geopt.targets.masking import Mask, random_mask
from geopt.targets.neighborhood import Queries, make_queries
from geopt.targets.normal import Normal
from geopt.targets.occupancy import Occupancy

__all__ = [
    "Centroid",
    "Curvature",
    "Density",
    "Loss",
    "Mask",
    "Normal",
    "Occupancy",
    "Queries",
    "Target",
    "Truth",
    "make_queries",
    "random_mask",
]
