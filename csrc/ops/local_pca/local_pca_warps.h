// local_pca as CUDA runs it, for a machine that may also be the host: the search of knn, then a plane for each point.
#pragma once

#include "ops/knn/knn_warps.h"
#include "ops/local_pca/local_pca.h"

namespace geopt::warp {

// Keeps rows of the cloud (kNoRow where there is none) as the lanes that read them want them.
struct KeepRows {
  int64_t k;
  uint32_t* rows;  // for each leaf (k, 32)

  template <int K>
  GEOPT_HD_MEMBER void write(
      const Group& group, int64_t first, int width, Nearest<K>& nearest, typename Nearest<K>::Memory&) const {
    uint32_t* out = rows + (group.item * k + first) * kWarp;
    each_lane([&](int lane) {
      GEOPT_UNROLL
      for (int i = 0; i < K; ++i)
        if (i >= K - width) out[(i - (K - width)) * kWarp + lane] = candidate_row(nearest[lane].c[i]);
    });
  }
};

struct FitPlanes {
  Tree tree;
  int64_t k;
  const uint32_t* rows;
  float *normals, *eigenvalues;
  int64_t* num_neighbors;

  // For lane i % 32 of leaf i / 32, gaps included.
  GEOPT_HD_MEMBER void operator()(int64_t i) const {
    const int64_t item = i / kWarp, lane = i % kWarp;
    const Cloud cloud = cloud_of(tree, item, 0);
    if (item - first_item(cloud.first_row, cloud.index, 0) >= num_items(cloud.num_rows, 0)) return;
    const uint32_t row = tree.points[i].row;
    if (row == kNoRow) return;
    const uint32_t* neighbors = rows + item * k * kWarp + lane;
    int64_t found = 0;
    while (found < k && neighbors[found * kWarp] != kNoRow) ++found;
    const float* points = tree.xyz + 3 * cloud.first_row;
    const int64_t out = cloud.first_row + row;
    PlaneFit fit{};
    if (found > 0)
      fit = plane_around(found, [&](int64_t n) { return points + 3 * int64_t{neighbors[n * kWarp]}; });
    normals[3 * out] = fit.x, normals[3 * out + 1] = fit.y, normals[3 * out + 2] = fit.z;
    eigenvalues[3 * out] = fit.low, eigenvalues[3 * out + 1] = fit.middle, eigenvalues[3 * out + 2] = fit.high;
    num_neighbors[out] = found;
  }
};

struct PlaneBuffers {
  SearchTrees trees;
  uint32_t* rows;
  int64_t searched, total;
};

template <class Machine>
PlaneBuffers cut_for_planes(void* memory, Machine& machine, const NeighborProblem& of, int64_t k) {
  Workspace workspace(memory);
  PlaneBuffers buffers{};
  buffers.searched = k < of.n ? k : of.n;
  buffers.trees = cut_trees(workspace, machine, of);
  buffers.rows = workspace.take<uint32_t>(buffers.searched * kWarp * level_size(buffers.trees.keys, 0));
  buffers.total = workspace.used();
  return buffers;
}

template <class Machine>
int local_pca(
    Machine machine, const NeighborProblem& of, int64_t k, void* memory, int64_t bytes, float* normals,
    float* eigenvalues, int64_t* num_neighbors) {
  const PlaneBuffers b = cut_for_planes(memory, machine, of, k);
  if (b.total > bytes) return 1;  // cudaErrorInvalidValue
  build(machine, b.trees, of);
  search_nearest(machine, b.trees, b.searched, kFarthest, KeepRows{b.searched, b.rows});
  machine.each(
      kWarp * level_size(b.trees.keys, 0),
      FitPlanes{b.trees.keys, b.searched, b.rows, normals, eigenvalues, num_neighbors});
  return machine.error();
}

}  // namespace geopt::warp
