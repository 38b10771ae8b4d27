// The mean of the points in each voxel.
#pragma once

#include <cstdint>
#include <functional>

#include "common/voxel_key.h"

namespace geopt {

// Of M voxels, ascending by key.
struct VoxelMeans {
  int32_t* coords;      // (M, 4): batch, x, y, z
  float* means;         // (M, 3): of the points in row order
  int64_t* num_points;  // (M,)
};

// xyz (n, 3), offsets (num_clouds + 1), a layout of one level. Writes point_to_voxel (n), -1 outside, and what
// allocate(M), called once, gives room for.
void voxel_downsample_cpu(
    const float* xyz, int64_t n, const int64_t* offsets, int64_t num_clouds, const KeyLayout& layout,
    int64_t* point_to_voxel, const std::function<VoxelMeans(int64_t)>& allocate);

#ifdef GEOPT_WITH_CUDA
// From a voxel index of one level: order, and keys and starts of num_voxels voxels.
int voxel_means_cuda(
    const float* xyz, const int64_t* order, const int64_t* keys, const int64_t* starts, int64_t num_voxels,
    const KeyLayout& layout, const VoxelMeans& voxels, void* stream);
#endif

}  // namespace geopt
