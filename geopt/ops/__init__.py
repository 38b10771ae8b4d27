"""Geometry ops on batched point clouds: C++ on the CPU, CUDA where a kernel exists.

Clouds of a batch lie one after the other; ``offsets`` says where each begins. ``backends()`` says what runs where.
"""

from geopt.ops._library import backends, build_info
from geopt.ops.box_iou import box_iou
from geopt.ops.cell_coords import cell_coords
from geopt.ops.cell_pca import cell_pca
from geopt.ops.cell_sums import cell_sums
from geopt.ops.chamfer_distance import chamfer_distance
from geopt.ops.farthest_point_sample import farthest_point_sample
from geopt.ops.knn import knn
from geopt.ops.local_pca import local_pca
from geopt.ops.nms import nms
from geopt.ops.points_in_boxes import points_in_boxes
from geopt.ops.radius_search import radius_search
from geopt.ops.segment_reduce import segment_reduce
from geopt.ops.voxel_downsample import voxel_downsample
from geopt.ops.voxelize import voxel_index, voxelize

__all__ = [
    "backends",
    "box_iou",
    "build_info",
    "cell_coords",
    "cell_pca",
    "cell_sums",
    "chamfer_distance",
    "farthest_point_sample",
    "knn",
    "local_pca",
    "nms",
    "points_in_boxes",
    "radius_search",
    "segment_reduce",
    "voxel_downsample",
    "voxel_index",
    "voxelize",
]
