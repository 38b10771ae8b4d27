// Which leaves of a tree a group of queries needs, for kernel files (see simd.h).
#pragma once

#include "common/nearest16.h"
#include "common/vec.h"

namespace geopt::GEOPT_LEVEL {
namespace {

constexpr float kInfinity = __builtin_inff();

GEOPT_INLINE Floats squared_length(Floats x, Floats y, Floats z) { return (x * x + y * y) + z * z; }

GEOPT_INLINE Floats axis_gap(Floats low, Floats high, Floats lower, Floats upper) {
  return most(most(lower - high, low - upper), Floats{});
}

// first, first + 1, ...
GEOPT_INLINE Ints count_from(int32_t first) {
  Ints v;
  for (int i = 0; i < kWidth; ++i) v[i] = i;
  return v + first;
}

// The box of some queries and their largest bound.
struct Range {
  float low[3], high[3], bound;
};

// Lanes [first, end) of 16 numbers, and in place of the others the first of these.
GEOPT_INLINE Floats load_some(const float* values, int c, int first, int end) {
  const Ints lane = count_from(c);
  return ((lane >= first) & (lane < end)) ? load(values + c) : all(values[first]);
}

Range range_of(const QueryGroup& group, const float* bounds, int first, int end) {
  Range range;
  for (int a = 0; a < 3; ++a) {
    Floats low = load_some(group.xyz[a], 0, first, end), high = low;
    for (int c = kWidth; c < kLanes; c += kWidth) {
      const Floats v = load_some(group.xyz[a], c, first, end);
      low = least(low, v), high = most(high, v);
    }
    range.low[a] = lowest(low), range.high[a] = highest(high);
  }
  Floats bound = load_some(bounds, 0, first, end);
  for (int c = kWidth; c < kLanes; c += kWidth) bound = most(bound, load_some(bounds, c, first, end));
  range.bound = highest(bound);
  return range;
}

// The bits of the lanes from c on.
GEOPT_INLINE uint32_t part_of(uint32_t mask, int c) { return mask >> c & ((1u << kWidth) - 1); }

// The squared distances of children [c, c + kWidth) of a node from the queries.
GEOPT_INLINE Floats gaps_of_children(const Node& node, int c, const Range& range) {
  return squared_length(
      axis_gap(all(range.low[0]), all(range.high[0]), load(node.lower[0] + c), load(node.upper[0] + c)),
      axis_gap(all(range.low[1]), all(range.high[1]), load(node.lower[1] + c), load(node.upper[1] + c)),
      axis_gap(all(range.low[2]), all(range.high[2]), load(node.lower[2] + c), load(node.upper[2] + c)));
}

// Which children of a node may hold a point that one of the queries looks for.
GEOPT_INLINE uint32_t near_children(const Node& node, const Range& range) {
  uint32_t near = 0;
  for (int c = 0; c < kFanout; c += kWidth)
    near |= mask_of_at_most(gaps_of_children(node, c, range), all(range.bound)) << c;
  return near;
}

// Lists the leaves that may hold such a point, with their boxes, from place `begin` on. Returns where the list ends, or
// -1 when there are more than fit.
int list_leaves(const TreeView& tree, const Range& range, int begin, SearchSpace& space) {
  const int room = kMaxListed - begin;
  int32_t list[2][kMaxListed + kFanout];
  int size = 1;
  list[tree.num_levels & 1][0] = 0;
  for (int level = tree.num_levels; level > 1; --level) {
    const Node* nodes = tree.nodes + tree.level_nodes[level - 1];
    const int32_t* from = list[level & 1];
    int32_t* to = list[~level & 1];
    int found = 0;
    for (int j = 0; j < size; ++j) {
      const uint32_t near = near_children(nodes[from[j]], range);
      for (int c = 0; c < kFanout; c += kWidth)
        found += pack(to + found, count_from(from[j] * kFanout + c), part_of(near, c));
      if (found > room) return -1;
    }
    size = found;
  }
  const Node* nodes = tree.nodes + tree.level_nodes[0];
  int end = begin;
  for (int j = 0; j < size; ++j) {
    const int32_t parent = list[1][j];
    const Node& node = nodes[parent];
    const uint32_t near = near_children(node, range);
    for (int c = 0; c < kFanout; c += kWidth) {
      const uint32_t part = part_of(near, c);
      for (int a = 0; a < 3; ++a) {
        pack(space.box[a] + end, load(node.lower[a] + c), part);
        pack(space.box[3 + a] + end, load(node.upper[a] + c), part);
      }
      end += pack(space.leaf + end, count_from(parent * kFanout + c), part);
    }
    if (end > begin + room) return -1;
  }
  // Boxes are read a vector at a time: those past the last are infinitely far.
  for (int a = 0; a < 6; ++a) store(space.box[a] + end, all(a < 3 ? kInfinity : -kInfinity));
  return end;
}

// Which of the leaves listed at [begin, end) may hold a point within its bound of a query. Returns how many.
GEOPT_INLINE int list_near(
    Floats x, Floats y, Floats z, Floats limit, int begin, int end, const SearchSpace& space,
    int32_t near[kMaxListed + kLanes]) {
  int num_near = 0;
  for (int c = begin; c < end; c += kWidth) {
    const Floats gap = squared_length(
        axis_gap(x, x, load(space.box[0] + c), load(space.box[3] + c)),
        axis_gap(y, y, load(space.box[1] + c), load(space.box[4] + c)),
        axis_gap(z, z, load(space.box[2] + c), load(space.box[5] + c)));
    num_near += pack(near + num_near, count_from(c), mask_of_at_most(gap, limit));
  }
  return num_near;
}

}  // namespace
}  // namespace geopt::GEOPT_LEVEL
