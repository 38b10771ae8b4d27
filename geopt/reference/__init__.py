"""Every op again in plain torch, with the same signature: the explanation, and what the kernels are tested against."""

from geopt.reference.cell_pca import cell_pca
from geopt.reference.cell_sums import cell_sums
from geopt.reference.segment_reduce import segment_reduce
from geopt.reference.voxelize import voxel_index, voxelize

__all__ = ["cell_pca", "cell_sums", "segment_reduce", "voxel_index", "voxelize"]
