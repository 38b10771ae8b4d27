"""Runs every op on small clouds on the GPU, with gradients: `compute-sanitizer python benchmarks/each_op.py`.

It needs torch alone, and makes each kernel start: several clouds, one of them empty, points outside the grid, a NaN.
"""

from __future__ import annotations

import torch

from geopt import ops
from geopt.bench.clouds import street
from geopt.reference.cell_sums import FIXED_POINT_PER_METRE
from geopt.structures import VoxelGrid

GRID = VoxelGrid((-16, -16, -4), (16, 16, 4), (1, 1, 2))


def main() -> None:
    xyz = street(32, 40)
    xyz[7, 1] = float("nan")
    ends = torch.tensor([0, 400, 400, len(xyz)], device="cuda")
    xyz = xyz.cuda()
    index = ops.voxel_index(xyz, ends, GRID, ((2, 2, 2), (2, 2, 1)))
    ops.voxelize(xyz, ends, GRID)
    ops.voxel_downsample(xyz, ends, GRID)
    coords = ops.cell_coords(index.keys[0], GRID.shape)
    sums = ops.cell_sums(xyz, index.order, index.starts[1], GRID.lower, torch.arange(len(xyz), device="cuda"))
    points = sums.sums.double() / index.starts[1].diff()[:, None] / FIXED_POINT_PER_METRE
    children = torch.searchsorted(index.starts[1], index.starts[0])
    rows = torch.arange(len(coords), device="cuda")
    ops.cell_pca(points, children, coords, GRID.shape, (3, 3, 1), rows)
    for reduce in ("sum", "mean", "max"):
        values = xyz.nan_to_num().requires_grad_()
        ops.segment_reduce(values, index.point_to_token, len(coords), reduce).sum().backward()
    finite = xyz.nan_to_num()
    ops.knn(finite, finite, 8, ends, ends)
    ops.radius_search(finite, finite, 0.5, None, ends, ends)
    ops.radius_search(finite, finite, 0.5, 8, ends, ends)
    ops.local_pca(finite, ends, 8, torch.zeros(3, device="cuda"))
    ops.chamfer_distance(finite[:300], finite[300:700])
    ops.farthest_point_sample(xyz, ends[[0, 1, 3]], 40)
    boxes = torch.cat([finite, finite.abs() / 4 + 0.5, finite[:, :1]], dim=1)
    ops.points_in_boxes(xyz, boxes[::30].double())
    ops.box_iou(boxes, boxes[::7])
    ops.nms(boxes, finite[:, 2], 0.2, offsets=ends)
    torch.cuda.synchronize()
    print("each op ran")


if __name__ == "__main__":
    main()
