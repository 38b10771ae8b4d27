"""Panoptic labels from a class for each point and boxes of things.

Source of the label format: nuscenes-devkit 1.2.0; Fong et al., Panoptic nuScenes, RA-L 2022, arXiv:2109.03805, whose
baselines also give the points of a thing to the boxes of its class, best first.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pydantic
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from geopt import official, ops
from geopt.schema import Frozen

NUM_CLASSES = 17
NUM_THINGS = 10
"""Classes 1 to 10 are things, 11 to 16 stuff."""
MAX_INSTANCES = 999
"""Of a class in a scene."""
CELLS_PER_LINK = 4
"""Clusters are made of cells, so many to the distance that links them."""
CHUNK = 4096
"""Points whose distances to all boxes are held at once."""

log = logging.getLogger(__name__)


class PanopticConfig(Frozen):
    """How points of things find their instance."""

    margin_m: pydantic.NonNegativeFloat = 0.1
    """Boxes are enlarged by this on every side."""
    reach_m: pydantic.NonNegativeFloat = 0.5
    """A point in no box goes to the nearest box of its class that is not farther than this (from its true size)."""
    link_m: pydantic.PositiveFloat = 0.5
    """Of the rest, points of a class that are at most about so far apart belong together."""
    min_cluster_points: pydantic.PositiveInt = 5
    """Smaller clusters are no instance; their points keep their class alone."""


class Instances(NamedTuple):
    """Which instance each point of a scan belongs to. N points, D boxes."""

    point: NDArray[np.int64]
    """(N,) row of a box, or D and on for clusters that no box holds; -1 for stuff, void and points of no instance."""
    num_boxes: int
    """D."""


def thing_numbers(classes: Sequence[str]) -> NDArray[np.int64]:
    """Number from 1 to 10 in the lidarseg and the panoptic benchmark of each detection class.

    Raises:
        ValueError: a name is none of a thing.
    """
    things = official.class_map("lidarseg").classes[: NUM_THINGS + 1]
    strange = [name for name in classes if name not in things[1:]]
    if strange:
        raise ValueError(f"thing_numbers: classes must be of {', '.join(things[1:])}, got {strange[0]!r}")
    return np.array([things.index(name) for name in classes], dtype=np.int64)


def find_instances(
    xyz: Tensor,
    point_classes: Tensor,
    boxes: Tensor,
    scores: Tensor,
    box_classes: Tensor,
    config: PanopticConfig | None = None,
) -> Instances:
    """Give the points of things to boxes, and what is left to clusters.

    Only points and boxes of the same class meet. A point in several enlarged boxes goes to the one of the highest score
    (of equals, the lowest row), a point near several to the nearest. The rest of a class is clustered by
    connection: points in one cell of ``link_m / 4`` belong together, and so do cells whose first points are at most
    ``link_m`` apart. Points that have a box link nothing.

    Args:
        xyz: (N, 3) float32, metres.
        point_classes: (N,) int64, 0 (void) to 16.
        boxes: (D, 7) or wider, float64: x, y, z of the centre, length, width, height, yaw, in the frame of ``xyz``.
        scores: (D,)
        box_classes: (D,) int64, 1 to 10; see :func:`thing_numbers`.
        config: Distances.

    Returns:
        Clusters are numbered by class and, within one, by their first point. On the CPU, whatever the device.

    Raises:
        ValueError: a shape or a class does not fit.
    """
    config = config or PanopticConfig()
    xyz, point_classes, boxes, scores, box_classes = (
        tensor.detach().cpu() for tensor in (xyz, point_classes, boxes, scores, box_classes)
    )
    _check(xyz, point_classes, boxes, scores, box_classes)
    boxes = boxes[:, :7].double()
    instance = torch.full((len(xyz),), -1, dtype=torch.int64)
    next_cluster = len(boxes)
    for number in range(1, NUM_THINGS + 1):
        rows = torch.nonzero(point_classes == number)[:, 0]
        if len(rows) == 0:
            continue
        own = torch.nonzero(box_classes == number)[:, 0]
        own = own[torch.argsort(scores[own], descending=True, stable=True)]
        if len(own):
            instance[rows] = _boxes_of_points(xyz[rows], boxes[own], own, config)
        rest = rows[instance[rows] < 0]
        cluster, count = _clusters(xyz[rest], config)
        instance[rest] = torch.where(cluster >= 0, cluster + next_cluster, cluster)
        next_cluster += count
    return Instances(instance.numpy(), len(boxes))


def _check(xyz: Tensor, point_classes: Tensor, boxes: Tensor, scores: Tensor, box_classes: Tensor) -> None:
    if xyz.shape != (len(point_classes), 3) or point_classes.ndim != 1:
        raise ValueError(
            f"find_instances: xyz must be (N, 3) and point_classes (N,), got {tuple(xyz.shape)} and "
            f"{tuple(point_classes.shape)}"
        )
    if boxes.ndim != 2 or boxes.shape[1] < 7 or scores.shape != (len(boxes),) or box_classes.shape != (len(boxes),):
        raise ValueError(
            f"find_instances: boxes must be (D, 7) or wider, scores and box_classes (D,), got {tuple(boxes.shape)}, "
            f"{tuple(scores.shape)} and {tuple(box_classes.shape)}"
        )
    for name, values, low, high in (
        ("point_classes", point_classes, 0, NUM_CLASSES - 1),
        ("box_classes", box_classes, 1, NUM_THINGS),
    ):
        if len(values) and not (low <= int(values.min()) and int(values.max()) <= high):
            raise ValueError(
                f"find_instances: {name} must be from {low} to {high}, got {int(values.min())} to {int(values.max())}"
            )


def _boxes_of_points(xyz: Tensor, boxes: Tensor, names: Tensor, config: PanopticConfig) -> Tensor:
    """(N,) entry of ``names`` of the box of each point, -1 for none. Boxes stand by falling score."""
    held = ops.points_in_boxes(xyz, _grown(boxes, config.margin_m))
    near = ops.points_in_boxes(xyz, _grown(boxes, config.reach_m))  # what is within reach is in one of these
    rest = torch.nonzero((held < 0) & (near >= 0))[:, 0]
    for rows in rest.split(CHUNK):
        nearest_m, nearest = _distance_to_boxes(xyz[rows].double(), boxes).min(dim=1)  # of equals the higher score
        held[rows] = torch.where(nearest_m <= config.reach_m, nearest, -1)
    return torch.where(held >= 0, names[held.clamp(min=0)], -1)


def _grown(boxes: Tensor, margin_m: float) -> Tensor:
    grown = boxes.clone()
    grown[:, 3:6] += 2 * margin_m
    return grown


def _distance_to_boxes(xyz: Tensor, boxes: Tensor) -> Tensor:
    """(N, D) metres from each point to each box, 0 inside."""
    away = xyz[:, None] - boxes[:, :3]
    cos, sin = torch.cos(boxes[:, 6]), torch.sin(boxes[:, 6])
    x, y = away[..., 0] * cos + away[..., 1] * sin, away[..., 1] * cos - away[..., 0] * sin
    outside = torch.stack([x, y, away[..., 2]], dim=2).abs() - boxes[:, 3:6] / 2
    return torch.linalg.vector_norm(outside.clamp(min=0), dim=2)


def _clusters(xyz: Tensor, config: PanopticConfig) -> tuple[Tensor, int]:
    """(N,) number of each point's cluster, -1 in those that are too small, and how many clusters there are."""
    if len(xyz) == 0:
        return torch.zeros(0, dtype=torch.int64), 0
    # One point of each small cell stands for the others: close to the sensor a point has thousands of others within
    # reach, and all those pairs of a scan would be gigabytes.
    cells = np.floor(xyz.double().numpy() / (config.link_m / CELLS_PER_LINK))
    _, first, cell = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    stands = xyz[torch.from_numpy(first)]
    near = ops.radius_search(stands, stands, config.link_m)
    graph = csr_array(
        (np.ones(len(near.indices), dtype=np.int8), near.indices.numpy(), near.row_splits.numpy()),
        shape=(len(stands), len(stands)),
    )
    component = connected_components(graph, directed=False)[1][cell.reshape(-1)]
    _, first, inverse, count = np.unique(component, return_index=True, return_inverse=True, return_counts=True)
    large = np.flatnonzero(count >= config.min_cluster_points)
    number = np.full(len(count), -1, dtype=np.int64)
    number[large[np.argsort(first[large])]] = np.arange(len(large))
    return torch.from_numpy(number[inverse]), len(large)


class SceneLabels:
    """Numbers instances as Panoptic nuScenes wants it, a track with the same number throughout its scene.

    Numbers count from 1 to 999 in each class. Where a scene needs more, the number that has been unused for longest is
    given again. Where a single scan needs more, the smallest instances get 0, and a warning tells how many.
    """

    def __init__(self) -> None:
        self._scene: str | None = None
        self._numbers: dict[int, OrderedDict[object, int]] = {}  # by class the number of each instance
        self._num_scans = 0

    def labels(
        self, point_classes: Tensor, instances: Instances, scene: str, track_ids: Sequence[str | None] | None = None
    ) -> NDArray[np.uint16]:
        """Labels of the next scan.

        Args:
            point_classes: (N,) int64, 0 to 16, as :func:`find_instances` got them.
            instances: What it found.
            scene: Another name than before starts the numbers anew.
            track_ids: D ids of the boxes' tracks, None for a box of no track; by default no box has one.

        Returns:
            (N,) uint16, 1000 * class + instance; instance 0 for stuff and points of no instance.

        Raises:
            ValueError: a shape does not fit.
        """
        ids = list(track_ids) if track_ids is not None else [None] * instances.num_boxes
        classes = point_classes.detach().cpu().numpy()
        if classes.shape != instances.point.shape or len(ids) != instances.num_boxes:
            raise ValueError(
                f"SceneLabels.labels: point_classes and track_ids must be for {len(instances.point)} points and "
                f"{instances.num_boxes} boxes, got {classes.shape} and {len(ids)}"
            )
        if scene != self._scene:
            self._scene, self._numbers = scene, {}
        self._num_scans += 1
        found, first, inverse, count = np.unique(
            instances.point, return_index=True, return_inverse=True, return_counts=True
        )
        number = np.zeros(len(found), dtype=np.int64)
        for of_class in np.unique(classes[first[found >= 0]]).tolist():
            places = np.flatnonzero((found >= 0) & (classes[first] == of_class))
            places = places[np.argsort(-count[places], kind="stable")]
            names = [ids[row] if row < len(ids) else None for row in found[places].tolist()]
            # An instance without a track is a new one in every scan.
            keys = [(self._num_scans, row) if name is None else name for name, row in zip(names, found[places])]
            number[places] = self._of_class(of_class, keys)
        return (1000 * classes + number[inverse]).astype(np.uint16)

    def _of_class(self, of_class: int, keys: Sequence[object]) -> list[int]:
        """Numbers of the instances of a scan, the largest of which come first."""
        numbers = self._numbers.setdefault(of_class, OrderedDict())  # the longest unused stands first
        for key in keys:
            if key in numbers:
                numbers.move_to_end(key)
        in_use = set(keys)
        given = []
        for key in keys:
            if key not in numbers:
                oldest = next(iter(numbers), None)
                if len(numbers) < MAX_INSTANCES:
                    numbers[key] = len(numbers) + 1
                elif oldest not in in_use:
                    numbers[key] = numbers.pop(oldest)
            given.append(numbers.get(key, 0))
        num_left = given.count(0)
        if num_left:
            log.warning(
                "%s: a scan has %d instances of class %d more than labels can tell apart; the smallest got number 0",
                self._scene,
                num_left,
                of_class,
            )
        return given
