"""Overlap of turned boxes seen from above: `python benchmarks/bm_box_iou.py`."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch
from timing import arguments, installed, ratios, table
from torch import Tensor

from geopt import ops


def boxes(count: int, extent_m: float, seed: int) -> Tensor:
    """Cars, anywhere in a square of this side: (count, 7) float32."""
    generator = torch.Generator().manual_seed(seed)
    centers = torch.rand(count, 3, generator=generator) * extent_m
    sizes = torch.tensor([4.6, 1.9, 1.7]) * (0.8 + 0.4 * torch.rand(count, 3, generator=generator))
    return torch.cat([centers, sizes, 2 * math.pi * torch.rand(count, 1, generator=generator)], dim=1)


def polygons(of: np.ndarray) -> np.ndarray:
    import shapely

    x, y, _, length, width, _, yaw = of.T[:, :, None].astype(np.float64)
    along, across = np.array([-1, 1, 1, -1]) * length / 2, np.array([-1, -1, 1, 1]) * width / 2
    cosine, sine = np.cos(yaw), np.sin(yaw)
    return shapely.polygons(np.stack([x + cosine * along - sine * across, y + sine * along + cosine * across], axis=-1))


def with_shapely(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    import shapely

    one, other = polygons(a)[:, None], polygons(b)[None]
    shared = shapely.area(shapely.intersection(one, other))
    return shared / (shapely.area(one) + shapely.area(other) - shared)


def main() -> None:
    given = arguments(__doc__ or "")
    rows = []
    for name, a, b in (
        ("sparse, 200 x 500 in 120 m", boxes(200, 120, 0), boxes(500, 120, 1)),
        ("dense, 300 x 300 in 1 m", boxes(300, 1, 2), boxes(300, 1, 3)),
    ):
        num_pairs = len(a) * len(b)
        numpy_a, numpy_b = a.numpy(), b.numpy()
        rows.append((name, "geopt", num_pairs, partial(ops.box_iou, a, b)))
        if installed("numba"):
            import numba_boxes

            for cull in (False, True):
                call = partial(numba_boxes.box_iou, numpy_a, numpy_b, cull)
                worst = np.abs(call() - ops.box_iou(a, b).numpy()).max()
                print(f"{name}: numba differs by at most {worst:.1e}")
                rows.append((name, f"numba, {'circles first' if cull else 'every pair'}", num_pairs, call))
        if installed("shapely"):
            rows.append((name, "shapely", num_pairs, partial(with_shapely, numpy_a, numpy_b)))
    ratios(rows, table("box_iou, kind=bev, float32", given, rows, of="boxes", unit="pair"))


if __name__ == "__main__":
    main()
