// One thread adds the points of a voxel up in row order: the same bits as the CPU's.
#include "common/launch.h"
#include "ops/voxel_downsample/voxel_downsample.h"

namespace geopt {
namespace {

constexpr int kThreads = 128;

__global__ void __launch_bounds__(kThreads) average_voxels(
    const float* xyz, const int64_t* order, const int64_t* keys, const int64_t* starts, int64_t num_voxels,
    KeyLayout layout, VoxelMeans voxels) {
  for (int64_t i = first_thread(); i < num_voxels; i += num_threads()) {
    const int64_t begin = starts[i], end = starts[i + 1];
    float sum[3] = {0.0f, 0.0f, 0.0f};
    for (int64_t at = begin; at < end; ++at) {
      const float* const p = xyz + 3 * order[at];
      for (int a = 0; a < 3; ++a) sum[a] += p[a];
    }
    for (int a = 0; a < 3; ++a) voxels.means[3 * i + a] = sum[a] / static_cast<float>(end - begin);
    voxels.num_points[i] = end - begin;
    cell_of_key(layout, keys[i], voxels.coords + 4 * i);
  }
}

}  // namespace

int voxel_means_cuda(
    const float* xyz, const int64_t* order, const int64_t* keys, const int64_t* starts, int64_t num_voxels,
    const KeyLayout& layout, const VoxelMeans& voxels, void* stream) {
  average_voxels<<<blocks_for(num_voxels, kThreads), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(
      xyz, order, keys, starts, num_voxels, layout, voxels);
  return cudaGetLastError();
}

}  // namespace geopt
