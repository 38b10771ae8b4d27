"""The official nuScenes splits, and the class maps of nuScenes and Waymo. Needs no torch.

Source: nuscenes-devkit 1.2.0; label.proto and segmentation.proto of the Waymo Open Dataset 1.6.7.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from geopt import resources

DATASETS = ("nuscenes", "waymo")


@functools.cache
def splits() -> dict[str, tuple[str, ...]]:
    """Scene names of train (700), val (150), test (150), mini_train (8), mini_val (2), and of train_detect and
    train_track (350 each), the halves of train."""
    file = resources.path("datasets", "nuscenes/splits.json")
    return msgspec.json.decode(file.read_bytes(), type=dict[str, tuple[str, ...]])


class ClassMap(msgspec.Struct, frozen=True):
    """How a benchmark merges the categories of a dataset."""

    classes: tuple[str, ...]
    """Names in the benchmark's order; of ``lidarseg`` a class's number is its position, and 0 is ignored."""
    class_of_category: dict[str, str]
    """Class of each category; categories that a benchmark leaves out are absent."""


@functools.cache
def class_map(benchmark: str, dataset: str = "nuscenes") -> ClassMap:
    """Classes of a benchmark.

    Args:
        benchmark: Of nuScenes ``detection`` (10), ``tracking`` (7) or ``lidarseg`` (16 and ignore); of Waymo ``detection``
            (3; signs are left out, as from the overall scores) or ``lidarseg`` (22 and undefined).
        dataset: ``nuscenes`` or ``waymo``.

    Raises:
        ValueError: there is no such dataset or benchmark.
    """
    if dataset not in DATASETS:
        raise ValueError(f"class_map: dataset must be one of {', '.join(DATASETS)}, got {dataset!r}")
    file = resources.path("datasets", f"{dataset}/classes.json")
    maps = msgspec.json.decode(file.read_bytes(), type=dict[str, ClassMap])
    if benchmark not in maps:
        raise ValueError(f"class_map: benchmark must be one of {', '.join(maps)}, got {benchmark!r}")
    return maps[benchmark]


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
