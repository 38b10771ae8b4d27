// One sort by nested voxel key: the base of voxels, levels, moments and targets.
#pragma once

#include <cstdint>
#include <vector>

#include "common/voxel_key.h"

namespace geopt {

// What one sort tells of a batch. Level 0 is the token level, the last level the finest.
struct VoxelIndex {
  int64_t num_kept;                          // points inside
  int64_t* order;                            // (num_kept,) their rows by key, ties by row
  int64_t* point_to_token;                   // (n,) rows of level 0, or -1 outside the grid
  std::vector<std::vector<int64_t>> keys;    // per level (M_l,) ascending, batch included
  std::vector<std::vector<int64_t>> starts;  // per level (M_l + 1,) into order
};

// xyz (n, 3), offsets (num_clouds + 1). Writes order, which has room for all n, and point_to_token.
VoxelIndex voxel_index_cpu(
    const float* xyz, int64_t n, const int64_t* offsets, int64_t num_clouds, const KeyLayout& layout, int64_t* order,
    int64_t* point_to_token);

#ifdef GEOPT_WITH_CUDA
// The same in two steps on a stream, since the sizes are known only after the sort.
// Bytes of workspace; sorted keys and rows stay in it between the steps.
int64_t voxel_index_cuda_workspace(int64_t n, int64_t num_clouds, const KeyLayout& layout);
// Sorts and counts: counts is (2 + num_levels) int64 on the device: K, then M_l per level, then how many offsets are
// wrong. With wrong ones nothing is read out of bounds, and nothing else is right. Returns a cudaError_t.
int voxel_index_cuda_sort(
    const float* xyz, int64_t n, const int64_t* offsets, int64_t num_clouds, const KeyLayout& layout, void* workspace,
    int64_t workspace_bytes, int64_t* counts, void* stream);
// Writes the results; keys and starts are laid one level after the other (starts with M_l + 1 each).
int voxel_index_cuda_write(
    int64_t n, int64_t num_clouds, const KeyLayout& layout, const int64_t* host_counts, void* workspace, int64_t* order,
    int64_t* point_to_token, int64_t* keys, int64_t* starts, void* stream);
#endif

}  // namespace geopt
