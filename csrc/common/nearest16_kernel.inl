// One group of queries: see nearest16.h. Where vectors run over queries, lane q is query q.
#include "common/nearest16.h"
#include "common/vec.h"

namespace geopt::GEOPT_LEVEL {
namespace {

constexpr int kWindow = 4;  // leaves beside the queries along the curve that give a first bound
constexpr int kMaxLevels = 9;  // 16 ** 9 points are more than rows can number
constexpr int kManyKeys = 64;  // more than a good bound leaves
constexpr float kInfinity = __builtin_inff();

// A key is the distance of a point, less its last bits, and in their place which of the listed points it is: floats
// >= 0 order like their bits, so keys order like distances, up to those that differ in the lost bits alone.
constexpr int32_t kWhich = kMaxListed * kLeafSize - 1;
constexpr int32_t kNoKey = 0x7fffffff;

template <class V>
GEOPT_INLINE void order(V& a, V& b) {
  const V low = least(a, b);
  b = most(a, b);
  a = low;
}

// Sorts each lane. Source: Green's network of 60 comparators, in Knuth, The Art of Computer Programming, volume 3, 5.3.4.
template <class V>
GEOPT_INLINE void sort16(V v[16]) {
#define GEOPT_ORDER(i, j) order(v[i], v[j]);
#define GEOPT_ORDER4(a, b, c, d, e, f, g, h) \
  GEOPT_ORDER(a, b) GEOPT_ORDER(c, d) GEOPT_ORDER(e, f) GEOPT_ORDER(g, h)
  GEOPT_ORDER4(0, 1, 2, 3, 4, 5, 6, 7) GEOPT_ORDER4(8, 9, 10, 11, 12, 13, 14, 15)
  GEOPT_ORDER4(0, 2, 4, 6, 8, 10, 12, 14) GEOPT_ORDER4(1, 3, 5, 7, 9, 11, 13, 15)
  GEOPT_ORDER4(0, 4, 8, 12, 1, 5, 9, 13) GEOPT_ORDER4(2, 6, 10, 14, 3, 7, 11, 15)
  GEOPT_ORDER4(0, 8, 1, 9, 2, 10, 3, 11) GEOPT_ORDER4(4, 12, 5, 13, 6, 14, 7, 15)
  GEOPT_ORDER4(5, 10, 6, 9, 3, 12, 13, 14) GEOPT_ORDER4(4, 8, 7, 11, 1, 2, 1, 4)
  GEOPT_ORDER4(7, 13, 2, 8, 11, 14, 2, 4) GEOPT_ORDER4(5, 6, 9, 10, 11, 13, 3, 8)
  GEOPT_ORDER4(7, 12, 6, 8, 10, 12, 3, 5) GEOPT_ORDER4(7, 9, 3, 4, 5, 6, 7, 8)
  GEOPT_ORDER4(9, 10, 11, 12, 6, 7, 8, 9)
#undef GEOPT_ORDER4
#undef GEOPT_ORDER
}

// Sorts what falls and then rises.
template <class V>
GEOPT_INLINE void sort_bitonic16(V v[16]) {
#pragma GCC unroll 4
  for (int step = 8; step > 0; step /= 2)
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i)
      if (!(i & step)) order(v[i], v[i + step]);
}

// The 16 least of best and v, both sorted, go to best, sorted. Returns the least of the others.
template <class V>
GEOPT_INLINE V merge16(V best[16], const V v[16], V rest) {
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) {
    const V high = most(best[i], v[15 - i]);
    best[i] = least(best[i], v[15 - i]);
    rest = least(rest, high);
  }
  sort_bitonic16(best);
  return rest;
}

GEOPT_INLINE Floats squared_length(Floats x, Floats y, Floats z) { return (x * x + y * y) + z * z; }

GEOPT_INLINE Floats axis_gap(Floats low, Floats high, Floats lower, Floats upper) {
  return most(most(lower - high, low - upper), Floats{});
}

// Squared distance of each query's k-th nearest point in a few leaves: no more than that of its k-th nearest of all.
void bound_queries(
    const TreeView& tree, const QueryGroup& group, int64_t middle, int k, float reach, float bounds[kLanes]) {
  const int64_t last = tree.num_leaves > kWindow ? tree.num_leaves - kWindow : 0;
  const int64_t before = middle > kWindow / 2 ? middle - kWindow / 2 : 0;
  const int64_t begin = before < last ? before : last;
  const int64_t end = begin + kWindow < tree.num_leaves ? begin + kWindow : tree.num_leaves;
  for (int c = 0; c < kLanes; c += kWidth) {
    const Floats x = load(group.xyz[0] + c), y = load(group.xyz[1] + c), z = load(group.xyz[2] + c);
    Floats best[16];
    for (int i = 0; i < 16; ++i) best[i] = all(kInfinity);
    for (int64_t l = begin; l < end; ++l) {
      const Leaf& leaf = tree.leaves[l];
      Floats d[16];
#pragma GCC unroll 16
      for (int i = 0; i < kLeafSize; ++i)
        d[i] = squared_length(x - leaf.xyz[0][i], y - leaf.xyz[1][i], z - leaf.xyz[2][i]);
      if (k == 1) {
        for (int i = 0; i < kLeafSize; ++i) best[0] = least(best[0], d[i]);
      } else {
        sort16(d);
        merge16(best, d, all(kInfinity));
      }
    }
    store(bounds + c, least(best[k - 1], all(reach)));
  }
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

// Which children of a node may hold a point that one of the queries looks for.
GEOPT_INLINE uint32_t near_children(const Node& node, const Range& range) {
  uint32_t near = 0;
  for (int c = 0; c < kFanout; c += kWidth) {
    const Floats gap = squared_length(
        axis_gap(all(range.low[0]), all(range.high[0]), load(node.lower[0] + c), load(node.upper[0] + c)),
        axis_gap(all(range.low[1]), all(range.high[1]), load(node.lower[1] + c), load(node.upper[1] + c)),
        axis_gap(all(range.low[2]), all(range.high[2]), load(node.lower[2] + c), load(node.upper[2] + c)));
    near |= mask_of_at_most(gap, all(range.bound)) << c;
  }
  return near;
}

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

// The nearest point of query q alone, depth first by way of the nearest boxes, for places that are so dense that a group
// would have to look at too much. Those of queries [first, q) are known.
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

// Copies the points of a listed leaf point by point, in an order that `place` tells.
void copy_points(const Leaf& leaf, float to[kLeafSize][4]) {
  for (int c = 0; c < kLeafSize; c += kWidth) {
    Floats a = load(leaf.xyz[0] + c), b = load(leaf.xyz[1] + c), x = load(leaf.xyz[2] + c);
    Floats d = load(reinterpret_cast<const float*>(leaf.row + c));
    transpose_blocks(a, b, x, d);
    store(to[c], a), store(to[c + kWidth / 4], b), store(to[c + 2 * kWidth / 4], x), store(to[c + 3 * kWidth / 4], d);
  }
}

// Where copy_points puts points that are numbered through all listed leaves.
template <class I>
GEOPT_INLINE I place(I which) {
  return (which & ~(kWidth - 1)) | (which & 3) * (kWidth / 4) | (which & (kWidth - 1)) >> 2;
}

// Drops keys that are not among the 16 least, to the bits they have: each of 16 lanes has a key that is no more than the
// greatest of the lanes' least ones. Returns how many stay.
int drop_far_keys(int32_t* keys, int count) {
  for (int i = 0; i < kLanes; i += kWidth) store(keys + count + i, all(kNoKey));
  int32_t lanes[kLanes];
  for (int c = 0; c < kLanes; c += kWidth) {
    Ints lowest = all(kNoKey);
    for (int i = c; i < count; i += kLanes) lowest = least(lowest, load(keys + i));
    store(lanes + c, lowest);
  }
  int32_t highest = 0;
  for (int i = 0; i < kLanes; ++i) highest = lanes[i] > highest ? lanes[i] : highest;
  const Ints limit = all(highest | kWhich);
  int kept = 0;
  for (int i = 0; i < count; i += kWidth) {
    const Ints key = load(keys + i);
    kept += pack(keys + kept, key, mask_of((key <= limit) & (key != kNoKey)));
  }
  return kept;
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

// Keys of the points within its bound of query q, in the leaves listed at [begin, end).
void collect(
    const TreeView& tree, const QueryGroup& group, int q, float bound, int begin, int end, SearchSpace& space) {
  const Floats x = all(group.xyz[0][q]), y = all(group.xyz[1][q]), z = all(group.xyz[2][q]);
  const Floats limit = all(bound);
  int32_t near[kMaxListed + kLanes];
  const int num_near = list_near(x, y, z, limit, begin, end, space, near);
  int32_t* const keys = space.key[q];
  int count = 0;
  for (int j = 0; j < num_near; ++j) {
    const Leaf& leaf = tree.leaves[space.leaf[near[j]]];
#pragma GCC unroll 4
    for (int c = 0; c < kLeafSize; c += kWidth) {
      const Floats d = squared_length(x - load(leaf.xyz[0] + c), y - load(leaf.xyz[1] + c), z - load(leaf.xyz[2] + c));
      const Ints key = (bits(d) & ~kWhich) | count_from(near[j] * kLeafSize + c);
      count += pack(keys + count, key, mask_of_at_most(d, limit));
    }
  }
  space.count[q] = count > kManyKeys ? drop_far_keys(keys, count) : count;
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

// Lane q of v[r] becomes key row + r of query first + q.
GEOPT_INLINE void load_columns(const SearchSpace& space, int first, int row, Ints v[16]) {
#pragma GCC unroll 4
  for (int r = 0; r < 16; r += 4) {
    Floats a, b, c, d;
    load_transposed(
        [&](int q) __attribute__((always_inline)) {
          return reinterpret_cast<const float*>(space.key[first + q] + row + r);
        },
        a, b, c, d);
    v[r] = bits(a), v[r + 1] = bits(b), v[r + 2] = bits(c), v[r + 3] = bits(d);
  }
}

// Sorts one column anew from its keys, exactly: for the few whose lost bits decide.
void repair(const QueryGroup& group, int q, int32_t last, const SearchSpace& space, Neighborhoods& out) {
  Candidate best[kLanes];
  int32_t from[kLanes];
  int size = 0;
  for (int i = 0; i < space.count[q]; ++i) {
    if ((space.key[q][i] & ~kWhich) > (last & ~kWhich)) continue;
    const int32_t which = space.key[q][i] & kWhich;
    const float* p = space.point[place(which)];
    uint32_t row;
    __builtin_memcpy(&row, p + 3, sizeof row);
    const float x = group.xyz[0][q] - p[0], y = group.xyz[1][q] - p[1], z = group.xyz[2][q] - p[2];
    const float d = (x * x + y * y) + z * z;
    uint32_t d_bits;
    __builtin_memcpy(&d_bits, &d, sizeof d_bits);
    const Candidate candidate = uint64_t{d_bits} << 32 | row;
    if (size == kLanes && candidate > best[kLanes - 1]) continue;
    int at = size < kLanes ? size++ : kLanes - 1;
    for (; at > 0 && best[at - 1] > candidate; --at) best[at] = best[at - 1], from[at] = from[at - 1];
    best[at] = candidate, from[at] = which;
  }
  for (int r = 0; r < size; ++r) {
    const uint32_t d_bits = static_cast<uint32_t>(best[r] >> 32);
    __builtin_memcpy(&out.distance[r][q], &d_bits, sizeof d_bits);
    out.row[r][q] = static_cast<int32_t>(best[r]);
    for (int a = 0; a < 3; ++a) out.xyz[a][r][q] = space.point[place(from[r])][a];
  }
}

// Sorts the keys of kWidth queries and writes what they stand for.
void select(const QueryGroup& group, int first, SearchSpace& space, Neighborhoods& out) {
  int most_keys = 1;
  for (int q = first; q < first + kWidth; ++q) most_keys = space.count[q] > most_keys ? space.count[q] : most_keys;
  for (int q = first; q < first + kWidth; ++q)
    for (int i = space.count[q]; i < most_keys + 15; i += kWidth) store(space.key[q] + i, all(kNoKey));
  Ints best[16], rest = all(kNoKey);
  load_columns(space, first, 0, best);
  sort16(best);
  for (int row = 16; row < most_keys; row += 16) {
    Ints v[16];
    load_columns(space, first, row, v);
    sort16(v);
    rest = merge16(best, v, rest);
  }
  const Floats x = load(group.xyz[0] + first), y = load(group.xyz[1] + first), z = load(group.xyz[2] + first);
  Floats before = all(-1.0f);
  Ints row_before = Ints{}, wrong = Ints{};
  const int num_ranks = most_keys < 16 ? most_keys : 16;
  for (int r = num_ranks; r < 16; ++r) {
    store(out.distance[r] + first, all(kInfinity));
    store(out.row[r] + first, all(-1));
  }
  for (int r = 0; r < num_ranks; ++r) {
    int32_t which[kWidth];
    store(which, place(best[r] & kWhich));
    Floats px, py, pz, p_row;
    load_transposed([&](int q) __attribute__((always_inline)) { return space.point[which[q]]; }, px, py, pz, p_row);
    const Ints none = best[r] == kNoKey;
    const Floats d = none ? all(kInfinity) : squared_length(x - px, y - py, z - pz);
    const Ints row = none ? all(-1) : bits(p_row);
    store(out.xyz[0][r] + first, px), store(out.xyz[1][r] + first, py), store(out.xyz[2][r] + first, pz);
    store(out.distance[r] + first, d), store(out.row[r] + first, row);
    // Rows compare as unsigned numbers.
    wrong |= ~none & ((d < before) | ((d == before) & ((row ^ INT32_MIN) < (row_before ^ INT32_MIN))));
    before = d, row_before = row;
  }
  wrong |= (rest != kNoKey) & ((rest & ~kWhich) == (best[15] & ~kWhich));
  for (uint32_t mask = mask_of(wrong); mask; mask &= mask - 1) {
    const int q = __builtin_ctz(mask);
    repair(group, first + q, best[15][q], space, out);
  }
}

}  // namespace

int find_nearest(
    const TreeView& tree, const QueryGroup& group, int begin, int64_t leaf, int k, float reach, SearchSpace& space,
    Neighborhoods& out) {
  alignas(64) float bounds[kLanes];
  bound_queries(tree, group, leaf, k, reach, bounds);
  int bounded = begin;
  while (bounded < group.count && bounds[bounded] < kInfinity) ++bounded;
  int done = begin, num_listed = 0;
  while (done < bounded) {
    int end = bounded;
    int list_end = list_leaves(tree, range_of(group, bounds, done, end), num_listed, space);
    if (list_end < 0 && k == 1) {
      if (done > begin) break;
      for (; done < bounded; ++done) find_one(tree, group, begin, done, bounds[done], out);
      return done;
    }
    while (list_end < 0 && end > done + 1) {
      end = done + (end - done) / 2;
      list_end = list_leaves(tree, range_of(group, bounds, done, end), num_listed, space);
    }
    if (list_end < 0) break;
    if (k == 1) {
      for (int q = done; q < end; ++q) find_nearest_listed(tree, group, q, bounds[q], num_listed, list_end, space, out);
    } else {
      for (int j = num_listed; j < list_end; ++j)
        copy_points(tree.leaves[space.leaf[j]], space.point + j * kLeafSize);
      for (int q = done; q < end; ++q) collect(tree, group, q, bounds[q], num_listed, list_end, space);
    }
    num_listed = list_end, done = end;
  }
  if (done == begin || k == 1) return done;
  for (int q = 0; q < kLanes; ++q)
    if (q < begin || q >= done) space.count[q] = 0;
  for (int first = 0; first < kLanes; first += kWidth) select(group, first, space, out);
  return done;
}

void write_neighbors(
    const QueryGroup& group, const Neighborhoods& found, int begin, int end, int64_t k, int64_t first_row,
    int64_t* indices, float* distances) {
  if (k == 1) {
    for (int q = begin; q < end; ++q) {
      const int32_t row = found.row[0][q];
      indices[group.row[q]] = row == -1 ? int64_t{-1} : first_row + static_cast<uint32_t>(row);
      distances[group.row[q]] = found.distance[0][q];
    }
    return;
  }
  const uintptr_t addresses = reinterpret_cast<uintptr_t>(indices) | reinterpret_cast<uintptr_t>(distances);
  const bool whole_lines = k == kLanes && addresses % 64 == 0;
  for (int first = begin / 4 * 4; first < end; first += 4) {
    alignas(64) float distance[4][kLanes];
    alignas(64) int32_t row[4][kLanes];
    for (int r = 0; r < kLanes; r += kWidth) {
      const auto distances_at = [&](int i) __attribute__((always_inline)) { return found.distance[r + i] + first; };
      const auto rows_at = [&](int i) __attribute__((always_inline)) {
        return reinterpret_cast<const float*>(found.row[r + i] + first);
      };
      Floats v[4];
      load_transposed(distances_at, v[0], v[1], v[2], v[3]);
      for (int q = 0; q < 4; ++q) store(distance[q] + r, v[q]);
      load_transposed(rows_at, v[0], v[1], v[2], v[3]);
      for (int q = 0; q < 4; ++q) store(row[q] + r, bits(v[q]));
    }
    for (int q = 0; q < 4; ++q) {
      if (first + q < begin || first + q >= end) continue;
      alignas(64) int64_t index[kLanes];
      for (int i = 0; i < kLanes; ++i)
        index[i] = row[q][i] == -1 ? int64_t{-1} : first_row + static_cast<uint32_t>(row[q][i]);
      const int64_t at = group.row[first + q] * k;
      if (whole_lines) {
        store_directly(indices + at, index);
        store_directly(indices + at + 8, index + 8);
        store_directly(distances + at, distance[q]);
      } else {
        for (int64_t i = 0; i < k; ++i) indices[at + i] = index[i], distances[at + i] = distance[q][i];
      }
    }
  }
}

void end_writing() { end_direct_stores(); }

}  // namespace geopt::GEOPT_LEVEL
