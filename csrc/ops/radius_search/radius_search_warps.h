// radius_search without a number of neighbours as CUDA runs it, for a machine that may also be the host: count, add up,
// write, then sort each query's own.
#pragma once

#include "ops/knn/knn_warps.h"

namespace geopt::warp {

// Calls found(lane, candidate) for all candidates below `limit` of the queries of a group, in no order that matters.
template <class Found>
GEOPT_HD void find_within(
    const Tree& tree, const Tree& queries, const Group& group, Candidate limit, Pending& pending, const Found& found) {
  if (group.keys.num_rows == 0) return;
  Lanes lanes;
  lanes.start(group, [&](int) { return limit; });
  const Point* points = tree.points + kWarp * first_item(group.keys.first_row, group.keys.index, 0);
  const int64_t first_leaf = nearest_leaf(tree, queries, group);
  Walk walk(tree, group, first_leaf, pending);
  for (int64_t leaf = first_leaf; leaf >= 0; leaf = walk.next(lanes))
    each_lane([&](int lane) {
      const float reach = candidate_distance(lanes.bound[lane]);
      for (int i = 0; i < kWarp; ++i) {
        const Point p = points[kWarp * leaf + i];
        const float distance = lanes.distance(lane, p);
        if (!(distance <= reach)) continue;
        const Candidate candidate = make_candidate(distance, p.row);
        if (candidate < lanes.bound[lane]) found(lane, candidate);
      }
    });
}

struct CountWithin {
  Tree tree, queries;
  Candidate limit;
  int64_t* row_splits;  // the count of a query goes to the place behind its own
  using Memory = Pending;

  GEOPT_HD_MEMBER void operator()(int64_t item, Memory& pending) const {
    Group group;
    if (!find_group(tree, queries, item, group)) return;
    PerLane<int64_t> count;
    each_lane([&](int lane) { count[lane] = 0; });
    find_within(tree, queries, group, limit, pending, [&](int lane, Candidate) { ++count[lane]; });
    each_lane([&](int lane) {
      const uint32_t row = group.points[lane].row;
      if (row != kNoRow) row_splits[group.queries.first_row + row + 1] = count[lane];
    });
  }
};

struct BeginSplits {
  int64_t* row_splits;
  GEOPT_HD_MEMBER void operator()(int64_t) const { row_splits[0] = 0; }
};

struct WriteWithin {
  Tree tree, queries;
  Candidate limit;
  const int64_t* row_splits;
  Candidate* found;  // where the indices will be
  using Memory = Pending;

  GEOPT_HD_MEMBER void operator()(int64_t item, Memory& pending) const {
    Group group;
    if (!find_group(tree, queries, item, group)) return;
    PerLane<int64_t> out;
    each_lane([&](int lane) {
      const uint32_t row = group.points[lane].row;
      out[lane] = row == kNoRow ? 0 : row_splits[group.queries.first_row + row];  // nothing is found without a row
    });
    find_within(
        tree, queries, group, limit, pending, [&](int lane, Candidate candidate) { found[out[lane]++] = candidate; });
  }
};

// Sorts the candidates of one query and takes them apart.
struct SortWithin {
  Tree tree, queries;
  const int64_t* row_splits;
  int64_t* indices;
  float* distances;
  struct Memory {};

  GEOPT_HD_MEMBER void operator()(int64_t query, Memory&) const {
    const int64_t begin = row_splits[query], count = row_splits[query + 1] - begin;
    if (count == 0) return;
    const int64_t first_row = cloud_at(tree, cloud_of(queries, query, -1).index).first_row;
    sort_by_lanes(reinterpret_cast<Candidate*>(indices) + begin, count);
    each_lane([&](int lane) {
      for (int64_t i = begin + lane; i < begin + count; i += kWarp) {
        const Candidate candidate = static_cast<Candidate>(indices[i]);
        indices[i] = first_row + candidate_row(candidate);
        distances[i] = candidate_distance(candidate);
      }
    });
  }
};

// The trees stay in the workspace for the second step.
template <class Machine>
int radius_search_count(
    Machine machine, const NeighborProblem& of, Candidate limit, void* memory, int64_t bytes, int64_t* row_splits) {
  Workspace workspace(memory);
  const SearchTrees trees = cut_trees(workspace, machine, of);
  if (workspace.used() > bytes) return 1;  // cudaErrorInvalidValue
  build(machine, trees, of);
  machine.each(1, BeginSplits{row_splits});
  machine.each_warp(level_size(trees.queries, 0), CountWithin{trees.keys, trees.queries, limit, row_splits});
  machine.sum(row_splits, of.n + 1);
  return machine.error();
}

template <class Machine>
int radius_search_write(
    Machine machine, const NeighborProblem& of, Candidate limit, void* memory, const int64_t* row_splits,
    int64_t* indices, float* distances) {
  Workspace workspace(memory);
  const SearchTrees trees = cut_trees(workspace, machine, of);
  machine.each_warp(
      level_size(trees.queries, 0),
      WriteWithin{trees.keys, trees.queries, limit, row_splits, reinterpret_cast<Candidate*>(indices)});
  machine.each_warp(of.n, SortWithin{trees.keys, trees.queries, row_splits, indices, distances});
  return machine.error();
}

}  // namespace geopt::warp
