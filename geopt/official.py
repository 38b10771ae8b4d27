"""Official splits and class maps of nuScenes, Waymo and SemanticKITTI. Needs no torch.

Source: nuscenes-devkit 1.2.0; label.proto and segmentation.proto of the Waymo Open Dataset 1.6.7; config/semantic-kitti.yaml
of semantic-kitti-api.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from geopt import resources

DATASETS = ("nuscenes", "waymo", "semantickitti")


@functools.cache
def splits(dataset: str = "nuscenes") -> dict[str, tuple[str, ...]]:
    """Scenes of each split.

    Args:
        dataset: ``nuscenes``, scene names of train (700), val (150), test (150), mini_train (8), mini_val (2), and of
            train_detect and train_track (350 each), the halves of train; or ``semantickitti``, sequences of train (10),
            val (1, officially called valid) and test (11).
    """
    file = resources.path("datasets", f"{dataset}/splits.json")
    return msgspec.json.decode(file.read_bytes(), type=dict[str, tuple[str, ...]])


class ClassMap(msgspec.Struct, frozen=True):
    """How a benchmark merges the categories of a dataset."""

    classes: tuple[str, ...]
    """Names in the benchmark's order; of ``lidarseg`` a class's number is its position, and 0 is ignored."""
    class_of_category: dict[str, str]
    """Class of each category; categories that a benchmark leaves out are absent."""


def datasets_of(benchmark: str) -> tuple[str, ...]:
    """Datasets that :func:`class_map` knows the classes of a benchmark of."""
    return tuple(dataset for dataset in DATASETS if benchmark in _class_maps(dataset))


@functools.cache
def class_map(benchmark: str, dataset: str = "nuscenes") -> ClassMap:
    """Classes of a benchmark.

    Args:
        benchmark: Of nuScenes ``detection`` (10), ``tracking`` (7) or ``lidarseg`` (16 and ignore); of Waymo ``detection``
            (3; signs are left out, as from the overall scores) or ``lidarseg`` (22 and undefined); of SemanticKITTI ``lidarseg``
            (19 and unlabeled, of a single scan: what moves has the class of what stands).
        dataset: ``nuscenes``, ``waymo`` or ``semantickitti``.

    Raises:
        ValueError: there is no such dataset or benchmark.
    """
    if dataset not in DATASETS:
        raise ValueError(f"class_map: dataset must be one of {', '.join(DATASETS)}, got {dataset!r}")
    maps = _class_maps(dataset)
    if benchmark not in maps:
        raise ValueError(f"class_map: benchmark must be one of {', '.join(maps)}, got {benchmark!r}")
    return maps[benchmark]


@functools.cache
def _class_maps(dataset: str) -> dict[str, ClassMap]:
    """Of each benchmark."""
    file = resources.path("datasets", f"{dataset}/classes.json")
    return msgspec.json.decode(file.read_bytes(), type=dict[str, ClassMap])


def lidarseg_class_of_index(categories: Mapping[int, str]) -> NDArray[np.int16]:
    """Number of the lidarseg class (0 to 16) of each fine label.

    Args:
        categories: Category name of each fine label, as the dataset's ``category.json`` pairs them.

    Returns:
        (256,) int16, -1 where the dataset has no such category.

    Raises:
        ValueError: a category is unknown to the benchmark.
    """
    mapping = class_map("lidarseg")
    numbers = np.full(256, -1, dtype=np.int16)
    for index, name in categories.items():
        if name not in mapping.class_of_category:
            raise ValueError(f"lidarseg_class_of_index: category must be one of the 32 of lidarseg, got {name!r}")
        numbers[index] = mapping.classes.index(mapping.class_of_category[name])
    return numbers


@functools.cache
def semantickitti_labels() -> dict[int, str]:
    """Category of each of the 34 numbers that SemanticKITTI's labels have in their lower 16 bits."""
    file = resources.path("datasets", "semantickitti/labels.json")
    return msgspec.json.decode(file.read_bytes(), type=dict[int, str])


@functools.cache
def semantickitti_class_of_label() -> NDArray[np.int32]:
    """(65536,) number of the class, 0 (unlabeled) to 19, of each label; -1 where there is no such label."""
    mapping = class_map("lidarseg", "semantickitti")
    numbers = np.full(1 << 16, -1, dtype=np.int32)
    for label, category in semantickitti_labels().items():
        numbers[label] = mapping.classes.index(mapping.class_of_category[category])
    numbers.flags.writeable = False  # it is shared by all who ask
    return numbers
