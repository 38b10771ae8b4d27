"""Overlap of turned boxes, and suppression of all but the best."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geopt import ops
from geopt.bench.measure import OURS, Case, Peers

IOU_THRESHOLD = 0.2
BOXES_PER_OBJECT = 10
NUM_DETECTIONS = 4000
COPIES = 3


def cases(peers: Peers) -> Iterator[Case]:
    """Cases for boxes the size of cars."""
    numba = peers.find("numba")
    for op, count_a, count_b, extent_m in (
        ("box_iou bev, sparse", 200, 500, 120.0),
        ("box_iou bev, dense", 300, 300, 1.0),
    ):
        about = f"{count_a} x {count_b} in {extent_m:g} m"
        pairs = [(cars(count_a, extent_m, 2 * n), cars(count_b, extent_m, 2 * n + 1)) for n in range(COPIES)]
        yield Case(op, about, OURS, count_a * count_b, pairs, lambda pair: ops.box_iou(*pair))
        if numba is not None:
            arrays = [(a.numpy(), b.numpy()) for a, b in pairs]
            yield Case(op, about, "numba, every pair", count_a * count_b, arrays, lambda pair: _numba_iou(*pair))
    op, about = f"nms {NUM_DETECTIONS:,} boxes", f"{BOXES_PER_OBJECT} an object, IoU {IOU_THRESHOLD}"
    found = [detections(NUM_DETECTIONS, seed) for seed in range(COPIES)]
    yield Case(op, about, OURS, NUM_DETECTIONS, found, lambda of: ops.nms(of[0], of[1], IOU_THRESHOLD))
    if numba is not None:
        arrays = [(boxes.numpy(), scores.numpy()) for boxes, scores in found]
        yield Case(op, about, "numba, circles first", NUM_DETECTIONS, arrays, lambda of: _numba_nms(*of))


def _numba_iou(a: NDArray, b: NDArray) -> object:
    from geopt.bench import numba_boxes  # needs numba

    return numba_boxes.box_iou(a, b, False)


def _numba_nms(boxes: NDArray, scores: NDArray) -> object:
    from geopt.bench import numba_boxes

    return numba_boxes.nms(boxes, np.argsort(-scores, kind="stable"), IOU_THRESHOLD)


def cars(count: int, extent_m: float, seed: int) -> Tensor:
    """Boxes anywhere in a cube of this side, (count, 7) float32."""
    generator = torch.Generator().manual_seed(seed)
    centers = torch.rand(count, 3, generator=generator) * extent_m
    sizes = torch.tensor([4.6, 1.9, 1.7]) * (0.8 + 0.4 * torch.rand(count, 3, generator=generator))
    return torch.cat([centers, sizes, 2 * math.pi * torch.rand(count, 1, generator=generator)], dim=1)


def detections(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """What a head says before suppression: several boxes about each car of a 100 m square, (count, 7), and scores."""
    generator = torch.Generator().manual_seed(seed)
    num_objects = count // BOXES_PER_OBJECT
    centers = torch.rand(num_objects, 3, generator=generator) * torch.tensor([100.0, 100, 1])
    yaws = 2 * math.pi * torch.rand(num_objects, 1, generator=generator)
    objects = torch.cat([centers, torch.tensor([4.6, 1.9, 1.7]).expand(num_objects, 3), yaws], dim=1)
    spread = torch.tensor([0.5, 0.5, 0.2, 0.3, 0.1, 0.1, 0.2])
    boxes = objects.repeat_interleave(BOXES_PER_OBJECT, dim=0)
    boxes = boxes + spread * torch.randn(boxes.shape, generator=generator)
    return boxes.contiguous(), torch.rand(len(boxes), generator=generator)
