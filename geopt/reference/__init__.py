"""Every op again in plain torch, with the same signature: the explanation, and what the kernels are tested against."""

from geopt.reference.box_iou import box_iou
from geopt.reference.cell_coords import cell_coords
from geopt.reference.cell_pca import cell_pca
from geopt.reference.cell_sums import cell_sums
from geopt.reference.chamfer_distance import chamfer_distance
from geopt.reference.farthest_point_sample import farthest_point_sample
from geopt.reference.knn import knn
from geopt.reference.local_pca import local_pca
from geopt.reference.nms import nms
from geopt.reference.points_in_boxes import points_in_boxes
from geopt.reference.radius_search import radius_search
from geopt.reference.segment_reduce import segment_reduce
from geopt.reference.voxel_downsample import voxel_downsample
from geopt.reference.voxelize import voxel_index, voxelize

__all__ = [
    "box_iou",
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
