// The one nearest point of each query of a group, for kernel files (see simd.h).
//
// Lanes are queries. A walk of the tree takes the boxes that are nearest to all of them first, and compares every query
// with every point of a leaf that one of them needs: most leaves that one needs, its neighbours need too.
#pragma once

#include "common/leaf_list.h"
#include "common/vec.h"

namespace geopt::GEOPT_LEVEL {
namespace {

constexpr int kSeeds = 4;  // leaves beside the queries along the curve that are looked at first

struct alignas(64) NearestSoFar {
  float distance[kLanes];  // or how far the nearest point may be; below 0 for queries that look for nothing
  int32_t leaf[kLanes];    // that holds it, or -1
  int32_t slot[kLanes];    // its place there, where `known` has a bit
  uint32_t known;
};

// Where in its leaf the nearest point of query q is: at a tie the one with the lowest row.
int slot_of(const TreeView& tree, const QueryGroup& group, int q, NearestSoFar& so_far) {
  if (so_far.known >> q & 1) return so_far.slot[q];
  const Leaf& leaf = tree.leaves[so_far.leaf[q]];
  const Floats x = all(group.xyz[0][q]), y = all(group.xyz[1][q]), z = all(group.xyz[2][q]);
  const Floats nearest = all(so_far.distance[q]);
  uint32_t found = 0;
  for (int c = 0; c < kLeafSize; c += kWidth) {
    const Floats d = squared_length(x - load(leaf.xyz[0] + c), y - load(leaf.xyz[1] + c), z - load(leaf.xyz[2] + c));
    found |= mask_of_at_most(d, nearest) << c;
  }
  int slot = __builtin_ctz(found);
  for (found &= found - 1; found; found &= found - 1)
    if (leaf.row[__builtin_ctz(found)] < leaf.row[slot]) slot = __builtin_ctz(found);
  so_far.slot[q] = slot;
  so_far.known |= 1u << q;
  return slot;
}

uint32_t row_of(const TreeView& tree, const QueryGroup& group, int q, NearestSoFar& so_far) {
  if (so_far.leaf[q] < 0) return kNoRow;
  return tree.leaves[so_far.leaf[q]].row[slot_of(tree, group, q, so_far)];
}

// Compares queries [c, c + kWidth) with all points of a leaf that was not looked at yet.
GEOPT_INLINE void look_at(
    const TreeView& tree, const QueryGroup& group, int32_t number, int c, NearestSoFar& so_far) {
  const Leaf& leaf = tree.leaves[number];
  const Floats x = load(group.xyz[0] + c), y = load(group.xyz[1] + c), z = load(group.xyz[2] + c);
  Floats low[4];
  for (int i = 0; i < 4; ++i) low[i] = all(kInfinity);  // four, so that none waits for the one before
#pragma GCC unroll 16
  for (int i = 0; i < kLeafSize; ++i)
    low[i & 3] = least(low[i & 3], squared_length(x - leaf.xyz[0][i], y - leaf.xyz[1][i], z - leaf.xyz[2][i]));
  const Floats here = least(least(low[0], low[1]), least(low[2], low[3])), before = load(so_far.distance + c);
  const uint32_t reached = mask_of_at_most(here, before);
  if (reached == 0) return;
  const Ints leaf_before = load(so_far.leaf + c);
  const Ints better = (here < before) | ((here == before) & (leaf_before < 0));
  store(so_far.distance + c, least(here, before));
  store(so_far.leaf + c, better ? all(number) : leaf_before);
  const uint32_t is_better = mask_of(better);
  so_far.known &= ~(is_better << c);
  for (uint32_t tied = reached & ~is_better; tied; tied &= tied - 1) {
    const int q = c + __builtin_ctz(tied);
    const int32_t other = so_far.leaf[q];
    const int slot = slot_of(tree, group, q, so_far);
    so_far.leaf[q] = number, so_far.known &= ~(1u << q);
    if (leaf.row[slot_of(tree, group, q, so_far)] > tree.leaves[other].row[slot])
      so_far.leaf[q] = other, so_far.slot[q] = slot;
  }
}

// Whether one of queries [c, c + kWidth) may find in child i of a node what is nearer, or as near and of a lower row.
GEOPT_INLINE bool is_needed(
    const TreeView& tree, const QueryGroup& group, const Node& node, int i, int c, NearestSoFar& so_far) {
  const Floats x = load(group.xyz[0] + c), y = load(group.xyz[1] + c), z = load(group.xyz[2] + c);
  const Floats gap = squared_length(
      axis_gap(x, x, all(node.lower[0][i]), all(node.upper[0][i])),
      axis_gap(y, y, all(node.lower[1][i]), all(node.upper[1][i])),
      axis_gap(z, z, all(node.lower[2][i]), all(node.upper[2][i])));
  const Floats distance = load(so_far.distance + c);
  const uint32_t near = mask_of_at_most(gap, distance), as_near = mask_of_at_most(distance, gap) & near;
  if (near != as_near) return true;
  for (uint32_t left = as_near; left; left &= left - 1)
    if (node.first_row[i] < row_of(tree, group, c + __builtin_ctz(left), so_far)) return true;
  return false;
}

// What the walk of a group knows.
struct Walk {
  const TreeView& tree;
  const QueryGroup& group;
  int64_t first, last;  // leaves that were looked at before
  Range range;
  NearestSoFar& so_far;
};

// The highest row of those at the bound.
uint32_t last_row_at_bound(Walk& walk) {
  uint32_t last = 0;
  for (int q = 0; q < kLanes; ++q) {
    if (walk.so_far.distance[q] != walk.range.bound) continue;
    const uint32_t row = row_of(walk.tree, walk.group, q, walk.so_far);
    last = row > last ? row : last;
  }
  return last;
}

GEOPT_INLINE float highest_of_16(const float* values) {
  Floats v = load(values);
  for (int c = kWidth; c < 16; c += kWidth) v = most(v, load(values + c));
  return highest(v);
}

// Looks at the leaves among the children of a node where a query may find something.
void look_at_leaves(Walk& walk, int64_t index) {
  const Node& node = walk.tree.nodes[walk.tree.level_nodes[0] + index];
  for (uint32_t near = near_children(node, walk.range); near; near &= near - 1) {
    const int i = __builtin_ctz(near);
    const int64_t leaf = index * kFanout + i;
    if (leaf >= walk.first && leaf < walk.last) continue;
    for (int c = 0; c < kLanes; c += kWidth)
      if (is_needed(walk.tree, walk.group, node, i, c, walk.so_far))
        look_at(walk.tree, walk.group, static_cast<int32_t>(leaf), c, walk.so_far);
  }
  walk.range.bound = highest_of_16(walk.so_far.distance);
}

// The same for all leaves under a node, by way of the nearest boxes.
void look_under(Walk& walk, int level, int64_t index) {
  if (level == 1) return look_at_leaves(walk, index);
  const Node& node = walk.tree.nodes[walk.tree.level_nodes[level - 1] + index];
  alignas(64) float gaps[kFanout];
  for (int c = 0; c < kFanout; c += kWidth) store(gaps + c, gaps_of_children(node, c, walk.range));
  for (uint32_t left = (1u << kFanout) - 1;;) {
    uint32_t near = 0;
    for (int c = 0; c < kFanout; c += kWidth) near |= mask_of_at_most(load(gaps + c), all(walk.range.bound)) << c;
    left &= near;
    if (left == 0) return;
    int i = __builtin_ctz(left);
    for (uint32_t others = left & (left - 1); others; others &= others - 1)
      i = gaps[__builtin_ctz(others)] < gaps[i] ? __builtin_ctz(others) : i;
    left &= ~(1u << i);
    if (gaps[i] == walk.range.bound && node.first_row[i] >= last_row_at_bound(walk)) continue;
    look_under(walk, level - 1, index * kFanout + i);
  }
}

// find_nearest (nearest16.h) for k = 1.
int find_nearest_one(
    const TreeView& tree, const QueryGroup& group, int begin, int64_t middle, float reach, Neighborhoods& out) {
  NearestSoFar so_far;
  so_far.known = 0;
  for (int q = 0; q < kLanes; ++q) so_far.leaf[q] = -1, so_far.distance[q] = q < begin || q >= group.count ? -1 : reach;
  const int64_t before = middle > kSeeds / 2 ? middle - kSeeds / 2 : 0;
  const int64_t last = before + kSeeds < tree.num_leaves ? before + kSeeds : tree.num_leaves;
  const int64_t first = last > kSeeds ? last - kSeeds : 0;
  for (int64_t l = first; l < last; ++l)
    for (int c = 0; c < kLanes; c += kWidth) look_at(tree, group, static_cast<int32_t>(l), c, so_far);
  int end = begin;
  while (end < group.count && so_far.distance[end] < kInfinity) ++end;
  if (end == begin) return begin;
  for (int q = end; q < group.count; ++q) so_far.distance[q] = -1;

  Walk walk{tree, group, first, last, range_of(group, so_far.distance, begin, end), so_far};
  look_under(walk, tree.num_levels, 0);
  for (int q = begin; q < end; ++q) {
    if (so_far.leaf[q] < 0) {
      out.distance[0][q] = kInfinity, out.row[0][q] = -1;
      continue;
    }
    const Leaf& leaf = tree.leaves[so_far.leaf[q]];
    const int slot = slot_of(tree, group, q, so_far);
    out.distance[0][q] = so_far.distance[q];
    out.row[0][q] = static_cast<int32_t>(leaf.row[slot]);
    for (int a = 0; a < 3; ++a) out.xyz[a][0][q] = leaf.xyz[a][slot];
  }
  return end;
}

}  // namespace
}  // namespace geopt::GEOPT_LEVEL
