"""A row for each op of ``geopt.ops``: arguments for it from any batch of clouds, and what its results promise."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from geopt import ops
from geopt.structures import VoxelGrid

GRID = VoxelGrid((-8, -8, -4), (8, 8, 4), (1, 1, 2))
RATIOS = ((2, 2, 2), (1, 2, 1))
CELLS_PER_TOKEN = (1, 8, 16)
NUM_SAMPLES = 5


def tensors(result: Any) -> list[Tensor]:
    """Of a tensor, or of tuples of them in tuples."""
    return [result] if isinstance(result, Tensor) else [t for part in result for t in tensors(part)]


def assert_same_bits(got: Any, expected: Any) -> None:
    for a, b in zip(tensors(got), tensors(expected), strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        assert torch.equal(a, b) or torch.allclose(a, b, rtol=0, atol=0, equal_nan=True)


def assert_same_overlaps(got: Tensor, expected: Tensor) -> None:
    assert got.dtype == expected.dtype and torch.allclose(got, expected, rtol=0, atol=2e-7, equal_nan=True)


def assert_same_axes(got: Any, expected: Any) -> None:
    """Normals where they are determined, eigenvalues to rounding of the largest, counts."""
    normals, values, count = tensors(got)
    expected_normals, expected_values, expected_count = tensors(expected)
    assert torch.equal(count, expected_count)
    wide, largest = expected_values.double(), expected_values[:, 2:].double()
    near = (values - wide).abs() <= 2.4e-7 * wide + 1e-12 * largest + 1e-45
    assert (near | (values == expected_values)).all()  # infinity where float32 has no such number
    gap = (wide[:, 1] - wide[:, 0]) > 1e-3 * wide[:, 2]
    across = torch.linalg.cross(normals.double(), expected_normals.double()).norm(dim=1)[gap]
    assert (across < 1e-4).all()


def always(xyz: Tensor, offsets: Tensor) -> bool:
    return True


@dataclasses.dataclass(frozen=True)
class Row:
    op: str
    arguments: Callable[[Tensor, Tensor], tuple[Any, ...]]
    """From xyz and offsets. For an op with clouds, those of a cloud depend on that cloud alone."""
    of_cloud: Callable[[Any, Tensor, int], Any] | None = None
    """From the result for a batch, its offsets and a cloud: the result for that cloud alone. None: no clouds."""
    differentiable: tuple[int, ...] = ()
    """Which arguments the first floating-point result is differentiable in."""
    fits: Callable[[Tensor, Tensor], bool] = always
    """Whether the op takes such a batch; else it says with a ValueError why not."""
    assert_equal: Callable[[Any, Any], None] = assert_same_bits
    """Compares with the reference."""

    def run(self, module: Any, xyz: Tensor, offsets: Tensor) -> Any:
        return getattr(module, self.op)(*self.arguments(xyz, offsets))


def boxes_at(xyz: Tensor) -> Tensor:
    """A box beside each point, of at most 10 m: the reference is not made for boxes as long as the way to the sun."""
    return torch.cat([xyz + 0.3, xyz.abs().clamp(max=78) / 8 + 0.25, xyz[:, :1].clamp(-100, 100)], dim=1)


def segments(xyz: Tensor) -> Tensor:
    return torch.arange(len(xyz)) * 7 % 23 - 1


def is_finite(xyz: Tensor, offsets: Tensor) -> bool:
    return bool(xyz.isfinite().all())


def is_finite_seen_from_above(xyz: Tensor, offsets: Tensor) -> bool:
    """z is no part of such a box, and as a score it may be infinite."""
    return bool(xyz[:, :2].isfinite().all()) and not bool(xyz[:, 2].isnan().any())


def has_samples(xyz: Tensor, offsets: Tensor) -> bool:
    finite = xyz.isfinite().all(dim=1)
    return all(int(finite[a:b].sum()) >= NUM_SAMPLES for a, b in zip(offsets.tolist(), offsets.tolist()[1:]))


def arguments_of_cell_sums(xyz: Tensor, offsets: Tensor) -> tuple[Any, ...]:
    index = ops.voxel_index(xyz, offsets, GRID, RATIOS)
    return xyz, index.order, index.starts[1], GRID.lower, torch.arange(len(xyz)) % 7


def arguments_of_cell_pca(xyz: Tensor, offsets: Tensor) -> tuple[Any, ...]:
    index = ops.voxel_index(xyz, offsets, GRID, RATIOS)
    sums = ops.cell_sums(xyz, index.order, index.starts[1], GRID.lower).sums
    points = sums.double() / index.starts[1].diff()[:, None] / 2**24
    coords = ops.cell_coords(index.keys[0], GRID.shape)
    children = torch.searchsorted(index.starts[1], index.starts[0])
    return points, children, coords, GRID.shape, (3, 5, 3), torch.arange(len(coords)).flip(0)


def shifted(rows: Tensor, first: int) -> Tensor:
    return torch.where(rows >= 0, rows - first, -1)


def voxels_of_cloud(result: Any, offsets: Tensor, cloud: int) -> Any:
    coords, point_to_voxel = result
    own = coords[:, 0] == cloud
    first = int((coords[:, 0] < cloud).sum())
    coords = coords[own] - torch.tensor([cloud, 0, 0, 0], dtype=torch.int32)
    return coords, shifted(point_to_voxel[offsets[cloud] : offsets[cloud + 1]], first)


def means_of_cloud(result: Any, offsets: Tensor, cloud: int) -> Any:
    own = result.coords_bxyz[:, 0] == cloud
    return voxels_of_cloud(result[:2], offsets, cloud), result.means[own], result.num_points[own]


def index_of_cloud(result: Any, offsets: Tensor, cloud: int) -> Any:
    begin, end = offsets[cloud], offsets[cloud + 1]
    order = result.order[(result.order >= begin) & (result.order < end)] - begin
    before = int((result.order < begin).sum())
    keys, starts = [], []
    for level_keys, level_starts, cells in zip(result.keys, result.starts, CELLS_PER_TOKEN):
        bounds = torch.tensor([cloud, cloud + 1]) * cells * GRID.num_voxels
        first, last = torch.searchsorted(level_keys, bounds).tolist()
        keys.append(level_keys[first:last] - bounds[0])
        starts.append(level_starts[first : last + 1] - before)
    first_token = int((result.keys[0] < cloud * GRID.num_voxels).sum())
    return order, shifted(result.point_to_token[begin:end], first_token), keys, starts


def neighbors_of_cloud(result: Any, offsets: Tensor, cloud: int) -> Any:
    begin, end = offsets[cloud], offsets[cloud + 1]
    return shifted(result.indices[begin:end], int(begin)), result.squared_distances[begin:end]


def ragged_of_cloud(result: Any, offsets: Tensor, cloud: int) -> Any:
    begin, end = offsets[cloud], offsets[cloud + 1]
    splits = result.row_splits[begin : end + 1]
    own = slice(splits[0], splits[-1])
    return splits - splits[0], result.indices[own] - begin, result.squared_distances[own]


def points_of_cloud(result: Any, offsets: Tensor, cloud: int) -> Any:
    return [t[offsets[cloud] : offsets[cloud + 1]] for t in tensors(result)]


def picks_of_cloud(result: Tensor, offsets: Tensor, cloud: int) -> Tensor:
    return result[cloud : cloud + 1] - offsets[cloud]


def boxes_of_points_in_cloud(result: Tensor, offsets: Tensor, cloud: int) -> Tensor:
    return shifted(result[offsets[cloud] : offsets[cloud + 1]], int(offsets[cloud]))


def kept_of_cloud(result: Tensor, offsets: Tensor, cloud: int) -> Tensor:
    begin, end = offsets[cloud], offsets[cloud + 1]
    return result[(result >= begin) & (result < end)] - begin


ROWS = {
    "voxelize": Row("voxelize", lambda xyz, ends: (xyz, ends, GRID), voxels_of_cloud),
    "voxel_index": Row("voxel_index", lambda xyz, ends: (xyz, ends, GRID, RATIOS), index_of_cloud),
    "voxel_downsample": Row("voxel_downsample", lambda xyz, ends: (xyz, ends, GRID), means_of_cloud),
    "cell_coords": Row(
        "cell_coords",
        lambda xyz, ends: (ops.voxel_index(xyz, ends, GRID, RATIOS).keys[1], GRID.shape, RATIOS[:1]),
    ),
    "cell_sums": Row("cell_sums", arguments_of_cell_sums),
    "cell_pca": Row("cell_pca", arguments_of_cell_pca, assert_equal=assert_same_axes),
    "segment_reduce sum": Row("segment_reduce", lambda xyz, ends: (xyz, segments(xyz), 22, "sum"), differentiable=(0,)),
    "segment_reduce mean": Row(
        "segment_reduce", lambda xyz, ends: (xyz, segments(xyz), 22, "mean"), differentiable=(0,)
    ),
    "segment_reduce max": Row("segment_reduce", lambda xyz, ends: (xyz, segments(xyz), 22, "max"), differentiable=(0,)),
    "knn": Row("knn", lambda xyz, ends: (xyz, xyz, 9, ends, ends), neighbors_of_cloud),
    "knn of others": Row(
        "knn", lambda xyz, ends: (xyz + 0.01, xyz, 4, ends, ends), neighbors_of_cloud, differentiable=(0, 1)
    ),
    "radius_search": Row("radius_search", lambda xyz, ends: (xyz, xyz, 0.8, None, ends, ends), ragged_of_cloud),
    "radius_search of others": Row(
        "radius_search",
        lambda xyz, ends: (xyz + 0.01, xyz, 2.1, None, ends, ends),
        ragged_of_cloud,
        differentiable=(0, 1),
    ),
    "radius_search capped": Row(
        "radius_search",
        lambda xyz, ends: (xyz + 0.01, xyz, 2.1, 4, ends, ends),
        neighbors_of_cloud,
        differentiable=(0, 1),
    ),
    "chamfer_distance": Row(
        "chamfer_distance",
        lambda xyz, ends: (xyz * 1.02 + 0.1, xyz, ends, ends),
        lambda result, offsets, cloud: result[cloud : cloud + 1],
        differentiable=(0, 1),
    ),
    "farthest_point_sample": Row(
        "farthest_point_sample", lambda xyz, ends: (xyz, ends, NUM_SAMPLES), picks_of_cloud, fits=has_samples
    ),
    "local_pca": Row(
        "local_pca", lambda xyz, ends: (xyz, ends, 12, torch.zeros(3)), points_of_cloud, assert_equal=assert_same_axes
    ),
    "points_in_boxes": Row(
        "points_in_boxes", lambda xyz, ends: (xyz, boxes_at(xyz), ends, ends), boxes_of_points_in_cloud
    ),
    "box_iou": Row(
        "box_iou",
        lambda xyz, ends: (boxes_at(xyz), boxes_at(xyz + 0.01)[::3], "3d"),
        assert_equal=assert_same_overlaps,
    ),
    "nms": Row(
        "nms",
        lambda xyz, ends: (boxes_at(xyz), xyz[:, 2], 0.137, None, ends),
        kept_of_cloud,
        fits=is_finite_seen_from_above,
    ),
    "nms of groups": Row(
        "nms",
        lambda xyz, ends: (boxes_at(xyz), xyz[:, 2], 0.237, (xyz[:, 0] > 0).long(), ends, 10, "3d"),
        kept_of_cloud,
        fits=is_finite,
    ),
}
