"""Non-maximum suppression of turned boxes: `python benchmarks/bm_nms.py`."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from bm_box_iou import polygons
from timing import arguments, installed, ratios, table
from torch import Tensor

from geopt import ops

IOU_THRESHOLD = 0.2
BOXES_PER_OBJECT = 10


def detections(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """What a head says before suppression: several boxes about each car of a 100 m square, with scores."""
    generator = torch.Generator().manual_seed(seed)
    num_objects = count // BOXES_PER_OBJECT
    centers = torch.rand(num_objects, 3, generator=generator) * torch.tensor([100.0, 100, 1])
    yaws = 2 * math.pi * torch.rand(num_objects, 1, generator=generator)
    objects = torch.cat([centers, torch.tensor([4.6, 1.9, 1.7]).expand(num_objects, 3), yaws], dim=1)
    spread = torch.tensor([0.5, 0.5, 0.2, 0.3, 0.1, 0.1, 0.2])
    boxes = objects.repeat_interleave(BOXES_PER_OBJECT, dim=0)
    boxes = boxes + spread * torch.randn(boxes.shape, generator=generator)
    return boxes.contiguous(), torch.rand(len(boxes), generator=generator)


def with_numba(boxes: np.ndarray, scores: np.ndarray) -> np.ndarray:
    import numba_boxes

    return numba_boxes.nms(boxes, np.argsort(-scores, kind="stable"), IOU_THRESHOLD)


def with_shapely(boxes: np.ndarray, scores: np.ndarray) -> np.ndarray:
    import shapely

    shapes = polygons(boxes)
    one, other = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    one, other = one[one < other], other[one < other]
    shared = shapely.area(shapely.intersection(shapes[one], shapes[other]))
    over = shared / (shapely.area(shapes[one]) + shapely.area(shapes[other]) - shared) > IOU_THRESHOLD
    rivals: list[list[int]] = [[] for _ in boxes]
    for i, j in zip(one[over].tolist(), other[over].tolist()):
        rivals[i].append(j)
        rivals[j].append(i)
    gone, kept = np.zeros(len(boxes), bool), []
    for row in np.argsort(-scores, kind="stable").tolist():
        if not gone[row]:
            kept.append(row)
            gone[rivals[row]] = True
    return np.array(kept)


def main() -> None:
    given = arguments(__doc__ or "")
    rows: list[tuple[str, str, int, Callable[[], object]]] = []
    for count in (1000, 4000, 10_000):
        boxes, scores = detections(count, seed=count)
        name = f"{count:,} boxes"
        kept = ops.nms(boxes, scores, IOU_THRESHOLD)
        print(f"{name}: {len(kept):,} kept", end="")
        rows.append((name, "geopt", count, partial(ops.nms, boxes, scores, IOU_THRESHOLD)))
        if installed("numba"):
            rows.append((name, "numba, circles first", count, partial(with_numba, boxes.numpy(), scores.numpy())))
            print(f"; numba keeps {'the same' if np.array_equal(rows[-1][3](), kept) else 'others'}", end="")
        if installed("shapely"):
            rows.append((name, "shapely STRtree", count, partial(with_shapely, boxes.numpy(), scores.numpy())))
            print(f"; shapely keeps {'the same' if np.array_equal(rows[-1][3](), kept) else 'others'}", end="")
        print(flush=True)
    print()
    title = f"nms, kind=bev, IoU {IOU_THRESHOLD}, {BOXES_PER_OBJECT} boxes an object, float32"
    ratios(rows, table(title, given, rows, of="input", unit="detection"))


if __name__ == "__main__":
    main()
