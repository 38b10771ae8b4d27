"""Gardeners: no leaf hangs where vehicles drive, people walk or a site is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from geopt.simulate.city.ground import Ground
from geopt.simulate.city.paths import STEP_M
from geopt.simulate.city.places import Site
from geopt.simulate.city.rect import Rect
from geopt.simulate.city.walks import Crossing, Walk
from geopt.simulate.classes import VEGETATION
from geopt.simulate.meshes import Mesh

DRIVE_CLEAR_M = 4.4
"""Above carriageways, driveways, parking lots and sites."""
WALK_CLEAR_M = 2.4
MARGIN_M = 0.15


def pruned(
    mesh: Mesh, ground: Ground, walks: tuple[Walk, ...], crossings: tuple[Crossing, ...], sites: tuple[Site, ...]
) -> Mesh:
    """The mesh without the faces of vegetation that are in the way."""
    leaves = np.flatnonzero(mesh.label == VEGETATION)
    is_near = _is_near(ground, sites)
    first = mesh.vertices[mesh.faces[leaves, 0], :2] - ground.grid.lower
    cell = np.rint(first).astype(int)
    on_grid = ((cell >= 0) & (cell < is_near.shape)).all(axis=1)  # a crown at the edge of the map may reach beyond it
    leaves = leaves[on_grid][is_near[tuple(cell[on_grid].T)]]
    corners = mesh.vertices[mesh.faces[leaves]]
    middle = corners.mean(axis=1)
    above = corners[:, :, 2].min(axis=1) - ground.height(middle[:, :2])
    low = np.flatnonzero(above < DRIVE_CLEAR_M)
    leaves, above, middle = leaves[low], above[low], middle[low]
    places = np.concatenate([corners[low, :, :2], middle[:, None, :2]], axis=1)
    flat = places.reshape(-1, 2)
    out = np.minimum(ground.value("road", flat), ground.value("paved", flat)) < MARGIN_M
    bad = np.asarray((out & (ground.value("island", flat) > -MARGIN_M)).reshape(-1, 4).any(axis=1))
    for site in sites:
        rect = Rect(site.xy, site.yaw, site.length_m, site.width_m)
        near = np.flatnonzero(np.abs(middle[:, :2] - site.xy).max(axis=1) < site.length_m + site.width_m)
        bad[near] |= (rect.outside_m(places[near]) < MARGIN_M).any(axis=1)
    kinds: tuple[tuple[Walk | Crossing, ...], ...] = (walks, crossings)
    for paths in kinds:  # of one kind two are never near each other, so the nearest point decides
        tree = cKDTree(np.concatenate([path.line for path in paths]))
        half = np.repeat([path.width_m for path in paths], [len(path.line) for path in paths])
        reach = np.append(np.hypot(half + MARGIN_M, STEP_M / 2), 0.0)
        left = np.flatnonzero(~bad & (above < WALK_CLEAR_M))
        distance, nearest = tree.query(places[left], distance_upper_bound=float(reach.max()))
        bad[left] |= (distance < reach[nearest]).any(axis=1)
    kept = np.ones(len(mesh.faces), dtype=bool)
    kept[leaves[bad]] = False
    return mesh._replace(
        faces=mesh.faces[kept], label=mesh.label[kept], reflectance=mesh.reflectance[kept], owner=mesh.owner[kept]
    )


def _is_near(ground: Ground, sites: tuple[Site, ...]) -> NDArray[np.bool_]:
    """Vertices (I, J) of the ground's grid near which a leaf may be in the way."""
    near = (ground.fields["walk"] < 2.0) | (ground.fields["paved"] < 2.0)
    for site in sites:
        window = ground.grid.around(Rect(site.xy, site.yaw, site.length_m + 4, site.width_m + 4))
        near[window] = True
    return near
