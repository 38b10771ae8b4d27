// knn as CUDA runs it, for a machine that may also be the host (common/warp_cuda.cuh, common/warp_host.h).
#pragma once

#include "common/warp_search.h"
#include "ops/knn/knn.h"

namespace geopt::warp {

// A tree over the keys, and the queries in leaves along its curves; the tree's own where both are the same.
struct SearchTrees {
  Tree keys, queries;
};

template <class Machine>
SearchTrees cut_trees(Workspace& workspace, Machine& machine, const NeighborProblem& of) {
  SearchTrees trees;
  trees.keys = cut_tree(workspace, of.key, of.key_offsets, of.m, of.num_clouds, nullptr);
  trees.queries = of.own_points()
      ? trees.keys
      : cut_tree(workspace, of.query, of.query_offsets, of.n, of.num_clouds, &trees.keys);
  machine.take_temporary(workspace, of.n > of.m ? of.n : of.m);
  return trees;
}

template <class Machine>
void build(Machine& machine, const SearchTrees& trees, const NeighborProblem& of) {
  build(machine, trees.keys);
  if (!of.own_points()) sort_into_leaves(machine, trees.queries, false);
}

// Writes rows of the batch and distances, a query after the other so that writes are whole lines of memory.
struct WriteNeighbors {
  int64_t k;
  int64_t* indices;
  float* distances;

  template <int K>
  GEOPT_HD_MEMBER void write(
      const Group& group, int64_t first, int width, Nearest<K>& nearest, typename Nearest<K>::Memory& memory) const {
    each_lane([&](int lane) {
      GEOPT_UNROLL
      for (int i = 0; i < K; ++i) memory.waiting[i][lane] = nearest[lane].c[i];
    });
    for (int query = 0; query < kWarp; ++query) {
      const uint32_t row = group.points[query].row;
      if (row == kNoRow) break;
      each_lane([&](int lane) {
        if (lane >= width) return;
        const Candidate found = memory.waiting[K - width + lane][query];
        const int64_t out = (group.queries.first_row + row) * k + first + lane;
        indices[out] = found < kFarthest ? group.keys.first_row + candidate_row(found) : -1;
        distances[out] = candidate_distance(found);
      });
    }
  }
};

// At most 4, 16 or 32 nearest at a time: wider lists take more registers and more comparisons for each candidate.
template <class Machine, class Sink>
void search_nearest(Machine& machine, const SearchTrees& trees, int64_t k, Candidate limit, const Sink& sink) {
  const int64_t groups = level_size(trees.queries, 0);
  if (k <= 4) machine.each_warp(groups, SearchNearest<4, Sink>{trees.keys, trees.queries, k, limit, sink});
  else if (k <= 16) machine.each_warp(groups, SearchNearest<16, Sink>{trees.keys, trees.queries, k, limit, sink});
  else machine.each_warp(groups, SearchNearest<32, Sink>{trees.keys, trees.queries, k, limit, sink});
}

template <class Machine>
int knn(
    Machine machine, const NeighborProblem& of, int64_t k, Candidate limit, void* memory, int64_t bytes,
    int64_t* indices, float* distances) {
  Workspace workspace(memory);
  const SearchTrees trees = cut_trees(workspace, machine, of);
  if (workspace.used() > bytes) return 1;  // cudaErrorInvalidValue
  build(machine, trees, of);
  search_nearest(machine, trees, k, limit, WriteNeighbors{k, indices, distances});
  return machine.error();
}

template <class Machine>
int64_t workspace_bytes(Machine machine, const NeighborProblem& of) {
  Workspace workspace(nullptr);
  cut_trees(workspace, machine, of);
  return workspace.used();
}

}  // namespace geopt::warp
