"""Every op again in plain torch, with the same signature: the explanation, and what the kernels are tested against."""

from geopt.reference.segment_reduce import segment_reduce
from geopt.reference.voxelize import voxel_index, voxelize

__all__ = ["segment_reduce", "voxel_index", "voxelize"]
