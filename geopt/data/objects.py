"""Objects cut out of labelled frames and pasted into others.

Source: Yan et al., SECOND, Sensors 2018, section 3.4.2.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from geopt import ops
from geopt.data.dataset import FrameDataset
from geopt.data.sample import Sample
from geopt.official import ClassMap
from geopt.structures import Boxes

CACHED_FRAMES = 64
"""Per process: about 60 MB of cut-out objects at 10 sweeps. Of more frames than this, one object is cut out at a time: the
others would be forgotten before they are asked for, and finding their points takes longer than reading the frame."""


class Cutout(NamedTuple):
    """An object of another frame, where it was in the model frame of that one."""

    geometry: NDArray[np.float64]
    """(9,) as in :class:`geopt.structures.Boxes`."""
    category: str
    token: str
    instance: str
    num_points: int
    """As the dataset counts them, in the key frame's own sweep."""
    xyz: NDArray[np.float32]
    """(P, 3) points in the box, of all sweeps."""
    features: NDArray[np.float32]
    """(P, C)"""
    sweep: NDArray[np.int16]
    """(P,)"""
    labels: NDArray[np.uint8] | None
    """(P,)"""


class Place(NamedTuple):
    """Where an object is found."""

    frame: int
    """Frame of the bank's dataset."""
    box: int
    """Box of the frame."""


class ObjectBank:
    """All objects of a dataset's frames. A frame is read when an object of it is first asked for.

    Args:
        frames: Only its frames give objects, so with a fraction of the labels nothing of the rest is seen. They are cut
            out before any augmentation.
        class_map: Class of each category.
        classes: Classes that are kept.
        min_points: Objects with fewer LiDAR points are left out.

    Raises:
        ValueError: a class is unknown; names the known ones.
    """

    def __init__(self, frames: FrameDataset, class_map: ClassMap, classes: Iterable[str], min_points: int) -> None:
        self.frames = frames
        found: dict[str, list[tuple[int, int]]] = {name: [] for name in classes}
        for name in found:
            if name not in class_map.classes:
                raise ValueError(f"ObjectBank: classes must be among {', '.join(class_map.classes)}, got {name!r}")
        for place, row in enumerate(frames.frames.rows):
            objects = frames.source.objects(int(row))
            for box, (category, count) in enumerate(zip(objects.categories, objects.num_points)):
                name = class_map.class_of_category.get(category, "")
                if name in found and count >= min_points:
                    found[name].append((place, box))
        self.places = {name: np.array(rows, dtype=np.int64).reshape(-1, 2) for name, rows in found.items()}
        """(M, 2) frame of the dataset and box of the frame, by class."""
        self.class_map = class_map
        self._cache: dict[int, list[Cutout]] = {}

    def draw(self, name: str, count: int, rng: np.random.Generator) -> list[Place]:
        """Up to ``count`` different objects of a class."""
        places = self.places[name]
        chosen = rng.choice(len(places), min(count, len(places)), replace=False)
        return [Place(*places[row].tolist()) for row in chosen]

    def boxes(self, place: Place) -> Boxes:
        """The boxes of the frame of an object, without reading its points."""
        return self.frames.source.boxes(int(self.frames.frames.rows[place.frame]), self.frames.config.frame)

    def cutout(self, place: Place) -> Cutout:
        """An object with its points."""
        if len(self.frames) > CACHED_FRAMES:
            return cut_out(self.frames.read(place.frame), [place.box])[0]
        return self._frame(place.frame)[place.box]

    def _frame(self, place: int) -> list[Cutout]:
        if place not in self._cache:
            self._cache[place] = cut_out(self.frames.read(place))
        return self._cache[place]


def cut_out(sample: Sample, wanted: Sequence[int] | None = None) -> list[Cutout]:
    """Boxes of a frame with the points in them. Where boxes overlap, a point goes to the first.

    Args:
        sample: A frame with boxes.
        wanted: Rows of its boxes; None for all of them.
    """
    boxes = sample.boxes
    assert boxes is not None, "frames are read with boxes"
    xyz, geometry = torch.from_numpy(sample.xyz), boxes.geometry[:, :7]
    places = np.arange(len(xyz))
    if wanted is not None:
        places = np.flatnonzero(ops.points_in_boxes(xyz, geometry[list(wanted)]).numpy() >= 0)
    owner = ops.points_in_boxes(xyz[places], geometry).numpy()
    order = np.argsort(owner, kind="stable")
    bounds = np.searchsorted(owner[order], np.arange(len(boxes.names) + 1))
    found = []
    for box in range(len(boxes.names)) if wanted is None else wanted:
        rows = places[order[bounds[box] : bounds[box + 1]]]
        found.append(
            Cutout(
                geometry=boxes.geometry[box].numpy().copy(),
                category=boxes.names[box],
                token=boxes.tokens[box],
                instance=boxes.instances[box],
                num_points=int(boxes.num_points[box]),
                xyz=sample.xyz[rows],
                features=sample.features[rows],
                sweep=sample.sweep[rows],
                labels=None if sample.labels is None else sample.labels[rows],
            )
        )
    return found


def paste(sample: Sample, bank: ObjectBank, wanted: Mapping[str, int], rng: np.random.Generator) -> Sample:
    """Fill a frame up with objects of other frames.

    An object keeps the place in the model frame where it was seen, so its points look as the sensor would see them. One
    that would stand in a box that is there is left out, and so is one whose instance is there; the frame's own points
    in its box are removed. Points of sweeps that the frame does not have are left out.

    Args:
        sample: A frame with boxes, neither moved nor cropped.
        bank: Where objects come from.
        wanted: Objects of each class that the frame shall hold, its own counted.
        rng: Decides which.
    """
    assert sample.boxes is not None, "frames are read with boxes"
    boxes = sample.boxes
    own = [bank.class_map.class_of_category.get(name, "") for name in boxes.names]
    drawn = [
        place
        for name, count in wanted.items()
        if count > own.count(name)
        for place in bank.draw(name, count - own.count(name), rng)
    ]
    taken, instances, chosen = boxes.geometry[:, :7].clone(), set(boxes.instances), []
    for place in drawn:
        there = bank.boxes(place)
        box, instance = there.geometry[place.box : place.box + 1, :7], there.instances[place.box]
        if instance in instances or bool((ops.box_iou(box, taken) > 0).any()):
            continue
        taken = torch.cat([taken, box])
        instances.add(instance)
        chosen.append(bank.cutout(place))  # what has no room need not be read
    if not chosen:
        return sample
    geometry = torch.from_numpy(np.stack([cutout.geometry for cutout in chosen]))
    kept = (ops.points_in_boxes(torch.from_numpy(sample.xyz), geometry[:, :7]) < 0).numpy()
    seen = [cutout.sweep < len(sample.sensor_origins) for cutout in chosen]

    def joined(own: NDArray, parts: list[NDArray]) -> NDArray:
        return np.concatenate([own[kept], *(part[rows] for part, rows in zip(parts, seen))])

    labels = sample.labels
    if labels is not None:
        labels = joined(labels, [c.labels for c in chosen if c.labels is not None])
    return dataclasses.replace(
        sample,
        xyz=joined(sample.xyz, [c.xyz for c in chosen]),
        features=joined(sample.features, [c.features for c in chosen]),
        sweep=joined(sample.sweep, [c.sweep for c in chosen]),
        labels=labels,
        boxes=Boxes(
            geometry=torch.cat([boxes.geometry, geometry]),
            names=(*boxes.names, *(c.category for c in chosen)),
            tokens=(*boxes.tokens, *(c.token for c in chosen)),
            instances=(*boxes.instances, *(c.instance for c in chosen)),
            num_points=torch.cat([boxes.num_points, torch.tensor([c.num_points for c in chosen])]),
            frame=boxes.frame,
        ),
    )
