// One group of queries: see nearest16.h. Where vectors run over queries, lane q is query q.
#include "common/leaf_list.h"
#include "common/nearest16.h"
#include "common/nearest_one.h"
#include "common/sorting_network.h"
#include "common/vec.h"

namespace geopt::GEOPT_LEVEL {
namespace {

constexpr int kWindow = 4;     // leaves beside the queries along the curve that give a first bound
constexpr int kManyKeys = 64;  // more than a good bound leaves

// A key is the distance of a point, less its last bits, and in their place which of the listed points it is: floats
// >= 0 order like their bits, so keys order like distances, up to those that differ in the lost bits alone.
constexpr int32_t kWhich = kMaxListed * kLeafSize - 1;
constexpr int32_t kNoKey = 0x7fffffff;

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
      sort16(d);
      merge16(best, d, all(kInfinity));
    }
    store(bounds + c, least(best[k - 1], all(reach)));
  }
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

// Drops keys that are not among the 16 least, to the bits they have: each of 16 lanes has a key that is no more than
// the greatest of the lanes' least ones. Returns how many stay.
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
  if (k == 1) return find_nearest_one(tree, group, begin, leaf, reach, out);
  alignas(64) float bounds[kLanes];
  bound_queries(tree, group, leaf, k, reach, bounds);
  int bounded = begin;
  while (bounded < group.count && bounds[bounded] < kInfinity) ++bounded;
  int done = begin, num_listed = 0;
  while (done < bounded) {
    int end = bounded;
    int list_end = list_leaves(tree, range_of(group, bounds, done, end), num_listed, space);
    while (list_end < 0 && end > done + 1) {
      end = done + (end - done) / 2;
      list_end = list_leaves(tree, range_of(group, bounds, done, end), num_listed, space);
    }
    if (list_end < 0) break;
    for (int j = num_listed; j < list_end; ++j) copy_points(tree.leaves[space.leaf[j]], space.point + j * kLeafSize);
    for (int q = done; q < end; ++q) collect(tree, group, q, bounds[q], num_listed, list_end, space);
    num_listed = list_end, done = end;
  }
  if (done == begin) return done;
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
