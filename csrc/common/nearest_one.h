// The one nearest point of a query, for kernel files (see simd.h).
#pragma once

#include "common/leaf_list.h"
#include "common/vec.h"

namespace geopt::GEOPT_LEVEL {
namespace {

constexpr int kMaxLevels = 9;  // of a tree: 16 ** 9 points are more than rows can number

// The squared distances of a point from the boxes of all children.
GEOPT_INLINE void gaps_of(const Node& node, const float p[3], float gaps[kFanout]) {
  const Floats x = all(p[0]), y = all(p[1]), z = all(p[2]);
  for (int c = 0; c < kFanout; c += kWidth)
    store(gaps + c, squared_length(
                        axis_gap(x, x, load(node.lower[0] + c), load(node.upper[0] + c)),
                        axis_gap(y, y, load(node.lower[1] + c), load(node.upper[1] + c)),
                        axis_gap(z, z, load(node.lower[2] + c), load(node.upper[2] + c))));
}

GEOPT_INLINE float lowest_of_16(const float* values) {
  Floats v = load(values);
  for (int c = kWidth; c < 16; c += kWidth) v = least(v, load(values + c));
  return lowest(v);
}

// The nearest point of query q alone, depth first by way of the nearest boxes, for places that are so dense that a
// group would have to look at too much. Those of queries [first, q) are known.
void find_one(const TreeView& tree, const QueryGroup& group, int first, int q, float bound, Neighborhoods& out) {
  const float p[3] = {group.xyz[0][q], group.xyz[1][q], group.xyz[2][q]};
  float best = bound;
  if (q > first && out.row[0][q - 1] != -1) {  // what is nearest to the query before lies near this one too
    const float x = p[0] - out.xyz[0][0][q - 1], y = p[1] - out.xyz[1][0][q - 1], z = p[2] - out.xyz[2][0][q - 1];
    best = least(best, (x * x + y * y) + z * z);
  }
  uint32_t best_row = kNoRow;  // so that a point at the bound itself is taken
  alignas(64) float gaps[kMaxLevels + 1][kFanout];  // of the children that are left, else infinity
  int64_t index[kMaxLevels + 1];
  int level = tree.num_levels;
  index[level] = 0;
  gaps_of(tree.nodes[tree.level_nodes[level - 1]], p, gaps[level]);
  while (level <= tree.num_levels) {
    const float gap = lowest_of_16(gaps[level]);
    if (gap > best || gap == kInfinity) {
      ++level;
      continue;
    }
    int child = 0;
    while (gaps[level][child] != gap) ++child;
    gaps[level][child] = kInfinity;
    const Node& node = tree.nodes[tree.level_nodes[level - 1] + index[level]];
    if (gap == best && node.first_row[child] >= best_row) continue;
    const int64_t below = index[level] * kFanout + child;
    if (level > 1) {
      index[--level] = below;
      gaps_of(tree.nodes[tree.level_nodes[level - 1] + below], p, gaps[level]);
      continue;
    }
    const Leaf& leaf = tree.leaves[below];
    alignas(64) float distances[kLeafSize];
    for (int c = 0; c < kLeafSize; c += kWidth)
      store(distances + c, squared_length(
                               all(p[0]) - load(leaf.xyz[0] + c), all(p[1]) - load(leaf.xyz[1] + c),
                               all(p[2]) - load(leaf.xyz[2] + c)));
    const float nearest = lowest_of_16(distances);
    if (nearest > best) continue;
    for (int i = 0; i < kLeafSize; ++i) {
      if (distances[i] != nearest || (nearest == best && leaf.row[i] >= best_row)) continue;
      best = nearest, best_row = leaf.row[i];
      for (int a = 0; a < 3; ++a) out.xyz[a][0][q] = leaf.xyz[a][i];
    }
  }
  out.distance[0][q] = best_row == kNoRow ? kInfinity : best;
  out.row[0][q] = static_cast<int32_t>(best_row);
}

// The nearest point of query q, if it lies within its bound, in the leaves listed at [begin, end).
void find_nearest_listed(
    const TreeView& tree, const QueryGroup& group, int q, float bound, int begin, int end, const SearchSpace& space,
    Neighborhoods& out) {
  const Floats x = all(group.xyz[0][q]), y = all(group.xyz[1][q]), z = all(group.xyz[2][q]);
  int32_t near[kMaxListed + kLanes];
  const int num_near = list_near(x, y, z, all(bound), begin, end, space, near);
  const auto distances = [&](const Leaf& leaf, int c) __attribute__((always_inline)) {
    return squared_length(x - load(leaf.xyz[0] + c), y - load(leaf.xyz[1] + c), z - load(leaf.xyz[2] + c));
  };
  Floats best = all(kInfinity);
  Ints which = Ints{}, tied = Ints{};
  for (int j = 0; j < num_near; ++j)
    for (int c = 0; c < kLeafSize; c += kWidth) {
      const Floats d = distances(tree.leaves[space.leaf[near[j]]], c);
      tied = (d < best) ? Ints{} : tied | (d == best);
      which = (d < best) ? count_from(near[j] * kLeafSize + c) : which;
      best = least(best, d);
    }
  const float nearest = lowest(best);
  if (!(nearest <= bound)) {
    out.distance[0][q] = kInfinity, out.row[0][q] = -1;
    return;
  }
  const uint32_t lanes = mask_of(best == nearest);
  int32_t numbers[kWidth];
  store(numbers, which);
  int32_t number = numbers[__builtin_ctz(lanes)];
  if ((lanes & (lanes - 1)) != 0 || mask_of((best == nearest) & tied) != 0) {  // several: the lowest row
    uint32_t lowest_row = kNoRow;
    for (int j = 0; j < num_near; ++j)
      for (int c = 0; c < kLeafSize; c += kWidth) {
        const Leaf& leaf = tree.leaves[space.leaf[near[j]]];
        for (uint32_t same = mask_of(distances(leaf, c) == nearest); same; same &= same - 1) {
          const int i = c + __builtin_ctz(same);
          if (leaf.row[i] < lowest_row) lowest_row = leaf.row[i], number = near[j] * kLeafSize + i;
        }
      }
  }
  const Leaf& leaf = tree.leaves[space.leaf[number / kLeafSize]];
  out.distance[0][q] = nearest;
  out.row[0][q] = static_cast<int32_t>(leaf.row[number % kLeafSize]);
  for (int a = 0; a < 3; ++a) out.xyz[a][0][q] = leaf.xyz[a][number % kLeafSize];
}

}  // namespace
}  // namespace geopt::GEOPT_LEVEL
