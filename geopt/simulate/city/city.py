"""The city: a closed network of streets, and everything that stands still."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from geopt.simulate.city.ground import Fields, Grid, Ground, grid_of, street_fields
from geopt.simulate.city.ground_mesh import ground_mesh
from geopt.simulate.city.lanes import Junction, Lane, build_lanes
from geopt.simulate.city.paint import markings
from geopt.simulate.city.places import Bay, Site, draw_places
from geopt.simulate.city.plan import draw_plan
from geopt.simulate.city.pruning import pruned
from geopt.simulate.city.scenery import Scenery
from geopt.simulate.city.walks import Crossing, Walk, build_crossings, build_walks
from geopt.simulate.classes import ROAD, SIDEWALK
from geopt.simulate.meshes import Mesh, merged
from geopt.simulate.randomness import Floats


class City:
    """A city by (seed, name), in its own frame: metres, z up, origin near the middle.

    Attributes:
        lanes: Directed lanes of right-hand traffic: along the streets, then the connectors through the junctions. Every
            lane can be reached from every other.
        junctions: Where streets meet.
        walks: Closed walks on the sidewalks, with the block on the left.
        crossings: Crosswalks from one walk to another.
        bays: Where vehicles park.
        sites: Where other things stand: work sites, plazas, racks, bins, barriers.
    """

    def __init__(self, seed: int, name: str) -> None:
        self.seed, self.name = seed, name
        self.plan = draw_plan(seed, name)
        lanes = build_lanes(self.plan)
        walks, owner = build_walks(self.plan)
        crossings = build_crossings(self.plan, walks, owner, lanes)
        grid = grid_of(self.plan)
        fields = street_fields(self.plan, grid)
        places = self._places = draw_places(seed, name, self.plan, grid, fields)
        self.lanes: tuple[Lane, ...] = tuple(lanes)
        self.walks: tuple[Walk, ...] = tuple(walks)
        self.crossings: tuple[Crossing, ...] = tuple(crossings)
        self.bays: tuple[Bay, ...] = tuple(places.bays)
        self.sites: tuple[Site, ...] = tuple(places.sites)
        self.junctions: tuple[Junction, ...] = tuple(
            Junction(
                node.xy,
                tuple(k for k, lane in enumerate(lanes) if lane.junction == row),
                tuple(k for k, crossing in enumerate(crossings) if crossing.junction == row),
            )
            for row, node in enumerate(self.plan.nodes.values())
        )
        ends = [(*end, 1.4) for crossing in crossings for end in _kerbs(crossing, grid, fields)]
        dips = np.array([*ends, *places.dips])
        self.ground = Ground(seed, name, self.plan, grid, fields, dips, places.paved, places.plazas)

    def mesh(self) -> Mesh:
        """Everything that stands still, the ground included; built at the first call."""
        return self._mesh

    @functools.cached_property
    def _mesh(self) -> Mesh:
        scenery = Scenery(self.seed, self.name, self.plan, self.ground, self._places)
        standing = pruned(scenery.mesh(), self.ground, self.walks, self.crossings, self.sites)
        ground = ground_mesh(self.seed, self.name, self.ground)
        return merged([ground, markings(self.ground, self.lanes, self.crossings), standing])

    def height(self, xy: Floats) -> Floats:
        """Height (N,) of the ground at places (N, 2), on top of kerbs and islands.

        Raises:
            ValueError: a place lies beyond the ground of the city.
        """
        return self.ground.height(np.asarray(xy, dtype=np.float64))

    def surface(self, xy: Floats) -> NDArray[np.uint8]:
        """Class (N,) of the ground at places (N, 2): ROAD, SIDEWALK, TERRAIN or OTHER_FLAT, rows of ``CLASSES``.

        Raises:
            ValueError: a place lies beyond the ground of the city.
        """
        return self.ground.surface(np.asarray(xy, dtype=np.float64))

    def raster(self, resolution_m: float) -> tuple[NDArray[np.uint8], tuple[float, float, float, float]]:
        """A picture of the ground as maps of nuScenes have it: 255 on carriageways and sidewalks, else 0.

        Args:
            resolution_m: Side of a pixel.

        Returns:
            The picture (H, W), its first row in the north (largest y), and what it covers as (lowest x, highest x, lowest
            y, highest y), metres. The value of a pixel is that of its middle.
        """
        (x0, y0), shape = self.ground.grid.lower, self.ground.grid.shape
        width, height = (int((n - 1) / resolution_m) for n in shape)
        x, y = (low + (np.arange(n) + 0.5) * resolution_m for low, n in ((x0, width), (y0, height)))
        xy = np.stack(np.broadcast_arrays(x[None, :], y[::-1, None]), axis=-1).reshape(-1, 2)
        is_walkable = np.isin(self.surface(xy), (ROAD, SIDEWALK)).reshape(height, width)
        extent = (float(x0), x0 + width * resolution_m, float(y0), y0 + height * resolution_m)
        return np.where(is_walkable, 255, 0).astype(np.uint8), extent


def _kerbs(crossing: Crossing, grid: Grid, fields: Fields) -> list[tuple[float, float]]:
    """Where a crosswalk steps down from the kerb and up again."""
    points = crossing.point(np.linspace(0.0, crossing.length_m, 8 * int(crossing.length_m)))
    is_road = np.flatnonzero(grid.value(fields["road"], points) < 0)
    return [(float(points[k, 0]), float(points[k, 1])) for k in (is_road[0], is_road[-1])]
